"""psycopg2's pool classes, with limits that may be changed while a pool is in use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import psycopg2
from psycopg2 import pool as upstream
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_UNKNOWN, connection

from poolviz.pools.base import PoolStopped

# The methods of psycopg2's pools that apply minconn and maxconn, or decide about a connection.
_LIMITED = frozenset(
    ("__init__", "__new__", "_connect", "_getconn", "_putconn", "getconn", "putconn")
)


class ResizablePsycopg2Pool(upstream.AbstractConnectionPool):
    """What psycopg2's pools lack: limits that apply when they change, in either direction.

    `_lock` guards everything, as the library's pools hold it while they call `_getconn` and
    `_putconn`; only `stopped`, which is never reset, is set without it. `_opening` counts the
    places reserved for connections that `change_limits` is about to open, and is 0 otherwise.
    """

    stopped = False
    factory: ClassVar[type[connection] | None] = None  # for all its connections, unless given
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
            for opened in getattr(self, "_pool", ()):
                opened.close()
            raise

    @property
    def taken(self) -> int:
        """The number of connections that belong to a client, and can't be lent to another."""
        return len(self._used)

    @property
    def open(self) -> int:
        """The number of connections: idle and taken."""
        return len(self._pool) + self.taken

    @property
    def used(self) -> int:
        """The number of connections that clients hold."""
        return len(self._used)

    def _getconn(self, key: Any = None) -> connection:
        if self.stopped:
            raise PoolStopped
        # The library compares with ==, and so ignores a limit below the number in use.
        full = self.taken + self._opening >= self.maxconn
        if full and key not in self._used and not self.closed:
            raise upstream.PoolError("connection pool exhausted")
        conn: connection = super()._getconn(key)  # type: ignore[misc]
        return conn

    def _putconn(self, conn: connection, key: Any = None, close: bool = False) -> None:
        # The library drops a connection that the server closed; closed here, it is counted out.
        close = close or self.open > self.maxconn or bool(conn.closed)
        super()._putconn(conn, key, close)  # type: ignore[misc]

    def change_limits(self, minconn: int, maxconn: int) -> None:
        """Apply both limits: close idle connections beyond them, open missing ones.

        Called by one thread at a time, but to close the pool while another still opens missing
        ones: that opens no more. Raises psycopg2.Error if a missing connection can't be opened; the
        limits apply all the same.
        """
        with self._lock:
            raised = minconn > self.minconn
            self.minconn, self.maxconn = minconn, maxconn
            # Closed under the lock, as by the library, so that none is opened before these are.
            while (surplus := self._take_surplus()) is not None:
                surplus.close()
            self._opening = max(0, minconn - self.open) if raised else 0
        self._open_missing()

    def _take_surplus(self) -> connection | None:
        """Remove and return an idle connection that the limits don't allow; None if there is none.

        It is the one that has been idle longest.
        """
        if self._pool and (len(self._pool) > self.minconn or self.open > self.maxconn):
            return self._pool.pop(0)
        return None

    def _open_missing(self) -> None:
        """Open connections for the reserved places, as the constructor does, without the lock.

        If a subclass overrides `_connect`, it is called with the lock, as by the library.
        """
        overridden = type(self)._connect is not upstream.AbstractConnectionPool._connect  # type: ignore[attr-defined]
        try:
            while self._opening:
                conn = None if overridden else psycopg2.connect(*self._args, **self._kwargs)
                with self._lock:
                    if not self._opening:  # the pool was closed meanwhile
                        if conn is not None:
                            conn.close()
                        return
                    if conn is None:
                        self._connect()  # type: ignore[attr-defined]
                    else:
                        self._pool.append(conn)
                    self._opening -= 1
        finally:
            with self._lock:
                self._opening = 0


class ResizableThreadedPool(ResizablePsycopg2Pool, upstream.ThreadedConnectionPool):
    """psycopg2's ThreadedConnectionPool, with limits that may be changed while it is in use."""


class SharedExclusiveLock:
    """A lock that clients hold together (`shared`), and a change of the limits alone (`with`).

    It stands in for `_lock` in a pool that has no lock: clients don't exclude each other, as in
    the library, but never see a change half done.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())  # guards the two below
        self._sharers = 0
        self._exclusive = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the lock with other clients; waits while a change holds it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._exclusive)
            self._sharers += 1
        try:
            yield
        finally:
            with self._changed:
                self._sharers -= 1
                if self._exclusive:
                    self._changed.notify_all()

    def __enter__(self) -> Self:
        """Take the lock alone; new clients wait from now on, and this waits for the others."""
        with self._changed:
            self._changed.wait_for(lambda: not self._exclusive)
            self._exclusive = True
            self._changed.wait_for(lambda: not self._sharers)
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._exclusive = False
            self._changed.notify_all()


class ResizableLocklessPool(ResizablePsycopg2Pool):
    """A pool without a lock `_lock` of its own, under which its limits could be changed."""

    _lock: SharedExclusiveLock

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        """Make the lock here, for subclasses that don't call our `__init__`."""
        pool = super().__new__(cls)
        pool._lock = SharedExclusiveLock()
        return pool

    def _getconn(self, key: Any = None) -> connection:
        with self._lock.shared():
            return super()._getconn(key)

    def _putconn(self, conn: connection, key: Any = None, close: bool = False) -> None:
        with self._lock.shared():
            super()._putconn(conn, key, close)


