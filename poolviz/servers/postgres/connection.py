"""Connections of poolviz' own on which no wait is without a limit.

libpq waits for an answer without end, so they are asynchronous.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ

from poolviz.servers.network import keep_audible

_CHECK_EVERY = 0.1  # seconds between two checks whether the answer is still wanted


class NoAnswer(Exception):
    """The server, or the network, didn't answer in time, or the answer is no longer wanted."""


class LimitedConnection:
    """A connection to PostgreSQL, opened within `seconds`. Used by one thread at a time.

    `unwanted` is called ten times a second during every wait; the wait ends once it returns True.
    Every call may raise NoAnswer, after which only `close` is of use, and psycopg2's errors.
    """

    def __init__(
        self, conninfo: str, *, seconds: float, unwanted: Callable[[], bool] = lambda: False
    ) -> None:
        self._unwanted = unwanted
        self._connection = psycopg2.connect(conninfo, async_=True)
        keep_audible(self._connection)
        try:
            self._await(seconds)
        except BaseException:
            self.close()
            raise

    @property
    def closed(self) -> bool:
        """The connection was closed, or found lost."""
        return bool(self._connection.closed)

    @property
    def hosts(self) -> list[tuple[str, int]]:
        """The hosts and ports that libpq may connect to, whatever they were given by; a Unix socket
        is named by a path."""
        given = self._connection.info.dsn_parameters
        names = (given.get("hostaddr") or given.get("host") or "localhost").split(",")
        ports = given.get("port", "5432").split(",")
        return list(zip(names, map(int, ports * len(names)), strict=False))

    def execute(self, statement: str, *values: object, seconds: float) -> list[tuple[Any, ...]]:
        """Execute a statement within `seconds` and return its rows, none if it has no result."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            self._await(seconds)
            return cursor.fetchall() if cursor.description else []

    def records(self, statement: str, *, seconds: float) -> list[dict[str, Any]]:
        """Execute a statement within `seconds`; return its rows, each by the names of columns."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            self._await(seconds)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def close(self) -> None:
        """Disconnect, which undoes an open transaction. May be called again."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _await(self, seconds: float) -> None:
        """Go on with what the connection is doing until it is done."""
        deadline = time.monotonic() + seconds
        while (state := self._connection.poll()) != POLL_OK:
            event = selectors.EVENT_READ if state == POLL_READ else selectors.EVENT_WRITE
            with selectors.DefaultSelector() as selector:  # select() can't watch sockets over 1023
                selector.register(self._connection.fileno(), event)
                while not selector.select(max(0.0, min(_CHECK_EVERY, deadline - time.monotonic()))):
                    if self._unwanted() or time.monotonic() >= deadline:
                        raise NoAnswer


@contextmanager
def limited(
    connection: Any, seconds: float, unwanted: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Cut an ordinary, blocking connection off if the block takes longer than `seconds`, or once
    `unwanted` returns True, which is asked ten times a second. NoAnswer follows.

    A pooler without a free connection, or a server that was frozen, doesn't answer at all.
    """
    over = threading.Event()
    cut = threading.Event()
    # A duplicate: the number of the connection's own may be another file's by then.
    with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as duplicate:

        def watch() -> None:
            deadline = time.monotonic() + seconds
            while not over.wait(_CHECK_EVERY):
                if unwanted() or time.monotonic() >= deadline:
                    cut.set()
                    with suppress(OSError):  # it is closed already
                        duplicate.shutdown(socket.SHUT_RDWR)
                    return

        watcher = threading.Thread(target=watch, name="poolviz connection limit", daemon=True)
        watcher.start()
        try:
            yield
        except psycopg2.Error:
            if cut.is_set():
                raise NoAnswer from None
            raise
        finally:
            over.set()
            watcher.join()
