"""psycopg2's pool classes, with limits that may be changed while they are in use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import psycopg2
from psycopg2 import pool as upstream
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_UNKNOWN, connection

from poolviz.pools.base import PoolStopped


class ResizableConnectionPool(upstream.AbstractConnectionPool):
    """What the library's pools lack: limits that hold when they change, in either direction.

    Everything is guarded by `_lock`, under which the library's pools run `_getconn` and
    `_putconn`, except that `stopped` is only ever set. `_opening` counts places that are held for
    connections on their way in; it is 0 but while `change_limits` runs.
    """

    stopped = False
    factory: ClassVar[type[connection] | None] = None  # of all its connections, unless one is given
    _opening = 0
    closed: bool
    _lock: Any
    _args: tuple[Any, ...]
    _kwargs: dict[str, Any]
    _pool: list[connection]
    _used: dict[Any, connection]
    _rused: dict[int, Any]

    def __init__(self, minconn: int, maxconn: int, *args: Any, **kwargs: Any) -> None:
        if self.factory is not None:
            kwargs.setdefault("connection_factory", self.factory)
        try:
            super().__init__(minconn, maxconn, *args, **kwargs)
        except BaseException:
            for made_before_the_fault in getattr(self, "_pool", ()):
                made_before_the_fault.close()
            raise

    @property
    def taken(self) -> int:
        """The connections that are somebody's, and so can't be lent to anybody else."""
        return len(self._used)

    @property
    def open(self) -> int:
        """The connections there are: idle and taken."""
        return len(self._pool) + self.taken

    @property
    def used(self) -> int:
        """The connections that somebody holds."""
        return len(self._used)

    def _getconn(self, key: Any = None) -> connection:
        if self.stopped:
            raise PoolStopped
        # The library asks for ==, and so forgets a limit that was lowered below the number in use.
        full = self.taken + self._opening >= self.maxconn
        if full and key not in self._used and not self.closed:
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
            # Closed under the lock, as the library does, so that no new one comes before they went.
            while (surplus := self._take_surplus()) is not None:
                surplus.close()
            if raised:
                self._opening = max(0, minconn - self.open)
        self._open_missing()

    def _take_surplus(self) -> connection | None:
        """An idle connection that the limits don't allow, taken out; None where all may stay."""
        if self._pool and (len(self._pool) > self.minconn or self.open > self.maxconn):
            return self._pool.pop(0)  # the one that rested longest
        return None

    def _open_missing(self) -> None:
        """Connect into the places held, as the constructor does; the lock is free meanwhile.

        Unless a subclass connects in its own way: it can count on the lock, as with the library.
        """
        own_way = type(self)._connect is not upstream.AbstractConnectionPool._connect  # type: ignore[attr-defined]
        try:
            while self._opening:
                conn = None if own_way else psycopg2.connect(*self._args, **self._kwargs)
                with self._lock:
                    if conn is None:
                        self._connect()  # type: ignore[attr-defined]
                    else:
                        self._pool.append(conn)
                    self._opening -= 1
        finally:
            with self._lock:
                self._opening = 0


class ResizableThreadedPool(ResizableConnectionPool, upstream.ThreadedConnectionPool):
    """psycopg2's own ThreadedConnectionPool, with limits that may be changed while in use."""


class CallTracker:
    """Lets clients in together and a change in alone.

    It stands in for a lock where a pool has none: clients keep out of each other's way no more
    than the library makes them, but never meet a change half done.
    """

    def __init__(self) -> None:
        self._news = threading.Condition(threading.Lock())
        self._inside = 0
        self._shut = False

    @contextmanager
    def together(self) -> Iterator[None]:
        """Be inside, as others may be; waits while a change is being made."""
        with self._news:
            self._news.wait_for(lambda: not self._shut)
            self._inside += 1
        try:
            yield
        finally:
            with self._news:
                self._inside -= 1
                if self._shut:
                    self._news.notify_all()

    def __enter__(self) -> Self:
        """Be inside alone; waits for those who are there."""
        with self._news:
            self._news.wait_for(lambda: not self._shut)
            self._shut = True
            self._news.wait_for(lambda: not self._inside)
        return self

    def __exit__(self, *_: object) -> None:
        with self._news:
            self._shut = False
            self._news.notify_all()


