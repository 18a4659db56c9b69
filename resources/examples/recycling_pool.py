"""A pool that mends what psycopg2's lack: an age limit, an idle limit, waiting with a timeout.

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
    """psycopg2's threaded pool, whose callers wait and whose connections don't grow old.

    max_age: The age at which a connection is closed, once nobody holds it.
    max_idle: How long a connection may rest before it is closed instead of being lent.
    timeout: How long a caller waits for a connection before it gets a PoolError.
    """

    # poolviz: these three are plain attributes that are read each time they matter, so they may
    # be set while the pool is used. It can change minconn and maxconn of any class that, like
    # this one, keeps to psycopg2's `_getconn` and `_putconn`.
    live_limits = ("max_age", "max_idle", "timeout")

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
        # Weak, so that whoever closes a connection and drops it needs to know nothing of these.
        self._opened_at: WeakKeyDictionary[connection, float] = WeakKeyDictionary()
        self._rests_since: WeakKeyDictionary[connection, float] = WeakKeyDictionary()
        # psycopg2's constructor connects, through our `_connect`, and makes `_lock` at its end.
        super().__init__(minconn, maxconn, *args, **kwargs)
        # The waiters' condition shares the library's lock: what it says can't change in between.
        self._given_back = threading.Condition(self._lock)

    def getconn(self, key: Any = None) -> connection:
        """A connection, after `timeout` seconds at most; PoolError where none came free."""
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
                    # The room that this caller was woken for is another's, if it can't connect.
                    self._given_back.notify()
                    raise
                self._given_back.wait(remaining)

    def putconn(self, conn: connection, key: Any = None, close: bool = False) -> None:
        """Give a connection back, and wake one who waits for it."""
        with self._given_back:
            try:
                self._putconn(conn, key, close)
            except psycopg2.Error:
                if not conn.closed:
                    raise  # not ours, or closed already
                # The rollback failed, as on a dead connection. psycopg2 would never free its place.
                self._putconn(conn, key, True)
            finally:
                self._given_back.notify()

    def closeall(self) -> None:
        """Close every connection, and send away who waits for one."""
        super().closeall()
        with self._given_back:
            self._given_back.notify_all()

    # What follows is called by the library, and by the above, while `_lock` is held.

    def _connect(self, key: Any = None) -> connection:
        """Open a connection, and note when."""
        conn = super()._connect(key)
        self._opened_at[conn] = self._rests_since[conn] = monotonic()
        return conn

    def _getconn(self, key: Any = None) -> connection:
        """Lend a connection, but none that is too old or rested too long."""
        for conn in [conn for conn in self._pool if self._is_old(conn) or self._is_stale(conn)]:
            self._pool.remove(conn)
            conn.close()
        return super()._getconn(key)

    def _putconn(self, conn: connection, key: Any = None, close: bool = False) -> None:
        """Take a connection back; one that is too old is closed."""
        super()._putconn(conn, key, close or self._is_old(conn))
        self._rests_since[conn] = monotonic()

    def _is_old(self, conn: connection) -> bool:
        return monotonic() - self._opened_at.get(conn, monotonic()) > self.max_age

    def _is_stale(self, conn: connection) -> bool:
        return monotonic() - self._rests_since.get(conn, monotonic()) > self.max_idle
