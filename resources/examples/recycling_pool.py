"""A pool that adds to psycopg2's: a maximum age, a maximum idle time, and waiting with a timeout.

Try it:  poolviz run --pool resources/examples/recycling_pool.py:RecyclingPool --limit timeout=1
It needs nothing but psycopg2, so it can be copied into a program of your own.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

import psycopg2
from psycopg2.extensions import connection
from psycopg2.pool import PoolError, ThreadedConnectionPool


class RecyclingPool(ThreadedConnectionPool):
    """psycopg2's threaded pool, whose callers wait and whose connections are recycled.

    max_age: The age at which a connection is closed, once no client holds it.
    max_idle: The idle time after which a connection is closed instead of being lent.
    timeout: The longest time that a caller waits for a connection before it gets a PoolError.
    """

    # poolviz may change these while the pool is in use: they are attributes that are read each
    # time they matter, minconn and maxconn by psycopg2's `_getconn` and `_putconn`, which every
    # method here calls. A change of a limit that isn't named here rebuilds the pool.
    live_limits = ("minconn", "maxconn", "max_age", "max_idle", "timeout")

    def __init__(
        self,
        minconn: int,
        maxconn: int,
        *args: Any,
        max_age: float = 1800.0,
        max_idle: float = 300.0,
        timeout: float = 30.0,
        **kwargs: Any,
    ) -> None:
        self.max_age = max_age
        self.max_idle = max_idle
        self.timeout = timeout
        # Weak, so that a connection that is closed and dropped elsewhere disappears from them.
        self._opened_at: WeakKeyDictionary[connection, float] = WeakKeyDictionary()
        self._idle_since: WeakKeyDictionary[connection, float] = WeakKeyDictionary()
        # psycopg2's constructor connects, through our `_connect`, and creates `_lock` last.
        super().__init__(minconn, maxconn, *args, **kwargs)
        # The condition shares the library's lock, so that nothing changes between test and wait.
        self._given_back = threading.Condition(self._lock)

    def getconn(self, key: Any = None) -> connection:
        """Return a connection. Raises PoolError if none becomes free within `timeout` seconds."""
        deadline = monotonic() + self.timeout
        with self._given_back:
            while True:
                try:
                    return self._getconn(key)
                except PoolError:
                    remaining = deadline - monotonic()
                    if self.closed or remaining <= 0:
                        raise
                except BaseException:
                    # This caller can't connect: wake another one for the place it was woken for.
                    self._given_back.notify()
                    raise
                self._given_back.wait(remaining)

    def putconn(self, conn: connection, key: Any = None, close: bool = False) -> None:
        """Give a connection back, and wake a caller that waits for one."""
        with self._given_back:
            try:
                self._putconn(conn, key, close)
            except psycopg2.Error:
                if not conn.closed:
                    raise  # not one of ours, or closed already
                # The rollback failed, as on a dead connection; psycopg2 would never free its place.
                self._putconn(conn, key, True)
            finally:
                self._given_back.notify()

    def closeall(self) -> None:
        """Close all connections, and wake all callers that wait: they get a PoolError."""
        super().closeall()
        with self._given_back:
            self._given_back.notify_all()

    # The methods below are called by the library, and by those above, with `_lock` held.

    def _connect(self, key: Any = None) -> connection:
        """Open a connection, and record the time."""
        conn = super()._connect(key)
        self._opened_at[conn] = self._idle_since[conn] = monotonic()
        return conn

    def _getconn(self, key: Any = None) -> connection:
        """Lend a connection, but not one that is too old or was idle too long."""
        for conn in [conn for conn in self._pool if self._is_old(conn) or self._is_stale(conn)]:
            self._pool.remove(conn)
            conn.close()
        return super()._getconn(key)

    def _putconn(self, conn: connection, key: Any = None, close: bool = False) -> None:
        """Take a connection back; close it if it is too old."""
        super()._putconn(conn, key, close or self._is_old(conn))
        self._idle_since[conn] = monotonic()

    def _is_old(self, conn: connection) -> bool:
        return monotonic() - self._opened_at.get(conn, monotonic()) > self.max_age

    def _is_stale(self, conn: connection) -> bool:
        return monotonic() - self._idle_since.get(conn, monotonic()) > self.max_idle
