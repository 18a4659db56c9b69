"""How applications use an engine from threads: its connections, ORM sessions, raw connections.

Unlike a pool alone, an engine sees what a statement raises: when a connection is lost, it has the
pool replace all that are as old.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection, CursorResult, Engine, text
from sqlalchemy.engine import Result
from sqlalchemy.pool import PoolProxiedConnection

from poolviz.pools.base import ThreadCalls
from poolviz.pools.connections.drivers import Driver

T = TypeVar("T")

# A % in text() is doubled, so that the driver has to look for placeholders, as it usually does.
TEXT_OPTIONS = {"no_parameters": False}
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w)")  # what text() would take for a bound parameter


class EngineOwner(Protocol):
    """A pool with the engine that made it."""

    @property
    def driver(self) -> Driver:
        """The driver of the engine's connections."""

    def acquirer(self, connect: Callable[[Engine], T]) -> Callable[[], T]:
        """Return a function that acquires a connection by `connect`, with the engine of the
        moment."""

    def give_back(self, proxy: PoolProxiedConnection, close: Callable[[], object]) -> None:
        """Give a connection of the pool's back, by `close`."""


class Held(msgspec.Struct, eq=False, gc=False):
    """What a client holds: the library's `object` for a use, and the pool's connection in it.

    A Struct is made in a tenth of the time that a class of Python's takes.
    """

    object: Any
    proxy: PoolProxiedConnection


class _EngineUse(ThreadCalls):
    """A use of an engine, whose `open` returns what a client holds."""

    def __init__(self, owner: EngineOwner) -> None:
        self._owner = owner
        # Calls less in each operation than by the method.
        self.acquire = owner.acquirer(self.open)  # type: ignore[method-assign]

    @abstractmethod
    def open(self, engine: Engine) -> Held:
        """Acquire a connection. Raises the library's error, or that of the driver in its."""

    def acquire(self) -> Held:
        """Return a connection. Raises the library's error, or that of the driver in its."""
        return self._owner.acquirer(self.open)()

    def begin(self, connection: Held, transaction: bool) -> None:
        """Turn the driver's autocommit off or on."""
        self._owner.driver.set_autocommit(self.raw(connection), not transaction)

    def commit(self, connection: Held) -> None:
        """Commit the transaction, if there is one."""
        connection.object.commit()

    def rollback(self, connection: Held) -> None:
        """Roll back the transaction, if there is one."""
        connection.object.rollback()

    def release(self, connection: Held) -> None:
        """Give a connection back; the library rolls back its transaction."""
        self._owner.give_back(connection.proxy, connection.object.close)

    def raw(self, connection: Held) -> Any:
        """Return the driver's connection; None if it was lost."""
        return connection.proxy.dbapi_connection

    def abort(self, connection: Held, held: Callable[[], bool]) -> None:
        """Interrupt what runs on a connection, as its driver allows."""
        self._owner.driver.abort(self.raw(connection), held)


class ConnectionUse(_EngineUse):
    """`with engine.connect() as connection`."""

    def open(self, engine: Engine) -> Held:
        """Return a connection of the engine's."""
        connection = engine.connect()
        return Held(connection, connection.connection)

    def execute(self, connection: Held, statement: str) -> None:
        """Execute a statement and fetch all rows."""
        used: Connection = connection.object
        result = used.exec_driver_sql(statement)
        if result.returns_rows:
            result.all()
        else:
            result.close()


class SessionUse(_EngineUse):
    """`with Session(engine) as session`, whose connection goes back when its transaction ends."""

    def __init__(self, owner: EngineOwner) -> None:
        super().__init__(owner)
        from sqlalchemy.orm import Session  # noqa: PLC0415 - slow to import

        self._session = Session

    def open(self, engine: Engine) -> Held:
        """Return a session that has its connection."""
        session = self._session(engine)
        try:
            return Held(session, session.connection().connection)
        except BaseException:
            session.close()
            raise

    def execute(self, connection: Held, statement: str) -> None:
        """Execute a statement and fetch all rows."""
        sql = text(without_parameters(statement))
        fetch(connection.object.execute(sql, execution_options=TEXT_OPTIONS))


class RawConnectionUse(_EngineUse):
    """`connection = engine.raw_connection()`."""

    def open(self, engine: Engine) -> Held:
        """Return a connection of the pool's."""
        proxy = engine.raw_connection()
        return Held(proxy, proxy)

    def execute(self, connection: Held, statement: str) -> None:
        """Execute a statement and fetch all rows."""
        super().execute(connection.proxy, statement)


def fetch(result: Result[Any]) -> None:
    """Fetch all rows of a result, if it has any."""
    if isinstance(result, CursorResult) and not result.returns_rows:
        result.close()
    else:
        result.all()


def without_parameters(statement: str) -> str:
    """Return SQL for `text()` in which no colon begins a bound parameter."""
    return _PARAMETER.sub(r"\\:", statement)
