"""sqlite3 connections that a counter counts, with the SQL function `sleep` that loads call."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Self

from poolviz.pools.base import ConnectionCounter
from poolviz.pools.connections.connect_faults import wait_to_connect
from poolviz.pools.connections.counting import CountedConnection


class _Cursor(sqlite3.Cursor):
    """A cursor that takes turns on its connection; see `counted_connection`."""

    connection: Any

    def execute(self, statement: str, values: Any = (), /) -> Self:
        with self.connection.turn:
            super().execute(statement, values)
        return self

    def fetchone(self) -> Any:
        with self.connection.turn:
            return super().fetchone()

    def fetchall(self) -> list[Any]:
        with self.connection.turn:
            return super().fetchall()

    def close(self) -> None:
        with self.connection.turn:
            super().close()


def counted_connection(counter: ConnectionCounter) -> type[sqlite3.Connection]:
    """Return a class of sqlite3 connections that `counter` counts, with SQL's `sleep(seconds)`.

    SQLite guards a connection by a lock of its own. The sqlite3 module waits for that lock while
    it holds the GIL, and an SQL function written in Python needs the GIL while it holds that
    lock: two threads on one connection would deadlock. So each thread first takes `turn`, a lock
    that is awaited without the GIL.
    """

    class CountedSQLiteConnection(CountedConnection, sqlite3.Connection):
        """A sqlite3 connection that counts itself."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            began = wait_to_connect(counter, sqlite3.OperationalError)
            self.turn = threading.RLock()
            super().__init__(*args, **kwargs)
            self.aborted = threading.Event()
            self.create_function("sleep", 1, _sleep_until(self.aborted))
            self.count_in(counter, began)

        def cursor(self, factory: Any = _Cursor) -> Any:
            """Return a cursor that takes turns."""
            return super().cursor(factory)

        def commit(self) -> None:
            """Commit, in turn."""
            with self.turn:
                super().commit()

        def rollback(self) -> None:
            """Roll back, in turn."""
            with self.turn:
                super().rollback()

        def disconnect(self) -> None:
            """Close the connection, in turn."""
            with self.turn:
                super().disconnect()

    return CountedSQLiteConnection


def abort(connection: Any, held: Callable[[], bool]) -> None:
    """Interrupt the statement that runs on a connection, and every sleep on it from now on.

    Does nothing if `held` says that the client no longer holds the connection.
    """
    if held():
        connection.aborted.set()
        connection.interrupt()


def set_autocommit(connection: Any, on: bool) -> None:
    """Commit after each statement, or begin a transaction before the first one that writes."""
    level = None if on else ""
    if connection.isolation_level != level:
        with connection.turn:
            connection.isolation_level = level


def _sleep_until(ended: threading.Event) -> Callable[[float], int]:
    """Return SQL's sleep(seconds). A reference to the connection would keep it alive for ever."""

    def sleep(seconds: float) -> int:
        if ended.wait(min(seconds, threading.TIMEOUT_MAX)):
            raise InterruptedError  # sqlite3 turns it into an OperationalError
        return 0

    return sleep
