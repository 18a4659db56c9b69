"""psycopg 3's own pools, with what limits need that are changed while a pool is in use."""

from __future__ import annotations

import logging
import math
from collections import deque
from threading import Event
from typing import Any, Self

from psycopg import Connection, OperationalError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool, NullConnectionPool, PoolTimeout
from psycopg_pool.base import AttemptWithBackoff, BasePool
from psycopg_pool.pool import AddConnection, MaintenanceTask, ShrinkPool

from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, PoolStopped
from poolviz.pools.connections.connect_faults import wait_to_connect
from poolviz.pools.connections.counting import CountedConnection

START_LIMIT = 30.0  # seconds that the first connections may take: the library's own for `wait`

# The library warns of every connection that is given back in a transaction, which here are all:
# to the terminal, where nobody has set its logger up, and at the cost of a record each.
logging.getLogger("psycopg").addHandler(logging.NullHandler())
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def libpq_conninfo(conninfo: str) -> str:
    """`conninfo` without empty parameters, which mean the default to libpq, but not to psycopg."""
    given = conninfo_to_dict(conninfo)
    return make_conninfo("", **{key: value for key, value in given.items() if value != ""})


class CountsMixin(BasePool):
    """What a live change must know beside the library's counts.

    The library counts places (`_nconns`). In a place there is a connection, or one on its way in
    (`_coming`: to be opened by a worker, now or when it tries again) or out (`_leaving`).
    Guarded by the pool's lock, or its loop; `stopped` is only ever set.
    """

    _waiting: deque[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.stopped = False
        self._coming = self._leaving = 0
        self._fault: Exception | None = None  # why a connection couldn't be opened at the start
        super().__init__(*args, **kwargs)

    @property
    def _most(self) -> float:
        """How many connections there may be."""
        return self._max_size

    def _too_many(self) -> bool:
        """Whether there are more connections than there may be: one has to go."""
        return self._nconns - self._coming - self._leaving > self._most

    def _too_many_to_come(self) -> bool:
        """Whether there would be, if all came: one need not be opened."""
        return self._nconns - self._leaving > self._most

    def _check_open_getconn(self) -> None:
        if self.stopped:
            raise PoolStopped

    def _set_connection_expiry_date(self, conn: Any) -> None:
        super()._set_connection_expiry_date(conn)
        conn.lifetime = self.max_lifetime

    def _date_anew(self, conn: Any) -> None:
        """Have a connection from before max_lifetime changed expire by the new one."""
        if conn.lifetime != self.max_lifetime:
            share = (conn._expire_at - conn._created_at) / conn.lifetime
            conn._expire_at = conn._created_at + share * self.max_lifetime
            conn.lifetime = self.max_lifetime

    def _still_waiting(self) -> list[Any]:
        """Those who wait: the library's queue holds those who gave up, too."""
        return [one for one in tuple(self._waiting) if one.conn is None and one.error is None]

    def reported_counts(self) -> ReportedCounts:
        """The pool's counts; from any thread, without its lock."""
        open_ = self._nconns - self._coming
        used = open_ - self._leaving - len(self._pool)
        return ReportedCounts(open=open_, used=used, pending=len(self._still_waiting()))


def counted_connection(counter: ConnectionCounter) -> type[Connection[Any]]:
    """A class of connection that `counter` counts, for the pool's `connection_class`."""

    class CountedPsycopgConnection(CountedConnection, Connection[Any]):
        """A psycopg connection that counts itself."""

        lifetime: float

        @classmethod
        def connect(cls, *args: Any, **kwargs: Any) -> Self:
            """Connect, and count the connection."""
            began = wait_to_connect(counter, OperationalError)
            conn = super().connect(*args, **kwargs)
            conn.count_in(counter, began)
            return conn

        def disconnect(self) -> None:
            """Close the connection; psycopg leaves the socket of a broken one open."""
            super().disconnect()
            self.pgconn.finish()

    return CountedPsycopgConnection


class ResizablePool(CountsMixin, ConnectionPool[Any]):
    """What the library's two pools for threads need for limits that change while they are used."""

    def start(self) -> None:
        """Open the pool, and wait for its first connections, min_size of them.

        The driver's error where one can't be made; PoolTimeout where they take too long.
        """
        event = self._pool_full_event = Event()
        self.open()
        ready = not self._min_size or event.wait(START_LIMIT)
        self._pool_full_event = None
        fault, self._fault = self._fault, None
        if fault is None and not ready:
            fault = PoolTimeout(f"couldn't open {self._min_size} connections in {START_LIMIT} s")
        if fault is not None:
            self.close()
            raise fault

    def interrupt(self) -> None:
        """Send every waiter, and every later caller, away with PoolStopped.

        Without the lock: the library may hold it while it connects.
        """
        self.stopped = True
        for waiter in self._still_waiting():
            waiter.fail(PoolStopped())

    def run_task(self, task: MaintenanceTask) -> None:
        """Have a worker do `task`. A new one that opens a connection is counted."""
        if isinstance(task, AddConnection) and task.attempt is None:
            with self._lock:
                self._coming += 1
        super().run_task(task)

    def _get_ready_connection(self, timeout: float | None) -> Any:
        if self.stopped:
            raise PoolStopped
        return super()._get_ready_connection(timeout)

    def _maybe_grow_pool(self) -> None:
        super()._maybe_grow_pool()
        # The caller has just joined the queue: interrupt may have looked at it before.
        if self.stopped:
            self.interrupt()

    def _connect(self, timeout: float | None = None) -> Any:
        try:
            conn = super()._connect(timeout)
        except Exception as error:
            if event := self._pool_full_event:
                self._fault = error
                event.set()
            raise
        if timeout is None:  # by a worker, not by a caller for itself
            with self._lock:
                self._coming -= 1
        return conn

    def _add_connection(self, attempt: AttemptWithBackoff | None, growing: bool = False) -> None:
        with self._lock:
            if self._too_many_to_come():
                self._nconns -= 1
                self._coming -= 1
                if growing:
                    self._growing = False
                return
        super()._add_connection(attempt, growing)

    def reconnect_failed(self) -> None:
        """Called once the library has given up a place whose connection never came."""
        with self._lock:
            self._coming -= 1
        super().reconnect_failed()

    def _return_connection(self, conn: Any, from_getconn: bool) -> None:
        self._date_anew(conn)
        super()._return_connection(conn, from_getconn)

    def _reset_connection(self, conn: Any) -> None:
        super()._reset_connection(conn)
        if conn.closed:  # the library just forgets it; closed, it is counted out
            conn.close()


class _Shrink(ShrinkPool):
    """The library's regular task, which ends once another was begun in its place."""

    def _run(self, pool: Any) -> None:
        if pool.shrink is self:
            super()._run(pool)


class ResizableConnectionPool(ResizablePool):
    """The library's own ConnectionPool, with limits that may be changed while it is in use.

    The lock is never held while a connection is made or closed. What comes back, or is new,
    goes by `_add_to_pool`, the one place where it is decided whether it may stay.
    """

    shrink: ShrinkPool | None = None

    def change_sizes(self, min_size: int, max_size: int) -> None:
        """Put both in force: close idle connections beyond, open missing ones, wake waiters."""
        with self._lock:
            self._min_size, self._max_size = min_size, max_size
            surplus = []
            while self._pool and self._too_many():
                surplus.append(self._pool.popleft())  # the one that rested longest
                self._leaving += 1
            self._nconns_min = min(self._nconns_min, len(self._pool))
            self._fill()
        for conn in surplus:
            self._drop(conn)

    def change_idle(self, max_idle: float) -> None:
        """Put max_idle in force: the library would look at it only when the old one is over."""
        if max_idle != self.max_idle:
            self.max_idle = max_idle
            self.schedule_task(ShrinkPool(self), max_idle)

    def schedule_task(self, task: MaintenanceTask, delay: float) -> None:
        """Have a worker do `task` later. The task that shrinks replaces the one before it."""
        if isinstance(task, ShrinkPool):
            task = self.shrink = _Shrink(self)
            delay = self.max_idle
        super().schedule_task(task, delay)

    def close(self, timeout: float = 5.0) -> None:
        """Leave no room, and end the workers: connections in use are closed when given back."""
        self.interrupt()
        self.change_sizes(0, 0)
        super().close(timeout)

    def _fill(self) -> None:
        """Have workers open what min_size asks for, and what those who wait may have. Needs
        the lock."""
        while self._nconns < self._min_size:
            self._nconns += 1
            self.run_task(AddConnection(self))
        if self._waiting:
            self._maybe_grow_pool()

    def _maybe_close_connection(self, conn: Any) -> bool:
        return self._too_many() and self._leave(conn)

    def _add_to_pool(self, conn: Any) -> None:
        with self._lock:  # which the library takes again
            if not self._too_many():
                super()._add_to_pool(conn)
                return
        if not self._leave(conn):
            self._add_to_pool(conn)  # a limit was raised meanwhile

    def _leave(self, conn: Any) -> bool:
        """Close a connection if there are too many; whether it was."""
        with self._lock:
            if not self._too_many():
                return False
            self._leaving += 1
        self._drop(conn)
        return True

    def _drop(self, conn: Any) -> None:
        """Close a connection that was counted as stopping; only then is its place free."""
        try:
            self._close_connection(conn)
        finally:
            with self._lock:
                self._leaving -= 1
                self._nconns -= 1
                self._fill()


class ResizableNullConnectionPool(ResizablePool, NullConnectionPool[Any]):
    """The library's own NullConnectionPool, with limits that may be changed while it is in use.

    As in the library callers connect while they hold the pool's lock, and so one at a time.
    """

    @property
    def _most(self) -> float:
        return self._max_size or math.inf

    def change_size(self, max_size: int) -> None:
        """Put max_size in force: open connections for those who wait and may have one."""
        with self._lock:
            self._max_size = max_size
            unserved = len(self._still_waiting()) - self._coming
            for _ in range(int(min(self._most - self._nconns, unserved))):
                self._nconns += 1
                self.run_task(AddConnection(self))

    def close(self, timeout: float = 5.0) -> None:
        """End the workers: connections in use are closed when given back."""
        self.interrupt()
        super().close(timeout)

    def _maybe_close_connection(self, conn: Any) -> bool:
        with self._lock:
            if not self._too_many():
                return super()._maybe_close_connection(conn)
            # The library would hand it to a waiter, and never come down to a lowered limit.
            self._close_connection(conn)
            self._nconns -= 1
            return True
