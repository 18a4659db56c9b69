"""What asyncpg's own pool does, where poolviz departs from it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from poolviz.pools.connections.asyncpg import asyncpg_arguments
from tests.pools.bench import LONG


def with_bare(conninfo: str, what: Callable[[Any], Awaitable[None]], **sizes: float | int) -> None:
    """Try something on the library's own pool."""

    async def run() -> None:
        arguments = asyncpg_arguments(conninfo)
        async with asyncpg.create_pool(**arguments, **sizes) as pool:
            await asyncio.wait_for(what(pool), LONG)

    asyncio.run(run())


def test_waiting_callers_dont_notice_a_raised_max_size(conninfo: str) -> None:
    async def raise_it(pool: Any) -> None:
        held = await pool.acquire()
        pool._maxsize = pool._queue._maxsize = 5
        with pytest.raises(TimeoutError):
            await pool.acquire(timeout=0.2)
        await pool.release(held)

    with_bare(conninfo, raise_it, min_size=1, max_size=1)


def test_release_fails_if_a_lowered_queue_is_full(
    conninfo: str,
) -> None:
    async def lower_it(pool: Any) -> None:
        held = [await pool.acquire() for _ in range(3)]
        pool._maxsize = pool._queue._maxsize = 1
        await pool.release(held.pop())
        with pytest.raises(asyncio.QueueFull):
            await pool.release(held.pop())
        pool._queue._maxsize = 3
        await pool.release(held.pop())

    with_bare(conninfo, lower_it, min_size=3, max_size=3)


def test_idle_connections_above_a_lowered_min_size_stay_open(conninfo: str) -> None:
    async def lower_it(pool: Any) -> None:
        clocks = [place for place in pool._holders if place._inactive_callback is not None]
        while any(place._inactive_callback is not None for place in clocks):
            await asyncio.sleep(0.01)
        pool._minsize = 0
        await asyncio.sleep(0.5)
        assert pool.get_size() == 2

    with_bare(conninfo, lower_it, min_size=2, max_size=2, max_inactive_connection_lifetime=0.05)
