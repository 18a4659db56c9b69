"""SQLAlchemy's pool for asyncio, made by its asyncio engine for asyncpg."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import nullcontext, suppress
from time import monotonic
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import exc as upstream_errors
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool as UpstreamPool
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util import await_only, greenlet_spawn
from sqlalchemy.util.queue import AsyncAdaptedQueue

from poolviz.model.parameters import Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, TaskPool, set_autocommit
from poolviz.pools.connections.asyncpg import asyncpg_arguments
from poolviz.pools.connections.connect_faults import refused_by_system, wait_to_connect_async
from poolviz.pools.connections.counting import count_in
from poolviz.pools.listing import Listing
from poolviz.pools.sqlalchemy.queue_pool import QueuePool, ResizableQueuePool, queue_limits

LISTING = Listing(
    "sqlalchemy.AsyncAdaptedQueuePool",
    "SQLAlchemy AsyncAdaptedQueuePool",
    rank=25,
    drivers=("asyncpg", "greenlet"),
    extra="asyncpg",
)


class _Idle(asyncio.Queue[ConnectionPoolEntry]):
    """asyncio's queue, for which its owner says how much it holds and what comes first."""

    _queue: Any
    _getters: Any
    _wakeup_next: Callable[[Any], None]

    def __init__(self, owner: _ResizableAsyncQueue) -> None:
        self._owner = owner
        super().__init__()

    @property
    def _maxsize(self) -> int:
        return self._owner.maxsize

    @_maxsize.setter
    def _maxsize(self, _: int) -> None:
        """What asyncio's constructor has to say, too, is the owner's."""

    def _get(self) -> Any:
        return self._queue.pop() if self._owner.use_lifo else self._queue.popleft()


class _ResizableAsyncQueue(AsyncAdaptedQueue[ConnectionPoolEntry]):
    """SQLAlchemy's queue for asyncio with the face of `_ResizableQueue`: on one loop, no lock.

    Its waiters stand in asyncio's own line, so that what is put wakes the first of them.
    """

    def __init__(self, maxsize: int = 0, use_lifo: bool = False) -> None:
        super().__init__(maxsize, use_lifo)
        self.mutex = nullcontext()
        self.changes = 0
        self.waiting = 0
        self._idle = self._queue = _Idle(self)

    @property
    def queue(self) -> Any:
        """The items."""
        return self._idle._queue

    def wait(self, deadline: float) -> bool:
        """Wait for an item, a change or the deadline; True if there was a change."""
        seen = self.changes
        self.waiting += 1
        try:
            while not self.queue and self.changes == seen:
                remaining = deadline - monotonic()
                if remaining <= 0:
                    break
                await_only(self._news(remaining))
        finally:
            self.waiting -= 1
        return self.changes != seen

    def wake(self, waiters: int) -> None:
        """Have as many waiters look again at what the limits allow."""
        self.changes += 1
        for _ in range(min(waiters, self.waiting)):
            self._idle._wakeup_next(self._idle._getters)

    async def _news(self, patience: float) -> None:
        """Stand in line until woken, for `patience` seconds at most."""
        loop, line = asyncio.get_running_loop(), self._idle._getters
        woken: asyncio.Future[None] = loop.create_future()
        line.append(woken)

        def lose_patience() -> None:
            if not woken.done():
                line.remove(woken)
                woken.set_result(None)

        alarm = loop.call_later(patience, lose_patience)
        try:
            await woken
        except asyncio.CancelledError:
            if woken.cancelled():
                with suppress(ValueError):
                    line.remove(woken)
            else:
                self._idle._wakeup_next(line)  # woken and sent away at once: it's another's turn
            raise
        finally:
            alarm.cancel()


class ResizableAsyncQueuePool(ResizableQueuePool, UpstreamPool):
    """SQLAlchemy's own AsyncAdaptedQueuePool, with limits that may be changed while it is in use.

    Everything is called on the loop, in a greenlet of SQLAlchemy's where it may connect or wait.
    """

    _queue_class = _ResizableAsyncQueue  # type: ignore[assignment]


