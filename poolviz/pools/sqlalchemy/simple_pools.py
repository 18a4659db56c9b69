"""SQLAlchemy's pools without a queue: NullPool, StaticPool, SingletonThreadPool, AssertionPool."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from sqlalchemy.pool import AssertionPool as UpstreamAssertionPool
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.pool import NullPool as UpstreamNullPool
from sqlalchemy.pool import Pool as UpstreamPool
from sqlalchemy.pool import SingletonThreadPool as UpstreamSingletonThreadPool
from sqlalchemy.pool import StaticPool as UpstreamStaticPool

from poolviz.model.parameters import Count, Parameters, Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import PoolStopped
from poolviz.pools.connections.arguments import sqlalchemy_arguments
from poolviz.pools.listing import Listing
from poolviz.pools.sqlalchemy.base import (
    MOST,
    POOL_PRE_PING,
    POOL_RECYCLE,
    SQLAlchemyPool,
    apply_upkeep,
)

NULL = Listing(
    "sqlalchemy.NullPool",
    "SQLAlchemy NullPool",
    rank=21,
    classes=("sqlalchemy.pool.impl:NullPool", "sqlalchemy.pool:NullPool", "sqlalchemy:NullPool"),
)
STATIC = Listing(
    "sqlalchemy.StaticPool",
    "SQLAlchemy StaticPool",
    rank=22,
    classes=(
        "sqlalchemy.pool.impl:StaticPool",
        "sqlalchemy.pool:StaticPool",
        "sqlalchemy:StaticPool",
    ),
)
SINGLETON = Listing(
    "sqlalchemy.SingletonThreadPool",
    "SQLAlchemy SingletonThreadPool",
    rank=23,
    classes=(
        "sqlalchemy.pool.impl:SingletonThreadPool",
        "sqlalchemy.pool:SingletonThreadPool",
        "sqlalchemy:SingletonThreadPool",
    ),
)
ASSERTION = Listing(
    "sqlalchemy.AssertionPool",
    "SQLAlchemy AssertionPool",
    rank=24,
    classes=(
        "sqlalchemy.pool.impl:AssertionPool",
        "sqlalchemy.pool:AssertionPool",
        "sqlalchemy:AssertionPool",
    ),
)


class StoppablePool(UpstreamPool):
    """A pool that can send its callers away. `stopped` is never reset."""

    stopped = False

    def connect(self) -> PoolProxiedConnection:
        """Return a connection. Raises PoolStopped after `stop`."""
        if self.stopped:
            raise PoolStopped
        return super().connect()

    def stop(self) -> None:
        """Send all later callers away."""
        self.stopped = True


class ResizableNullPool(StoppablePool, UpstreamNullPool):
    """SQLAlchemy's NullPool, with a list of the connections it has lent."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lent: set[ConnectionPoolEntry] = set()

    def _do_get(self) -> ConnectionPoolEntry:
        record = super()._do_get()
        self._lent.add(record)
        return record

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        self._lent.discard(record)

    def apply_limits(self, limits: Mapping[str, Value]) -> None:
        """Do nothing: there are no limits."""

    def reported_counts(self) -> ReportedCounts:
        """Return what is lent and connected."""
        lent = tuple(self._lent)
        open_ = sum(record.dbapi_connection is not None for record in lent)
        return ReportedCounts(open=open_, used=open_)

    def drain(self) -> None:
        """Do nothing: no connection is idle, and all are closed when given back."""


