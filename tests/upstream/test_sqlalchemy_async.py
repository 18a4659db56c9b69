"""What SQLAlchemy's own asyncio pool does, where poolviz departs from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from psycopg2.extensions import connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import greenlet_spawn

from poolviz.pools.connections.asyncpg import asyncpg_arguments


@asynccontextmanager
async def bare(conninfo: str, size: int, overflow: int, timeout: float) -> AsyncIterator[Any]:
    """The library's own pool, made and closed."""
    import asyncpg

    async def connect() -> Any:
        return await asyncpg.connect(**asyncpg_arguments(conninfo))

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=size,
        max_overflow=overflow,
        pool_timeout=timeout,
    )
    try:
        yield engine.pool
    finally:
        await engine.dispose()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


def kill(admin: connection, pid: int) -> None:
    with admin.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))


def test_waiters_dont_notice_a_raised_limit(
    conninfo: str,
) -> None:
    async def exercise() -> None:
        async with bare(conninfo, 1, 0, 0.3) as pool:
            held = await greenlet_spawn(pool.connect)
            began = monotonic()
            waiter = asyncio.create_task(greenlet_spawn(pool.connect))
            await until(lambda: bool(pool._pool._queue._getters))
            pool._max_overflow = 5
            other = await waiter
            assert monotonic() - began >= 0.3
            await greenlet_spawn(other.close)
            await greenlet_spawn(held.close)

    asyncio.run(exercise())


def test_a_lost_connection_is_lent_again(conninfo: str, admin: connection) -> None:
    async def exercise() -> None:
        async with bare(conninfo, 1, 0, 1) as pool:
            conn = await greenlet_spawn(pool.connect)
            raw = conn.driver_connection
            kill(admin, raw.get_server_pid())
            await until(raw.is_closed)
            await greenlet_spawn(conn.close)
            conn = await greenlet_spawn(pool.connect)
            assert conn.driver_connection is raw
            await greenlet_spawn(conn.invalidate)

    asyncio.run(exercise())