class ResizableLocklessPool(ResizableConnectionPool):
    """A pool that has no lock `_lock` of its own, under which its limits could be changed."""

    _lock: CallTracker

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        """Made here, for a subclass that goes past our `__init__`."""
        pool = super().__new__(cls)
        pool._lock = CallTracker()
        return pool

    def _getconn(self, key: Any = None) -> connection:
        with self._lock.together():
            return super()._getconn(key)

    def _putconn(self, conn: connection, key: Any = None, close: bool = False) -> None:
        with self._lock.together():
            super()._putconn(conn, key, close)


class ResizableSimplePool(ResizableLocklessPool, upstream.SimpleConnectionPool):
    """psycopg2's own SimpleConnectionPool, with limits that may be changed while in use."""

    # The library's are AbstractConnectionPool's `_getconn` and `_putconn`, past all overrides.
    def getconn(self, key: Any = None) -> connection:
        """As the library's."""
        return self._getconn(key)

    def putconn(self, conn: connection, key: Any = None, close: bool = False) -> None:
        """As the library's."""
        self._putconn(conn, key, close)


class PersistentPool(ResizableConnectionPool):
    """One connection for each thread, which stays that thread's until the pool is closed.

    psycopg2 had such a class until 2.8. A thread that gave its connection back finds it again
    (`_resting`); nobody else gets it while that thread lives. `_used` holds those lent now,
    `_pool` those that are no thread's yet; the keys are the threads themselves.
    """

    def __init__(self, minconn: int, maxconn: int, *args: Any, **kwargs: Any) -> None:
        self._lock = threading.Lock()
        self._resting: dict[threading.Thread, connection] = {}
        super().__init__(minconn, maxconn, *args, **kwargs)

    @property
    def taken(self) -> int:
        """The connections that are some thread's, lent or resting."""
        return len(self._used) + len(self._resting)

    def getconn(self, key: Any = None) -> connection:  # noqa: ARG002 - the thread is the key
        """The calling thread's connection, whatever `key`. PoolError where `maxconn` have one."""
        thread = threading.current_thread()
        with self._lock:
            own = self._resting.pop(thread, None)
            if own is None:
                if not self._pool:
                    self._reclaim()
                return self._getconn(thread)
            if self.stopped:
                self._resting[thread] = own
                raise PoolStopped
            self._used[thread] = own
            self._rused[id(own)] = thread
            return own

    def putconn(self, conn: connection, key: Any = None, close: bool = False) -> None:  # noqa: ARG002
        """Give a connection back: it rests until its thread asks again, or is closed."""
        if id(conn) not in self._rused:
            raise upstream.PoolError("trying to put unkeyed connection")
        usable = not close and _made_clean(conn)
        with self._lock:
            usable = usable and self.open <= self.maxconn
            if not usable:
                conn.close()
            thread = self._rused.pop(id(conn))
            del self._used[thread]
            if usable:
                self._resting[thread] = conn

    def _reclaim(self) -> None:
        """Take back what rests with threads that have ended."""
        for thread in [thread for thread in self._resting if not thread.is_alive()]:
            self._pool.append(self._resting.pop(thread))

    def _take_surplus(self) -> connection | None:
        if self.open <= self.maxconn:
            return None
        if not self._pool:
            self._reclaim()
        if self._pool:
            return self._pool.pop(0)
        if self._resting:
            return self._resting.pop(next(iter(self._resting)))  # the one that rested longest
        return None


def _made_clean(conn: connection) -> bool:
    """Roll back what is open in `conn`; whether it can be used again."""
    if conn.closed or conn.info.transaction_status == TRANSACTION_STATUS_UNKNOWN:
        return False
    if conn.info.transaction_status != TRANSACTION_STATUS_IDLE:
        try:
            conn.rollback()
        except psycopg2.Error:
            return False
    return True
