"""SQLAlchemy's QueuePool, with limits that may be changed while it is in use.

Apart from `queue_pool`, which declares the limits, so that those can be read without SQLAlchemy.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from math import inf
from time import monotonic
from typing import Any

from sqlalchemy import exc as upstream_errors
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.pool import QueuePool as UpstreamQueuePool
from sqlalchemy.util.queue import Full, Queue

from poolviz.model.parameters import Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import PoolStopped
from poolviz.pools.sqlalchemy.base import NO_LIMIT, apply_upkeep


class _ResizableQueue(Queue[ConnectionPoolEntry]):
    """SQLAlchemy's queue of idle connections, which can wake its waiters for a change of limits.

    `changes` and `waiting` are guarded by the queue's `mutex`, like everything in it.
    """

    def __init__(self, maxsize: int = 0, use_lifo: bool = False) -> None:
        super().__init__(maxsize, use_lifo)
        self.changes = 0
        self.waiting = 0

    def wait(self, deadline: float) -> bool:
        """Wait for an item, a change or the deadline; return whether there was a change.

        Called with the mutex. The deadline is one of `time.monotonic`, or infinite.
        """
        seen = self.changes
        self.waiting += 1
        try:
            while not self.queue and self.changes == seen:
                remaining = deadline - monotonic()
                if remaining <= 0:
                    break
                self.not_empty.wait(min(remaining, threading.TIMEOUT_MAX))
        finally:
            self.waiting -= 1
        return self.changes != seen

    def wake(self, waiters: int) -> None:
        """Let this many waiters test again what the limits allow."""
        with self.mutex:
            self.changes += 1
            self.not_empty.notify(waiters)


class ResizableQueuePool(UpstreamQueuePool):
    """SQLAlchemy's QueuePool, with limits that may be changed while it is in use.

    As long as no limit changes, it does what the library's does, its unfairness to waiters
    included. One lock, the queue's, guards all counts, and is never held while a connection is
    opened or closed. As in the library, `_overflow` is the number of places taken minus the
    queue's size. A place is taken by a connection, by one that is being opened (`_connecting`) or
    by one that is being closed (`_closing`).
    """

    _queue_class = _ResizableQueue
    _pool: _ResizableQueue

    def __init__(self, creator: Any, **options: Any) -> None:
        super().__init__(creator, **options)
        self._connecting = 0
        self._closing = 0
        self._stopped = False

    def _do_get(self) -> ConnectionPoolEntry:
        """Return an idle connection, or a new one if there is room, or wait for one."""
        queue = self._pool
        timeout: float | None = self._timeout
        deadline = inf if timeout is None else monotonic() + timeout  # None: wait without an end
        woken_by_change = False
        with queue.mutex:
            while True:
                if self._stopped:
                    raise PoolStopped
                if queue.queue:
                    return queue.get_nowait()
                if self._inc_overflow():
                    break
                if monotonic() >= deadline:
                    raise self._timed_out()
                woken_by_change = queue.wait(deadline)
        return self._connect(woken_by_change)

    def _connect(self, woken_by_change: bool) -> ConnectionPoolEntry:
        """Open a connection for the place that was just taken."""
        try:
            record = self._create_connection()
        except BaseException:
            self._dec_overflow()
            if woken_by_change:  # another waiter can use the room that the change made
                self._pool.wake(1)
            raise
        with self._pool.mutex:
            self._connecting -= 1
        return record

    def _timed_out(self) -> upstream_errors.TimeoutError:
        return upstream_errors.TimeoutError(
            f"QueuePool limit of size {self.size()} overflow {self.overflow()} reached, "
            f"connection timed out, timeout {self._timeout:0.2f}",
            code="3o7r",
        )

    def _inc_overflow(self) -> bool:
        with self._pool.mutex:
            if not self._room():
                return False
            self._overflow += 1
            self._connecting += 1
            return True

    def _dec_overflow(self) -> Any:
        with self._pool.mutex:
            self._overflow -= 1
            self._connecting -= 1
        return True

    def _room(self) -> int:
        """Return how many more connections may be opened; without a limit, enough for waiters."""
        if self._max_overflow == NO_LIMIT:
            return max(1, self._pool.waiting)
        return max(0, self._max_overflow - self._overflow)

    def _too_many(self) -> bool:
        """Return whether the limits allow fewer connections than would stay."""
        return 0 <= self._max_overflow < self._overflow - self._closing

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        with self._pool.mutex:
            surplus = self._too_many()
            if not surplus:
                try:
                    return self._pool.put(record, False)
                except Full:
                    pass  # beyond pool_size: closed, as by the library
            self._closing += 1
        self._drop(record)
        if surplus and self._room():  # a limit was raised again while this one was being closed
            self._pool.wake(1)
        return None

    def _drop(self, record: ConnectionPoolEntry) -> None:
        """Close a connection that is counted in `_closing`, and then free its place."""
        try:
            record.close()
        finally:
            with self._pool.mutex:
                self._closing -= 1
                self._overflow -= 1

    def change_limits(self, size: int, max_overflow: int) -> None:
        """Apply both: close idle connections beyond them, wake waiters for which there is room."""
        queue = self._pool
        with queue.mutex:
            self._overflow += queue.maxsize - size
            queue.maxsize = size
            self._max_overflow = max_overflow
            surplus = []
            # The queue compares with ==, and so has no bound if it holds more than a lowered size.
            while queue.queue and (len(queue.queue) > size or self._too_many()):
                surplus.append(queue.queue.popleft())  # the one that has been idle longest
                self._closing += 1
        try:
            for record in surplus:
                self._drop(record)
        finally:
            with queue.mutex:
                queue.wake(self._room())

    def apply_limits(self, limits: Mapping[str, Value]) -> None:
        """Apply all limits; only a change of pool_size or max_overflow wakes waiters."""
        self._timeout = float(limits["pool_timeout"])
        apply_upkeep(self, limits)
        self._pool.use_lifo = bool(limits["pool_use_lifo"])
        bounds = int(limits["pool_size"]), int(limits["max_overflow"])
        if bounds != (self._pool.maxsize, self._max_overflow):
            self.change_limits(*bounds)

    def drain(self) -> None:
        """Close idle connections now, the others when they are given back.

        The library's dispose() would forget those in use, and allow as many again.
        """
        self.change_limits(0, 0)

    def stop(self) -> None:
        """Send all callers that wait, and all later ones, away with PoolStopped."""
        with self._pool.mutex:
            self._stopped = True
            self._pool.wake(self._pool.waiting)

    def reported_counts(self) -> ReportedCounts:
        """Return the pool's counts, without its lock. A place that lost its connection is free."""
        idle = tuple(self._pool.queue)
        lost = sum(record.dbapi_connection is None for record in idle)
        open_ = self._pool.maxsize + self._overflow - self._connecting
        used = open_ - self._closing - len(idle)
        return ReportedCounts(open=open_ - lost, used=used, pending=self._pool.waiting)
