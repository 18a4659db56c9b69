"""aiopg: async with pool.acquire()."""

import asyncio
import sys

import aiopg
from plain import SIZE, STATEMENT, acquired, tasks


async def main() -> None:
    async with aiopg.create_pool(sys.argv[1], minsize=SIZE, maxsize=SIZE) as pool:

        async def once() -> None:
            async with pool.acquire() as connection:
                acquired()
                async with connection.cursor() as cursor:
                    await cursor.execute(STATEMENT)
                    await cursor.fetchall()

        await tasks(once)


asyncio.run(main())
