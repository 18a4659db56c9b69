"""Pools whose clients are asyncio tasks: asyncpg's, aiopg's and aiomysql's."""
