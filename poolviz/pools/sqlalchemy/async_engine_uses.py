"""How applications use an asyncio engine: its connections, ORM sessions, raw connections."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from poolviz.pools.base import TaskCalls, set_autocommit
from poolviz.pools.sqlalchemy.engine_uses import TEXT_OPTIONS, Held, fetch, without_parameters


class _AsyncEngineUse(TaskCalls):
    """A use of an engine, whose `acquire` returns what a client holds."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    @abstractmethod
    async def acquire(self) -> Held:
        """Acquire a connection. Raises the library's error, or that of the driver in its."""

    def driver(self, connection: Held) -> Any:
        """Return asyncpg's connection."""
        return connection.proxy.driver_connection

    async def begin(self, connection: Held, transaction: bool) -> None:
        """Turn the driver's autocommit off or on."""
        set_autocommit(connection.proxy.dbapi_connection, not transaction)

    async def commit(self, connection: Held) -> None:
        """Commit the transaction, if there is one."""
        await connection.object.commit()

    async def rollback(self, connection: Held) -> None:
        """Roll back the transaction, if there is one."""
        await connection.object.rollback()

    async def release(self, connection: Held) -> None:
        """Leave the `async with` block: the library rolls back its transaction, and completes the
        release also if it is cancelled."""
        await connection.object.__aexit__(None, None, None)


class AsyncConnectionUse(_AsyncEngineUse):
    """`async with engine.connect() as connection`."""

    async def acquire(self) -> Held:
        """Return a connection of the engine's."""
        connection = await self.engine.connect()
        return Held(connection, connection.sync_connection.connection)  # type: ignore[union-attr]

    async def execute(self, connection: Held, statement: str) -> None:
        """Execute a statement and fetch all rows."""
        fetch(await connection.object.exec_driver_sql(statement))


class AsyncSessionUse(_AsyncEngineUse):
    """`async with AsyncSession(engine) as session`."""

    async def acquire(self) -> Held:
        """Return a session that has its connection."""
        session = AsyncSession(self.engine)
        try:
            connection = await session.connection()
            proxy = connection.sync_connection.connection  # type: ignore[union-attr]
        except BaseException:
            await session.__aexit__(None, None, None)
            raise
        return Held(session, proxy)

    async def execute(self, connection: Held, statement: str) -> None:
        """Execute a statement and fetch all rows."""
        sql = text(without_parameters(statement))
        fetch(await connection.object.execute(sql, execution_options=TEXT_OPTIONS))


class AsyncRawConnectionUse(_AsyncEngineUse):
    """`connection = await engine.raw_connection()`, whose methods SQLAlchemy's greenlets call."""

    async def acquire(self) -> Held:
        """Return a connection of the pool's."""
        proxy = await self.engine.raw_connection()
        return Held(proxy, proxy)

    async def execute(self, connection: Held, statement: str) -> None:
        """Execute a statement and fetch all rows."""
        await greenlet_spawn(run, connection.proxy, statement)

    async def commit(self, connection: Held) -> None:
        """Commit the transaction."""
        await greenlet_spawn(connection.proxy.commit)

    async def rollback(self, connection: Held) -> None:
        """Roll back the transaction."""
        await greenlet_spawn(connection.proxy.rollback)

    async def release(self, connection: Held) -> None:
        """Give a connection back; the library rolls back its transaction."""
        await greenlet_spawn(give_back, connection.proxy)


def run(connection: PoolProxiedConnection, statement: str) -> None:
    """Execute a statement and fetch all rows. Called in a greenlet of SQLAlchemy's."""
    cursor: Any = connection.cursor()
    cursor.execute(statement)
    if cursor.description is not None:
        cursor.fetchall()
    cursor.close()


def give_back(connection: PoolProxiedConnection) -> None:
    """Give a connection of the pool's back. Called in a greenlet of SQLAlchemy's.

    Without a transaction to roll back, the pool wouldn't notice that a connection is lost. The
    library's engine invalidates it when a statement fails; a user of the pool alone has to.
    """
    if (raw := connection.driver_connection) is not None and raw.is_closed():
        connection.invalidate()
    else:
        connection.close()
