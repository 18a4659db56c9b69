"""psycopg2's pools, whose callers never wait: an exhausted pool raises an error at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import psycopg2
from psycopg2 import pool as upstream
from psycopg2.extensions import connection

from poolviz.language import tr
from poolviz.model.dialect import POSTGRESQL
from poolviz.model.errors import ServerError
from poolviz.model.parameters import Count, Parameters, Value
from poolviz.model.sample import ReportedCounts
from poolviz.model.use import Use
from poolviz.pools.base import NOTHING, ConnectionCounter, ThreadPool
from poolviz.pools.connections.arguments import (
    LIBPQ,
    arguments_of,
    drivers_of,
    with_libpq_arguments,
)
from poolviz.pools.connections.postgres import counted_connection
from poolviz.pools.listing import Listing
from poolviz.pools.psycopg2.resizable import (
    PersistentPool,
    ResizableSimplePool,
    ResizableThreadedPool,
)

SIMPLE = Listing(
    "psycopg2.SimpleConnectionPool",
    "psycopg2 SimpleConnectionPool",
    rank=10,
    classes=("psycopg2.pool:SimpleConnectionPool",),
)
THREADED = Listing(
    "psycopg2.ThreadedConnectionPool",
    "psycopg2 ThreadedConnectionPool",
    rank=11,
    classes=("psycopg2.pool:ThreadedConnectionPool",),
)
PERSISTENT = Listing(
    "psycopg2.PersistentConnectionPool", "psycopg2 PersistentConnectionPool", rank=12
)

_MOST = 10_000

MINCONN = Count(
    key="minconn",
    default=2,
    maximum=_MOST,
    slider=(0, 50),
    help="Connections opened at the start, and the most that are kept idle: any further one is "
    "closed when it is given back.",
    effect_help="Missing connections are opened and surplus idle ones closed at once.",
)
MAXCONN = Count(
    key="maxconn",
    default=10,
    minimum=1,
    maximum=_MOST,
    slider=(1, 100),
    at_least="minconn",
    help="The most connections, in use and idle together. A caller that asks for another gets an "
    "error.",
    effect_help="Surplus connections are closed, idle ones at once, others when they are given "
    "back.",
)
ONE_THREAD = (
    "{} has no lock and is made for one thread: several clients at once open more "
    "connections than maxconn allows."
)


class _Psycopg2Pool(ThreadPool):
    """A resizable pool of psycopg2's and how it is called."""

    library = "psycopg2-binary"
    uses = (
        Use(
            "getconn",
            "connection = pool.getconn(); …; connection.commit(), or rollback() after an error; "
            "pool.putconn(connection)",
            ends="commit",
        ),
    )
    waits = False
    exhausted = (upstream.PoolError,)
    _pool_class: ClassVar[type[ResizableSimplePool | ResizableThreadedPool | PersistentPool]]

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """Return maxconn."""
        return int(limits["maxconn"])

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """Return minconn: no more connections are kept idle."""
        return int(limits["minconn"])

    def __init__(
        self,
        conninfo: str,
        counter: ConnectionCounter,
        limits: Mapping[str, Value],
        connect: Mapping[str, Value] = NOTHING,
    ) -> None:
        self._pool = self._pool_class(
            int(limits["minconn"]),
            int(limits["maxconn"]),
            with_libpq_arguments(conninfo, connect),
            connection_factory=counted_connection(counter),
        )
        # What the library does, without a call of ours around it, which each operation would pay;
        # but not in the place of what a class of the user's does.
        own = type(self)
        if own.acquire is _Psycopg2Pool.acquire:
            self.acquire = self._pool.getconn  # type: ignore[method-assign]
        if own.commit is _Psycopg2Pool.commit:
            self.commit = connection.commit  # type: ignore[method-assign, assignment]
        if own.rollback is _Psycopg2Pool.rollback:
            self.rollback = connection.rollback  # type: ignore[method-assign, assignment]

    def acquire(self) -> connection:
        """Return a connection.

        Raises PoolError if all are in use, psycopg2.Error if the pool can't connect.
        """
        return self._pool.getconn()

    def release(self, connection: connection) -> None:
        """Give a connection back; the library rolls back what is open in it."""
        try:
            self._pool.putconn(connection)
        except psycopg2.Error:
            # The rollback failed, so the connection is lost; psycopg2 would lose its place too.
            self._pool.putconn(connection, close=True)

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply the limits. Raises ServerError if a raised minconn can't be opened in full."""
        minconn = int(limits["minconn"])
        try:
            self._pool.change_limits(minconn, int(limits["maxconn"]))
        except psycopg2.Error as error:
            raise not_all_opened(minconn, error) from error

    def interrupt(self) -> None:
        """Make every later acquire raise PoolStopped; no caller ever waits."""
        self._pool.stopped = True

    def reported_counts(self) -> ReportedCounts:
        """Return what the pool lists; it has no count of callers that wait."""
        return ReportedCounts(open=self._pool.open, used=self._pool.used)

    def close(self) -> None:
        """Close idle connections now, the others when they are released."""
        self.interrupt()
        # psycopg2's closeall() would close connections in use, and then refuse their return.
        self._pool.change_limits(0, 0)