class ResizableSimplePool(ResizableLocklessPool, upstream.SimpleConnectionPool):
    """psycopg2's SimpleConnectionPool, with limits that may be changed while it is in use."""

    # The library binds these to AbstractConnectionPool's `_getconn` and `_putconn`, which
    # bypasses overrides of the two.
    def getconn(self, key: Any = None) -> connection:
        """Return a connection, as the library's does."""
        return self._getconn(key)

    def putconn(self, conn: connection, key: Any = None, close: bool = False) -> None:
        """Give a connection back, as to the library's."""
        self._putconn(conn, key, close)


class PersistentPool(ResizablePsycopg2Pool):
    """A pool that gives each thread one connection, and keeps it for that thread until its end.

    psycopg2 had such a class until 2.8. A connection that was given back waits for its thread in
    `_kept`. `_used` holds those that are lent, `_pool` those that belong to no thread yet; the
    keys are the threads themselves.
    """

    def __init__(self, minconn: int, maxconn: int, *args: Any, **kwargs: Any) -> None:
        self._lock = threading.Lock()
        self._kept: dict[threading.Thread, connection] = {}
        super().__init__(minconn, maxconn, *args, **kwargs)

    @property
    def taken(self) -> int:
        """The number of connections that belong to a thread, lent or kept for it."""
        return len(self._used) + len(self._kept)

    def getconn(self, key: Any = None) -> connection:  # noqa: ARG002 - the thread is the key
        """Return the calling thread's connection, whatever `key` is.

        Raises PoolError if the thread has none and `maxconn` others have one.
        """
        thread = threading.current_thread()
        with self._lock:
            own = self._kept.pop(thread, None)
            if own is None:
                if not self._pool:
                    self._reclaim()
                return self._getconn(thread)
            if self.stopped:
                self._kept[thread] = own
                raise PoolStopped
            self._used[thread] = own
            self._rused[id(own)] = thread
            return own

    def putconn(self, conn: connection, key: Any = None, close: bool = False) -> None:  # noqa: ARG002
        """Give a connection back: it is kept for its thread, or closed."""
        if id(conn) not in self._rused:
            raise upstream.PoolError("trying to put unkeyed connection")
        usable = not close and _rolled_back(conn)
        with self._lock:
            usable = usable and self.open <= self.maxconn
            if not usable:
                conn.close()
            thread = self._rused.pop(id(conn))
            del self._used[thread]
            if usable:
                self._kept[thread] = conn

    def _reclaim(self) -> None:
        """Take back the connections of threads that have ended."""
        for thread in [thread for thread in self._kept if not thread.is_alive()]:
            self._pool.append(self._kept.pop(thread))

    def _take_surplus(self) -> connection | None:
        if self.open <= self.maxconn:
            return None
        if not self._pool:
            self._reclaim()
        if self._pool:
            return self._pool.pop(0)
        if self._kept:
            return self._kept.pop(next(iter(self._kept)))  # given back the longest time ago
        return None


def _rolled_back(conn: connection) -> bool:
    """Roll back the transaction of a connection, if any; return whether it can be used again."""
    if conn.closed or conn.info.transaction_status == TRANSACTION_STATUS_UNKNOWN:
        return False
    if conn.info.transaction_status != TRANSACTION_STATUS_IDLE:
        try:
            conn.rollback()
        except psycopg2.Error:
            return False
    return True


def idle_and_used(pool: upstream.AbstractConnectionPool) -> tuple[int, int]:
    """Return how many connections a pool of any subclass keeps idle, and how many it has lent."""
    return len(pool._pool), len(pool._used)  # type: ignore[attr-defined]


def made_resizable(cls: type[upstream.AbstractConnectionPool]) -> type[Any]:
    """Return a user's class as if it were derived from our pools instead of psycopg2's.

    Returns `cls` itself if it can't be combined with ours.
    """
    base: type[Any] = ResizableLocklessPool
    if issubclass(cls, upstream.ThreadedConnectionPool):
        base = ResizableThreadedPool
    elif issubclass(cls, upstream.SimpleConnectionPool):
        base = ResizableSimplePool
    if issubclass(base, cls):  # psycopg2's own class
        return base
    try:
        return type(
            cls.__name__, (cls, base), {"__module__": cls.__module__, "__doc__": cls.__doc__}
        )
    except Exception:  # noqa: BLE001 - it forbids subclasses, or has an incompatible layout
        return cls


def overrides_library(cls: type[Any]) -> bool:
    """Return whether a user's class, or a base of it that isn't psycopg2's, has a method of its own
    for something that changing minconn and maxconn in place depends on.

    What such a method does with the two can't be known, so that the pool has to be rebuilt.
    """
    for owner in cls.__mro__:
        if owner.__module__ == upstream.AbstractConnectionPool.__module__:
            return False
        if not _LIMITED.isdisjoint(vars(owner)):
            return True
    return False