class ResizableStaticPool(StoppablePool, UpstreamStaticPool):
    """SQLAlchemy's StaticPool, with a list of who holds which connection.

    Callers that come before there is a connection each open one, and the pool keeps the last. The
    library leaves the others to the garbage collector, which finds those of SQLite late; here
    each is closed when it is given back.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._held: dict[int, ConnectionPoolEntry] = {}

    def connect(self) -> PoolProxiedConnection:
        """Return the connection, even if other clients hold it."""
        proxy: Any = super().connect()
        self._held[id(proxy)] = proxy._connection_record
        return proxy  # type: ignore[no-any-return]

    def give_back(self, proxy: PoolProxiedConnection, close: Callable[[], object]) -> None:
        """Reset the connection by `close`, as the library does, and stop holding it."""
        try:
            close()
        finally:
            record = self._held.pop(id(proxy))
            if record is not self._kept and record not in tuple(self._held.values()):
                record.close()
            if self.stopped:
                self.drain()

    def apply_limits(self, limits: Mapping[str, Value]) -> None:
        """Do nothing: there are no limits."""

    def reported_counts(self) -> ReportedCounts:
        """Return what is kept or held, and connected."""
        held = set(self._held.values())
        there = {record for record in (*held, self._kept) if record is not None}
        open_ = {record for record in there if record.dbapi_connection is not None}
        return ReportedCounts(open=len(open_), used=len(open_ & held))

    def drain(self) -> None:
        """Close the connection, unless a client holds it."""
        # Removed in one step, so that only one of several callers closes it.
        if not self._held and (record := self.__dict__.pop("connection", None)) is not None:
            record.close()

    @property
    def _kept(self) -> ConnectionPoolEntry | None:
        return self.__dict__.get("connection")


class ResizableSingletonThreadPool(StoppablePool, UpstreamSingletonThreadPool):
    """SQLAlchemy's SingletonThreadPool, with a size that may be changed while it is in use.

    Like the library's, it makes room for a new thread by closing any connection, in use or not.
    One lock guards `size`, `_all_conns` and `_lent`, and isn't held while a connection is opened
    or closed.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lock = threading.Lock()
        self._lent: set[ConnectionPoolEntry] = set()

    def _do_get(self) -> ConnectionPoolEntry:
        own = getattr(self._conn, "current", None)
        record: ConnectionPoolEntry | None = own() if own is not None else None
        with self._lock:
            if record is not None and record in self._all_conns:
                self._lent.add(record)
                return record
        record = self._create_connection()
        self._conn.current = weakref.ref(record)
        with self._lock:
            surplus = []
            # Once stopped, it closes no connection of a client that is about to finish.
            while not self.stopped and self._all_conns and len(self._all_conns) >= self.size:
                surplus.append(self._all_conns.pop())
            in_use = self._lent.intersection(surplus)
            self._all_conns.add(record)
            self._lent.add(record)
        for other in surplus:
            if other not in in_use:
                other.close()
            elif (connection := other.dbapi_connection) is not None:
                connection.disconnect()  # it counts as open until its client gives it back
        return record

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        with self._lock:
            self._lent.discard(record)
            # One that was taken away from its thread may have connected again meanwhile.
            surplus = record not in self._all_conns or len(self._all_conns) > self.size
            if surplus:
                self._all_conns.discard(record)
        if surplus:
            record.close()

    def apply_limits(self, limits: Mapping[str, Value]) -> None:
        """Apply all limits."""
        apply_upkeep(self, limits)
        self.change_size(int(limits["pool_size"]))

    def change_size(self, size: int) -> None:
        """Apply the size: close idle connections beyond it now, others when given back."""
        with self._lock:
            self.size = size
            idle = [record for record in self._all_conns if record not in self._lent]
            surplus = idle[: max(0, len(self._all_conns) - size)]
            self._all_conns.difference_update(surplus)
        for record in surplus:
            record.close()

    def reported_counts(self) -> ReportedCounts:
        """Return what the pool keeps for its threads, and what it has lent them."""
        lent = {record for record in tuple(self._lent) if record.dbapi_connection is not None}
        kept = {record for record in tuple(self._all_conns) if record.dbapi_connection is not None}
        return ReportedCounts(open=len(lent | kept), used=len(lent))

    def drain(self) -> None:
        """Close idle connections now, the others when they are given back.

        The library's dispose() would close those in use, too.
        """
        self.change_size(0)


