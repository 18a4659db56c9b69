"""psycopg 3's pool classes, with limits that may be changed while a pool is in use."""

from __future__ import annotations

import math
from collections import deque
from threading import Event
from typing import Any, TypeVar

from psycopg import Connection
from psycopg_pool import ConnectionPool, NullConnectionPool, PoolTimeout
from psycopg_pool.base import AttemptWithBackoff, BasePool
from psycopg_pool.pool import AddConnection, MaintenanceTask, ReturnConnection, ShrinkPool

from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import PoolStopped
from poolviz.pools.connections.library_logs import drop_records, keep_off_terminal

CT = TypeVar("CT", bound=Connection[Any])  # the library's parameter: the class of connections
START_TIMEOUT = 30.0  # seconds for the first connections: the default of the library's `wait`


def drop_rollback_records() -> None:
    """Drop the library's log records of connections that come back in a transaction: here many do,
    each time."""
    drop_records("psycopg.pool", "rolling back returned connection")


class ResizableBasePool(BasePool):
    """The counts that changing limits in use needs beside the library's.

    The library counts places (`_nconns`). A place has a connection, or one that a worker is about
    to open, now or at its next attempt (`_opening`), or one that is being closed (`_closing`).
    Guarded by the pool's lock, or its loop; `stopped` is never reset.
    """

    _waiting: deque[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        keep_off_terminal("psycopg")  # each connection that can't be opened
        self.stopped = False
        self._opening = self._closing = 0
        self._start_error: Exception | None = None  # of the first connections
        super().__init__(*args, **kwargs)

    @property
    def _most(self) -> float:
        """How many connections there may be."""
        return self._max_size

    def _too_many(self) -> bool:
        """Whether there are more connections than there may be, so that one must be closed."""
        return self._nconns - self._opening - self._closing > self._most

    def _too_many_opening(self) -> bool:
        """Whether there would be too many if all that are being opened were."""
        return self._nconns - self._closing > self._most

    def _check_open_getconn(self) -> None:
        if self.stopped:
            raise PoolStopped
        super()._check_open_getconn()

    def _set_connection_expiry_date(self, conn: Any) -> None:
        super()._set_connection_expiry_date(conn)
        conn.lifetime = self.max_lifetime

    def _update_expiry_date(self, conn: Any) -> None:
        """Apply a changed max_lifetime to a connection that was opened before the change."""
        if conn.lifetime != self.max_lifetime:
            share = (conn._expire_at - conn._created_at) / conn.lifetime
            conn._expire_at = conn._created_at + share * self.max_lifetime
            conn.lifetime = self.max_lifetime

    def _still_waiting(self) -> list[Any]:
        """Return the callers that wait; the library's queue keeps those that gave up, too."""
        return [one for one in tuple(self._waiting) if one.conn is None and one.error is None]

    def reported_counts(self) -> ReportedCounts:
        """Return the pool's counts, without its lock. Called from any thread."""
        open_ = self._nconns - self._opening
        used = open_ - self._closing - len(self._pool)
        return ReportedCounts(open=open_, used=used, pending=len(self._still_waiting()))


class ResizableSyncPool(ResizableBasePool, ConnectionPool[CT]):
    """What the library's two pools for threads need for limits that change while in use."""

    def start(self) -> None:
        """Open the pool, and wait until min_size connections are open.

        Raises the driver's error if one can't be opened, PoolTimeout if they take too long.
        """
        event = self._pool_full_event = Event()
        self.open()
        ready = not self._min_size or event.wait(START_TIMEOUT)
        self._pool_full_event = None
        error, self._start_error = self._start_error, None
        if error is None and not ready:
            error = PoolTimeout(f"couldn't open {self._min_size} connections in {START_TIMEOUT} s")
        if error is not None:
            self.close()
            raise error

    def interrupt(self) -> None:
        """Send all callers that wait, and all later ones, away with PoolStopped.

        Doesn't take the lock, which the library may hold while it connects.
        """
        self.stopped = True
        for waiter in self._still_waiting():
            waiter.fail(PoolStopped())

    def run_task(self, task: MaintenanceTask) -> None:
        """Pass a task to a worker; count a new one that opens a connection."""
        if isinstance(task, AddConnection) and task.attempt is None:
            with self._lock:
                self._opening += 1
        elif type(task) is ReturnConnection:
            task = _ReturnOrClose(self, task.conn, task.from_getconn)
        super().run_task(task)

    def _get_ready_connection(self, timeout: float | None) -> Any:
        if self.stopped:
            raise PoolStopped
        return super()._get_ready_connection(timeout)

    def _maybe_grow_pool(self) -> None:
        super()._maybe_grow_pool()
        # The caller has just joined the queue, perhaps after interrupt went through it.
        if self.stopped:
            self.interrupt()

    def _connect(self, timeout: float | None = None) -> Any:
        try:
            conn = super()._connect(timeout)
        except Exception as error:
            if event := self._pool_full_event:
                self._start_error = error
                event.set()
            raise
        if timeout is None:  # called by a worker, not by a client for itself
            with self._lock:
                self._opening -= 1
        return conn

    def _add_connection(self, attempt: AttemptWithBackoff | None, growing: bool = False) -> None:
        with self._lock:
            if self._too_many_opening():
                self._nconns -= 1
                self._opening -= 1
                if growing:
                    self._growing = False
                return
        super()._add_connection(attempt, growing)

    def reconnect_failed(self) -> None:
        """Called when the library has given up a place whose connection couldn't be opened."""
        with self._lock:
            self._opening -= 1
        super().reconnect_failed()

    def _return_connection(self, conn: Any, from_getconn: bool) -> None:
        self._update_expiry_date(conn)
        super()._return_connection(conn, from_getconn)

    def _reset_connection(self, conn: Any) -> None:
        super()._reset_connection(conn)
        if conn.closed:  # the library only drops it; closed by us, it is counted out
            conn.close()


class _ReturnOrClose(ReturnConnection):
    """The library's task for a connection that is given back. Where the pool was closed before it
    is run, the library drops the connection without closing it."""

    def run(self) -> None:
        """Run the task, or close the connection."""
        pool = self.pool()
        if pool is None or not pool.closed:
            super().run()
        elif not pool._maybe_close_connection(self.conn):
            self.conn.close()


class _Shrink(ShrinkPool):
    """The library's regular task, which ends if another has replaced it."""

    def _run(self, pool: Any) -> None:
        if pool.shrink is self:
            super()._run(pool)


class ResizableConnectionPool(ResizableSyncPool[CT]):
    """The library's ConnectionPool, with limits that may be changed while it is in use.

    The lock is never held while a connection is opened or closed. A connection that is given
    back or new passes `_add_to_pool`, the only place that decides whether it may stay.
    """

    shrink: ShrinkPool | None = None

    def change_sizes(self, min_size: int, max_size: int) -> None:
        """Apply both: close idle connections beyond them, open missing ones, wake callers."""
        with self._lock:
            self._min_size, self._max_size = min_size, max_size
            surplus = []
            while self._pool and self._too_many():
                surplus.append(self._pool.popleft())  # the one that has been idle longest
                self._closing += 1
            self._nconns_min = min(self._nconns_min, len(self._pool))
            self._fill()
        for conn in surplus:
            self._drop(conn)

    def change_idle(self, max_idle: float) -> None:
        """Apply max_idle now; the library would only read it when the old time is over."""
        if max_idle != self.max_idle:
            self.max_idle = max_idle
            self.schedule_task(ShrinkPool(self), max_idle)

    def schedule_task(self, task: MaintenanceTask, delay: float) -> None:
        """Schedule a task for a worker. The one that shrinks the pool replaces the one before."""
        if isinstance(task, ShrinkPool):
            task = self.shrink = _Shrink(self)
            delay = self.max_idle
        super().schedule_task(task, delay)

    def close(self, timeout: float = 5.0) -> None:
        """Close idle connections and end the workers; others are closed when given back."""
        self.change_sizes(0, 0)
        super().close(timeout)

    def _fill(self) -> None:
        """Have workers open connections for min_size and for callers that may have one.

        Called with the lock.
        """
        while self._nconns < self._min_size:
            self._nconns += 1
            self.run_task(AddConnection(self))
        if self._waiting:
            self._maybe_grow_pool()

    def _maybe_close_connection(self, conn: Any) -> bool:
        return self._too_many() and self._close_surplus(conn)

    def _add_to_pool(self, conn: Any) -> None:
        with self._lock:  # reentrant: the library takes it again
            if not self._too_many():
                super()._add_to_pool(conn)
                return
        if not self._close_surplus(conn):
            self._add_to_pool(conn)  # a limit was raised meanwhile

    def _close_surplus(self, conn: Any) -> bool:
        """Close a connection if there are too many; return whether it was closed."""
        with self._lock:
            if not self._too_many():
                return False
            self._closing += 1
        self._drop(conn)
        return True

    def _drop(self, conn: Any) -> None:
        """Close a connection that is counted in `_closing`, and then free its place."""
        try:
            self._close_connection(conn)
        finally:
            with self._lock:
                self._closing -= 1
                self._nconns -= 1
                self._fill()


class ResizableNullConnectionPool(ResizableSyncPool[CT], NullConnectionPool[CT]):
    """The library's NullConnectionPool, with limits that may be changed while it is in use.

    As in the library, callers connect while they hold the pool's lock, and so one at a time.
    """

    @property
    def _most(self) -> float:
        return self._max_size or math.inf

    def change_size(self, max_size: int) -> None:
        """Apply max_size: open connections for callers that wait and may have one."""
        with self._lock:
            self._max_size = max_size
            unserved = len(self._still_waiting()) - self._opening
            for _ in range(int(min(self._most - self._nconns, unserved))):
                self._nconns += 1
                self.run_task(AddConnection(self))

    def _maybe_close_connection(self, conn: Any) -> bool:
        with self._lock:
            if not self._too_many():
                return super()._maybe_close_connection(conn)
            # The library would pass it to a caller that waits, and never reach a lowered limit.
            self._close_connection(conn)
            self._nconns -= 1
            return True
