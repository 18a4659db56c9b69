"""What aiopg's own pool does, where poolviz departs from it."""

from __future__ import annotations

import asyncio
import warnings
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import aiopg
import pytest
from psycopg2.extensions import make_dsn

from tests.pools.bench import LONG
from tests.servers.fixtures import ask

_COUNT = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bare'"


def with_bare(conninfo: str, what: Callable[[Any], Awaitable[None]], **sizes: float) -> None:
    """Try something on the library's own pool."""

    async def run() -> None:
        dsn = make_dsn(conninfo, application_name="bare")
        async with aiopg.create_pool(dsn, **sizes) as pool:
            await asyncio.wait_for(what(pool), LONG)

    asyncio.run(run())


async def use(conn: Any, statement: str = "SELECT 1") -> None:
    async with conn.cursor() as cursor:
        await cursor.execute(statement)


def test_a_shortened_queue_drops_connections_without_closing_them(conninfo: str) -> None:
    async def shorten(pool: Any) -> None:
        held = [await pool.acquire() for _ in range(4)]
        pool._free = deque(pool._free, maxlen=2)
        for conn in held:
            await pool.release(conn)
        assert pool.size == 2
        assert ask(conninfo, _COUNT) == 4
        for conn in held:
            await conn.close()

    with_bare(conninfo, shorten, minsize=0, maxsize=4)


def test_a_connection_released_in_a_transaction_wakes_no_waiter(
    conninfo: str,
) -> None:
    async def give_back(pool: Any) -> None:
        conn = await pool.acquire()
        await use(conn, "BEGIN")
        waiter = asyncio.ensure_future(pool.acquire())
        while not pool._cond._waiters:
            await asyncio.sleep(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            await pool.release(conn)
        with pytest.raises(TimeoutError):
            await waiter
        assert pool.size == 0

    with_bare(conninfo, give_back, minsize=0, maxsize=1, timeout=0.5)
