"""What psycopg's own pools do, where poolviz departs from it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from psycopg_pool import (
    AsyncConnectionPool,
    ConnectionPool,
    NullConnectionPool,
    PoolTimeout,
)

from tests.pools.bench import LONG, Waiter, until


@contextmanager
def bare(conninfo: str, min_size: int, max_size: int) -> Iterator[ConnectionPool]:
    """The library's own pool, with its first connections."""
    with ConnectionPool(conninfo, min_size=min_size, max_size=max_size, open=False) as pool:
        pool.wait()
        yield pool


def with_bare_tasks(conninfo: str, what: Callable[[Any], Awaitable[None]], **sizes: Any) -> None:
    """Try something on the library's own pool for tasks."""

    async def run() -> None:
        async with AsyncConnectionPool(conninfo, open=False, **sizes) as pool:
            await pool.wait()
            await asyncio.wait_for(what(pool), LONG)

    asyncio.run(run())


def all_of(pool: ConnectionPool, number: int) -> list[Any]:
    return [pool.getconn() for _ in range(number)]


def put_back(pool: ConnectionPool, connections: list[Any]) -> None:
    for conn in connections:
        pool.putconn(conn)


def size(pool: Any) -> int:
    found: int = pool.get_stats()["pool_size"]
    return found


def test_raising_min_size_opens_more_than_max_size(conninfo: str) -> None:
    with bare(conninfo, 2, 10) as pool:
        put_back(pool, all_of(pool, 10))
        pool.resize(8, 10)
        assert size(pool) == 16
        until(lambda: pool.get_stats()["pool_available"] == 16, "all are open")


def test_raising_min_size_of_an_async_pool_opens_more_than_max_size(conninfo: str) -> None:
    async def raise_it(pool: Any) -> None:
        held = [await pool.getconn() for _ in range(5)]
        await pool.resize(5, 5)
        assert size(pool) == 8
        for conn in held:
            await pool.putconn(conn)

    with_bare_tasks(conninfo, raise_it, min_size=2, max_size=5)


def test_waiting_callers_dont_notice_a_raised_max_size(conninfo: str) -> None:
    with bare(conninfo, 1, 1) as pool:
        held = all_of(pool, 1)
        waiter = Waiter(pool.getconn)
        until(lambda: pool.get_stats()["requests_waiting"] == 1, "one waits")
        pool.resize(1, 5)
        assert size(pool) == 1  # no place was made for another, which is done at once or never
        put_back(pool, held)
        put_back(pool, [waiter.finish().connection])


def test_waiting_tasks_dont_notice_a_raised_max_size(conninfo: str) -> None:
    async def raise_it(pool: Any) -> None:
        held = await pool.getconn()
        waiter = asyncio.create_task(pool.getconn())
        while pool.get_stats()["requests_waiting"] == 0:
            await asyncio.sleep(0)
        await pool.resize(1, 5)
        assert size(pool) == 1
        await pool.putconn(held)
        await pool.putconn(await waiter)

    with_bare_tasks(conninfo, raise_it, min_size=1, max_size=1)


def test_waiting_callers_of_a_null_pool_dont_notice_a_raised_max_size(conninfo: str) -> None:
    with NullConnectionPool(conninfo, max_size=1, open=True) as pool:
        held = all_of(pool, 1)
        waiter = Waiter(pool.getconn)
        until(lambda: pool.get_stats()["requests_waiting"] == 1, "one waits")
        pool.resize(0, 5)
        assert size(pool) == 1
        put_back(pool, held)
        put_back(pool, [waiter.finish().connection])


def test_lowered_sizes_close_nothing(conninfo: str) -> None:
    with bare(conninfo, 2, 6) as pool:
        held = all_of(pool, 6)
        put_back(pool, held[:3])
        pool.resize(1, 2)
        put_back(pool, held[3:])
        assert size(pool) == pool.get_stats()["pool_available"] == 6


def test_lowered_sizes_of_an_async_pool_close_nothing(conninfo: str) -> None:
    async def lower_it(pool: Any) -> None:
        held = [await pool.getconn() for _ in range(6)]
        await pool.resize(1, 2)
        for conn in held:
            await pool.putconn(conn)
        assert size(pool) == pool.get_stats()["pool_available"] == 6

    with_bare_tasks(conninfo, lower_it, min_size=2, max_size=6)


def test_a_null_pool_doesnt_reach_a_lowered_limit_while_a_caller_waits(conninfo: str) -> None:
    with NullConnectionPool(conninfo, max_size=2, open=True) as pool:
        held = all_of(pool, 2)
        waiter = Waiter(pool.getconn)
        until(lambda: pool.get_stats()["requests_waiting"] == 1, "one waits")
        pool.resize(0, 1)
        put_back(pool, [held.pop()])
        assert waiter.finish().connection is not None
        assert size(pool) == 2
        put_back(pool, [waiter.connection, *held])


def test_a_changed_max_idle_is_read_when_the_old_one_is_over(
    conninfo: str,
) -> None:
    with bare(conninfo, 1, 3) as pool:
        until(lambda: bool(pool._sched._queue), "the pool will look at what is idle")
        pool.max_idle = 0.05
        (task,) = pool._sched._queue
        assert task.time > time.monotonic() + 300


def test_connections_keep_the_max_lifetime_they_were_opened_with(conninfo: str) -> None:
    with bare(conninfo, 1, 1) as pool:
        pool.max_lifetime = 0.001
        for _ in range(3):
            put_back(pool, all_of(pool, 1))
            assert pool.get_stats()["connections_num"] == 1


def test_callers_that_gave_up_count_as_waiting(conninfo: str) -> None:
    with bare(conninfo, 1, 1) as pool:
        held = all_of(pool, 1)
        with pytest.raises(PoolTimeout):
            pool.getconn(timeout=0.01)
        assert pool.get_stats()["requests_waiting"] == 1
        put_back(pool, held)
