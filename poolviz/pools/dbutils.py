"""DBUtils' pool, with connections of psycopg2's."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Event, local
from time import monotonic
from typing import Any

import psycopg2
from dbutils.pooled_db import PooledDB as UpstreamPool  # type: ignore[import-untyped]
from dbutils.pooled_db import TooManyConnectionsError

from poolviz.model.errors import ServerError
from poolviz.model.parameters import Count, Effect, Parameters, Seconds, Switch, Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, PoolStopped, ThreadPool
from poolviz.pools.connections.postgres import counted_connection
from poolviz.pools.listing import Listing

LISTING = Listing(
    "dbutils.PooledDB", "DBUtils PooledDB", rank=70, drivers=("dbutils",), extra="dbutils"
)

_MOST = 10_000
_LOCK_LIMIT = 1.0  # seconds to wait for a lock that the library may hold while it connects


def _idle_most(limits: Mapping[str, Value]) -> int:
    """The most connections kept idle, 0 for no limit: not fewer than are opened at the start."""
    maxcached = int(limits["maxcached"])
    return max(maxcached, int(limits["mincached"])) if maxcached else 0


class LimitReached(TooManyConnectionsError):  # type: ignore[misc]
    """The library's error for a caller who didn't wait, since blocking was off when he came."""


LimitReached.__name__ = TooManyConnectionsError.__name__  # by which the library's users know it


class ResizablePooledDB(UpstreamPool):  # type: ignore[misc]
    """DBUtils' own pool, with limits that may be changed while it is in use, and waits that end.

    Everything is guarded by the library's `_lock`, which it holds while it connects, rolls back
    and closes; `stopped` is only ever set. The library's `_connections` are those in use.
    """

    _lock: Any
    _idle_cache: list[Any]

    def __init__(self, limits: Mapping[str, Value], **how_to_connect: Any) -> None:
        self.stopped, self._closing = Event(), False
        self._caller = local()
        stopped = self.stopped  # the pool itself would make a cycle
        # Once the run is over the library may not try a statement again that was broken off.
        super().__init__(psycopg2, isfatal=lambda _: not stopped.is_set(), **how_to_connect)
        try:
            # Not by the constructor, which forgets those it has opened when another can't be.
            self.change_limits(limits)
        except BaseException:
            self.close()
            raise

    def connection(self, shareable: bool = False) -> Any:
        """A connection; TooManyConnectionsError where there is none, at once or after `timeout`."""
        self._caller.deadline = None
        with self._lock:
            if self.stopped.is_set():
                raise PoolStopped
            return super().connection(shareable)

    def cache(self, con: Any) -> None:
        """Take back a connection; the library never closes one for a lowered maxconnections."""
        with self._lock:
            con._maxusage = self._maxusage
            if not self._too_many():
                super().cache(con)
                return
            con.close()
            self._connections -= 1
            self._lock.notify()

    def change_limits(self, limits: Mapping[str, Value]) -> None:
        """Put all in force: close idle connections beyond, wake waiters, open missing ones.

        psycopg2.Error where a missing one can't be opened; the limits hold all the same.
        """
        with self._lock:
            self._maxcached = _idle_most(limits)
            self._maxconnections = int(limits["maxconnections"])
            self._maxusage = int(limits["maxusage"])
            self._blocking, self._timeout = bool(limits["blocking"]), float(limits["timeout"])
            for con in self._idle_cache:
                con._maxusage = self._maxusage
            while self._idle_cache and (
                len(self._idle_cache) > self._maxcached > 0 or self._too_many()
            ):
                self._idle_cache.pop(0).close()  # the one that rested longest
            self._lock.notify_all()
        while self._open_one_of(int(limits["mincached"])):
            pass

    def interrupt(self) -> None:
        """Send every waiter, and every later caller, away with PoolStopped."""
        self.stopped.set()
        # Somebody may hold it who connects in vain; then whoever waits is woken by the next one.
        if self._lock.acquire(timeout=_LOCK_LIMIT):
            self._lock.notify_all()
            self._lock.release()

    def close(self) -> None:
        """Close idle connections now, the others when they are given back."""
        self.stopped.set()
        self._closing = True
        super().close()

    def reported_counts(self) -> ReportedCounts:
        """The pool's counts; from any thread, without its lock."""
        used = self._connections
        return ReportedCounts(
            open=used + len(self._idle_cache), used=used, pending=len(self._lock._waiters)
        )

    def _wait_lock(self) -> None:
        """Wait for one to come back, or a change: the library would wait without an end."""
        caller = self._caller
        if not self._blocking:
            raise LimitReached if caller.deadline is None else TooManyConnectionsError
        if caller.deadline is None:
            caller.deadline = monotonic() + self._timeout
        remaining = caller.deadline - monotonic()
        if remaining <= 0:
            raise TooManyConnectionsError
        self._lock.wait(remaining)
        if self.stopped.is_set():
            self._lock.notify()  # and the next one
            raise PoolStopped

    def _too_many(self) -> bool:
        """Whether there are more connections than there may be: one has to go."""
        open_ = self._connections + len(self._idle_cache)
        return self._closing or open_ > self._maxconnections > 0

    def _open_one_of(self, wanted: int) -> bool:
        """Open a connection if there are fewer than wanted; whether it was."""
        with self._lock:
            if self._closing or self._connections + len(self._idle_cache) >= wanted:
                return False
            self._idle_cache.append(self.steady_connection())
            return True


