"""aiopg: async with pool.acquire()."""

import asyncio
import sys

import aiopg
from plain import CLIENTS, STATEMENT, tasks


async def main() -> None:
    async with aiopg.create_pool(sys.argv[1], minsize=CLIENTS, maxsize=CLIENTS) as pool:

        async def once() -> None:
            async with pool.acquire() as connection, connection.cursor() as cursor:
                await cursor.execute(STATEMENT)
                await cursor.fetchall()

        await tasks(once)


asyncio.run(main())
