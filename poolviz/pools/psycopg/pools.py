"""psycopg 3's pools for threads, and the limits that its asyncio pool shares with them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from psycopg import AsyncCursor, Connection, Cursor
from psycopg_pool import PoolTimeout, TooManyRequests

from poolviz.model.dialect import POSTGRESQL
from poolviz.model.parameters import Count, Effect, Parameters, Seconds, Switch, Text, Value
from poolviz.model.sample import ReportedCounts
from poolviz.model.use import Use
from poolviz.pools.base import NOTHING, ConnectionCounter, ThreadPool
from poolviz.pools.connections.arguments import (
    AUTOCOMMIT,
    LIBPQ,
    PREPARE_THRESHOLD,
    arguments_of,
    drivers_of,
    psycopg_arguments,
    with_libpq_arguments,
)
from poolviz.pools.connections.psycopg import counted_connection, libpq_conninfo
from poolviz.pools.listing import Listing
from poolviz.pools.psycopg.hooks import Upkeep
from poolviz.pools.psycopg.resizable import (
    ResizableConnectionPool,
    ResizableNullConnectionPool,
    ResizableSyncPool,
    drop_rollback_records,
)

CONNECTION = Listing(
    "psycopg_pool.ConnectionPool",
    "psycopg ConnectionPool",
    rank=30,
    drivers=("psycopg", "psycopg_pool"),
    extra="psycopg",
    classes=("psycopg_pool.pool:ConnectionPool", "psycopg_pool:ConnectionPool"),
)
NULL = Listing(
    "psycopg_pool.NullConnectionPool",
    "psycopg NullConnectionPool",
    rank=31,
    drivers=("psycopg", "psycopg_pool"),
    extra="psycopg",
    classes=("psycopg_pool.null_pool:NullConnectionPool", "psycopg_pool:NullConnectionPool"),
)

_MOST = 10_000
_DAY = 86_400.0

MIN_SIZE = Count(
    key="min_size",
    default=4,
    maximum=_MOST,
    slider=(0, 50),
    help="Connections kept open when idle. They are opened at the start, and reopened when they "
    "are lost.",
    effect_help="Raised: missing connections are opened at once, in the background. Lowered: "
    "surplus ones are closed one by one, every max_idle.",
)
MAX_SIZE = Count(
    key="max_size",
    default=10,
    minimum=1,
    maximum=_MOST,
    slider=(1, 50),
    at_least="min_size",
    help="The most connections, in use and idle together. Those beyond min_size are opened in the "
    "background, one at a time, while callers wait.",
    effect_help="Raised: connections for callers that wait are opened at once. Lowered: surplus "
    "ones are closed, idle ones at once, others when they are given back.",
)
TIMEOUT = Seconds(
    key="timeout",
    default=30.0,
    minimum=0.001,
    maximum=_DAY,
    slider=(0.01, 60),
    log_slider=True,
    effect=Effect.NEW_REQUESTS,
    help="The longest time that a caller waits for a connection before it gets an error. If "
    "connections can't be opened, callers get this error too, while the pool keeps trying.",
    effect_help="Callers that already wait keep their timeout.",
)
MAX_WAITING = Count(
    key="max_waiting",
    default=0,
    maximum=1_000_000,
    slider=(0, 100),
    special={0: "no limit"},
    effect=Effect.NEW_REQUESTS,
    help="The most callers that may wait. Any further caller gets an error at once.",
    effect_help="Callers that already wait go on waiting.",
)
MAX_LIFETIME = Seconds(
    key="max_lifetime",
    default=3600.0,
    minimum=0.001,
    maximum=30 * _DAY,
    slider=(1, 3600),
    log_slider=True,
    help="The greatest age of a connection, less up to 5 % at random. An older one is closed when "
    "it is given back, and replaced.",
    effect_help="Applies to each connection when it is next given back.",
)
MAX_IDLE = Seconds(
    key="max_idle",
    default=600.0,
    minimum=0.05,
    maximum=30 * _DAY,
    slider=(1, 600),
    log_slider=True,
    help="The interval at which one connection beyond min_size is closed, if at least one was "
    "idle all that time.",
    effect_help="The interval starts again.",
)

UPKEEP = (
    Switch(
        key="check",
        default=False,
        help="Whether each connection is tested before a caller gets it, by the library's own "
        "check_connection, at the cost of a round trip. One that is lost is replaced.",
        effect_help="Applies to each connection when it is next lent.",
    ),
    Seconds(
        key="reconnect_timeout",
        default=300.0,
        minimum=0.001,
        maximum=_DAY,
        slider=(1, 600),
        log_slider=True,
        help="How long the pool keeps trying to replace a lost connection, with growing pauses, "
        "before it gives up.",
        effect_help="Applies to the next connection that is to be opened; attempts in progress "
        "keep theirs.",
    ),
    Text(
        key="configure",
        default="",
        help="SQL that each new connection executes, outside a transaction, such as SET jit = off; "
        "empty for none.",
        effect_help="Applies to connections that are opened from then on.",
    ),
    Text(
        key="reset",
        default="",
        help="SQL that each connection executes, outside a transaction, when it is given back, "
        "such as DISCARD ALL; empty for none. A worker of the pool does it, before another caller "
        "gets the connection.",
        effect_help="Applies to each connection when it is next given back.",
    ),
)

# The end of the block commits or, after an error, rolls back. The pool itself would roll back.
USES = (
    Use("connection", "with pool.connection() as connection", ends="commit", always=True),
    Use("getconn", "connection = pool.getconn(); …; pool.putconn(connection)"),
)


CONNECT = {POSTGRESQL: (PREPARE_THRESHOLD, AUTOCOMMIT, *LIBPQ)}


def returns_rows(cursor: Cursor[Any] | AsyncCursor[Any]) -> bool:
    """Return whether there are rows to fetch. The cursor's `description` says so too, but makes an
    object for each column."""
    return cursor.pgresult is not None and cursor.pgresult.nfields > 0


class _PsycopgPool(ThreadPool):
    """A resizable pool of psycopg's for threads and how it is called."""

    library = "psycopg-pool"
    uses = USES
    waits = True
    exhausted = (PoolTimeout, TooManyRequests)
    refused = (TooManyRequests,)
    _pool_class: ClassVar[type[ResizableSyncPool[Any]]]
    _pool: Any

    def __init__(
        self,
        conninfo: str,
        counter: ConnectionCounter,
        limits: Mapping[str, Value],
        connect: Mapping[str, Value] = NOTHING,
    ) -> None:
        drop_rollback_records()
        self._upkeep = Upkeep(tasks=False)
        self._pool = self._pool_class(
            libpq_conninfo(with_libpq_arguments(conninfo, connect)),
            kwargs=psycopg_arguments(connect),
            connection_class=counted_connection(counter),
            open=False,
            **self._upkeep.options(limits),
        )
        with self._upkeep.starting():
            self._pool.start()

    def acquire(self) -> Connection[Any]:
        """Return a connection.

        Raises PoolTimeout after `timeout`, TooManyRequests if too many callers wait.
        """
        conn: Connection[Any] = self._pool.getconn()
        return conn

    def execute(self, connection: Connection[Any], statement: str) -> None:
        """Execute a statement, and fetch all rows."""
        cursor = connection.cursor()
        cursor.execute(statement)
        if returns_rows(cursor):
            cursor.fetchall()
        cursor.close()

    def release(self, connection: Connection[Any]) -> None:
        """Give a connection back; the library rolls back what is open in it."""
        self._pool.putconn(connection)

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply the limits. Connections are opened in the background."""
        pool = self._pool
        self._upkeep.apply(limits)
        pool.timeout = float(limits["timeout"])
        pool.max_waiting = int(limits["max_waiting"])
        pool.max_lifetime = float(limits["max_lifetime"])
        pool.reconnect_timeout = float(limits["reconnect_timeout"])
        self._resize(limits)

    @abstractmethod
    def _resize(self, limits: Mapping[str, Value]) -> None:
        """Apply the limits that the two pools don't share."""

    def interrupt(self) -> None:
        """Wake all callers that wait; they get PoolStopped."""
        self._pool.interrupt()

    def reported_counts(self) -> ReportedCounts:
        """Return the pool's own counts."""
        reported_counts: ReportedCounts = self._pool.reported_counts()
        return reported_counts

    def close(self) -> None:
        """Close idle connections and end the pool's threads."""
        self._pool.interrupt()
        self._pool.close()


