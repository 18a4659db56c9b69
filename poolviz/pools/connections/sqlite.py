"""sqlite3's connections: each one counts itself, and has the function that the load calls."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Callable
from time import perf_counter
from typing import Any, Self

from poolviz.pools.base import ConnectionCounter
from poolviz.pools.connections.connect_faults import wait_to_connect


class _Cursor(sqlite3.Cursor):
    """A cursor that waits for its turn on the connection; see `counted_connection`."""

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
    """A class of connection that `counter` counts, with the SQL function `sleep(seconds)`.

    SQLite lets one thread at a time into a connection, by a lock of its own. sqlite3 waits for
    that lock with the interpreter's in its hands, and a function in Python needs the latter
    while it holds the former: two threads on one connection would stand still for ever. So they
    wait for `turn` first, where the interpreter goes on.
    """

    class CountedConnection(sqlite3.Connection):
        """A sqlite3 connection that counts itself in and out."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            begun = perf_counter()
            wait_to_connect(counter, sqlite3.OperationalError)
            self.turn = threading.RLock()
            super().__init__(*args, **kwargs)
            self.aborted = threading.Event()
            self.create_function("sleep", 1, _sleep_until(self.aborted))
            counter.opened(perf_counter() - begun)
            self._count_out = weakref.finalize(self, counter.closed)
            self._count_out.atexit = False

        def cursor(self, factory: Any = _Cursor) -> Any:
            """A cursor."""
            return super().cursor(factory)

        def commit(self) -> None:
            """Commit, in turn."""
            with self.turn:
                super().commit()

        def rollback(self) -> None:
            """Roll back, in turn."""
            with self.turn:
                super().rollback()

        def close(self) -> None:
            """Close the connection, and count it out if that is still to do."""
            self.hang_up()
            self._count_out()

        def hang_up(self) -> None:
            """Close the connection, which somebody may still hold: it stays counted until then."""
            with self.turn:
                super().close()

    return CountedConnection


def abort(connection: Any, held: Callable[[], bool]) -> None:
    """End the statement that runs on a connection, and every sleep on it from now on."""
    if held():
        connection.aborted.set()
        connection.interrupt()


def set_autocommit(connection: Any, on: bool) -> None:
    """Have each statement commit by itself, or sqlite3 begin a transaction before the first that
    writes."""
    level = None if on else ""
    if connection.isolation_level != level:
        with connection.turn:
            connection.isolation_level = level


def _sleep_until(ended: threading.Event) -> Callable[[float], int]:
    """SQL's sleep(seconds). It knows the event alone: holding the connection, it would keep that
    alive for ever."""

    def sleep(seconds: float) -> int:
        if ended.wait(min(seconds, threading.TIMEOUT_MAX)):
            raise InterruptedError  # an OperationalError for whoever executes the statement
        return 0

    return sleep
