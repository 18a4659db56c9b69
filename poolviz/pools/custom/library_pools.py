"""The libraries' pools that a user's pool is, or holds in its attributes.

In them every connection is counted from its making, and their own counts are the user's pool's.
Nothing is replaced but an attribute of that one pool.

Private names used here, as in psycopg2 2.9.13:
    AbstractConnectionPool: _kwargs _pool _used
Private names used here, as in asyncpg 0.32.0:
    Pool: _connect _initialized _loop
Private names used here, as in psycopg-pool 3.3.3:
    ConnectionPool: _waiting
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import types
from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import Any

from psycopg2 import pool as psycopg2_pool
from psycopg2.extensions import connection

from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, PoolStopped
from poolviz.pools.connections.connect_faults import (
    refused_by_system,
    wait_to_connect,
    wait_to_connect_async,
)
from poolviz.pools.psycopg2.resizable import ResizablePsycopg2Pool, idle_and_used

_LIBRARIES = {
    *("psycopg2", "psycopg", "psycopg_pool", "asyncpg", "aiopg", "aiomysql", "sqlalchemy"),
    *("dbutils", "queue", "asyncio", "threading", "builtins", "collections"),
}
_METHODS = (types.FunctionType, classmethod, staticmethod, property)
_DEPTH = 2  # attributes of attributes
_MOST = 10_000  # elements of a list that are looked at
_PLAIN = (str, bytes, int, float, type(None), type, type(sys))

Opened = Callable[[Any, float], object]  # gets a connection, and when connecting it began


def attributes(owner: Any) -> list[Any]:
    """Return the values of an object's own attributes, and of those of its class that are no
    methods, such as a pool that a class keeps for all its instances."""
    try:
        found = dict(vars(owner))
    except TypeError:  # it has __slots__
        names = [name for cls in type(owner).__mro__ for name in vars(cls).get("__slots__", ())]
        found = {name: getattr(owner, name, None) for name in names if isinstance(name, str)}
    if inspect.ismodule(owner) or isinstance(owner, type):
        found = {key: value for key, value in found.items() if not key.startswith("__")}
    for cls in type(owner).__mro__[:-1]:
        if cls.__module__.partition(".")[0] in _LIBRARIES:
            break
        for key, value in vars(cls).items():
            if not key.startswith("__") and hasattr(type(value), "__dict__") and key not in found:
                found[key] = value
    return [each for each in found.values() if not isinstance(each, _METHODS)]


def library_objects(pool: Any, depth: int = _DEPTH) -> list[Any]:
    """Return the libraries' pools and the engines that `pool` is, or holds in its attributes."""
    if isinstance(pool, _known()):
        return [pool]
    if engine := sqlalchemys_engine(pool):
        return [engine]
    if depth == 0 or (isinstance(pool, _PLAIN) and depth != _DEPTH and not _is_users_class(pool)):
        return []
    found = [each for value in attributes(pool) for each in library_objects(value, depth - 1)]
    return list({id(each): each for each in found}.values())


def _is_users_class(value: Any) -> bool:
    """Return whether that is a class of an application's, which may keep a pool for its objects."""
    return isinstance(value, type) and value.__module__.partition(".")[0] not in (
        _LIBRARIES | sys.stdlib_module_names
    )


def library_pools(pool: Any) -> list[Any]:
    """Return the libraries' pools that `pool` is, or holds in its attributes."""
    found = library_objects(pool)
    engines = {id(each): sqlalchemys_engine(each) for each in found}
    pools = [each if engines[id(each)] is None else engines[id(each)].pool for each in found]
    return list({id(each): each for each in pools}.values())


def _known() -> tuple[type[Any], ...]:
    """Return the classes of pools of the libraries that are loaded."""
    names = (
        *(("psycopg_pool.base", "BasePool"), ("asyncpg.pool", "Pool")),
        *(("aiopg.pool", "Pool"), ("aiomysql.pool", "Pool"), ("sqlalchemy.pool", "Pool")),
    )
    modules = [(sys.modules.get(module), name) for module, name in names]
    loaded = [getattr(module, name) for module, name in modules if module is not None]
    return (psycopg2_pool.AbstractConnectionPool, *loaded)


def sqlalchemys_engine(target: Any) -> Any:
    """Return the engine of SQLAlchemy's that an object is or is bound to; None if there is none."""
    if "sqlalchemy" not in sys.modules or not type(target).__module__.startswith("sqlalchemy."):
        return None
    from poolviz.pools.sqlalchemy import application  # noqa: PLC0415 - slow to import

    return application.engine_of(target)


def count_connections(
    pool: Any, counter: ConnectionCounter, factory: type[connection], opened: Opened
) -> None:
    """Have a library's pool count what it connects from now on.

    psycopg2's connections are of the class `factory`, which counts; of others `opened` is told.
    """
    if isinstance(pool, ResizablePsycopg2Pool):
        return  # made with that class
    if isinstance(pool, psycopg2_pool.AbstractConnectionPool):
        pool._kwargs.setdefault("connection_factory", factory)  # type: ignore[attr-defined]
    elif hasattr(pool, "_invoke_creator"):
        from poolviz.pools.sqlalchemy import application  # noqa: PLC0415 - slow to import

        application.count_connections(pool, counter, opened)
    elif hasattr(pool, "connection_class") and hasattr(pool, "conninfo"):
        pool.connection_class = _counted_psycopg(pool.connection_class, counter, opened)
    elif "asyncpg.pool" in {base.__module__ for base in type(pool).__mro__}:
        pool._connect = _counted_asyncpg(pool._connect, counter, opened)


