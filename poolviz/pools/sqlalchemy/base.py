"""What SQLAlchemy's pools have in common: its engine makes them, for the dialect of the server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

from sqlalchemy import create_engine
from sqlalchemy.pool import Pool as UpstreamPool
from sqlalchemy.pool import PoolProxiedConnection

from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE
from poolviz.model.parameters import Seconds, Switch, Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, ThreadPool
from poolviz.pools.connections.drivers import driver_for

MOST = 10_000

# SQLAlchemy logs a lost connection with its traceback, under the module of the pool's class. A
# logger that nobody has set up would print that to the user's terminal.
logging.getLogger(__package__).addHandler(logging.NullHandler())

POOL_RECYCLE = Seconds(
    key="pool_recycle",
    default=-1.0,
    maximum=30 * 86_400,
    slider=(1, 3600),
    log_slider=True,
    special={-1: "never"},
    help="How old a connection may grow. An older one is closed and opened anew when it "
    "is handed out.",
    effect_help="Holds for every connection at the next time it is handed out.",
)
POOL_PRE_PING = Switch(
    key="pool_pre_ping",
    default=False,
    help="Whether each connection is tried before it is handed out, at the cost of a "
    "round trip, and opened anew if the server has dropped it.",
    effect_help="Holds for every connection at the next time it is handed out.",
)


def put_upkeep_in_force(pool: UpstreamPool, limits: Mapping[str, Value]) -> None:
    """Have pool_recycle and pool_pre_ping hold; the library reads them at each checkout."""
    pool._recycle = float(limits["pool_recycle"])  # type: ignore[assignment]
    pool._pre_ping = bool(limits["pool_pre_ping"])


class ResizablePool(Protocol):
    """A pool of SQLAlchemy's whose limits may be changed while it is in use."""

    def connect(self) -> PoolProxiedConnection:
        """A connection, as the library gives it."""

    def put_in_force(self, limits: Mapping[str, Value]) -> None:
        """Have all limits hold, without taking any connection that is in use."""

    def stop(self) -> None:
        """Send every waiter, and every later caller, away with PoolStopped."""

    def reported_counts(self) -> ReportedCounts:
        """The pool's own counts, without waiting for a lock."""

    def finish(self) -> None:
        """Close idle connections now, the others when they are given back."""


class SQLAlchemyPool(ThreadPool):
    """A pool of SQLAlchemy's, made by its engine for the dialect of the server.

    `live` is the library's own class, or one derived from it; it is a `ResizablePool`.
    """

    library = "SQLAlchemy"
    servers = (POSTGRESQL, MYSQL, SQLITE)
    live: ClassVar[type[UpstreamPool]]

    def __init__(
        self, conninfo: str, counter: ConnectionCounter, limits: Mapping[str, Value]
    ) -> None:
        self._driver = driver_for(conninfo, counter)
        self._pool: ResizablePool = self._make(limits)

    def _make(self, limits: Mapping[str, Value]) -> Any:
        driver = self._driver
        return create_engine(driver.url, creator=driver.creator, poolclass=self.live, **limits).pool

    def acquire(self) -> PoolProxiedConnection:
        """A connection; what the library raises, or the driver where it can't connect."""
        return self._pool.connect()

    def release(self, connection: PoolProxiedConnection) -> None:
        """Give a connection back; the library rolls back what is open in it."""
        connection.close()

    def raw(self, connection: PoolProxiedConnection) -> Any:
        """The driver's connection behind the library's proxy."""
        return connection.dbapi_connection

    def abort(self, connection: PoolProxiedConnection, held: Callable[[], bool]) -> None:
        """Break off what runs on a connection, as its driver allows."""
        self._driver.abort(connection.dbapi_connection, held)

    def begin(self, connection: PoolProxiedConnection, transaction: bool) -> None:
        """Have what follows run in one transaction, or each statement commit by itself."""
        self._driver.set_autocommit(connection.dbapi_connection, not transaction)

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Put the limits in force."""
        self._pool.put_in_force(limits)

    def interrupt(self) -> None:
        """Send every waiter away."""
        self._pool.stop()

    def reported_counts(self) -> ReportedCounts:
        """What the pool's own counters say."""
        return self._pool.reported_counts()

    def close(self) -> None:
        """Leave no room: idle connections are closed now, the others when they are released."""
        self._pool.stop()
        self._pool.finish()
