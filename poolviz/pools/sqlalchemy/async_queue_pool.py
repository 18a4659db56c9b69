"""SQLAlchemy's AsyncAdaptedQueuePool, with asyncpg as its driver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import nullcontext, suppress
from time import monotonic
from typing import Any
from uuid import uuid4

import asyncpg  # type: ignore[import-untyped]
import msgspec
from sqlalchemy import exc as upstream_errors
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool as UpstreamPool
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util import await_only, greenlet_spawn
from sqlalchemy.util.queue import AsyncAdaptedQueue

from poolviz.model.dialect import POSTGRESQL
from poolviz.model.parameters import Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, TaskCalls, TaskPool, set_autocommit
from poolviz.pools.connections.arguments import (
    ASYNCPG,
    LEVELS,
    NAME_FUNCTION,
    RESET_ON_RETURN,
    STATEMENT_CACHE,
    arguments_of,
    drivers_of,
    engine_arguments,
    isolation_level,
)
from poolviz.pools.connections.asyncpg import asyncpg_arguments, asyncpg_timeout
from poolviz.pools.connections.connect_faults import refused_by_system, wait_to_connect_async
from poolviz.pools.connections.counting import count_in
from poolviz.pools.listing import Listing
from poolviz.pools.sqlalchemy.async_engine_uses import (
    AsyncConnectionUse,
    AsyncRawConnectionUse,
    AsyncSessionUse,
    give_back,
    run,
)
from poolviz.pools.sqlalchemy.base import ENGINE_OPTIONS, USES
from poolviz.pools.sqlalchemy.queue_pool import QueuePool, queue_limits
from poolviz.pools.sqlalchemy.resizable_queue_pool import ResizableQueuePool

LISTING = Listing(
    "sqlalchemy.AsyncAdaptedQueuePool",
    "SQLAlchemy AsyncAdaptedQueuePool",
    rank=25,
    drivers=("asyncpg", "greenlet"),
    extra="asyncpg",
    classes=(
        "sqlalchemy.pool.impl:AsyncAdaptedQueuePool",
        "sqlalchemy.pool:AsyncAdaptedQueuePool",
        "sqlalchemy:AsyncAdaptedQueuePool",
    ),
)

_CODE = {
    "connection": "async with engine.connect() as connection",
    "session": "async with AsyncSession(engine) as session, the ORM's",
    "raw_connection": "connection = await engine.raw_connection()",
}
_USES = tuple(msgspec.structs.replace(use, code=_CODE.get(use.name, use.code)) for use in USES)


class _IdleQueue(asyncio.Queue[ConnectionPoolEntry]):
    """asyncio's queue, whose size and order its owner decides."""

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
        """Ignore the value that asyncio's constructor sets."""

    def _get(self) -> Any:
        return self._queue.pop() if self._owner.use_lifo else self._queue.popleft()


class _ResizableAsyncQueue(AsyncAdaptedQueue[ConnectionPoolEntry]):
    """SQLAlchemy's queue for asyncio, with the interface of `_ResizableQueue` and no lock.

    Waiters are in asyncio's own list of getters, so that an item that is put wakes the first.
    """

    def __init__(self, maxsize: int = 0, use_lifo: bool = False) -> None:
        super().__init__(maxsize, use_lifo)
        self.mutex = nullcontext()
        self.changes = 0
        self.waiting = 0
        self._idle = self._queue = _IdleQueue(self)

    @property
    def queue(self) -> Any:
        """The items."""
        return self._idle._queue

    def wait(self, deadline: float) -> bool:
        """Wait for an item, a change or the deadline; return whether there was a change."""
        seen = self.changes
        self.waiting += 1
        try:
            while not self.queue and self.changes == seen:
                remaining = deadline - monotonic()
                if remaining <= 0:
                    break
                await_only(self._wait_in_line(remaining))
        finally:
            self.waiting -= 1
        return self.changes != seen

    def wake(self, waiters: int) -> None:
        """Let this many waiters test again what the limits allow."""
        self.changes += 1
        for _ in range(min(waiters, self.waiting)):
            self._idle._wakeup_next(self._idle._getters)

    async def _wait_in_line(self, timeout: float) -> None:
        """Wait until woken, for `timeout` seconds at most."""
        loop, line = asyncio.get_running_loop(), self._idle._getters
        woken: asyncio.Future[None] = loop.create_future()
        line.append(woken)

        def give_up() -> None:
            if not woken.done():
                line.remove(woken)
                woken.set_result(None)

        timer = loop.call_later(timeout, give_up)
        try:
            await woken
        except asyncio.CancelledError:
            if woken.cancelled():
                with suppress(ValueError):
                    line.remove(woken)
            else:
                self._idle._wakeup_next(line)  # woken and cancelled: wake the next one instead
            raise
        finally:
            timer.cancel()


