"""SQLAlchemy's AsyncAdaptedQueuePool, with limits that change while it is in use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection
from sqlalchemy import exc

from poolviz.model.parameters import Value
from poolviz.pools.registry import pool_class
from tests.pools.bench import LONG, RecordingCounter

Ours: Any = pool_class("sqlalchemy.AsyncAdaptedQueuePool")


@asynccontextmanager
async def ours(conninfo: str, **limits: Value) -> AsyncIterator[Any]:
    """Our pool, made and closed; `counter` counts."""
    pool = Ours(conninfo, RecordingCounter(), Ours.limits.complete(limits))
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close()
    assert pool.counter.open == pool.reported_counts().open == 0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


def change(pool: Any, **limits: Value) -> Any:
    return pool.resize(Ours.limits.complete(limits))


def kill(admin: connection, pid: int) -> None:
    with admin.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))


@pytest.mark.parametrize("raised", [{"max_overflow": 5}, {"pool_size": 6}, {"max_overflow": -1}])
def test_waiting_callers_are_served_when_the_limit_is_raised(
    conninfo: str, raised: dict[str, Value]
) -> None:
    async def exercise() -> None:
        limits: dict[str, Value] = {"pool_size": 1, "max_overflow": 0, "pool_timeout": LONG}
        async with ours(conninfo, **limits) as pool:
            held = [await pool.acquire()]
            waiters = [asyncio.create_task(pool.acquire()) for _ in range(5)]
            await until(lambda: pool.reported_counts().pending == 5)
            await change(pool, **{**limits, **raised})
            held += await asyncio.gather(*waiters)
            assert pool.counter.open == pool.reported_counts().used == 6
            for conn in held:
                await pool.execute(conn, "SELECT 1")
                await pool.release(conn)

    asyncio.run(exercise())


def test_a_lowered_limit_applies_to_each_released_connection(conninfo: str) -> None:
    async def exercise() -> None:
        async with ours(conninfo, pool_size=4, max_overflow=0, pool_timeout=0) as pool:
            held = [await pool.acquire() for _ in range(4)]
            await change(pool, pool_size=1, max_overflow=0, pool_timeout=0)
            assert pool._pool._pool._queue._maxsize == 1
            for left in (3, 2, 1):
                await pool.release(held.pop())
                assert pool.counter.open == left
                with pytest.raises(exc.TimeoutError):
                    await pool.acquire()
            await pool.release(held.pop())
            assert pool.counter.open == pool.reported_counts().open == 1
            await change(pool, pool_size=3, max_overflow=0, pool_timeout=0)
            assert pool._pool._pool._queue._maxsize == 3
            held = [await pool.acquire() for _ in range(3)]
            for conn in held:
                await pool.release(conn)
            assert pool.counter.open == 3

    asyncio.run(exercise())


def test_the_order_can_be_switched(conninfo: str) -> None:
    async def exercise() -> None:
        async with ours(conninfo, pool_size=3) as pool:
            held = [await pool.acquire() for _ in range(3)]
            raws = [conn.driver_connection for conn in held]
            for conn in held:
                await pool.release(conn)
            for lifo, expected in ((False, 0), (True, 0), (False, 1), (True, 1)):
                await change(pool, pool_size=3, pool_use_lifo=lifo)
                conn = await pool.acquire()
                assert conn.driver_connection is raws[expected]
                await pool.release(conn)

    asyncio.run(exercise())


def test_a_waiter_cancelled_when_it_is_woken_wakes_the_next(conninfo: str) -> None:
    async def exercise() -> None:
        async with ours(conninfo, pool_size=1, max_overflow=0, pool_timeout=LONG) as pool:
            held = await pool.acquire()
            first, second = (asyncio.create_task(pool.acquire()) for _ in range(2))
            await until(lambda: pool.reported_counts().pending == 2)
            await pool.release(held)  # wakes the first, which doesn't run before it is cancelled
            first.cancel()
            held = await asyncio.wait_for(second, 30)
            assert first.cancelled()
            await pool.release(held)

    asyncio.run(exercise())


def test_many_cancelled_waiters_lose_no_connection(conninfo: str) -> None:
    async def exercise() -> None:
        async with ours(conninfo, pool_size=2, max_overflow=0, pool_timeout=LONG) as pool:
            held = [await pool.acquire() for _ in range(2)]
            waiters = [asyncio.create_task(pool.acquire()) for _ in range(500)]
            await until(lambda: pool.reported_counts().pending == 500)
            for waiter in waiters[::2]:
                waiter.cancel()
            for conn in held:
                await pool.release(conn)
            for waiter in waiters[1::2]:
                await pool.release(await waiter)
            assert pool.reported_counts().pending == 0
            assert pool.counter.open == 2

    asyncio.run(exercise())


def test_a_lost_connection_is_not_lent_again(conninfo: str, admin: connection) -> None:
    async def exercise() -> None:
        async with ours(conninfo, pool_size=1, max_overflow=0) as pool:
            for _ in range(2):
                conn = await pool.acquire()
                raw = conn.driver_connection
                kill(admin, raw.get_server_pid())
                await until(raw.is_closed)
                assert pool.counter.open == 1  # its client still holds it
                await pool.release(conn)
                assert pool.counter.open == 0

    asyncio.run(exercise())


def test_a_statement_runs_in_a_transaction_that_release_ends(
    conninfo: str, admin: connection
) -> None:
    async def exercise() -> None:
        async with ours(conninfo, pool_size=1) as pool:
            conn = await pool.acquire()
            await pool.execute(conn, "CREATE TEMP TABLE gone (n int)")
            assert conn.driver_connection.is_in_transaction()
            await pool.release(conn)
            conn = await pool.acquire()
            with pytest.raises(Exception, match="gone"):
                await pool.execute(conn, "SELECT * FROM gone")
            await pool.release(conn)

    asyncio.run(exercise())


def test_a_refused_connection_doesnt_mean_an_exhausted_pool(conninfo: str) -> None:
    async def exercise() -> None:
        elsewhere = psycopg2.extensions.make_dsn(conninfo, dbname="no_such_database")
        async with ours(elsewhere) as pool:
            with pytest.raises(Exception, match="no_such_database") as raised:
                await pool.acquire()
            assert not isinstance(raised.value, Ours.exhausted)
            assert pool.counter.came == pool.reported_counts().open == 0

    asyncio.run(exercise())
