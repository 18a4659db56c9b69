"""asyncpg's pool: tasks wait their turn for one of a fixed number of places for connections."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from asyncpg import pool as upstream

from poolviz.model.parameters import Count, Effect, Parameters, Seconds, Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.asyncio.loop_errors import hear_nothing_of
from poolviz.pools.base import ConnectionCounter, TaskPool
from poolviz.pools.connections.asyncpg import asyncpg_arguments
from poolviz.pools.connections.connect_faults import refused_by_system, wait_to_connect_async
from poolviz.pools.connections.counting import count_in
from poolviz.pools.listing import Listing

LISTING = Listing("asyncpg.Pool", "asyncpg Pool", rank=40, drivers=("asyncpg",), extra="asyncpg")

_MOST = 10_000
_LONGEST = 86_400.0
# asyncpg logs that it can't restore its floor with a traceback. A logger that nobody has set up
# would print that to the user's terminal.
logging.getLogger("asyncpg.pool").addHandler(logging.NullHandler())


class _Places(upstream._PoolConnectionHolderQueue):  # type: ignore[misc]
    """asyncpg's queue of free places, which takes none back that its pool has no use for."""

    def __init__(self, pool: ResizablePool) -> None:
        super().__init__()  # without a bound of its own: there are only as many as the pool has
        self._resizable_pool = pool

    @property
    def waiting(self) -> int:
        """How many callers wait for a place."""
        return len(self._getters)

    def put_nowait(self, place: upstream.PoolConnectionHolder) -> None:
        """Have the next caller use a place that was given back; or give it up as surplus."""
        if not self._resizable_pool.retire(place):
            super().put_nowait(place)

    def idlest(self) -> upstream.PoolConnectionHolder:
        """Take a place that is free: best one without a connection, or that rested longest."""
        try:
            return self.get_disconnected_nowait()
        except asyncio.QueueEmpty:
            return self._queue.pop(0)


class ResizablePool(upstream.Pool):  # type: ignore[misc]
    """asyncpg's own pool, with limits that may be changed while it is in use.

    Its connections live in places ("holders"), of which there are as many as max_size says. A
    place that a lowered max_size has no use for is given up the moment it is free, before any
    waiter can take it; so a later raise of max_size holds at once, whatever is still in use.
    """

    _queue: _Places

    async def _initialize(self) -> None:
        await super()._initialize()
        filled, self._queue = self._queue, _Places(self)
        for place in filled._queue:
            self._queue.put_nowait(place)

    def retire(self, place: upstream.PoolConnectionHolder) -> bool:
        """Give up a place that was just given back, if there are too many; whether it was."""
        if len(self._holders) <= self._maxsize:
            return False
        self._give_up(place)
        return True

    def change_sizes(self, least: int, most: int) -> None:
        """Put both in force: give up free places beyond, or add some, which waiters get."""
        self._minsize, self._maxsize = least, most
        while len(self._holders) > most and not self._queue.empty():
            self._give_up(self._queue.idlest())
        while len(self._holders) < most:
            place = upstream.PoolConnectionHolder(
                self,
                max_queries=self._max_queries,
                max_inactive_time=self._max_inactive_connection_lifetime,
                setup=self._setup,
            )
            self._holders.append(place)
            self._queue.put_nowait(place)

    def change_lifetimes(self, max_queries: int, max_inactive: float) -> None:
        """Put both in force, for the connections there are as well."""
        self._max_queries = max_queries
        self._max_inactive_connection_lifetime = max_inactive
        for place in self._holders:
            place._max_queries = max_queries
            place._max_inactive_time = max_inactive
            # The library lets the clock of a connection run out once it belongs to the floor, so
            # all are started anew: the floor may have been lowered.
            if place.is_idle() and place.is_connected():
                place._maybe_cancel_inactive_callback()
                place._setup_inactive_callback()

    async def fill(self) -> None:
        """Open what min_size asks for; where that fails the library tries again, by itself."""
        try:
            while self.get_size() < self._minsize:
                try:
                    place = self._queue.get_disconnected_nowait()
                except asyncio.QueueEmpty:
                    return  # clients are opening the rest
                try:
                    if place._con is not None:
                        place.terminate()
                    await place.connect()
                finally:
                    self._queue.put_nowait(place)
        finally:
            self._schedule_min_size_maintenance()

    def reported_counts(self) -> ReportedCounts:
        """The pool's counts; from any thread."""
        places = tuple(self._holders)
        return ReportedCounts(
            open=sum(place._con is not None for place in places),
            used=sum(place._in_use is not None for place in places),
            pending=self._queue.waiting,
        )

    def _give_up(self, place: upstream.PoolConnectionHolder) -> None:
        self._holders.remove(place)
        # Later in this turn of the loop, when whoever gave it back is done with it.
        self._loop.call_soon(place.terminate)


