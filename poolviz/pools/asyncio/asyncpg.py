"""asyncpg's pool, whose callers wait for one of a fixed number of connection holders.

Private names used here, as in asyncpg 0.32.0:
    Pool: _acquire _holders _initialize _loop _max_inactive_connection_lifetime _max_queries
    Pool: _maxsize _minsize _queue _schedule_min_size_maintenance _setup
    PoolConnectionHolder: _con _in_use _max_inactive_time _max_queries
    PoolConnectionHolder: _maybe_cancel_inactive_callback _setup_inactive_callback
    _PoolConnectionHolderQueue: _getters _queue
    PoolConnectionProxy: _con
    asyncpg.pool: _PoolConnectionHolderQueue
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from asyncpg import pool as upstream

from poolviz.model.dialect import POSTGRESQL
from poolviz.model.parameters import Count, Effect, Parameters, Seconds, Value
from poolviz.model.sample import ReportedCounts
from poolviz.model.use import Use
from poolviz.pools.asyncio.loop_errors import ignore_loop_errors
from poolviz.pools.base import NOTHING, ConnectionCounter, TaskPool
from poolviz.pools.connections.arguments import ASYNCPG, arguments_of, drivers_of
from poolviz.pools.connections.asyncpg import asyncpg_arguments, asyncpg_timeout
from poolviz.pools.connections.connect_faults import refused_by_system, wait_to_connect_async
from poolviz.pools.connections.counting import count_in
from poolviz.pools.connections.library_logs import keep_off_terminal
from poolviz.pools.listing import Listing

LISTING = Listing(
    "asyncpg.Pool",
    "asyncpg Pool",
    rank=40,
    drivers=("asyncpg",),
    extra="asyncpg",
    classes=(
        "asyncpg.pool:Pool",
        "asyncpg:Pool",
        "asyncpg.pool:create_pool",
        "asyncpg:create_pool",
    ),
)

_MOST = 10_000
_LONGEST = 86_400.0


class _HolderQueue(upstream._PoolConnectionHolderQueue):  # type: ignore[misc]
    """asyncpg's queue of free holders, which doesn't take back one that is surplus."""

    def __init__(self, pool: ResizableAsyncpgPool) -> None:
        super().__init__()  # unbounded: there are only as many as the pool has
        self._resizable_pool = pool

    @property
    def waiting(self) -> int:
        """The number of callers that wait for a holder."""
        return len(self._getters)

    def put_nowait(self, holder: upstream.PoolConnectionHolder) -> None:
        """Take back a holder and pass it to the next caller, unless it is surplus."""
        if not self._resizable_pool.remove_surplus(holder):
            super().put_nowait(holder)

    def take_idlest(self) -> upstream.PoolConnectionHolder:
        """Remove and return a free holder: one without a connection, or idle the longest."""
        try:
            return self.get_disconnected_nowait()
        except asyncio.QueueEmpty:
            return self._queue.pop(0)


class ResizableAsyncpgPool(upstream.Pool):  # type: ignore[misc]
    """asyncpg's pool, with limits that may be changed while it is in use.

    Each connection belongs to a holder, and there are max_size holders. One that is surplus to a
    lowered max_size is removed as soon as it is free, before a caller that waits can take it; so
    a later raise of max_size applies at once, whatever is in use.
    """

    _queue: _HolderQueue

    async def _initialize(self) -> None:
        await super()._initialize()
        filled, self._queue = self._queue, _HolderQueue(self)
        for holder in filled._queue:
            self._queue.put_nowait(holder)

    def remove_surplus(self, holder: upstream.PoolConnectionHolder) -> bool:
        """Remove a holder that was given back, if there are too many; return whether it was."""
        if len(self._holders) <= self._maxsize:
            return False
        self._remove(holder)
        return True

    def change_sizes(self, min_size: int, max_size: int) -> None:
        """Apply both: remove free holders beyond them, or add some for callers that wait."""
        self._minsize, self._maxsize = min_size, max_size
        while len(self._holders) > max_size and not self._queue.empty():
            self._remove(self._queue.take_idlest())
        while len(self._holders) < max_size:
            holder = upstream.PoolConnectionHolder(
                self,
                max_queries=self._max_queries,
                max_inactive_time=self._max_inactive_connection_lifetime,
                setup=self._setup,
            )
            self._holders.append(holder)
            self._queue.put_nowait(holder)

    def change_lifetimes(self, max_queries: int, max_inactive: float) -> None:
        """Apply both, to open connections too."""
        self._max_queries = max_queries
        self._max_inactive_connection_lifetime = max_inactive
        for holder in self._holders:
            holder._max_queries = max_queries
            holder._max_inactive_time = max_inactive
            # The library lets the timer of one of the last min_size connections expire. min_size
            # may have been lowered, so all timers are started again.
            if holder.is_idle() and holder.is_connected():
                holder._maybe_cancel_inactive_callback()
                holder._setup_inactive_callback()

    async def fill(self) -> None:
        """Open min_size connections. If that fails, the library tries again in the background."""
        try:
            while self.get_size() < self._minsize:
                try:
                    holder = self._queue.get_disconnected_nowait()
                except asyncio.QueueEmpty:
                    return  # clients are opening the rest
                try:
                    if holder._con is not None:
                        holder.terminate()
                    await holder.connect()
                finally:
                    self._queue.put_nowait(holder)
        finally:
            self._schedule_min_size_maintenance()

    def reported_counts(self) -> ReportedCounts:
        """Return the pool's counts. Called from any thread."""
        holders = tuple(self._holders)
        return ReportedCounts(
            open=sum(holder._con is not None for holder in holders),
            used=sum(holder._in_use is not None for holder in holders),
            pending=self._queue.waiting,
        )

    def _remove(self, holder: upstream.PoolConnectionHolder) -> None:
        self._holders.remove(holder)
        # Later in this iteration of the loop, when its release is complete.
        self._loop.call_soon(holder.terminate)


