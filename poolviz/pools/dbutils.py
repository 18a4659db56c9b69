"""DBUtils' PooledDB, with psycopg2 as its driver.

Private names used here, as in DBUtils 3.2.0:
    PooledDB: _blocking _connections _idle_cache _lock _maxcached _maxconnections _maxusage
    PooledDB: _wait_lock
    SteadyDBConnection: _maxusage
Private names used here, as in Python 3.11 to 3.13:
    threading.Condition: _waiters
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from threading import TIMEOUT_MAX, Event, local
from time import monotonic
from typing import Any

import psycopg2
from dbutils.pooled_db import PooledDB as UpstreamPool  # type: ignore[import-untyped]
from dbutils.pooled_db import TooManyConnectionsError

from poolviz.language import tr
from poolviz.model.dialect import POSTGRESQL
from poolviz.model.errors import ServerError
from poolviz.model.parameters import Count, Effect, Parameters, Seconds, Switch, Value
from poolviz.model.sample import ReportedCounts
from poolviz.model.use import Use
from poolviz.pools.base import NOTHING, ConnectionCounter, PoolStopped, ThreadPool
from poolviz.pools.connections.arguments import (
    LIBPQ,
    arguments_of,
    drivers_of,
    with_libpq_arguments,
)
from poolviz.pools.connections.postgres import counted_connection
from poolviz.pools.listing import Listing

LISTING = Listing(
    "dbutils.PooledDB",
    "DBUtils PooledDB",
    rank=70,
    drivers=("dbutils",),
    extra="dbutils",
    classes=("dbutils.pooled_db:PooledDB",),
)

_MOST = 10_000
_LOCK_TIMEOUT = 1.0  # seconds to wait for a lock that the library may hold while it connects


def _idle_most(limits: Mapping[str, Value]) -> int:
    """Return the most connections kept idle, at least mincached; 0 for no limit."""
    maxcached = int(limits["maxcached"])
    return max(maxcached, int(limits["mincached"])) if maxcached else 0


class LimitReached(TooManyConnectionsError):  # type: ignore[misc]
    """The library's error, for a caller that didn't wait because blocking was off."""


LimitReached.__name__ = TooManyConnectionsError.__name__  # the name that users of the library know


class ResizablePooledDB(UpstreamPool):  # type: ignore[misc]
    """DBUtils' pool, with limits that may be changed while it is in use, and waits that may end.

    The library's `_lock` guards everything, and is held while the library connects, rolls back
    and closes; `stopped` is never reset. The library's `_connections` counts those in use.
    """

    _lock: Any
    _idle_cache: list[Any]
    _wait_timeout = inf  # seconds; the library waits without an end

    def __init__(self, creator: Any, *args: Any, **kwargs: Any) -> None:
        self.stopped, self._closing = Event(), False
        self._caller = local()
        super().__init__(creator, *args, **kwargs)

    def connection(self, shareable: bool = True) -> Any:
        """Return a connection. Raises TooManyConnectionsError, at once or after `timeout`."""
        self._caller.deadline = None
        with self._lock:
            if self.stopped.is_set():
                raise PoolStopped
            return super().connection(shareable)

    def cache(self, con: Any) -> None:
        """Take back a connection, or close a surplus one, which the library doesn't."""
        with self._lock:
            con._maxusage = self._maxusage or 0
            if not self._too_many():
                super().cache(con)
                return
            con.close()
            self._connections -= 1
            self._lock.notify()

    def change_limits(self, limits: Mapping[str, Value]) -> None:
        """Apply all: close surplus idle connections, wake callers, open missing connections.

        Raises psycopg2.Error if a missing one can't be opened; the limits apply all the same.
        """
        with self._lock:
            self._maxcached = _idle_most(limits)
            self._maxconnections = int(limits["maxconnections"])
            self._maxusage = int(limits["maxusage"])
            self._blocking, self._wait_timeout = bool(limits["blocking"]), float(limits["timeout"])
            for con in self._idle_cache:
                con._maxusage = self._maxusage
            while self._idle_cache and (
                len(self._idle_cache) > self._maxcached > 0 or self._too_many()
            ):
                self._idle_cache.pop(0).close()  # the one that has been idle longest
            self._lock.notify_all()
        while self._open_missing(int(limits["mincached"])):
            pass

    def interrupt(self) -> None:
        """Send all callers that wait, and all later ones, away with PoolStopped."""
        self.stopped.set()
        # A caller that can't connect may hold the lock; it wakes the first waiter, who wakes the
        # next.
        if self._lock.acquire(timeout=_LOCK_TIMEOUT):
            self._lock.notify_all()
            self._lock.release()

    def drain(self) -> None:
        """Close idle connections now, the others when they are given back.

        The library's `close` would keep the others when they are given back.
        """
        self.stopped.set()
        self._closing = True
        self.close()

    def reported_counts(self) -> ReportedCounts:
        """Return the pool's counts, without its lock. Called from any thread."""
        used = self._connections
        return ReportedCounts(
            open=used + len(self._idle_cache), used=used, pending=len(self._lock._waiters)
        )

    def _wait_lock(self) -> None:
        """Wait for a connection to come back, or a change; the library's has no timeout."""
        caller = self._caller
        if not self._blocking:
            raise LimitReached if caller.deadline is None else TooManyConnectionsError
        if caller.deadline is None:
            caller.deadline = monotonic() + self._wait_timeout
        remaining = caller.deadline - monotonic()
        if remaining <= 0:
            raise TooManyConnectionsError
        self._lock.wait(min(remaining, TIMEOUT_MAX))
        if self.stopped.is_set():
            self._lock.notify()
            raise PoolStopped

    def _too_many(self) -> bool:
        """Return whether there are more connections than allowed, so that one must be closed."""
        open_ = self._connections + len(self._idle_cache)
        return self._closing or open_ > self._maxconnections > 0

    def _open_missing(self, wanted: int) -> bool:
        """Open one connection if there are fewer than `wanted`; return whether it was opened."""
        with self._lock:
            if self._closing or self._connections + len(self._idle_cache) >= wanted:
                return False
            self._idle_cache.append(self.steady_connection())
            return True