class Pool(TaskPool):
    """`asyncpg.Pool`."""

    id, title = LISTING.id, LISTING.title
    library = "asyncpg"
    about = "When every connection is in use a caller waits its turn, for timeout at most."
    waits = True
    exhausted = (TimeoutError,)
    lingers = True
    limits = Parameters(
        f"limit of {id}",
        Count(
            key="min_size",
            default=2,
            maximum=_MOST,
            slider=(0, 50),
            help="How many connections are kept open when nobody needs them. They are opened at "
            "the start, and again where they are lost.",
            effect_help="Raised, connections up to it are opened at once; lowered, those beyond "
            "it are closed once they rested for max_inactive_connection_lifetime.",
        ),
        Count(
            key="max_size",
            default=10,
            minimum=1,
            maximum=_MOST,
            slider=(1, 50),
            at_least="min_size",
            help="The most connections, in use and idle together.",
            effect_help="Raised, callers who wait start at once; lowered, idle connections beyond "
            "it are closed at once, those in use when they are given back.",
        ),
        Count(
            key="max_queries",
            default=50_000,
            minimum=1,
            maximum=1_000_000_000,
            slider=(1, 100_000),
            log_slider=True,
            help="After how many statements a connection is closed when it is given back, to be "
            "opened anew. asyncpg counts those with which it resets a connection too.",
            effect_help="Holds for every connection when it is next given back.",
        ),
        Seconds(
            key="max_inactive_connection_lifetime",
            default=300.0,
            maximum=30 * _LONGEST,
            slider=(1, 3600),
            log_slider=True,
            special={0: "for ever"},
            help="How long a connection beyond min_size may rest before it is closed.",
            effect_help="Connections that rest now begin their rest anew.",
        ),
        Seconds(
            key="timeout",
            default=30.0,
            minimum=0.001,
            maximum=_LONGEST,
            slider=(0.01, 60),
            log_slider=True,
            effect=Effect.NEW_REQUESTS,
            help="How long acquire may take, connecting included, before the caller gets an "
            "error. asyncpg allows the reset of a connection that is given back as long, and "
            "closes it when that takes longer.",
            effect_help="Callers who wait already keep the time they came with.",
        ),
    )

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """The most connections: max_size."""
        return int(limits["max_size"])

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """The connections kept open for good: min_size."""
        return int(limits["min_size"])

    def __init__(
        self, conninfo: str, counter: ConnectionCounter, limits: Mapping[str, Value]
    ) -> None:
        super().__init__(conninfo, counter, limits)
        self._timeout = float(limits["timeout"])

    async def open(self) -> None:
        """Make the pool and open min_size connections; asyncpg's own error where it can't."""
        limits = self.initial_limits
        hear_nothing_of(_is_open_transaction, asyncio.get_running_loop())
        self._pool = ResizablePool(
            **asyncpg_arguments(self.conninfo),
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
        began = await wait_to_connect_async(self.counter, refused_by_system)
        connection = await asyncpg.connect(*args, **kwargs)
        count_out = count_in(connection, self.counter, began)
        connection.add_termination_listener(lambda _: count_out())
        return connection

    # The library's own coroutines, without another around each, which would cost 7 % of a SELECT 1.

    def acquire(self) -> Coroutine[Any, Any, Any]:
        """A connection; TimeoutError after `timeout`, asyncpg's own errors where it can't
        connect."""
        coroutine: Coroutine[Any, Any, Any] = self._pool._acquire(self._timeout)
        return coroutine

    def execute(self, connection: Any, statement: str) -> Coroutine[Any, Any, Any]:
        """Run a statement and fetch what it returns."""
        coroutine: Coroutine[Any, Any, Any] = connection.fetch(statement)
        return coroutine

    def release(self, connection: Any) -> Coroutine[Any, Any, Any]:
        """Give a connection back; the library resets it first."""
        coroutine: Coroutine[Any, Any, Any] = self._pool.release(connection)
        return coroutine

    async def resize(self, limits: Mapping[str, Value]) -> None:
        """Put the limits in force; asyncpg's own error where min_size can't be opened."""
        self._timeout = float(limits["timeout"])
        self._pool.change_lifetimes(
            int(limits["max_queries"]), float(limits["max_inactive_connection_lifetime"])
        )
        self._pool.change_sizes(int(limits["min_size"]), int(limits["max_size"]))
        await self._pool.fill()

    def reported_counts(self) -> ReportedCounts:
        """What the pool's places say."""
        return self._pool.reported_counts()

    async def close(self) -> None:
        """Close every connection; those in use once they are given back."""
        await self._pool.close()


def _is_open_transaction(trouble: dict[str, Any]) -> bool:
    """asyncpg tells the loop of each connection that comes back in a transaction."""
    said = str(trouble.get("message", ""))
    return said.startswith("Resetting connection with an active transaction")
