"""SQLAlchemy for asyncio: AsyncEngine.connect, with asyncpg."""

import asyncio
import sys

from plain import SIZE, STATEMENT, acquired, tasks
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine


async def main() -> None:
    url = sys.argv[1].replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(url, pool_size=SIZE, max_overflow=0)

    async def once() -> None:
        async with engine.connect() as connection:
            acquired()
            (await connection.execute(text(STATEMENT))).all()

    await tasks(once)
    await engine.dispose()


asyncio.run(main())
