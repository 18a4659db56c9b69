"""SQLAlchemy's pools in which nobody waits: none, one for all, one a thread, one at a time."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
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
from poolviz.pools.listing import Listing
from poolviz.pools.sqlalchemy.base import (
    MOST,
    POOL_PRE_PING,
    POOL_RECYCLE,
    SQLAlchemyPool,
    put_upkeep_in_force,
)

NULL = Listing("sqlalchemy.NullPool", "SQLAlchemy NullPool", rank=21)
STATIC = Listing("sqlalchemy.StaticPool", "SQLAlchemy StaticPool", rank=22)
SINGLETON = Listing("sqlalchemy.SingletonThreadPool", "SQLAlchemy SingletonThreadPool", rank=23)
ASSERTION = Listing("sqlalchemy.AssertionPool", "SQLAlchemy AssertionPool", rank=24)


class Stoppable(UpstreamPool):
    """A pool that can send its callers away. `stopped` is only ever set."""

    stopped = False

    def connect(self) -> PoolProxiedConnection:
        """A connection, unless the run is over."""
        if self.stopped:
            raise PoolStopped
        return super().connect()

    def stop(self) -> None:
        """Send every later caller away."""
        self.stopped = True


class ResizableNullPool(Stoppable, UpstreamNullPool):
    """SQLAlchemy's own NullPool. It knows of no connection, so those lent are listed here."""

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

    def put_in_force(self, limits: Mapping[str, Value]) -> None:
        """There are no limits."""

    def reported_counts(self) -> ReportedCounts:
        """What is lent, and still connected."""
        lent = tuple(self._lent)
        open_ = sum(record.dbapi_connection is not None for record in lent)
        return ReportedCounts(open=open_, used=open_)

    def finish(self) -> None:
        """Nothing is idle, and what comes back is closed in any case."""


class ResizableStaticPool(Stoppable, UpstreamStaticPool):
    """SQLAlchemy's own StaticPool, with a list of who holds what: the library notes the last only.

    Callers who come before there is a connection each open one, and the pool keeps the last. The
    library leaves the others to the collector, which is slow to find those of SQLite.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._held: dict[int, ConnectionPoolEntry] = {}

    def connect(self) -> PoolProxiedConnection:
        """The connection, whoever holds it already."""
        proxy: Any = super().connect()
        self._held[id(proxy)] = proxy._connection_record
        return proxy  # type: ignore[no-any-return]

    def give_back(self, proxy: PoolProxiedConnection) -> None:
        """Reset the connection, as the library does, and stop holding it."""
        try:
            proxy.close()
        finally:
            record = self._held.pop(id(proxy))
            if record is not self._kept and record not in tuple(self._held.values()):
                record.close()
            if self.stopped:
                self.finish()

    def put_in_force(self, limits: Mapping[str, Value]) -> None:
        """There are no limits."""

    def reported_counts(self) -> ReportedCounts:
        """What is kept or held, and connected."""
        held = set(self._held.values())
        there = {record for record in (*held, self._kept) if record is not None}
        open_ = {record for record in there if record.dbapi_connection is not None}
        return ReportedCounts(open=len(open_), used=len(open_ & held))

    def finish(self) -> None:
        """Close the connection, unless somebody holds it."""
        # Taken out in one step: only one of several callers closes it.
        if not self._held and (record := self.__dict__.pop("connection", None)) is not None:
            record.close()

    @property
    def _kept(self) -> ConnectionPoolEntry | None:
        return self.__dict__.get("connection")


class ResizableSingletonThreadPool(Stoppable, UpstreamSingletonThreadPool):
    """SQLAlchemy's own SingletonThreadPool, with a size that may be changed while it is in use.

    Like the library's, it makes room for a new thread by closing any connection, in use or not.
    One lock guards `size`, `_all_conns` and `_lent`, and isn't held while one is made or closed.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._guard = threading.Lock()
        self._lent: set[ConnectionPoolEntry] = set()

    def _do_get(self) -> ConnectionPoolEntry:
        own = getattr(self._conn, "current", None)
        record: ConnectionPoolEntry | None = own() if own is not None else None
        with self._guard:
            if record is not None and record in self._all_conns:
                self._lent.add(record)
                return record
        record = self._create_connection()
        self._conn.current = weakref.ref(record)
        with self._guard:
            surplus = []
            # Once stopped it has room for nobody, and takes nothing from those who finish.
            while not self.stopped and self._all_conns and len(self._all_conns) >= self.size:
                surplus.append(self._all_conns.pop())
            in_use = self._lent.intersection(surplus)
            self._all_conns.add(record)
            self._lent.add(record)
        for other in surplus:
            if other not in in_use:
                other.close()
            elif (connection := other.dbapi_connection) is not None:
                # Its holder is about to notice; until it gives it back, it counts as open.
                connection.disconnect()
        return record

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        with self._guard:
            self._lent.discard(record)
            surplus = len(self._all_conns) > self.size and record in self._all_conns
            if surplus:
                self._all_conns.discard(record)
        if surplus:
            record.close()

    def put_in_force(self, limits: Mapping[str, Value]) -> None:
        """Have all limits hold."""
        put_upkeep_in_force(self, limits)
        self.change_size(int(limits["pool_size"]))

    def change_size(self, size: int) -> None:
        """Close idle connections beyond it; those in use when they are given back."""
        with self._guard:
            self.size = size
            idle = [record for record in self._all_conns if record not in self._lent]
            surplus = idle[: max(0, len(self._all_conns) - size)]
            self._all_conns.difference_update(surplus)
        for record in surplus:
            record.close()

    def reported_counts(self) -> ReportedCounts:
        """What the pool keeps for its threads, and what it has lent them."""
        lent = {record for record in tuple(self._lent) if record.dbapi_connection is not None}
        kept = {record for record in tuple(self._all_conns) if record.dbapi_connection is not None}
        return ReportedCounts(open=len(lent | kept), used=len(lent))

    def finish(self) -> None:
        """Leave no room. The library's dispose() would close connections in use."""
        self.change_size(0)