def not_all_opened(minconn: int, error: psycopg2.Error) -> ServerError:
    """Return the error for a raised `minconn` whose connections could not all be opened."""
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return ServerError(
        tr(
            "minconn is {minconn} now, but not all of these connections could be opened "
            "({reason}): lower it, or free connections on the server.",
            minconn=minconn,
            reason=reason,
        ),
        error.pgcode,
    )


class SimpleConnectionPool(_Psycopg2Pool):
    """`psycopg2.pool.SimpleConnectionPool`."""

    id, title = SIMPLE.id, SIMPLE.title
    about = "For one thread. When all connections are in use, a caller gets an error at once."
    one_client = ONE_THREAD.format("SimpleConnectionPool")
    limits = Parameters(f"limit of {id}", MINCONN, MAXCONN)
    drivers = drivers_of(postgresql=("psycopg2",))
    connect = arguments_of(id, **{POSTGRESQL: LIBPQ})
    _pool_class = ResizableSimplePool


class ThreadedConnectionPool(_Psycopg2Pool):
    """`psycopg2.pool.ThreadedConnectionPool`."""

    id, title = THREADED.id, THREADED.title
    about = "When all connections are in use, a caller gets an error at once."
    limits = Parameters(f"limit of {id}", MINCONN, MAXCONN)
    drivers = drivers_of(postgresql=("psycopg2",))
    connect = arguments_of(id, **{POSTGRESQL: LIBPQ})
    _pool_class = ResizableThreadedPool


class PersistentConnectionPool(_Psycopg2Pool):
    """psycopg2's `PersistentConnectionPool` as it was until 2.8: each thread has one of its own."""

    id, title = PERSISTENT.id, PERSISTENT.title
    nests = False
    about = (
        "Each thread gets a connection of its own and keeps it; if maxconn other threads have "
        "one, it gets an error at once."
    )
    limits = Parameters(
        f"limit of {id}",
        Count(
            key="minconn",
            default=2,
            maximum=_MOST,
            slider=(0, 50),
            help="Connections opened at the start, for the first threads that ask for one.",
            effect_help="Missing connections are opened at once. None is closed: this pool keeps "
            "its connections.",
        ),
        Count(
            key="maxconn",
            default=10,
            minimum=1,
            maximum=_MOST,
            slider=(1, 100),
            at_least="minconn",
            help="The most connections, and so the most threads that have one. Any further thread "
            "gets the connection of a thread that has ended, or else an error.",
            effect_help="Surplus connections are closed, unused ones at once, others when they are "
            "given back.",
        ),
    )
    drivers = drivers_of(postgresql=("psycopg2",))
    connect = arguments_of(id, **{POSTGRESQL: LIBPQ})
    _pool_class = PersistentPool

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """Return maxconn: all connections are kept."""
        return int(limits["maxconn"])
