"""What the library's classes promise, ours do too: its own tests aren't in its sdist."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from psycopg_pool import PoolClosed

from poolviz.pools.psycopg.async_pool import ResizableAsyncConnectionPool
from poolviz.pools.psycopg.resizable import ResizableConnectionPool, ResizableNullConnectionPool


@pytest.mark.parametrize("cls", [ResizableConnectionPool, ResizableNullConnectionPool])
def test_a_pool_that_is_not_open_says_so(cls: Any, conninfo: str) -> None:
    pool = cls[psycopg.Connection](conninfo, min_size=0, max_size=1, open=False)
    with pytest.raises(PoolClosed, match="not open yet"):
        pool.getconn()
    with pool, pool.connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(PoolClosed, match="already closed"):
        pool.getconn()


def test_an_asyncio_pool_that_is_not_open_says_so(conninfo: str) -> None:
    async def use() -> None:
        cls = ResizableAsyncConnectionPool[psycopg.AsyncConnection[Any]]
        pool = cls(conninfo, min_size=0, max_size=1, open=False)
        with pytest.raises(PoolClosed, match="not open yet"):
            await pool.getconn()
        await pool.open()
        async with pool.connection() as connection:
            assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
        await pool.close()
        with pytest.raises(PoolClosed, match="already closed"):
            await pool.getconn()

    asyncio.run(use())