class ResizableAssertionPool(Stoppable, UpstreamAssertionPool):
    """SQLAlchemy's own AssertionPool, which lets one thread in at a time.

    The library looks whether its connection is out, and notes that it is, in two steps, with the
    connecting between them: threads that come together all get through. Here whoever comes while
    another is in between finds it taken. Nobody ever waits for that.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._entrance = threading.Lock()

    def _do_get(self) -> ConnectionPoolEntry:
        if not self._entrance.acquire(blocking=False):
            raise AssertionError("connection is already checked out")
        try:
            return super()._do_get()
        finally:
            self._entrance.release()

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        if self.stopped:
            self.finish()

    def put_in_force(self, limits: Mapping[str, Value]) -> None:
        """Have all limits hold."""
        put_upkeep_in_force(self, limits)

    def reported_counts(self) -> ReportedCounts:
        """One connection or none, out or not."""
        record = self._conn
        open_ = record is not None and record.dbapi_connection is not None
        return ReportedCounts(open=int(open_), used=int(open_ and self._checked_out))

    def finish(self) -> None:
        """Close the connection, unless it is out; then when it is given back."""
        if self._conn is None:
            return
        with self._entrance:  # nobody connects in there, since there is a connection
            record = None if self._checked_out else self._conn
            if record is not None:
                self._conn = None
        if record is not None:
            record.close()


class _Fixed(SQLAlchemyPool):
    """A pool whose limits don't say how many connections there are at most."""

    most: ClassVar[int | None]
    rest: ClassVar[int]  # kept open when idle

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:  # noqa: ARG003
        """The most connections, whatever the limits."""
        return cls.most

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:  # noqa: ARG003
        """The connections kept open when idle, whatever the limits."""
        return cls.rest


class NullPool(_Fixed):
    """`sqlalchemy.pool.NullPool`."""

    id, title = NULL.id, NULL.title
    about = "It never runs out: each caller gets a new connection, closed when it is given back."
    waits = False
    exhausted = ()
    limits = Parameters(f"limit of {id}")
    live = ResizableNullPool
    most, rest = None, 0


class StaticPool(_Fixed):
    """`sqlalchemy.pool.StaticPool`."""

    id, title = STATIC.id, STATIC.title
    about = (
        "It never runs out: all callers share one connection, transaction included, so that one's "
        "rollback undoes another's work. PyMySQL's connections break when threads share them."
    )
    waits = False
    exhausted = ()
    nests = False
    shares = True
    # It takes pool_recycle and pool_pre_ping, which would close or disturb what others hold.
    limits = Parameters(f"limit of {id}")
    live = ResizableStaticPool
    most, rest = 1, 1  # who comes before there is one opens one too, but it doesn't stay

    def release(self, connection: PoolProxiedConnection) -> None:
        """Stop holding the connection; the library rolls back what anybody has open in it."""
        holder: Any = connection
        holder._pool.give_back(connection)


class SingletonThreadPool(_Fixed):
    """`sqlalchemy.pool.SingletonThreadPool`."""

    id, title = SINGLETON.id, SINGLETON.title
    about = (
        "Each thread has a connection of its own; a thread too many gets one too, and that of any "
        "other is closed, even in use."
    )
    waits = False
    exhausted = ()
    limits = Parameters(
        f"limit of {id}",
        Count(
            key="pool_size",
            default=10,
            minimum=1,
            maximum=MOST,
            slider=(1, 50),
            help="For how many threads a connection is kept. A new thread's makes room by closing "
            "any other, in use or not, so that with more clients than this they get errors.",
            effect_help="Idle connections beyond it are closed at once, those in use when they "
            "are given back.",
        ),
        POOL_RECYCLE,
        POOL_PRE_PING,
    )
    live = ResizableSingletonThreadPool
    most = None  # a thread connects first, and makes room for it then
    nests = False
    takes_away = True

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """The most connections kept for threads: pool_size."""
        return int(limits["pool_size"])


class AssertionPool(_Fixed):
    """`sqlalchemy.pool.AssertionPool`."""

    id, title = ASSERTION.id, ASSERTION.title
    about = "One caller at a time has its one connection; any other fails at once."
    waits = False
    exhausted = (AssertionError,)
    one_client = (
        "AssertionPool is for programs that use one connection at a time: any other client gets "
        "an AssertionError."
    )
    limits = Parameters(f"limit of {id}", POOL_RECYCLE, POOL_PRE_PING)
    live = ResizableAssertionPool
    most, rest = 1, 1
