"""What aiomysql's own pool does, where poolviz departs from it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import aiomysql
import pytest

from poolviz.model.mysql_url import MySQLAddress
from poolviz.pools.asyncio.aiomysql import aiomysql_arguments
from tests.pools.bench import LONG

pytestmark = pytest.mark.usefixtures("mysql_url")


def with_bare(url: str, what: Callable[[Any], Awaitable[None]], **sizes: float) -> None:
    """Try something on the library's own pool."""

    async def run() -> None:
        arguments = aiomysql_arguments(MySQLAddress.parse(url))
        async with aiomysql.create_pool(**arguments, **sizes) as pool:
            await asyncio.wait_for(what(pool), LONG)

    asyncio.run(run())


def test_a_shortened_queue_drops_connections_without_closing_them(mysql_url: str) -> None:
    async def shorten(pool: Any) -> None:
        held = [await pool.acquire() for _ in range(4)]
        pool._free = deque(pool._free, maxlen=2)
        for conn in held:
            await pool.release(conn)
        assert pool.size == 2
        assert not any(conn.closed for conn in held)
        for conn in held:
            conn.close()

    with_bare(mysql_url, shorten, minsize=0, maxsize=4)


def test_a_connection_released_closed_wakes_no_waiter(mysql_url: str) -> None:
    async def give_back(pool: Any) -> None:
        conn = await pool.acquire()
        waiter = asyncio.ensure_future(pool.acquire())
        while not pool._cond._waiters:
            await asyncio.sleep(0)
        conn.close()
        await pool.release(conn)
        with pytest.raises(TimeoutError):  # it would wait for ever
            await asyncio.wait_for(waiter, 0.5)
        assert pool.size == 0

    with_bare(mysql_url, give_back, minsize=0, maxsize=1)