class ResizableAssertionPool(StoppablePool, UpstreamAssertionPool):
    """SQLAlchemy's AssertionPool, without its race.

    The library tests whether its connection is out, connects, and only then marks it as out, so
    that threads that come at the same time all get through. Here a caller that comes while
    another one is being served gets the library's error. Nobody waits.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._serving = threading.Lock()

    def _do_get(self) -> ConnectionPoolEntry:
        if not self._serving.acquire(blocking=False):
            raise AssertionError("connection is already checked out")
        try:
            return super()._do_get()
        finally:
            self._serving.release()

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        if self.stopped:
            self.drain()

    def apply_limits(self, limits: Mapping[str, Value]) -> None:
        """Apply all limits."""
        apply_upkeep(self, limits)

    def reported_counts(self) -> ReportedCounts:
        """Return one connection or none, out or not."""
        record = self._conn
        open_ = record is not None and record.dbapi_connection is not None
        return ReportedCounts(open=int(open_), used=int(open_ and self._checked_out))

    def drain(self) -> None:
        """Close the connection now or, if it is out, when it is given back."""
        if self._conn is None:
            return
        with self._serving:  # held for a moment only: there is a connection already
            record = None if self._checked_out else self._conn
            if record is not None:
                self._conn = None
        if record is not None:
            record.close()


class _FixedPool(SQLAlchemyPool):
    """A pool whose limits don't say how many connections there are."""

    most: ClassVar[int | None]
    idle: ClassVar[int]  # kept open when idle

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:  # noqa: ARG003
        """Return the most connections, whatever the limits."""
        return cls.most

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:  # noqa: ARG003
        """Return the connections kept open when idle, whatever the limits."""
        return cls.idle


class NullPool(_FixedPool):
    """`sqlalchemy.pool.NullPool`."""

    id, title = NULL.id, NULL.title
    about = "Never exhausted: each caller gets a new connection, which is closed when given back."
    waits = False
    exhausted = ()
    connect = sqlalchemy_arguments(id)
    limits = Parameters(f"limit of {id}")
    pool_class = ResizableNullPool
    most, idle = None, 0


class StaticPool(_FixedPool):
    """`sqlalchemy.pool.StaticPool`."""

    id, title = STATIC.id, STATIC.title
    about = (
        "Never exhausted: all callers share one connection and its transaction, so that one "
        "client's rollback undoes another's work. PyMySQL's connections can't be shared by threads."
    )
    waits = False
    exhausted = ()
    nests = False
    shares = True
    # The library accepts pool_recycle and pool_pre_ping, which would affect what others hold.
    connect = sqlalchemy_arguments(id)
    limits = Parameters(f"limit of {id}")
    pool_class = ResizableStaticPool
    most, idle = 1, 1  # the first callers may each open one, but the pool keeps one only

    def give_back(self, proxy: PoolProxiedConnection, close: Callable[[], object]) -> None:
        """Give the connection back; the library rolls back its transaction, whoever began it."""
        holder: Any = proxy
        holder._pool.give_back(proxy, close)


class SingletonThreadPool(_FixedPool):
    """`sqlalchemy.pool.SingletonThreadPool`."""

    id, title = SINGLETON.id, SINGLETON.title
    about = (
        "Each thread has a connection of its own. One thread too many gets one as well, and that "
        "of another thread is closed, even in use."
    )
    waits = False
    exhausted = ()
    connect = sqlalchemy_arguments(id)
    limits = Parameters(
        f"limit of {id}",
        Count(
            key="pool_size",
            default=10,
            minimum=1,
            maximum=MOST,
            slider=(1, 50),
            help="The most threads for which a connection is kept. The connection of a further "
            "thread replaces any other, in use or not, so that more clients than this get errors.",
            effect_help="Surplus connections are closed, idle ones at once, others when they are "
            "given back.",
        ),
        POOL_RECYCLE,
        POOL_PRE_PING,
    )
    pool_class = ResizableSingletonThreadPool
    most = None  # a thread opens its connection before it makes room for it
    nests = False
    takes_away = True

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """Return pool_size: no more connections are kept for threads."""
        return int(limits["pool_size"])


class AssertionPool(_FixedPool):
    """`sqlalchemy.pool.AssertionPool`."""

    id, title = ASSERTION.id, ASSERTION.title
    about = "Only one caller at a time can have its one connection; others get an error at once."
    waits = False
    exhausted = (AssertionError,)
    one_client = (
        "AssertionPool is for programs that use one connection at a time: any other client gets "
        "an AssertionError."
    )
    connect = sqlalchemy_arguments(id)
    limits = Parameters(f"limit of {id}", POOL_RECYCLE, POOL_PRE_PING)
    pool_class = ResizableAssertionPool
    most, idle = 1, 1
