"""Subclasses of SQLAlchemy's Pool that a user wrote, as pools of poolviz.

A class that keeps to what one of the library's pools does has that pool's limits, changed in it
as it is. One that goes its own way, and a parameter of its own constructor, are changed by making
the pool anew: the old one drains, and whoever waits in it goes over to the new one if it can be
told to.
"""

from __future__ import annotations

import inspect
import threading
import weakref
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import msgspec
import sqlalchemy.pool
from sqlalchemy import create_engine
from sqlalchemy import exc as upstream_errors
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.pool import Pool as UpstreamPool

from poolviz.model.errors import InputError
from poolviz.model.parameters import Count, Effect, Parameter, Parameters, Seconds, Switch, Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, PoolStopped, ThreadPool
from poolviz.pools.sqlalchemy.base import (
    MOST,
    POOL_PRE_PING,
    POOL_RECYCLE,
    ResizablePool,
    SQLAlchemyPool,
    put_upkeep_in_force,
)
from poolviz.pools.sqlalchemy.queue_pool import QueuePool
from poolviz.pools.sqlalchemy.simple_pools import (
    AssertionPool,
    NullPool,
    SingletonThreadPool,
    StaticPool,
    Stoppable,
)

_FAMILIES: tuple[type[SQLAlchemyPool], ...] = (
    QueuePool,
    NullPool,
    StaticPool,
    SingletonThreadPool,
    AssertionPool,
)
# Pools of the library's whose dispose() closes what is in use, too.
_CLOSE_ALL = (
    sqlalchemy.pool.StaticPool,
    sqlalchemy.pool.SingletonThreadPool,
    sqlalchemy.pool.AssertionPool,
)
# What a pool's constructor calls what create_engine calls otherwise.
_ARGUMENTS = {
    "pool_timeout": "timeout",
    "pool_recycle": "recycle",
    "pool_pre_ping": "pre_ping",
    "pool_use_lifo": "use_lifo",
}
_UPKEEP = ("pool_timeout", "pool_recycle", "pool_pre_ping")  # attributes in any pool that has them
_REBUILT = "The pool is made anew; connections of the old one are closed when they are given back."


class ListedPool(Stoppable):
    """Goes before a class that does things its own way, and lists what it makes and lends.

    Once `retired`, what is idle in it is closed: that is now, and whenever something comes back
    that nobody in it asks for.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self.retired = False
        self._made: set[weakref.ref[ConnectionPoolEntry]] = set()
        self._lent: set[ConnectionPoolEntry] = set()
        self._asking: set[int] = set()  # threads; each element is one thread's alone
        super().__init__(*args, **options)

    def _create_connection(self) -> ConnectionPoolEntry:
        record = super()._create_connection()
        self._made.add(weakref.ref(record, self._made.discard))
        return record

    def _do_get(self) -> ConnectionPoolEntry:
        self._asking.add(threading.get_ident())
        try:
            record = super()._do_get()
            self._lent.add(record)
        finally:
            self._asking.discard(threading.get_ident())
            self._clear_out()
        return record

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        self._lent.discard(record)  # first: the next line may lend it to another
        super()._do_return_conn(record)
        self._clear_out()

    def _clear_out(self) -> None:
        if not self.retired or self._asking or (self._lent and isinstance(self, _CLOSE_ALL)):
            return
        self.dispose()

    def give_back(self, proxy: PoolProxiedConnection) -> None:
        """Give a connection back as the library does."""
        proxy.close()

    def put_in_force(self, limits: Mapping[str, Value]) -> None:
        """Have hold what a pool reads at each checkout."""
        if "pool_recycle" in limits:
            put_upkeep_in_force(self, limits)
        if "pool_timeout" in limits:
            self._timeout = float(limits["pool_timeout"])

    def reported_counts(self) -> ReportedCounts:
        """What was made and is connected, what is lent, and who asks for something."""
        lent = {record for record in tuple(self._lent) if record.dbapi_connection is not None}
        made = {record for ref in tuple(self._made) if (record := ref()) is not None}
        open_ = lent | {record for record in made if record.dbapi_connection is not None}
        return ReportedCounts(open=len(open_), used=len(lent), pending=len(self._asking))

    def finish(self) -> None:
        """Close what is idle now, and the rest when it comes back."""
        self.retired = True
        self._clear_out()


class _Custom(SQLAlchemyPool):
    """A user's pool, made anew where a limit in `rebuilt` changes."""

    written: ClassVar[type[UpstreamPool]]  # by the user; `live` is made of it
    rebuilt: ClassVar[frozenset[str]]

    def __init__(
        self, conninfo: str, counter: ConnectionCounter, limits: Mapping[str, Value]
    ) -> None:
        self._over = False
        self._limits = limits
        self._old: tuple[ResizablePool, ...] = ()
        super().__init__(conninfo, counter, limits)

    def _make(self, limits: Mapping[str, Value]) -> Any:
        takes = inspect.signature(self.written).parameters
        takes_all = any(each.kind is each.VAR_KEYWORD for each in takes.values())
        arguments = {_ARGUMENTS.get(key, key): value for key, value in limits.items()}
        known = {key: value for key, value in arguments.items() if takes_all or key in takes}
        make: Any = self.live
        pool = make(self._driver.creator, **known)
        pool.put_in_force(limits)
        return create_engine(self._driver.url, pool=pool).pool

    def acquire(self) -> PoolProxiedConnection:
        """A connection of the pool in force; what the class raises."""
        while True:
            pool = self._pool
            try:
                return pool.connect()
            except PoolStopped:
                if self._over or pool is self._pool:
                    raise

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Put the limits in force, in a new pool if need be."""
        if any(limits[key] != self._limits[key] for key in self.rebuilt):
            old, new = self._pool, self._make(limits)
            self._old = (old, *(each for each in self._old if each.reported_counts().open))
            self._pool = new
            old.stop()
            old.finish()
        else:
            self._pool.put_in_force(limits)
        self._limits = limits

    def interrupt(self) -> None:
        """Send every waiter away who can be told to go."""
        self._over = True
        super().interrupt()

    def reported_counts(self) -> ReportedCounts:
        """The counts of the pool in force and of those that still drain."""
        reported_counts = [
            pool.reported_counts() for pool in dict.fromkeys((self._pool, *self._old))
        ]
        return ReportedCounts(
            open=sum(each.open or 0 for each in reported_counts),
            used=sum(each.used or 0 for each in reported_counts),
            pending=sum(each.pending or 0 for each in reported_counts),
        )

    def close(self) -> None:
        """Leave no room."""
        self._over = True
        super().close()


class _Unknown(SQLAlchemyPool):
    """A class that isn't derived from any pool of the library's but Pool itself."""

    about = "A pool of your own."
    waits = True
    exhausted = (upstream_errors.TimeoutError,)
    limits = Parameters("limit of a pool of your own", POOL_RECYCLE, POOL_PRE_PING)

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:  # noqa: ARG003
        """Nobody knows."""
        return None

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:  # noqa: ARG003
        """Nobody knows, so nothing counts as overflow."""
        return MOST


def wrap_pool_class(cls: type[UpstreamPool], id: str) -> type[ThreadPool]:
    """A pool of poolviz around a user's subclass of `sqlalchemy.pool.Pool`.

    InputError, in one sentence, where it can't work.
    """
    _check(cls, id)
    family = next((f for f in _FAMILIES if issubclass(cls, _librarys(f))), _Unknown)
    as_it_is = family is not _Unknown and not _goes_its_own_way(cls, family)
    bases = (cls, family.live) if as_it_is else (ListedPool, cls)
    limits = [
        limit if as_it_is or key in _UPKEEP else _by_rebuilding(limit)
        for key, limit in family.limits.items()
    ]
    limits += _own_limits(cls)
    body: dict[str, Any] = {
        "id": id,
        "title": cls.__name__,
        "about": next(iter((cls.__doc__ or "").strip().splitlines()), "") or family.about,
        # The module decides under which name SQLAlchemy logs.
        "live": type(cls.__name__, bases, {"__module__": __name__}),
        "limits": Parameters(f"limit of {id}", *limits),
        "written": cls,
        "rebuilt": frozenset(limit.key for limit in limits if limit.effect is Effect.REBUILD),
        "__doc__": cls.__doc__,
    }
    return cast(type[ThreadPool], type(cls.__name__, (_Custom, family), body))


def _librarys(family: type[SQLAlchemyPool]) -> type[UpstreamPool]:
    """The library's own class behind one of our pools."""
    for each in family.live.__mro__:
        if each.__module__.startswith("sqlalchemy.") and issubclass(each, UpstreamPool):
            return each
    raise TypeError(f"{family.id} has no class of the library's")