class AsyncpgPool(TaskPool):
    """`asyncpg.Pool`."""

    id, title = LISTING.id, LISTING.title
    library = "asyncpg"
    about = "When all connections are in use, callers wait in a queue, for timeout at most."
    waits = True
    exhausted = (TimeoutError,)
    lingers = True
    uses = (Use("acquire", "async with pool.acquire() as connection"),)
    drivers = drivers_of(postgresql=("asyncpg",))
    connect = arguments_of(id, **{POSTGRESQL: ASYNCPG})
    limits = Parameters(
        f"limit of {id}",
        Count(
            key="min_size",
            default=2,
            maximum=_MOST,
            slider=(0, 50),
            help="Connections kept open when idle. They are opened at the start, and reopened when "
            "they are lost.",
            effect_help="Raised: missing connections are opened at once. Lowered: surplus ones are "
            "closed after max_inactive_connection_lifetime of idleness.",
        ),
        Count(
            key="max_size",
            default=10,
            minimum=1,
            maximum=_MOST,
            slider=(1, 50),
            at_least="min_size",
            help="The most connections, in use and idle together.",
            effect_help="Raised: callers that wait get a connection at once. Lowered: surplus "
            "connections are closed, idle ones at once, others when they are given back.",
        ),
        Count(
            key="max_queries",
            default=50_000,
            minimum=1,
            maximum=1_000_000_000,
            slider=(1, 100_000),
            log_slider=True,
            help="The number of statements after which a connection is closed when it is given "
            "back, and replaced. asyncpg also counts the statements that reset a connection.",
            effect_help="Applies to each connection when it is next given back.",
        ),
        Seconds(
            key="max_inactive_connection_lifetime",
            default=300.0,
            maximum=30 * _LONGEST,
            slider=(1, 3600),
            log_slider=True,
            special={0: "no limit"},
            help="How long a connection beyond min_size may be idle before it is closed.",
            effect_help="The time starts again for connections that are idle now.",
        ),
        Seconds(
            key="timeout",
            default=30.0,
            minimum=0.001,
            maximum=_LONGEST,
            slider=(0.01, 60),
            log_slider=True,
            effect=Effect.NEW_REQUESTS,
            help="The longest time that acquire may take, connecting included, before the caller "
            "gets an error. asyncpg also applies it to the reset of a connection that is given "
            "back, and closes one whose reset takes longer.",
            effect_help="Callers that already wait keep their timeout.",
        ),
    )

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """Return max_size."""
        return int(limits["max_size"])

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """Return min_size: more connections are closed after a time."""
        return int(limits["min_size"])

    def __init__(
        self,
        conninfo: str,
        counter: ConnectionCounter,
        limits: Mapping[str, Value],
        connect: Mapping[str, Value] = NOTHING,
    ) -> None:
        super().__init__(conninfo, counter, limits, connect)
        self._timeout = float(limits["timeout"])

    async def open(self) -> None:
        """Make the pool and open min_size connections. Raises asyncpg's error if it can't."""
        limits = self.initial_limits
        keep_off_terminal("asyncpg.pool")  # each failure to reopen min_size, with its traceback
        ignore_loop_errors(_is_open_transaction, asyncio.get_running_loop())
        self._pool = ResizableAsyncpgPool(
            **asyncpg_arguments(self.conninfo, self.connect_with),
            min_size=int(limits["min_size"]),
            max_size=int(limits["max_size"]),
            max_queries=int(limits["max_queries"]),
            max_inactive_connection_lifetime=float(limits["max_inactive_connection_lifetime"]),
            connect=self._connect,
            loop=asyncio.get_running_loop(),
            connection_class=asyncpg.Connection,
            record_class=asyncpg.Record,
        )
        await self._pool

    async def _connect(self, *args: Any, **kwargs: Any) -> asyncpg.Connection[asyncpg.Record]:
        """Connect and count the connection, until asyncpg reports its end."""
        began = await wait_to_connect_async(
            self.counter, refused_by_system, lambda: asyncpg_timeout(kwargs)
        )
        connection = await asyncpg.connect(*args, **kwargs)
        count_out = count_in(connection, self.counter, began)
        connection.add_termination_listener(lambda _: count_out())
        return connection

    # These return the library's coroutines: a coroutine around each would cost 7 % of a SELECT 1.

    def acquire(self) -> Coroutine[Any, Any, Any]:
        """Return a connection.

        Raises TimeoutError after `timeout`, asyncpg's error if the pool can't connect.
        """
        coroutine: Coroutine[Any, Any, Any] = self._pool._acquire(self._timeout)
        return coroutine

    def driver(self, connection: Any) -> Any:
        """Return asyncpg's connection behind the library's proxy."""
        return connection._con

    def execute(self, connection: Any, statement: str) -> Coroutine[Any, Any, Any]:
        """Execute a statement and fetch all rows."""
        coroutine: Coroutine[Any, Any, Any] = connection.fetch(statement)
        return coroutine

    def release(self, connection: Any) -> Coroutine[Any, Any, Any]:
        """Give a connection back; the library resets it first."""
        coroutine: Coroutine[Any, Any, Any] = self._pool.release(connection)
        return coroutine

    async def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply the limits. Raises asyncpg's error if min_size can't be opened."""
        self._timeout = float(limits["timeout"])
        self._pool.change_lifetimes(
            int(limits["max_queries"]), float(limits["max_inactive_connection_lifetime"])
        )
        self._pool.change_sizes(int(limits["min_size"]), int(limits["max_size"]))
        await self._pool.fill()

    def reported_counts(self) -> ReportedCounts:
        """Return what the pool's holders say."""
        return self._pool.reported_counts()

    async def close(self) -> None:
        """Close all connections; those in use when they are given back."""
        await self._pool.close()


def _is_open_transaction(context: dict[str, Any]) -> bool:
    """Return whether asyncpg reports a connection that was given back in a transaction.

    Its message is all that tells these reports from others.
    """
    message = str(context.get("message", ""))
    return message.startswith("Resetting connection with an active transaction")
