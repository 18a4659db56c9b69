"""Pools that an application has made already: their limits, and how these are changed in use.

Private names used here, as in psycopg2 2.9.13:
    AbstractConnectionPool: _args _connect _kwargs _pool
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec
from psycopg2 import pool as psycopg2_pool
from psycopg2.extensions import connection

from poolviz.model.errors import ParameterError
from poolviz.model.parameters import Parameter, Parameters, Value
from poolviz.pools.connections.asyncpg import asyncpg_arguments
from poolviz.pools.custom.constructor import PoolConstructor, declared_in_place
from poolviz.pools.custom.library_pools import library_objects, sqlalchemys_engine
from poolviz.pools.custom.limits import Bounds, limit_of_value
from poolviz.pools.custom.server_arguments import RunServer
from poolviz.pools.listing import built_in_listing

_BY_CLASS = (
    ("psycopg2.pool", "AbstractConnectionPool", "psycopg2.ThreadedConnectionPool"),
    ("psycopg_pool.pool", "ConnectionPool", "psycopg_pool.ConnectionPool"),
    ("psycopg_pool.pool_async", "AsyncConnectionPool", "psycopg_pool.AsyncConnectionPool"),
)


def constructor_of_object(found: Any, id: str) -> PoolConstructor:
    """Return a constructor whose pool is `found`, with the limits that can be changed in it."""
    like, values = _known_limits(found)
    declared = built_in_listing(like).load().limits if like else Parameters("limit")  # type: ignore[union-attr]
    limits = [
        msgspec.structs.replace(limit, default=values[key])
        for key, limit in declared.items()
        if key in values
    ]
    if not limits or not _hold(limits):
        like, limits = "", []
    if not like:
        own = {key: getattr(found, key, None) for key in declared_in_place(found)}
        made = (limit_of_value(found, key, value) for key, value in own.items())
        limits = [limit for limit in made if limit is not None]
    return PoolConstructor(
        call=lambda: found,
        limits=Parameters(f"limit of {id}", *limits),
        in_place=frozenset(limit.key for limit in limits),
        bounds=Bounds(None, None),
        signature=inspect.Signature(),
        takes_server=False,
        like=like,
    )


def _hold(limits: list[Parameter]) -> bool:
    """Return whether every limit can hold the value that it has."""
    try:
        for limit in limits:
            limit.check(limit.default)
        Parameters("limit", *limits).complete({})
    except ParameterError:
        return False
    return True


def _known_limits(found: Any) -> tuple[str, dict[str, Value]]:
    """Return the pool of poolviz that has the limits of an object, and their values now."""
    if engine := sqlalchemys_engine(found):
        from poolviz.pools.sqlalchemy import application  # noqa: PLC0415 - slow to import

        return "sqlalchemy.QueuePool", application.queue_limits_of(engine.pool) or {}
    for module, name, like in _BY_CLASS:
        cls = getattr(sys.modules.get(module), name, None)
        if cls is None or not isinstance(found, cls):
            continue
        keys = built_in_listing(like).load().limits  # type: ignore[union-attr]
        values = {key: getattr(found, key) for key in keys if hasattr(found, key)}
        return like, {key: v for key, v in values.items() if isinstance(v, (int, float))}
    return "", {}


def apply_limits(pool: Any, limits: Mapping[str, Value], changed: set[str]) -> Any:
    """Change limits in a pool that an application has made. Return what is to be awaited, if it is
    one for tasks."""
    if engine := sqlalchemys_engine(pool):
        if engine.dialect.is_async:
            from sqlalchemy.util import greenlet_spawn  # noqa: PLC0415 - slow to import

            return greenlet_spawn(engine.pool.apply_limits, limits)
        return engine.pool.apply_limits(limits)
    sizes = {"min_size", "max_size"}
    sized = callable(getattr(pool, "resize", None)) and sizes <= limits.keys()
    for key in changed - sizes if sized else changed:
        setattr(pool, key, limits[key])
    if sized and changed & sizes:
        return pool.resize(int(limits["min_size"]), int(limits["max_size"]))
    return None


def prepare(
    pool: Any,
    server: RunServer,
    factory: type[connection],
    limits: Mapping[str, Value],
    *,
    to_run: bool,
) -> bool:
    """Prepare a pool that connects by itself for a run: with limits that can be changed, if it is
    of a kind for that, and `to_run` if it shall connect to the run's server.

    Return whether everything in it that connects does so to the run's server, if that was asked
    for.
    """
    found = library_objects(pool)
    done = [_to_run(each, server, factory) for each in found] if to_run else []
    for engine in filter(None, map(sqlalchemys_engine, found)):
        from poolviz.pools.sqlalchemy import application  # noqa: PLC0415 - slow to import

        application.name_connections(engine, server.name)
        if limits and sqlalchemys_engine(pool) is engine:
            application.make_resizable(engine, limits)
    return not to_run or (bool(done) and all(done))


def _to_run(found: Any, server: RunServer, factory: type[connection]) -> bool:
    """Have a library's pool, or an engine, connect to the run's server; return whether it does."""
    if engine := sqlalchemys_engine(found):
        from poolviz.pools.sqlalchemy import application  # noqa: PLC0415 - slow to import

        application.redirect(engine, server.conninfo, server.url)
        if not engine.dialect.is_async:
            engine.dispose()
        return True
    if isinstance(found, psycopg2_pool.AbstractConnectionPool):
        idle: list[Any] = found._pool  # type: ignore[attr-defined]
        while idle:
            idle.pop().close()
        found._args = (server.conninfo,)  # type: ignore[attr-defined]
        found._kwargs = {"connection_factory": factory}  # type: ignore[attr-defined]
        for _ in range(found.minconn):
            found._connect()  # type: ignore[attr-defined]
        return True
    if hasattr(found, "conninfo") and hasattr(found, "connection_class"):
        found.conninfo = server.conninfo
        if inspect.iscoroutinefunction(found.open):
            return True  # it is opened anew, on its loop
        with suppress(AttributeError):  # of a psycopg_pool that can't
            found.drain()
        return True
    if hasattr(found, "set_connect_args"):
        found.set_connect_args(**asyncpg_arguments(server.conninfo))
        return True
    return False


def own_address(pool: Any) -> tuple[tuple[str, str, str], str] | None:
    """Return the host, the port and the database that SQLAlchemy's engine in a pool connects to,
    and its URL without the password; None if that isn't known."""
    for engine in filter(None, map(sqlalchemys_engine, library_objects(pool))):
        url = engine.url
        query = {key: value for key, value in url.query.items() if isinstance(value, str)}
        host, port = url.host or query.get("host", ""), url.port or query.get("port", "5432")
        shown = url._replace(password=None).render_as_string()
        return (host, str(port), url.database or ""), shown
    return None
