"""Bare loops: operations as the libraries' manuals write them, on poolviz's pools."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, process_time
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from poolviz.model.parameters import Value
from poolviz.model.use import use_of
from poolviz.pools.base import Pool, TaskPool, ThreadPool
from poolviz.pools.registry import pool_class

STATEMENT = "SELECT 1"
CLIENTS = 8
# A connection for each client, whatever a library calls the limits that say so.
SIZES = {
    **dict.fromkeys(("minconn", "maxconn", "pool_size", "min_size", "max_size"), CLIENTS),
    **dict.fromkeys(("minsize", "maxsize", "mincached", "maxcached", "maxconnections"), CLIENTS),
    "max_overflow": 0,
}
WARM_UP = 0.1  # seconds of each slice that aren't counted


class Subject(NamedTuple):
    """What is measured: a pool's id, and the name of one of its uses."""

    pool: str
    use: str


class Speed(NamedTuple):
    """Operations a second, those of a core of its own by processor time, and for which share of a
    second poolviz's own threads used the core."""

    per_s: float
    per_core_s: float
    own: float = 0.0


class _NoCounter:
    def check(self, since: float) -> float:  # noqa: ARG002
        return 0.0

    def opened(self, seconds: float) -> None:
        """Nothing is counted."""

    def closed(self) -> None:
        """Nothing is counted."""


def limits_of(kind: type[Pool]) -> dict[str, Value]:
    return kind.limits.complete({key: SIZES[key] for key in kind.limits if key in SIZES})


def clients_of(kind: type[Pool]) -> int:
    return 1 if kind.one_client else CLIENTS


def bare(what: Subject, conninfo: str, seconds: float) -> Speed:
    """Return the speed of a loop that does nothing else."""
    kind = pool_class(what.pool)
    if issubclass(kind, TaskPool):
        return asyncio.run(bare_tasks(kind, conninfo, what.use, seconds))
    assert issubclass(kind, ThreadPool)
    pool = kind(conninfo, _NoCounter(), limits_of(kind))
    operation = thread_operation(pool, what.use)
    clients = clients_of(kind)
    try:
        # The same threads for both: SingletonThreadPool has a connection for each.
        with ThreadPoolExecutor(clients) as threads:
            bare_threads(threads, operation, clients, WARM_UP)
            return bare_threads(threads, operation, clients, seconds)
    finally:
        pool.close()


def bare_threads(
    threads: ThreadPoolExecutor, operation: Callable[[], None], clients: int, seconds: float
) -> Speed:
    done = threading.Event()

    def operate() -> int:
        count = 0
        try:
            while not done.is_set():
                operation()
                count += 1
        finally:
            done.set()  # an error ends all of them
        return count

    began, used = perf_counter(), process_time()
    counts = [threads.submit(operate) for _ in range(clients)]
    done.wait(seconds)
    done.set()
    count = sum(count.result() for count in counts)
    taken, used = perf_counter() - began, process_time() - used
    return Speed(count / taken, count / used)


def thread_operation(pool: Any, use: str) -> Callable[[], None]:
    """Return one operation as the library's manual writes it."""
    commits = use_of({"use": use}, pool.uses).ends == "commit"

    def connection_of_engine() -> None:
        with pool.engine.connect() as connection:
            connection.exec_driver_sql(STATEMENT).all()

    def session() -> None:
        with Session(pool.engine) as opened:
            opened.execute(text(STATEMENT)).all()

    def raw_connection() -> None:
        connection = pool.engine.raw_connection()
        fetched(connection)
        connection.close()

    def connection_of_psycopg() -> None:
        with pool._pool.connection() as connection:
            fetched(connection)

    def getconn() -> None:
        connection = pool._pool.getconn()
        fetched(connection)
        if commits:
            connection.commit()
        pool._pool.putconn(connection)

    def pool_connection() -> None:
        connection = pool.engine.pool.connect()
        fetched(connection)
        connection.close()

    def dbutils_connection() -> None:
        connection = pool._pool.connection()
        fetched(connection)
        connection.close()

    if pool.library == "SQLAlchemy":
        engine = {"connection": connection_of_engine, "session": session}
        return {**engine, "raw_connection": raw_connection}.get(use, pool_connection)
    if pool.library == "DBUtils":
        return dbutils_connection
    return connection_of_psycopg if use == "connection" else getconn


def fetched(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(STATEMENT)
    cursor.fetchall()
    cursor.close()


async def bare_tasks(kind: type[TaskPool], conninfo: str, use: str, seconds: float) -> Speed:
    pool = kind(conninfo, _NoCounter(), limits_of(kind))
    await pool.open()
    operation = task_operation(pool, use)

    async def operate(until: float) -> int:
        count = 0
        while perf_counter() < until:
            await operation()
            count += 1
        return count

    async def speed(seconds: float) -> Speed:
        began, used = perf_counter(), process_time()
        clients = (operate(began + seconds) for _ in range(clients_of(kind)))
        count = sum(await asyncio.gather(*clients))
        return Speed(count / (perf_counter() - began), count / (process_time() - used))

    try:
        await speed(WARM_UP)
        return await speed(seconds)
    finally:
        await pool.close()


def task_operation(pool: Any, use: str) -> Callable[[], Awaitable[None]]:
    """Return one operation as the library's manual writes it."""

    async def connection_of_engine() -> None:
        async with pool.engine.connect() as connection:
            (await connection.exec_driver_sql(STATEMENT)).all()

    async def session() -> None:
        async with AsyncSession(pool.engine) as opened:
            (await opened.execute(text(STATEMENT))).all()

    async def connection_of_psycopg() -> None:
        async with pool._pool.connection() as connection:
            cursor = connection.cursor()
            await cursor.execute(STATEMENT)
            await cursor.fetchall()
            await cursor.close()

    async def acquire_and_release() -> None:
        connection = await pool.acquire()
        await pool.execute(connection, STATEMENT)
        await pool.release(connection)

    if pool.library == "SQLAlchemy":
        engine = {"connection": connection_of_engine, "session": session}
        return engine.get(use, acquire_and_release)
    if pool.library == "psycopg-pool" and use == "connection":
        return connection_of_psycopg
    return acquire_and_release
