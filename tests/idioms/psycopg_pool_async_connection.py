"""psycopg's pool for asyncio: async with pool.connection()."""

import asyncio
import sys

from plain import SIZE, STATEMENT, acquired, tasks
from psycopg_pool import AsyncConnectionPool


async def main() -> None:
    async with AsyncConnectionPool(sys.argv[1], min_size=SIZE, open=False) as pool:
        await pool.wait()

        async def once() -> None:
            async with pool.connection() as connection:
                acquired()
                await (await connection.execute(STATEMENT)).fetchall()

        await tasks(once)


asyncio.run(main())