class AsyncAdaptedQueuePool(TaskPool):
    """`sqlalchemy.pool.AsyncAdaptedQueuePool`."""

    id, title = LISTING.id, LISTING.title
    library = "SQLAlchemy"
    about = QueuePool.about
    waits = True
    exhausted = (upstream_errors.TimeoutError,)
    transactional = True
    limits = queue_limits(id)

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """The most connections: pool_size and max_overflow together."""
        return QueuePool.capacity(limits)

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """The most connections kept idle: pool_size."""
        return QueuePool.kept(limits)

    async def open(self) -> None:
        """Make the engine's pool; it connects when it is first asked."""
        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=_counted_connect(self.conninfo, self.counter),
            poolclass=ResizableAsyncQueuePool,
            **self.initial_limits,
        )
        assert isinstance(engine.pool, ResizableAsyncQueuePool)
        self._pool = engine.pool

    async def acquire(self) -> PoolProxiedConnection:
        """A connection; TimeoutError after pool_timeout, asyncpg's error where it can't connect."""
        return await greenlet_spawn(self._pool.connect)

    async def execute(self, connection: PoolProxiedConnection, statement: str) -> None:
        """Run a statement as SQLAlchemy has asyncpg do it: in a transaction, unless told not to."""
        await greenlet_spawn(_run, connection, statement)

    async def begin(self, connection: PoolProxiedConnection, transaction: bool) -> None:
        """Have what follows run in one transaction, or each statement commit by itself."""
        set_autocommit(connection.dbapi_connection, not transaction)

    async def commit(self, connection: PoolProxiedConnection) -> None:
        """Keep what was done."""
        await greenlet_spawn(connection.commit)

    async def rollback(self, connection: PoolProxiedConnection) -> None:
        """Undo what was done."""
        await greenlet_spawn(connection.rollback)

    async def release(self, connection: PoolProxiedConnection) -> None:
        """Give a connection back; the library rolls back what is open in it."""
        await greenlet_spawn(_give_back, connection)

    async def resize(self, limits: Mapping[str, Value]) -> None:
        """Put the limits in force."""
        await greenlet_spawn(self._pool.put_in_force, limits)

    def reported_counts(self) -> ReportedCounts:
        """What the pool's own counters say."""
        return self._pool.reported_counts()

    async def close(self) -> None:
        """Close idle connections now, and those in use when they are released."""
        self._pool.stop()
        await greenlet_spawn(self._pool.finish)


def _run(connection: PoolProxiedConnection, statement: str) -> None:
    cursor = connection.cursor()
    cursor.execute(statement)
    if cursor.description is not None:
        cursor.fetchall()
    cursor.close()


def _give_back(connection: PoolProxiedConnection) -> None:
    # A lost one too would go back as good where nothing is left to roll back. The library's
    # engine sees to that when a statement fails, and a plain connection's holder has to.
    if (raw := connection.driver_connection) is not None and raw.is_closed():
        connection.invalidate()
    else:
        connection.close()


def _counted_connect(
    conninfo: str, counter: ConnectionCounter
) -> Callable[[], Coroutine[Any, Any, asyncpg.Connection]]:
    """Return asyncpg's connect for one server, whose connections `counter` counts.

    A connection that the server ended counts as open as long as its client holds it, as with the
    other pools of SQLAlchemy's; a termination listener would count it out before.
    """

    class CountedAsyncpgConnection(asyncpg.Connection):  # type: ignore[misc]
        """An asyncpg connection that counts itself."""

        count_out: Callable[[], object]

        async def close(self, *, timeout: float | None = None) -> None:
            """Close the connection and count it as closed."""
            try:
                await super().close(timeout=timeout)
            finally:
                self.count_out()

        def terminate(self) -> None:
            """Drop the connection and count it as closed."""
            super().terminate()
            self.count_out()

    arguments = asyncpg_arguments(conninfo)

    async def connect() -> asyncpg.Connection:
        began = await wait_to_connect_async(counter, refused_by_system)
        connection = await asyncpg.connect(**arguments, connection_class=CountedAsyncpgConnection)
        connection.count_out = count_in(connection, counter, began)
        return connection

    return connect