class ResizableAsyncQueuePool(ResizableQueuePool, UpstreamPool):
    """SQLAlchemy's AsyncAdaptedQueuePool, with limits that may be changed while it is in use.

    Everything is called on the loop; what may connect or wait, in a greenlet of SQLAlchemy's.
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
    uses = _USES
    limits = queue_limits(id)
    drivers = drivers_of(postgresql=("asyncpg",))
    connect = arguments_of(
        id,
        **{
            POSTGRESQL: (
                *(STATEMENT_CACHE, NAME_FUNCTION, *ASYNCPG),
                *(isolation_level(*LEVELS), RESET_ON_RETURN),
            )
        },
    )

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """Return pool_size + max_overflow; None if max_overflow is -1."""
        return QueuePool.capacity(limits)

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """Return pool_size: no more connections are kept idle."""
        return QueuePool.kept(limits)

    async def open(self) -> None:
        """Make an engine's pool, which connects on the first request."""
        arguments = _adapted_arguments(self.conninfo, self.counter, self.connect_with)
        options: dict[str, Any] = {**self.initial_limits, **engine_arguments(self.connect_with)}
        self.engine = create_async_engine(
            "postgresql+asyncpg://",
            creator=lambda: self._dbapi.connect(**arguments),
            poolclass=ResizableAsyncQueuePool,
            execution_options=ENGINE_OPTIONS,
            **options,
        )
        self._dbapi: Any = self.engine.dialect.dbapi
        assert isinstance(self.engine.pool, ResizableAsyncQueuePool)
        self._pool = self.engine.pool

    def calls(self, use: str) -> TaskCalls:
        """Return what clients call in a use: the engine, or this pool itself."""
        kinds: dict[str, type[AsyncConnectionUse | AsyncSessionUse | AsyncRawConnectionUse]] = {
            "connection": AsyncConnectionUse,
            "session": AsyncSessionUse,
            "raw_connection": AsyncRawConnectionUse,
        }
        return kinds[use](self.engine) if use in kinds else self

    async def acquire(self) -> PoolProxiedConnection:
        """Return a connection.

        Raises sqlalchemy.exc.TimeoutError after pool_timeout, asyncpg's error if the pool can't
        connect.
        """
        return await greenlet_spawn(self._pool.connect)

    def driver(self, connection: PoolProxiedConnection) -> Any:
        """Return asyncpg's connection."""
        return connection.driver_connection

    async def execute(self, connection: PoolProxiedConnection, statement: str) -> None:
        """Execute a statement: in a transaction, unless autocommit is on."""
        await greenlet_spawn(run, connection, statement)

    async def begin(self, connection: PoolProxiedConnection, transaction: bool) -> None:
        """Turn SQLAlchemy's autocommit off or on."""
        set_autocommit(connection.dbapi_connection, not transaction)

    async def commit(self, connection: PoolProxiedConnection) -> None:
        """Commit the transaction."""
        await greenlet_spawn(connection.commit)

    async def rollback(self, connection: PoolProxiedConnection) -> None:
        """Roll back the transaction."""
        await greenlet_spawn(connection.rollback)

    async def release(self, connection: PoolProxiedConnection) -> None:
        """Give a connection back; the library rolls back its transaction."""
        await greenlet_spawn(give_back, connection)

    async def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply the limits."""
        await greenlet_spawn(self._pool.apply_limits, limits)

    def reported_counts(self) -> ReportedCounts:
        """Return the pool's own counts."""
        return self._pool.reported_counts()

    async def close(self) -> None:
        """Close idle connections now, the others when they are released."""
        self._pool.stop()
        await greenlet_spawn(self._pool.drain)


def _adapted_arguments(
    conninfo: str, counter: ConnectionCounter, connect: Mapping[str, Value]
) -> dict[str, Any]:
    """Return the arguments with which SQLAlchemy's dialect makes a connection around one of
    asyncpg's. `create_async_engine` passes none on where it is given an `async_creator`."""
    arguments: dict[str, Any] = {"async_creator_fn": _counted_connect(conninfo, counter, connect)}
    if STATEMENT_CACHE.key in connect:
        arguments[STATEMENT_CACHE.key] = connect[STATEMENT_CACHE.key]
    if connect.get(NAME_FUNCTION.key) == "uuid4":
        arguments[NAME_FUNCTION.key] = lambda: f"__asyncpg_{uuid4()}__"
    return arguments


def _counted_connect(
    conninfo: str, counter: ConnectionCounter, connect: Mapping[str, Value]
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

    arguments = asyncpg_arguments(conninfo, connect)

    async def connect_counted() -> asyncpg.Connection:
        began = await wait_to_connect_async(
            counter, refused_by_system, lambda: asyncpg_timeout(arguments)
        )
        connection = await asyncpg.connect(**arguments, connection_class=CountedAsyncpgConnection)
        connection.count_out = count_in(connection, counter, began)
        return connection

    return connect_counted
