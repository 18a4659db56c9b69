"""SQLAlchemy's QueuePool: callers wait for what comes back, and a newcomer may be quicker."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

from sqlalchemy import exc as upstream_errors
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.pool import QueuePool as UpstreamQueuePool
from sqlalchemy.util.queue import Full, Queue

from poolviz.model.parameters import Count, Effect, Parameters, Seconds, Switch, Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import PoolStopped
from poolviz.pools.listing import Listing
from poolviz.pools.sqlalchemy.base import (
    MOST,
    POOL_PRE_PING,
    POOL_RECYCLE,
    SQLAlchemyPool,
    put_upkeep_in_force,
)

LISTING = Listing("sqlalchemy.QueuePool", "SQLAlchemy QueuePool", rank=20)

_NO_LIMIT = -1


class _ResizableQueue(Queue[ConnectionPoolEntry]):
    """SQLAlchemy's queue of idle connections, whose waiters can be told of a change.

    `changes` and `waiting` are guarded by the queue's own `mutex`, as all of it is.
    """

    def __init__(self, maxsize: int = 0, use_lifo: bool = False) -> None:
        super().__init__(maxsize, use_lifo)
        self.changes = 0
        self.waiting = 0

    def wait(self, deadline: float) -> bool:
        """Wait for an item, a change or the deadline; True if there was a change. Needs mutex."""
        seen = self.changes
        self.waiting += 1
        try:
            while not self.queue and self.changes == seen:
                remaining = deadline - monotonic()
                if remaining <= 0:
                    break
                self.not_empty.wait(remaining)
        finally:
            self.waiting -= 1
        return self.changes != seen

    def wake(self, waiters: int) -> None:
        """Have as many waiters look again at what the limits allow."""
        with self.mutex:
            self.changes += 1
            self.not_empty.notify(waiters)


class ResizableQueuePool(UpstreamQueuePool):
    """SQLAlchemy's own QueuePool, with limits that may be changed while it is in use.

    Unless a limit changes it does what the library's does, its unfairness to waiters included.
    One lock, the queue's, guards all the counts, and is never held while a connection is made
    or closed. As in the library `_overflow` counts every place taken, less the queue's size:
    by a connection, by one on its way in (`_connecting`) or on its way out (`_leaving`).
    """

    _queue_class = _ResizableQueue
    _pool: _ResizableQueue

    def __init__(self, creator: Any, **options: Any) -> None:
        super().__init__(creator, **options)
        self._connecting = 0
        self._leaving = 0
        self._stopped = False

    def _do_get(self) -> ConnectionPoolEntry:
        """An idle connection, or a new one where there is room, or what comes back in time."""
        queue = self._pool
        deadline = monotonic() + self._timeout
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
        """A new connection, for the place just taken."""
        try:
            record = self._create_connection()
        except BaseException:
            self._dec_overflow()
            if woken_by_change:  # the room that the change made is another waiter's now
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
        """How many connections may still be made; as many as wait where there is no limit."""
        if self._max_overflow == _NO_LIMIT:
            return max(1, self._pool.waiting)
        return max(0, self._max_overflow - self._overflow)

    def _too_many(self) -> bool:
        """Whether more connections stay than the limits allow."""
        return 0 <= self._max_overflow < self._overflow - self._leaving

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        with self._pool.mutex:
            surplus = self._too_many()
            if not surplus:
                try:
                    return self._pool.put(record, False)
                except Full:
                    pass  # beyond pool_size: closed, as the library does
            self._leaving += 1
        self._drop(record)
        if surplus and self._room():  # a limit was raised again while this one was on its way out
            self._pool.wake(1)
        return None

    def _drop(self, record: ConnectionPoolEntry) -> None:
        """Close a connection that was counted as stopping; only then is its place free."""
        try:
            record.close()
        finally:
            with self._pool.mutex:
                self._leaving -= 1
                self._overflow -= 1

    def change_limits(self, size: int, max_overflow: int) -> None:
        """Put both in force: close idle connections beyond them, wake waiters there is room for."""
        queue = self._pool
        with queue.mutex:
            self._overflow += queue.maxsize - size
            queue.maxsize = size
            self._max_overflow = max_overflow
            surplus = []
            # The queue's own bound is an ==, and no bound once it holds more than a lowered size.
            while queue.queue and (len(queue.queue) > size or self._too_many()):
                surplus.append(queue.queue.popleft())  # the one that rested longest
                self._leaving += 1
        try:
            for record in surplus:
                self._drop(record)
        finally:
            with queue.mutex:
                queue.wake(self._room())

    def put_in_force(self, limits: Mapping[str, Value]) -> None:
        """Have all limits hold; only a change of size or overflow wakes anybody."""
        self._timeout = float(limits["pool_timeout"])
        put_upkeep_in_force(self, limits)
        self._pool.use_lifo = bool(limits["pool_use_lifo"])
        bounds = int(limits["pool_size"]), int(limits["max_overflow"])
        if bounds != (self._pool.maxsize, self._max_overflow):
            self.change_limits(*bounds)

    def finish(self) -> None:
        """Leave no room. The library's dispose() would forget the connections in use, and let in
        as many again."""
        self.change_limits(0, 0)

    def stop(self) -> None:
        """Send every waiter, and every later caller, away with PoolStopped."""
        with self._pool.mutex:
            self._stopped = True
            self._pool.wake(self._pool.waiting)

    def reported_counts(self) -> ReportedCounts:
        """The pool's counts, without its lock. A place whose connection was lost counts as none."""
        idle = tuple(self._pool.queue)
        lost = sum(record.dbapi_connection is None for record in idle)
        open_ = self._pool.maxsize + self._overflow - self._connecting
        used = open_ - self._leaving - len(idle)
        return ReportedCounts(open=open_ - lost, used=used, pending=self._pool.waiting)