class PooledDB(ThreadPool):
    """`dbutils.pooled_db.PooledDB`, with connections of psycopg2's."""

    id, title = LISTING.id, LISTING.title
    library = "DBUtils"
    about = (
        "When every connection is in use a caller waits, for timeout at most, or fails at once, as "
        "blocking says."
    )
    waits = True
    exhausted = (TooManyConnectionsError,)
    refused = (LimitReached,)
    limits = Parameters(
        f"limit of {id}",
        Count(
            key="mincached",
            default=0,
            maximum=_MOST,
            slider=(0, 50),
            help="Connections opened at the start. The library keeps no such number later.",
            effect_help="Raised, missing connections are opened at once; lowered, nothing is "
            "closed.",
        ),
        Count(
            key="maxcached",
            default=5,
            maximum=_MOST,
            slider=(0, 50),
            special={0: "no limit"},
            help="The most connections kept idle: one that is given back beyond them is closed. "
            "The library takes mincached where that is more.",
            effect_help="Idle connections beyond it are closed at once.",
        ),
        Count(
            key="maxconnections",
            default=10,
            minimum=1,
            maximum=_MOST,
            slider=(1, 100),
            at_least="mincached",
            help="The most connections, in use and idle together.",
            effect_help="Raised, callers who wait start at once; lowered, idle connections beyond "
            "it are closed at once, those in use when they are given back.",
        ),
        Count(
            key="maxusage",
            default=0,
            maximum=1_000_000_000,
            slider=(0, 1000),
            special={0: "no limit"},
            help="After how many statements a connection is closed and opened anew, by the client "
            "that runs the next one.",
            effect_help="Holds for idle connections at once, for those in use when they are given "
            "back.",
        ),
        Switch(
            key="blocking",
            default=True,
            help="Whether a caller waits when every connection is in use. By the library's own "
            "default it doesn't, and gets an error at once.",
            effect_help="Turned off, callers who wait get an error at once.",
        ),
        Seconds(
            key="timeout",
            default=30.0,
            maximum=86_400,
            slider=(0, 60),
            log_slider=True,
            effect=Effect.NEW_REQUESTS,
            help="How long a caller waits for a connection, if blocking is on. It is poolviz that "
            "ends the wait, with the library's own error: the library waits without an end.",
            effect_help="Callers who wait already keep the time they came with.",
        ),
    )

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """The most connections: maxconnections."""
        return int(limits["maxconnections"])

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """The most connections kept idle: maxcached, as far as maxconnections lets it."""
        return min(_idle_most(limits) or _MOST, int(limits["maxconnections"]))

    def __init__(
        self, conninfo: str, counter: ConnectionCounter, limits: Mapping[str, Value]
    ) -> None:
        self._pool = ResizablePooledDB(
            limits, dsn=conninfo, connection_factory=counted_connection(counter)
        )

    def acquire(self) -> Any:
        """A connection; TooManyConnectionsError where there is none, psycopg2.Error where it can't
        connect."""
        return self._pool.connection()

    def release(self, connection: Any) -> None:
        """Give a connection back; the library rolls back what is open in it."""
        connection.close()

    def raw(self, connection: Any) -> Any:
        """The psycopg2 connection behind the library's proxies."""
        return connection.dbapi_connection

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Put the limits in force; ServerError where a raised mincached can't be opened in full."""
        try:
            self._pool.change_limits(limits)
        except psycopg2.Error as error:
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise ServerError(
                f"mincached is {limits['mincached']} now, but not all of these connections could "
                f"be opened ({reason}): lower it, or free connections on the server.",
                error.pgcode,
            ) from error

    def interrupt(self) -> None:
        """Send every waiter away."""
        self._pool.interrupt()

    def reported_counts(self) -> ReportedCounts:
        """What the pool's own counters say."""
        return self._pool.reported_counts()

    def close(self) -> None:
        """Close idle connections now, the others when they are released."""
        self._pool.close()
