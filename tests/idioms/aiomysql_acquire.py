"""aiomysql: async with pool.acquire()."""

import asyncio
import sys

import aiomysql
from plain import SIZE, STATEMENT, acquired, tasks
from sqlalchemy import make_url


async def main() -> None:
    url = make_url(sys.argv[1])
    async with aiomysql.create_pool(
        host=url.host,
        port=url.port,
        user=url.username,
        password=url.password,
        db=url.database,
        minsize=SIZE,
        maxsize=SIZE,
    ) as pool:

        async def once() -> None:
            async with pool.acquire() as connection:
                acquired()
                async with connection.cursor() as cursor:
                    await cursor.execute(STATEMENT)
                    await cursor.fetchall()

        await tasks(once)


asyncio.run(main())