class PooledDB(ThreadPool):
    """`dbutils.pooled_db.PooledDB`, with psycopg2 as its driver."""

    id, title = LISTING.id, LISTING.title
    library = "DBUtils"
    uses = (Use("connection", "connection = pool.connection(); …; connection.close()"),)
    about = (
        "When all connections are in use, callers wait, for timeout at most, or get an error at "
        "once, as set by blocking."
    )
    waits = True
    exhausted = (TooManyConnectionsError,)
    refused = (LimitReached,)
    drivers = drivers_of(postgresql=("psycopg2",))
    connect = arguments_of(id, **{POSTGRESQL: LIBPQ})
    limits = Parameters(
        f"limit of {id}",
        Count(
            key="mincached",
            default=0,
            maximum=_MOST,
            slider=(0, 50),
            help="Connections opened at the start. Later on the library doesn't keep this number.",
            effect_help="Raised: missing connections are opened at once. Lowered: no connection is "
            "closed.",
        ),
        Count(
            key="maxcached",
            default=5,
            maximum=_MOST,
            slider=(0, 50),
            special={0: "no limit"},
            help="The most connections kept idle: any further one is closed when it is given back. "
            "If mincached is greater, the library uses that.",
            effect_help="Surplus idle connections are closed at once.",
        ),
        Count(
            key="maxconnections",
            default=10,
            minimum=1,
            maximum=_MOST,
            slider=(1, 100),
            at_least="mincached",
            help="The most connections, in use and idle together.",
            effect_help="Raised: callers that wait get a connection at once. Lowered: surplus "
            "connections are closed, idle ones at once, others when they are given back.",
        ),
        Count(
            key="maxusage",
            default=0,
            maximum=1_000_000_000,
            slider=(0, 1000),
            special={0: "no limit"},
            help="The number of statements after which a connection is reopened, by the client "
            "that executes the next one.",
            effect_help="Applies to idle connections at once, to others when they are given back.",
        ),
        Switch(
            key="blocking",
            default=True,
            help="Whether a caller waits when all connections are in use. It doesn't by the "
            "library's own default, and gets an error at once.",
            effect_help="Turned off: callers that wait get an error at once.",
        ),
        Seconds(
            key="timeout",
            default=30.0,
            maximum=86_400,
            slider=(0, 60),
            log_slider=True,
            effect=Effect.NEW_REQUESTS,
            help="The longest time that a caller waits for a connection, if blocking is on. The "
            "library has no such limit: poolviz ends the wait with the library's error.",
            effect_help="Callers that already wait keep their timeout.",
        ),
    )

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """Return maxconnections."""
        return int(limits["maxconnections"])

    @classmethod
    def patience(cls, limits: Mapping[str, Value]) -> float:
        """Return timeout, or 0 if the pool doesn't block."""
        return super().patience(limits) if limits["blocking"] else 0.0

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """Return the most connections kept idle: maxcached or mincached, within maxconnections."""
        return min(_idle_most(limits) or _MOST, int(limits["maxconnections"]))

    def __init__(
        self,
        conninfo: str,
        counter: ConnectionCounter,
        limits: Mapping[str, Value],
        connect: Mapping[str, Value] = NOTHING,
    ) -> None:
        self._autocommit = False  # as the clients want it; assigned whole by any of them
        pool, counted = self, counted_connection(counter)

        class Connection(counted):  # type: ignore[misc, valid-type]
            """A connection with the clients' autocommit: the library may open one within a
            client's statement, to which it gives none of the old one's settings."""

            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                if pool._autocommit:
                    self.autocommit = True

        stopped = Event()
        self._pool = ResizablePooledDB(
            psycopg2,
            # Once the run is over, the library must not repeat a statement that was interrupted.
            isfatal=lambda _: not stopped.is_set(),  # of the pool, it would make a cycle
            dsn=with_libpq_arguments(conninfo, connect),
            connection_factory=Connection,
        )
        self._pool.stopped = stopped
        try:
            # Not by the constructor, which drops what it has opened if another can't be.
            self._pool.change_limits(limits)
        except BaseException:
            self._pool.drain()
            raise

    def begin(self, connection: Any, transaction: bool) -> None:
        """Do as `ThreadPool.begin`, for the connections that take its place too."""
        self._autocommit = not transaction
        super().begin(connection, transaction)

    def acquire(self) -> Any:
        """Return a connection.

        Raises TooManyConnectionsError if none is free, psycopg2.Error if the pool can't connect.
        """
        return self._pool.connection()

    def release(self, connection: Any) -> None:
        """Give a connection back; the library rolls back its transaction."""
        connection.close()

    def raw(self, connection: Any) -> Any:
        """Return the psycopg2 connection behind the library's proxies."""
        return connection.dbapi_connection

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply the limits. Raises ServerError if a raised mincached can't be opened in full."""
        try:
            self._pool.change_limits(limits)
        except psycopg2.Error as error:
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise ServerError(
                tr(
                    "mincached is {limits} now, but not all of these connections could be opened "
                    "({reason}): lower it, or free connections on the server.",
                    limits=limits["mincached"],
                    reason=reason,
                ),
                error.pgcode,
            ) from error

    def interrupt(self) -> None:
        """Wake all callers that wait; they get PoolStopped."""
        self._pool.interrupt()

    def reported_counts(self) -> ReportedCounts:
        """Return the pool's own counts."""
        return self._pool.reported_counts()

    def close(self) -> None:
        """Close idle connections now, the others when they are released."""
        self._pool.drain()