class ConnectionPool(_PsycopgPool):
    """`psycopg_pool.ConnectionPool`."""

    id, title = CONNECTION.id, CONNECTION.title
    about = "When all connections are in use, callers wait in a queue, for timeout at most."
    lingers = True
    limits = Parameters(
        f"limit of {id}", MIN_SIZE, MAX_SIZE, TIMEOUT, MAX_WAITING, MAX_LIFETIME, MAX_IDLE, *UPKEEP
    )
    drivers = drivers_of(postgresql=("psycopg",))
    connect = arguments_of(id, **CONNECT)
    _pool_class = ResizableConnectionPool

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """Return max_size."""
        return int(limits["max_size"])

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """Return min_size: more connections are closed after a time."""
        return int(limits["min_size"])

    def _resize(self, limits: Mapping[str, Value]) -> None:
        self._pool.change_idle(float(limits["max_idle"]))
        self._pool.change_sizes(int(limits["min_size"]), int(limits["max_size"]))


class NullConnectionPool(_PsycopgPool):
    """`psycopg_pool.NullConnectionPool`."""

    id, title = NULL.id, NULL.title
    about = (
        "No connection is kept: each caller opens one, or waits, for timeout at most, if there are "
        "max_size connections."
    )
    limits = Parameters(
        f"limit of {id}",
        Count(
            key="max_size",
            default=10,
            maximum=_MOST,
            slider=(0, 50),
            special={0: "no limit"},
            help="The most connections at once. One that is given back is closed, unless a caller "
            "waits for it.",
            effect_help="Raised: connections for callers that wait are opened at once. Lowered: "
            "surplus ones are closed when they are given back.",
        ),
        TIMEOUT,
        MAX_WAITING,
        MAX_LIFETIME,
        *UPKEEP,
    )
    drivers = drivers_of(postgresql=("psycopg",))
    connect = arguments_of(id, **CONNECT)
    _pool_class = ResizableNullConnectionPool

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """Return max_size; None if it is 0."""
        return int(limits["max_size"]) or None

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:  # noqa: ARG003
        """Return 0: no connection is kept."""
        return 0

    def _resize(self, limits: Mapping[str, Value]) -> None:
        self._pool.change_size(int(limits["max_size"]))
