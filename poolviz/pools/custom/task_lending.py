"""Connections that a user's pool lends to tasks, of whatever kind, and how to use them.

A connection may be asyncpg's, one with cursors as psycopg's and aiopg's, SQLAlchemy's
AsyncConnection or AsyncSession, or anything with an asynchronous `execute`.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from poolviz.language import tr
from poolviz.pools.base import NotAConnection
from poolviz.pools.custom.lending import driver_connection
from poolviz.pools.custom.methods import LendingMethods, takes_none

_USABLE = ("exec_driver_sql", "fetch", "cursor", "execute")
# Statements without parameters reach the driver as they are: a % in them is no placeholder.
_NO_PARAMETERS = {"no_parameters": True}


class TaskLoan(NamedTuple):
    """A connection, the driver's behind it, and how to give it back."""

    connection: Any
    driver: Any
    give_back: Callable[[], Awaitable[object]]


class TaskLender:
    """A user's pool and the methods by which it lends its connections to tasks."""

    def __init__(self, pool: Any, methods: LendingMethods) -> None:
        self._acquire, self._name = getattr(pool, methods.acquire), methods.acquire
        self._release: Callable[[Any], Any] = _close
        if methods.release is not None:
            release = getattr(pool, methods.release)
            bare = takes_none(pool, methods.release)
            self._release = (lambda _: release()) if bare else release

    async def borrow(self) -> TaskLoan:
        """Return a connection of the pool.

        Raises whatever the pool raises, and NotAConnection for what executes no statement.
        """
        connection, give_back = await self._lent()
        if connection is None:
            raise NotAConnection(tr("{name} returned None", name=self._name))
        try:
            if not is_usable(connection):
                kind = type(connection).__name__
                raise NotAConnection(
                    tr(
                        "{name} returned a {kind}, which has no execute()",
                        name=self._name,
                        kind=kind,
                    )
                )
            core = await core_connection(connection)  # where a session acquires its connection
            driver = driver_connection(getattr(core, "sync_connection", core))
        except BaseException:
            await give_back()
            raise
        return TaskLoan(connection, driver, give_back)

    async def _lent(self) -> tuple[Any, Callable[[], Awaitable[object]]]:
        given = self._acquire()
        if inspect.isasyncgen(given):
            generator = given
            given = contextlib.asynccontextmanager(lambda: generator)()
        if inspect.iscoroutine(given):
            given = await given
        if hasattr(type(given), "__aenter__") and (
            inspect.isawaitable(given) or not is_usable(given)
        ):
            manager = given
            return await manager.__aenter__(), lambda: manager.__aexit__(None, None, None)
        if inspect.isawaitable(given):
            given = await given

        async def give_back() -> None:
            done = self._release(given)
            if inspect.isawaitable(done):
                await done

        return given, give_back


def _close(connection: Any) -> Any:
    return connection.close()


def is_usable(given: Any) -> bool:
    """Return whether statements can be executed on what a pool gave to a task."""
    return any(callable(getattr(given, name, None)) for name in _USABLE)


async def core_connection(connection: Any) -> Any:
    """Return SQLAlchemy's AsyncConnection of an AsyncSession; any other connection as it is."""
    if callable(getattr(connection, "get_bind", None)) and not hasattr(
        connection, "exec_driver_sql"
    ):
        return await connection.connection()
    return connection


async def execute(connection: Any, statement: str) -> None:
    """Execute a statement and fetch all rows."""
    core = await core_connection(connection)
    if hasattr(core, "exec_driver_sql"):
        result = await core.exec_driver_sql(statement, execution_options=_NO_PARAMETERS)
        if result.returns_rows:
            result.fetchall()
    elif hasattr(core, "fetch"):
        await core.fetch(statement)
    elif callable(getattr(core, "cursor", None)):
        await _by_cursor(core, statement)
    else:
        await core.execute(statement)


async def _by_cursor(connection: Any, statement: str) -> None:
    cursor = connection.cursor()
    if inspect.isawaitable(cursor):
        cursor = await cursor
    await cursor.execute(statement)
    if cursor.description is not None:
        await cursor.fetchall()
    closing = cursor.close()
    if inspect.isawaitable(closing):
        await closing


async def begin(connection: Any, transaction: bool) -> bool:
    """Run the next statements in one transaction, or commit each of them, as the driver does.

    Return False if it has no way for that but statements.
    """
    core = await core_connection(connection)
    if hasattr(core, "exec_driver_sql"):
        if not transaction:
            await core.execution_options(isolation_level="AUTOCOMMIT")
        return True
    if hasattr(core, "set_autocommit"):
        if core.autocommit is transaction:
            await core.set_autocommit(not transaction)
        return True
    return False


async def end(connection: Any, how: str) -> bool:
    """`commit` or `rollback` the transaction; return False if that takes a statement."""
    core = await core_connection(connection)
    if hasattr(core, "exec_driver_sql") or hasattr(core, "set_autocommit"):
        await getattr(connection, how)()
        return True
    return False
