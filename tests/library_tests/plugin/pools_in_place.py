"""A plugin for the pytest that runs a library's tests: puts our pools in the place of its own.

In a folder of its own, which alone is put on that pytest's path, because a library may have a
package called `tests` too. The environment says what to do:

    POOLVIZ_LIBRARY   whose pools to replace; unset to leave them
    POOLVIZ_OUTCOMES  the JSON file to write: the name of each test → ["passed", ""] or why it isn't
    POOLVIZ_ONLY      a JSON file with the names of the tests to run; all if unset
    POOLVIZ_AIOPG_DSN the server for aiopg's tests
"""

from __future__ import annotations

import json
import os
import signal
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Classes = dict[type, type]  # the library's → ours


class _AnyConnections:
    """Allows all connections, and counts none: there is no run whose they would be."""

    def check(self, since: float) -> float:
        return 0.0

    def opened(self, seconds: float) -> None:
        pass

    def closed(self) -> None:
        pass


def _sqlalchemy() -> Classes:
    from sqlalchemy import pool

    from poolviz.pools.sqlalchemy import async_queue_pool, resizable_queue_pool, simple_pools

    return {
        pool.QueuePool: resizable_queue_pool.ResizableQueuePool,
        pool.AsyncAdaptedQueuePool: async_queue_pool.ResizableAsyncQueuePool,
        pool.NullPool: simple_pools.ResizableNullPool,
        pool.StaticPool: simple_pools.ResizableStaticPool,
        pool.SingletonThreadPool: simple_pools.ResizableSingletonThreadPool,
        pool.AssertionPool: simple_pools.ResizableAssertionPool,
    }


def _asyncpg() -> Classes:
    from asyncpg import pool

    from poolviz.pools.asyncio.asyncpg import ResizableAsyncpgPool

    return {pool.Pool: ResizableAsyncpgPool}


def _aiomysql() -> Classes:
    from aiomysql import pool

    from poolviz.pools.asyncio.aiomysql import ResizableAiomysqlPool

    class Uncounted(ResizableAiomysqlPool):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, counter=_AnyConnections(), closing=set(), **kwargs)

    return {pool.Pool: Uncounted}


def _dbutils() -> Classes:
    from dbutils import pooled_db

    from poolviz.pools.dbutils import ResizablePooledDB

    return {pooled_db.PooledDB: ResizablePooledDB}


def _psycopg_pool() -> Classes:
    import psycopg_pool

    from poolviz.pools.psycopg import async_pool, resizable

    return {
        psycopg_pool.ConnectionPool: resizable.ResizableConnectionPool,
        psycopg_pool.NullConnectionPool: resizable.ResizableNullConnectionPool,
        psycopg_pool.AsyncConnectionPool: async_pool.ResizableAsyncConnectionPool,
    }


def _aiopg() -> Classes:
    from aiopg import pool

    from poolviz.pools.asyncio.aiopg import ResizableAiopgPool

    class Uncounted(ResizableAiopgPool):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, counter=_AnyConnections(), **kwargs)

    return {pool.Pool: Uncounted}


_CLASSES: dict[str, Callable[[], Classes]] = {
    "SQLAlchemy": _sqlalchemy,
    "asyncpg": _asyncpg,
    "aiomysql": _aiomysql,
    "DBUtils": _dbutils,
    "psycopg-pool": _psycopg_pool,
    "aiopg": _aiopg,
}


def _put_in_place(classes: Classes) -> None:
    """Replace the library's classes in all of its modules, under their own names."""
    package = next(iter(classes)).__module__.partition(".")[0]
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == package:
            for key, value in list(vars(module).items()):
                if isinstance(value, type) and value in classes:
                    setattr(module, key, classes[value])
    for theirs, ours in classes.items():
        ours.__name__, ours.__qualname__ = theirs.__name__, theirs.__qualname__
        ours.__module__ = theirs.__module__


if library := os.environ.get("POOLVIZ_LIBRARY"):
    _put_in_place(_CLASSES[library]())

if dsn := os.environ.get("POOLVIZ_AIOPG_DSN"):
    from psycopg2.extensions import parse_dsn

    # What aiopg's tests import and those of its pool don't call: the server is given, and aiopg.sa
    # is for a SQLAlchemy before 2.0.
    for _name in ("docker", "aiopg.sa"):
        sys.modules[_name] = types.ModuleType(_name)
    sys.modules["docker"].APIClient = None  # type: ignore[attr-defined]
    _given = parse_dsn(dsn)
    _GIVEN = {"docker": None, "pg_server": {"pg_params": _given, **_given}}

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(fixturedef: Any, request: Any) -> Any:
        """Give what would start a server by Docker the parameters of the one that is running."""
        if fixturedef.argname not in _GIVEN:
            return None
        value = _GIVEN[fixturedef.argname] or {}
        fixturedef.cached_result = (value, fixturedef.cache_key(request), None)
        return value


LIMIT = 60  # seconds for a test, its preparation or its end; the slowest takes 20


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: Any) -> Any:
    """Limit the time of a test's preparation."""
    with _limited():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: Any) -> Any:
    """Limit the time of a test."""
    with _limited():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: Any) -> Any:
    """Limit the time of a test's end."""
    with _limited():
        return (yield)


@contextmanager
def _limited() -> Iterator[None]:
    """Raise an error in the block, wherever it is, when its time is over."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"not over within {LIMIT} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


_outcomes: dict[str, tuple[str, str]] = {}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Keep the tests that are asked for."""
    if only := os.environ.get("POOLVIZ_ONLY"):
        wanted = set(json.loads(Path(only).read_text()))
        items[:] = [item for item in items if item.nodeid in wanted]


def pytest_runtest_logreport(report: Any) -> None:
    """Note the worst of a test's phases."""
    before, _ = _outcomes.get(report.nodeid, ("passed", ""))
    if report.failed and before != "failed":
        crash = getattr(report.longrepr, "reprcrash", None)
        said = crash.message if crash is not None else str(report.longrepr)
        _outcomes[report.nodeid] = ("failed", said)
    elif report.skipped and before == "passed":
        _outcomes[report.nodeid] = ("skipped", "")
    else:
        _outcomes.setdefault(report.nodeid, ("passed", ""))


def pytest_sessionfinish(session: Any) -> None:
    """Write the file."""
    Path(os.environ["POOLVIZ_OUTCOMES"]).write_text(json.dumps(_outcomes))
