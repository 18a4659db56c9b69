"""psycopg2's pools: they never wait, and fail at once when they are exhausted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg2
from psycopg2 import pool as upstream
from psycopg2.extensions import connection

from poolviz.model.errors import ServerError
from poolviz.model.parameters import Kind, Parameter, Parameters, Value
from poolviz.model.sample import Books
from poolviz.pools.base import Door, PoolStopped, ThreadPool
from poolviz.pools.postgres import counted_connection

_MOST = 10_000


class LiveThreadedPool(upstream.ThreadedConnectionPool):
    """psycopg2's own pool, with limits that may be changed while it is in use.

    Everything is guarded by the library's `_lock`, except that `stopped` is only ever set.
    `_opening` counts places that are held for connections on their way in; it is 0 but while
    `change_limits` runs.
    """

    _lock: Any
    _pool: list[connection]
    _used: dict[Any, connection]

    def __init__(self, minconn: int, maxconn: int, *args: Any, **kwargs: Any) -> None:
        self.stopped = False
        self._opening = 0
        self._how_to_connect = (args, kwargs)
        try:
            super().__init__(minconn, maxconn, *args, **kwargs)
        except BaseException:
            for made_before_the_fault in self._pool:
                made_before_the_fault.close()
            raise

    @property
    def open(self) -> int:
        """The connections there are: idle and in use."""
        return len(self._pool) + len(self._used)

    @property
    def used(self) -> int:
        """The connections that somebody holds."""
        return len(self._used)

    def _getconn(self, key: Any = None) -> connection:
        if self.stopped:
            raise PoolStopped
        # The library asks for ==, and so forgets a limit that was lowered below the number in use.
        if key not in self._used and len(self._used) + self._opening >= self.maxconn:
            raise upstream.PoolError("connection pool exhausted")
        conn: connection = super()._getconn(key)  # type: ignore[misc]
        return conn

    def _putconn(self, conn: connection, key: Any = None, close: bool = False) -> None:
        # One that the server dropped is closed too, not just forgotten, so that it is counted out.
        close = close or self.open > self.maxconn or bool(conn.closed)
        super()._putconn(conn, key, close)  # type: ignore[misc]

    def change_limits(self, minconn: int, maxconn: int) -> None:
        """Put both limits in force: close idle connections beyond them, open missing ones.

        Called by one thread at a time. psycopg2.Error where a missing connection can't be opened;
        the limits hold all the same.
        """
        with self._lock:
            raised = minconn > self.minconn
            self.minconn, self.maxconn = minconn, maxconn
            surplus = []
            while self._pool and (len(self._pool) > minconn or self.open > maxconn):
                surplus.append(self._pool.pop(0))  # the one that rested longest
            if raised:
                self._opening = max(0, minconn - self.open)
        for conn in surplus:
            conn.close()
        self._open_missing()

    def _open_missing(self) -> None:
        """Connect into the places held, as the constructor does; the lock is free meanwhile."""
        args, kwargs = self._how_to_connect
        try:
            while self._opening:
                conn = psycopg2.connect(*args, **kwargs)
                with self._lock:
                    self._opening -= 1
                    self._pool.append(conn)
        finally:
            with self._lock:
                self._opening = 0


class ThreadedConnectionPool(ThreadPool):
    """`psycopg2.pool.ThreadedConnectionPool`."""

    id = "psycopg2.ThreadedConnectionPool"
    title = "psycopg2 ThreadedConnectionPool"
    library = "psycopg2-binary"
    about = "When every connection is in use it fails at once; nobody waits."
    waits = False
    exhausted = (upstream.PoolError,)
    limits = Parameters(
        f"limit of {id}",
        Parameter(
            key="minconn",
            kind=Kind.COUNT,
            default=2,
            maximum=_MOST,
            slider=(0, 50),
            help="Connections opened at the start, and the most that are kept idle: one that is "
            "given back beyond them is closed.",
            effect_help="Missing connections are opened, idle ones beyond it closed, at once.",
        ),
        Parameter(
            key="maxconn",
            kind=Kind.COUNT,
            default=10,
            minimum=1,
            maximum=_MOST,
            slider=(1, 100),
            at_least="minconn",
            help="The most connections at once, idle or in use. Who asks for one more gets an "
            "error.",
            effect_help="Idle connections beyond it are closed at once, those in use when they "
            "are given back.",
        ),
    )

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """The most connections: maxconn."""
        return int(limits["maxconn"])

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """The most connections kept idle: minconn."""
        return int(limits["minconn"])

    def __init__(self, conninfo: str, door: Door, limits: Mapping[str, Value]) -> None:
        self._pool = LiveThreadedPool(
            int(limits["minconn"]),
            int(limits["maxconn"]),
            conninfo,
            connection_factory=counted_connection(door),
        )

    def acquire(self) -> connection:
        """A connection; PoolError where all are in use, psycopg2.Error where it can't connect."""
        return self._pool.getconn()

    def release(self, connection: connection) -> None:
        """Give a connection back; the library rolls back what is open in it."""
        try:
            self._pool.putconn(connection)
        except psycopg2.Error:
            # The rollback failed, so the connection is lost; the library would lose its place too.
            self._pool.putconn(connection, close=True)

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Put the limits in force; ServerError where a raised minconn can't be opened in full."""
        minconn = int(limits["minconn"])
        try:
            self._pool.change_limits(minconn, int(limits["maxconn"]))
        except psycopg2.Error as error:
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise ServerError(
                f"minconn is {minconn} now, but not all of these connections could be opened "
                f"({reason}): lower it, or free connections on the server.",
                error.pgcode,
            ) from error

    def interrupt(self) -> None:
        """Nobody waits here; every later acquire gets PoolStopped."""
        self._pool.stopped = True

    def books(self) -> Books:
        """Idle and used as the pool lists them; it knows no waiting."""
        return Books(open=self._pool.open, used=self._pool.used)

    def close(self) -> None:
        """Leave no room: idle connections are closed now, the others when they are released."""
        self.interrupt()
        # The library's closeall() would cut off connections in use, and refuse their return.
        self._pool.change_limits(0, 0)