def _goes_its_own_way(cls: type[UpstreamPool], family: type[SQLAlchemyPool]) -> bool:
    """Whether a class overrides what our live class has to override."""
    ours = {
        name
        for each in family.live.__mro__
        if each.__module__.startswith(__package__ or "")
        for name in vars(each)
        if not name.startswith("__")
    }
    between = cls.__mro__[: cls.__mro__.index(_librarys(family))]
    return any(ours & vars(each).keys() for each in between)


def _check(cls: type[UpstreamPool], id: str) -> None:
    if issubclass(cls, AsyncAdaptedQueuePool):
        raise InputError(
            f"{id} is a pool for asyncio, and {cls.__name__} is taken for threads: derive it from "
            "sqlalchemy.pool.QueuePool."
        )
    for name in ("_do_get", "_do_return_conn", "dispose"):
        if getattr(cls, name) is getattr(UpstreamPool, name):
            raise InputError(
                f"{id} can't be used: {cls.__name__} has no method {name}, which a pool of "
                "SQLAlchemy's needs."
            )
    for parameter in list(inspect.signature(cls).parameters.values())[1:]:
        if parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            raise InputError(
                f"{id} can't be made: the constructor of {cls.__name__} wants {parameter.name}, "
                "which has no default."
            )


def _own_limits(cls: type[UpstreamPool]) -> list[Parameter]:
    """The parameters of a constructor that no pool of the library's has: numbers and switches."""
    bases: list[Any] = [UpstreamPool, *map(_librarys, _FAMILIES)]
    librarys = {name for base in bases for name in inspect.signature(base).parameters}
    return [
        _by_rebuilding(limit)
        for name, parameter in inspect.signature(cls).parameters.items()
        if name not in librarys and (limit := _limit(name, parameter.default)) is not None
    ]


def _limit(name: str, default: object) -> Parameter | None:
    help = f"What the constructor calls {name}."
    if isinstance(default, bool):
        return Switch(key=name, default=default, help=help)
    if not isinstance(default, (int, float)):
        return None
    bounds: dict[str, Any] = {
        "minimum": min(0, default),
        "maximum": max(MOST, default),
        "slider": (min(0, default), max(50, 2 * default)),
    }
    if isinstance(default, int):
        return Count(key=name, default=default, help=help, **bounds)
    return Seconds(key=name, default=default, help=help, **bounds)


def _by_rebuilding(limit: Parameter) -> Parameter:
    return msgspec.structs.replace(limit, effect=Effect.REBUILD, effect_help=_REBUILT)
