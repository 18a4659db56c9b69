"""asyncpg: async with pool.acquire()."""

import asyncio
import sys

import asyncpg
from plain import CLIENTS, STATEMENT, tasks


async def main() -> None:
    async with asyncpg.create_pool(sys.argv[1], min_size=CLIENTS, max_size=CLIENTS) as pool:

        async def once() -> None:
            async with pool.acquire() as connection:
                await connection.fetch(STATEMENT)

        await tasks(once)


asyncio.run(main())
