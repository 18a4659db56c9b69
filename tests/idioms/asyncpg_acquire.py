"""asyncpg: async with pool.acquire()."""

import asyncio
import sys

import asyncpg
from plain import SIZE, STATEMENT, acquired, tasks


async def main() -> None:
    async with asyncpg.create_pool(sys.argv[1], min_size=SIZE, max_size=SIZE) as pool:

        async def once() -> None:
            async with pool.acquire() as connection:
                acquired()
                await connection.fetch(STATEMENT)

        await tasks(once)


asyncio.run(main())