def give_loop(pool: Any) -> None:
    """Have asyncpg's pools in a pool, which were made where no loop ran, use the one that runs."""
    for each in library_pools(pool):
        of_asyncpg = "asyncpg.pool" in {base.__module__ for base in type(each).__mro__}
        if of_asyncpg and not each._initialized:
            each._loop = asyncio.get_running_loop()


def _counted_psycopg(base: type[Any], counter: ConnectionCounter, opened: Opened) -> type[Any]:
    from psycopg import OperationalError  # noqa: PLC0415 - the pool's library has imported it

    class Counted(base):  # type: ignore[misc]
        """A psycopg connection that is counted once it is connected."""

        @classmethod
        def connect(cls, *args: Any, **kwargs: Any) -> Any:
            began = wait_to_connect(counter, OperationalError)
            made = super().connect(*args, **kwargs)
            opened(made, began)
            return made

    class CountedAsync(base):  # type: ignore[misc]
        """The same, of psycopg's asynchronous connections."""

        @classmethod
        async def connect(cls, *args: Any, **kwargs: Any) -> Any:
            began = await wait_to_connect_async(counter, OperationalError)
            made = await super().connect(*args, **kwargs)
            opened(made, began)
            return made

    counted: type[Any] = CountedAsync if inspect.iscoroutinefunction(base.connect) else Counted
    counted.__name__ = counted.__qualname__ = base.__name__
    return counted


def _counted_asyncpg(
    connect: Callable[..., Any], counter: ConnectionCounter, opened: Opened
) -> Callable[..., Any]:
    async def counted(*args: Any, **kwargs: Any) -> Any:
        began = await wait_to_connect_async(counter, refused_by_system)
        made = await connect(*args, **kwargs)
        opened(made, began)
        return made

    return counted


def send_waiting_away(pool: Any) -> None:
    """End the waits of threads for a connection of a library's pool, as far as it lets them."""
    if hasattr(pool, "stop") and hasattr(pool, "apply_limits"):
        pool.stop()  # SQLAlchemy's, made resizable
    elif type(pool).__module__.startswith("psycopg_pool") or hasattr(pool, "get_stats"):
        for client in list(pool._waiting):
            client.fail(PoolStopped())


def connections_within(pool: Any, depth: int = _DEPTH) -> Iterator[Any]:
    """Yield the connections that a pool holds in its attributes, and in lists and queues there."""
    for value in attributes(pool):
        elements: Collection[Any] = _elements(value)
        for each in list(elements)[:_MOST] if elements else (value,):
            if is_connection(each):
                yield each
            elif depth > 0 and hasattr(each, "__dict__") and not isinstance(each, _PLAIN):
                yield from connections_within(each, depth - 1)


def _elements(value: Any) -> Collection[Any]:
    """Return what a list or a queue holds; nothing for any other object."""
    for name in ("queue", "_queue"):  # of queue.Queue and asyncio.Queue
        inner = getattr(value, "__dict__", {}).get(name)
        if isinstance(inner, (deque, list)):
            return tuple(inner)
    if isinstance(value, dict):
        return tuple(value.values())
    return tuple(value) if isinstance(value, (list, tuple, set, deque)) else ()


def is_connection(value: Any) -> bool:
    """Return whether that is a driver's connection, or a proxy of one."""
    if isinstance(value, _PLAIN):
        return False
    # Pools and wrappers have some of these methods, too.
    of_asyncpg = ("fetch", "close", "execute", "is_closed")
    names = ("cursor", "close") if hasattr(type(value), "commit") else of_asyncpg
    return all(callable(getattr(type(value), name, None)) for name in names)


def counts_of(pools: Collection[Any]) -> ReportedCounts:
    """Return the sum of the counts of libraries' pools, as far as all of them have one."""
    counts = [_counts_of(pool) for pool in pools]
    return ReportedCounts(
        open=_sum([each.open for each in counts]),
        used=_sum([each.used for each in counts]),
        pending=_sum([each.pending for each in counts]),
    )


def _counts_of(pool: Any) -> ReportedCounts:
    if isinstance(pool, psycopg2_pool.AbstractConnectionPool):
        idle, used = idle_and_used(pool)
        return ReportedCounts(open=idle + used, used=used)
    if hasattr(pool, "reported_counts"):  # one of poolviz' own
        counts: ReportedCounts = pool.reported_counts()
        return counts
    if hasattr(pool, "checkedout") and hasattr(pool, "checkedin"):
        used = pool.checkedout()
        return ReportedCounts(open=used + pool.checkedin(), used=used)
    if hasattr(pool, "get_stats"):
        stats = pool.get_stats()
        open_, idle = int(stats.get("pool_size", 0)), int(stats.get("pool_available", 0))
        return ReportedCounts(open_, open_ - idle, int(stats.get("requests_waiting", 0)))
    if hasattr(pool, "get_idle_size"):
        return ReportedCounts(open=pool.get_size(), used=pool.get_size() - pool.get_idle_size())
    if hasattr(pool, "freesize"):
        return ReportedCounts(open=pool.size, used=pool.size - pool.freesize)
    return ReportedCounts()


def _sum(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None