def queue_limits(id: str) -> Parameters:
    """The limits of a QueuePool, or of a pool derived from it."""
    return Parameters(
        f"limit of {id}",
        Count(
            key="pool_size",
            default=5,
            minimum=1,
            maximum=MOST,
            slider=(1, 50),
            help="The most connections kept idle, ready for the next caller. None is opened "
            "before it is needed.",
            effect_help="Idle connections beyond it are closed at once, those in use when they "
            "are given back; callers who wait start at once where there is room.",
        ),
        Count(
            key="max_overflow",
            default=5,
            maximum=MOST,
            slider=(0, 50),
            special={_NO_LIMIT: "no limit"},
            help="How many connections may be open beyond pool_size. Those are closed when they "
            "are given back.",
            effect_help="Connections beyond it are closed when they are given back; callers who "
            "wait start at once where there is room.",
        ),
        Seconds(
            key="pool_timeout",
            default=30.0,
            maximum=86_400,
            slider=(0, 60),
            log_slider=True,
            special={0: "fail at once"},
            effect=Effect.NEW_REQUESTS,
            help="How long a caller waits for a connection before it gets an error.",
            effect_help="Callers who wait already keep the time they came with.",
        ),
        POOL_RECYCLE,
        POOL_PRE_PING,
        Switch(
            key="pool_use_lifo",
            default=False,
            help="Whether the connection given back last is handed out first, so that the others "
            "rest, instead of each in turn.",
            effect_help="Holds from the next connection that is handed out.",
        ),
    )


class QueuePool(SQLAlchemyPool):
    """`sqlalchemy.pool.QueuePool`."""

    id, title = LISTING.id, LISTING.title
    about = "When every connection is in use a caller waits, for pool_timeout at most."
    waits = True
    exhausted = (upstream_errors.TimeoutError,)
    limits = queue_limits(id)
    live = ResizableQueuePool

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """The most connections: pool_size and max_overflow together."""
        overflow = int(limits["max_overflow"])
        return None if overflow == _NO_LIMIT else int(limits["pool_size"]) + overflow

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """The most connections kept idle: pool_size."""
        return int(limits["pool_size"])
