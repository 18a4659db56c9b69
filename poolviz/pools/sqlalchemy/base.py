"""What SQLAlchemy's pools have in common: limits, and how they are made and called."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE
from poolviz.model.parameters import Seconds, Switch, Value
from poolviz.model.sample import ReportedCounts
from poolviz.model.use import Use
from poolviz.pools.base import NOTHING, ConnectionCounter, ThreadCalls, ThreadPool
from poolviz.pools.connections.arguments import PSYCOPG, PSYCOPG2, engine_arguments
from poolviz.pools.connections.drivers import driver_for

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.pool import Pool as UpstreamPool
    from sqlalchemy.pool import PoolProxiedConnection

T = TypeVar("T")
MOST = 10_000
NO_LIMIT = -1  # of max_overflow

# SQLAlchemy logs under the module of the pool's class: each lost connection with its traceback, and
# at debug each checkout. That isn't poolviz' own log, and writing it would slow down the pool that
# is measured.
logging.getLogger(__package__).setLevel(logging.CRITICAL)

POOL_RECYCLE = Seconds(
    key="pool_recycle",
    default=-1.0,
    maximum=30 * 86_400,
    slider=(1, 3600),
    log_slider=True,
    special={-1: "never"},
    help="The greatest age of a connection. An older one is replaced when it is checked out.",
    effect_help="Applies to each connection when it is next checked out.",
)
POOL_PRE_PING = Switch(
    key="pool_pre_ping",
    default=False,
    help="Whether each connection is tested before it is checked out, at the cost of a round "
    "trip, and replaced if the server has closed it.",
    effect_help="Applies to each connection when it is next checked out.",
)

USES = (
    Use("connection", "with engine.connect() as connection"),
    Use("session", "with Session(engine) as session, the ORM's", gives_back=True),
    Use("raw_connection", "connection = engine.raw_connection()"),
    Use("pool", "connection = engine.pool.connect(), the pool without its engine"),
)
# Statements without parameters reach the driver as they are: a % in them is no placeholder.
ENGINE_OPTIONS = {"no_parameters": True}


def apply_upkeep(pool: UpstreamPool, limits: Mapping[str, Value]) -> None:
    """Apply pool_recycle and pool_pre_ping, which the library reads at each checkout."""
    pool._recycle = float(limits["pool_recycle"])  # type: ignore[assignment]
    pool._pre_ping = bool(limits["pool_pre_ping"])


class ResizableSQLAlchemyPool(Protocol):
    """A pool of SQLAlchemy's with limits that may be changed while it is in use."""

    def connect(self) -> PoolProxiedConnection:
        """Return a connection, as the library does."""

    def apply_limits(self, limits: Mapping[str, Value]) -> None:
        """Apply all limits, without closing a connection that is in use."""

    def stop(self) -> None:
        """Send all callers that wait, and all later ones, away with PoolStopped."""

    def reported_counts(self) -> ReportedCounts:
        """Return the pool's own counts, without waiting for a lock."""

    def drain(self) -> None:
        """Close idle connections now, the others when they are given back."""


class SQLAlchemyPool(ThreadPool):
    """A pool of SQLAlchemy's, made by an engine for the dialect of the server.

    `pool_class` is the library's own class, or one derived from it, and a
    `ResizableSQLAlchemyPool`.
    """

    library = "SQLAlchemy"
    servers = (POSTGRESQL, MYSQL, SQLITE)
    drivers: ClassVar[Mapping[str, tuple[str, ...]]] = {
        POSTGRESQL: (PSYCOPG2, PSYCOPG),
        MYSQL: ("pymysql",),
        SQLITE: ("pysqlite",),
    }
    uses = USES
    pool_class: ClassVar[type[UpstreamPool]]

    def __init__(
        self,
        conninfo: str,
        counter: ConnectionCounter,
        limits: Mapping[str, Value],
        connect: Mapping[str, Value] = NOTHING,
    ) -> None:
        self.driver = driver_for(conninfo, counter, connect)
        self._engine_options = engine_arguments(connect)
        self.engine = self._make(limits)
        self._pool: ResizableSQLAlchemyPool = self.engine.pool  # type: ignore[assignment]

    @classmethod
    def import_library(cls) -> None:
        """Import SQLAlchemy, and its dialect for the usual server."""
        from sqlalchemy import make_url  # noqa: PLC0415 - as below

        from poolviz.pools.sqlalchemy import engine_uses  # noqa: PLC0415 - as below

        assert cls.pool_class and engine_uses
        make_url("postgresql+psycopg2://").get_dialect()

    def _make(self, limits: Mapping[str, Value]) -> Engine:
        from sqlalchemy import create_engine  # noqa: PLC0415 - slow to import, see `queue_pool`

        options: dict[str, Any] = {**limits, **self._engine_options}
        return create_engine(
            self.driver.url,
            creator=self.driver.creator,
            poolclass=self.pool_class,
            execution_options=ENGINE_OPTIONS,
            **options,
        )

    def calls(self, use: str) -> ThreadCalls:
        """Return what clients call in a use: the engine, or this pool itself."""
        from poolviz.pools.sqlalchemy import engine_uses  # noqa: PLC0415 - imports SQLAlchemy

        match use:
            case "connection":
                return engine_uses.ConnectionUse(self)
            case "session":
                return engine_uses.SessionUse(self)
            case "raw_connection":
                return engine_uses.RawConnectionUse(self)
        return self

    def acquirer(self, connect: Callable[[Engine], T]) -> Callable[[], T]:
        """Return a function that acquires a connection by `connect`, with the engine of the
        moment."""
        return partial(connect, self.engine)

    def acquire(self) -> PoolProxiedConnection:
        """Return a connection. Raises the library's error, or the driver's if it can't connect."""
        return self._pool.connect()

    def release(self, connection: PoolProxiedConnection) -> None:
        """Give a connection back; the library rolls back its transaction."""
        self.give_back(connection, connection.close)

    def give_back(
        self,
        proxy: PoolProxiedConnection,  # noqa: ARG002 - for pools that must know whose it was
        close: Callable[[], object],
    ) -> None:
        """Give a connection back, by `close`."""
        close()

    def raw(self, connection: PoolProxiedConnection) -> Any:
        """Return the driver's connection behind the library's proxy."""
        return connection.dbapi_connection

    def abort(self, connection: PoolProxiedConnection, held: Callable[[], bool]) -> None:
        """Interrupt what runs on a connection, as its driver allows."""
        self.driver.abort(connection.dbapi_connection, held)

    def begin(self, connection: PoolProxiedConnection, transaction: bool) -> None:
        """Turn the driver's autocommit off or on."""
        self.driver.set_autocommit(connection.dbapi_connection, not transaction)

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply the limits."""
        self._pool.apply_limits(limits)

    def interrupt(self) -> None:
        """Send all callers that wait away."""
        self._pool.stop()

    def reported_counts(self) -> ReportedCounts:
        """Return the pool's own counts."""
        return self._pool.reported_counts()

    def close(self) -> None:
        """Close idle connections now, the others when they are released."""
        self._pool.stop()
        self._pool.drain()
