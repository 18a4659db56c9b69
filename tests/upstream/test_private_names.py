"""Every private name that poolviz uses of another library is there, and is listed."""

from __future__ import annotations

import asyncio
import inspect
import platform
import re
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import aiomysql
import aiomysql.connection
import aiomysql.pool
import aiopg
import aiopg.connection
import aiopg.pool
import asyncpg.pool
import psycopg2
import psycopg2.pool
import psycopg_pool
import psycopg_pool.base
import psycopg_pool.null_pool
import psycopg_pool.pool
import psycopg_pool.pool_async
import pymysql.connections
import pytest
import sqlalchemy.pool
import sqlalchemy.pool.base
import sqlalchemy.pool.impl
import sqlalchemy.util.queue
from dbutils import pooled_db, steady_db

from poolviz.pools.connections.asyncpg import asyncpg_arguments
from tests.upstream.private_names import POOLS, PrivateName, private_names, used_in

Members = Iterator[tuple[str, object]]  # names of classes and what has their members
ALL = list(dict.fromkeys(private_names()))


def of_python(_: str) -> Members:
    yield "threading.Condition", threading.Condition()
    yield "threading.Semaphore", threading.Semaphore()
    yield "asyncio.Condition", asyncio.Condition()
    yield "asyncio.Lock", asyncio.Lock()
    yield "asyncio.Queue", asyncio.Queue()


def of_psycopg2(conninfo: str) -> Members:
    pool = psycopg2.pool.ThreadedConnectionPool(0, 1, conninfo)
    yield "AbstractConnectionPool", pool
    yield "ThreadedConnectionPool", pool


def of_pymysql(_: str) -> Members:
    yield "Connection", pymysql.connections.Connection(defer_connect=True)


def of_dbutils(conninfo: str) -> Members:
    yield "PooledDB", pooled_db.PooledDB(psycopg2, maxconnections=1, dsn=conninfo)
    with closing(steady_db.connect(psycopg2, dsn=conninfo)) as connection:
        yield "SteadyDBConnection", connection


def of_psycopg_pool(conninfo: str) -> Members:
    with psycopg_pool.ConnectionPool(conninfo, min_size=1, open=True) as pool:
        pool.wait()
        yield "BasePool", pool
        yield "ConnectionPool", pool
        with pool.connection() as connection:
            yield "Connection", connection
    yield "ShrinkPool", psycopg_pool.pool.ShrinkPool
    yield "AsyncConnectionPool", psycopg_pool.AsyncConnectionPool(conninfo, open=False)


def of_sqlalchemy(_: str) -> Members:
    def connect() -> Any:
        return sqlite3.connect(":memory:", check_same_thread=False)

    for name in ("QueuePool", "SingletonThreadPool", "AssertionPool"):
        yield name, getattr(sqlalchemy.pool, name)(connect)
    yield "AsyncAdaptedQueue", sqlalchemy.util.queue.AsyncAdaptedQueue
    pool = sqlalchemy.pool.QueuePool(connect)
    yield "Pool", pool
    with closing(pool.connect()) as proxy:
        yield "PoolProxiedConnection", proxy
    pool.dispose()


async def of_asyncpg(conninfo: str) -> AsyncIterator[tuple[str, object]]:
    yield "asyncpg.pool", asyncpg.pool
    async with asyncpg.create_pool(**asyncpg_arguments(conninfo), min_size=0) as pool:
        yield "Pool", pool
        yield "_PoolConnectionHolderQueue", pool._queue
        yield "PoolConnectionHolder", pool._holders[0]
        connection = await pool.acquire()
        yield "PoolConnectionProxy", connection
        yield "Connection", connection._con
        await pool.release(connection)


async def of_aiopg(conninfo: str) -> AsyncIterator[tuple[str, object]]:
    async with aiopg.create_pool(conninfo, minsize=0) as pool:
        yield "Pool", pool
        async with pool.acquire() as connection:
            yield "Connection", connection


async def of_aiomysql(_: str) -> AsyncIterator[tuple[str, object]]:
    async with aiomysql.create_pool(minsize=0) as pool:
        yield "Pool", pool
    yield "Connection", aiomysql.connection.Connection()


THREADS = {
    "Python": of_python,
    "psycopg2": of_psycopg2,
    "PyMySQL": of_pymysql,
    "DBUtils": of_dbutils,
    "psycopg-pool": of_psycopg_pool,
    "SQLAlchemy": of_sqlalchemy,
}
TASKS = {"asyncpg": of_asyncpg, "aiopg": of_aiopg, "aiomysql": of_aiomysql}


@cache
def members_of(library: str, conninfo: str) -> dict[str, set[str]]:
    """The names of all members of a library's classes and instances, by class."""

    async def of_tasks() -> dict[str, set[str]]:
        return {owner: set(dir(found)) async for owner, found in TASKS[library](conninfo)}

    if library in TASKS:
        return asyncio.run(of_tasks())
    return {owner: set(dir(found)) for owner, found in THREADS[library](conninfo)}


def installed(library: str) -> str:
    if library == "Python":
        return platform.python_version()
    return metadata.version({"psycopg2": "psycopg2-binary"}.get(library, library))


@pytest.mark.parametrize("private", ALL, ids=str)
def test_a_private_name_that_poolviz_uses_exists(private: PrivateName, conninfo: str) -> None:
    library = private.library.partition(" ")[0]
    assert private.name in members_of(library, conninfo)[private.owner], (
        f"{library} {installed(library)} has no {private.owner}.{private.name}: see the docstring "
        f"of poolviz/pools/{private.listed_in}"
    )


# Where poolviz uses which modules of a library.
PLACES: dict[str, tuple[Any, ...]] = {
    "asyncio/aiomysql.py": (aiomysql.pool, aiomysql.connection),
    "asyncio/aiopg.py": (aiopg.pool, aiopg.connection),
    "asyncio/asyncpg.py": (asyncpg.pool,),
    "asyncio/condition_pool.py": (aiopg.pool, aiomysql.pool),
    "connections/mysql.py": (pymysql.connections,),
    "connections/postgres.py": (psycopg2.pool,),
    "custom/pool.py": (psycopg2.pool,),
    "custom/constructor.py": (psycopg2.pool,),
    "dbutils.py": (pooled_db, steady_db),
    "psycopg": (
        *(psycopg_pool.base, psycopg_pool.pool, psycopg_pool.pool_async, psycopg_pool.null_pool),
    ),
    "psycopg2": (psycopg2.pool,),
    "sqlalchemy": (sqlalchemy.pool.base, sqlalchemy.pool.impl, sqlalchemy.util.queue),
}
# Attributes of our adapters, which aren't subclasses of a library's class.
OWN = {"_connect", "_lock", "_pool", "_timeout"}


@pytest.mark.parametrize("place", PLACES)
def test_the_lists_of_private_names_are_complete(place: str) -> None:
    path = POOLS / place
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    used = {name for file in files for name in used_in(file)}
    listed = {
        each.name
        for each in ALL
        if Path(each.listed_in) in (Path(place), Path(place) / "__init__.py")
    }
    upstream = "\n".join(inspect.getsource(module) for module in PLACES[place])
    unlisted = {name for name in used - listed - OWN if re.search(rf"\b{name}\b", upstream)}
    assert unlisted == set(), f"list them in the docstring of {place}, or rename our own"
    assert listed - used == set(), f"no longer used: remove them from the docstring of {place}"
