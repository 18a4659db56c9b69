"""A user's own subclass of SQLAlchemy's Pool, as a ThreadPool.

If the class relies on one of the library's pools, it has that pool's limits, and they are changed
in place. If it overrides what that takes, and for parameters of its own constructor, the pool is
rebuilt: the old one drains, and its waiting callers go over to the new one if the class lets them
be woken.
"""

from __future__ import annotations

import inspect
import threading
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, TypeVar, cast

import msgspec
import sqlalchemy.pool
from sqlalchemy import Engine, create_engine
from sqlalchemy import exc as upstream_errors
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.pool import Pool as UpstreamPool

from poolviz.language import tr, tr_noop
from poolviz.model.errors import InputError
from poolviz.model.parameters import Count, Effect, Parameter, Parameters, Seconds, Switch, Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import NOTHING, ConnectionCounter, PoolStopped, ThreadPool, a_connection
from poolviz.pools.constructor_defaults import limit_value
from poolviz.pools.sqlalchemy.base import (
    ENGINE_OPTIONS,
    MOST,
    POOL_PRE_PING,
    POOL_RECYCLE,
    ResizableSQLAlchemyPool,
    SQLAlchemyPool,
    apply_upkeep,
)
from poolviz.pools.sqlalchemy.queue_pool import QueuePool
from poolviz.pools.sqlalchemy.simple_pools import (
    AssertionPool,
    NullPool,
    SingletonThreadPool,
    StaticPool,
    StoppablePool,
)

T = TypeVar("T")
_FAMILIES: tuple[type[SQLAlchemyPool], ...] = (
    QueuePool,
    NullPool,
    StaticPool,
    SingletonThreadPool,
    AssertionPool,
)
# Pools of the library whose dispose() closes connections in use, too.
_CLOSE_ALL = (
    sqlalchemy.pool.StaticPool,
    sqlalchemy.pool.SingletonThreadPool,
    sqlalchemy.pool.AssertionPool,
)
# The names of create_engine's parameters in a pool's constructor.
_ARGUMENTS = {
    "pool_timeout": "timeout",
    "pool_recycle": "recycle",
    "pool_pre_ping": "pre_ping",
    "pool_use_lifo": "use_lifo",
}
_RESET = "pool_reset_on_return"  # of create_engine, which doesn't apply it to a pool that is made
_UPKEEP = ("pool_timeout", "pool_recycle", "pool_pre_ping")  # read at each checkout, by any pool
_REBUILT = tr_noop(
    "The pool is rebuilt; connections of the old one are closed when they are given back."
)


class _Checked:
    """A base before a user's class, for a `connect` of it that may give nothing."""

    def connect(self) -> Any:
        """Return a connection. Raises NotAConnection for None, which an engine would take."""
        return a_connection(super().connect())  # type: ignore[misc]


class TrackedPool(StoppablePool):
    """A base before a class that doesn't rely on the library, which tracks its connections.

    Once `retired`, idle connections are closed: at once, and whenever one is given back for which
    no caller waits.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self.retired = False
        self._made: set[weakref.ref[ConnectionPoolEntry]] = set()
        self._lent: set[ConnectionPoolEntry] = set()
        self._acquiring: set[int] = set()  # threads in _do_get; each adds and removes only itself
        super().__init__(*args, **options)

    def _create_connection(self) -> ConnectionPoolEntry:
        record = super()._create_connection()
        self._made.add(weakref.ref(record, self._made.discard))
        return record

    def _do_get(self) -> ConnectionPoolEntry:
        self._acquiring.add(threading.get_ident())
        try:
            record = super()._do_get()
            self._lent.add(record)
        finally:
            self._acquiring.discard(threading.get_ident())
            self._close_idle()
        return record

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        self._lent.discard(record)  # first, for the next line may lend it to another caller
        super()._do_return_conn(record)
        self._close_idle()

    def _close_idle(self) -> None:
        """Close idle connections, if retired and no caller could be given one."""
        if not self.retired or self._acquiring or (self._lent and isinstance(self, _CLOSE_ALL)):
            return
        self.dispose()

    def give_back(
        self,
        proxy: PoolProxiedConnection,  # noqa: ARG002 - as ResizableStaticPool's
        close: Callable[[], object],
    ) -> None:
        """Give a connection back as the library does; StaticPool's adapter calls this."""
        close()

    def apply_limits(self, limits: Mapping[str, Value]) -> None:
        """Apply the limits that any pool reads at each checkout."""
        if "pool_recycle" in limits:
            apply_upkeep(self, limits)
        if "pool_timeout" in limits:
            self._timeout = float(limits["pool_timeout"])

    def reported_counts(self) -> ReportedCounts:
        """Return what was made and is connected, what is lent, and how many callers acquire."""
        lent = {record for record in tuple(self._lent) if record.dbapi_connection is not None}
        made = {record for ref in tuple(self._made) if (record := ref()) is not None}
        open_ = lent | {record for record in made if record.dbapi_connection is not None}
        return ReportedCounts(open=len(open_), used=len(lent), pending=len(self._acquiring))

    def drain(self) -> None:
        """Close idle connections now, the others when they are given back."""
        self.retired = True
        self._close_idle()


class _CustomSQLAlchemyPool(SQLAlchemyPool):
    """A user's pool, rebuilt when a limit in `rebuilt` changes."""

    user_class: ClassVar[type[UpstreamPool]]  # `pool_class` is derived from it
    rebuilt: ClassVar[frozenset[str]]

    def __init__(
        self,
        conninfo: str,
        counter: ConnectionCounter,
        limits: Mapping[str, Value],
        connect: Mapping[str, Value] = NOTHING,
    ) -> None:
        self._stopped = False
        self._limits = limits
        self._old: tuple[ResizableSQLAlchemyPool, ...] = ()
        super().__init__(conninfo, counter, limits, connect)

    def _make(self, limits: Mapping[str, Value]) -> Engine:
        takes = inspect.signature(self.user_class).parameters
        takes_all = any(each.kind is each.VAR_KEYWORD for each in takes.values())
        engine: dict[str, Any] = dict(self._engine_options)
        arguments = {_ARGUMENTS.get(key, key): value for key, value in limits.items()}
        if _RESET in engine:
            arguments["reset_on_return"] = engine.pop(_RESET)
        known = {key: value for key, value in arguments.items() if takes_all or key in takes}
        make: Any = self.pool_class
        pool = make(self.driver.creator, **known)
        pool.apply_limits(limits)
        return create_engine(self.driver.url, pool=pool, execution_options=ENGINE_OPTIONS, **engine)

    def acquire(self) -> PoolProxiedConnection:
        """Return a connection of the current pool. Raises what the class raises, or
        NotAConnection."""
        return self._acquire_by(lambda engine: engine.pool.connect())

    def acquirer(self, connect: Callable[[Engine], T]) -> Callable[[], T]:
        """Do as the base does, again with the new engine if the pool is rebuilt meanwhile."""
        return partial(self._acquire_by, connect)

    def _acquire_by(self, connect: Callable[[Engine], T]) -> T:
        while True:
            engine = self.engine
            try:
                return a_connection(connect(engine))
            except PoolStopped:
                if self._stopped or engine is self.engine:
                    raise

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply the limits, in a new pool if necessary."""
        if any(limits[key] != self._limits[key] for key in self.rebuilt):
            old, new = self._pool, self._make(limits)
            self._old = (old, *(each for each in self._old if each.reported_counts().open))
            self.engine, self._pool = new, new.pool  # type: ignore[assignment]
            old.stop()
            old.drain()
        else:
            self._pool.apply_limits(limits)
        self._limits = limits

    def interrupt(self) -> None:
        """Send callers that wait away, if the class lets them be woken."""
        self._stopped = True
        super().interrupt()

    def reported_counts(self) -> ReportedCounts:
        """Return the counts of the current pool and of those that still drain."""
        counts = [pool.reported_counts() for pool in dict.fromkeys((self._pool, *self._old))]
        return ReportedCounts(
            open=sum(each.open or 0 for each in counts),
            used=sum(each.used or 0 for each in counts),
            pending=sum(each.pending or 0 for each in counts),
        )

    def close(self) -> None:
        """Close idle connections now, the others when they are released."""
        self._stopped = True
        super().close()


class _OtherPool(SQLAlchemyPool):
    """A class that is derived from none of the library's pools but Pool itself."""

    about = tr_noop("A pool of your own.")
    waits = True
    exhausted = (upstream_errors.TimeoutError,)
    limits = Parameters("limit of a pool of your own", POOL_RECYCLE, POOL_PRE_PING)

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:  # noqa: ARG003
        """Return None: it is not known."""
        return None

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:  # noqa: ARG003
        """Return so many that nothing counts as overflow: it is not known."""
        return MOST


def wrap_pool_class(cls: type[UpstreamPool], id: str) -> type[ThreadPool]:
    """Return a ThreadPool for a user's subclass of `sqlalchemy.pool.Pool`.

    Raises InputError if it can't work.
    """
    _check(cls, id)
    family = next((f for f in _FAMILIES if issubclass(cls, _library_class(f))), _OtherPool)
    in_place = family is not _OtherPool and not _overrides_ours(cls, family)
    bases: tuple[type[Any], ...] = (cls, family.pool_class) if in_place else (TrackedPool, cls)
    limits = [
        limit if in_place or key in _UPKEEP else _by_rebuilding(limit)
        for key, limit in family.limits.items()
    ]
    limits += _own_limits(cls)
    body: dict[str, Any] = {
        "id": id,
        "title": cls.__name__,
        "about": next(iter((cls.__doc__ or "").strip().splitlines()), "") or family.about,
        # SQLAlchemy names the pool's logger after the module.
        "pool_class": type(cls.__name__, (_Checked, *bases), {"__module__": __name__}),
        "limits": Parameters(f"limit of {id}", *limits),
        "user_class": cls,
        "rebuilt": frozenset(limit.key for limit in limits if limit.effect is Effect.REBUILD),
        "__doc__": cls.__doc__,
    }
    return cast(type[ThreadPool], type(cls.__name__, (_CustomSQLAlchemyPool, family), body))


def _library_class(family: type[SQLAlchemyPool]) -> type[UpstreamPool]:
    """Return the library's class from which the pool class of one of our pools is derived."""
    for each in family.pool_class.__mro__:
        if each.__module__.startswith("sqlalchemy.") and issubclass(each, UpstreamPool):
            return each
    raise TypeError(f"{family.id} isn't derived from a class of SQLAlchemy's")


def _overrides_ours(cls: type[UpstreamPool], family: type[SQLAlchemyPool]) -> bool:
    """Return whether a class overrides what our pool class must override."""
    ours = {
        name
        for each in family.pool_class.__mro__
        if each.__module__.startswith(__package__ or "")
        for name in vars(each)
        if not name.startswith("__")
    }
    between = cls.__mro__[: cls.__mro__.index(_library_class(family))]
    return any(ours & vars(each).keys() for each in between)


def _check(cls: type[UpstreamPool], id: str) -> None:
    """Raise InputError if a class can't work."""
    if issubclass(cls, AsyncAdaptedQueuePool):
        raise InputError(
            tr(
                "{id} is an asyncio pool, and poolviz runs pools of your own with threads: derive "
                "{name} from sqlalchemy.pool.QueuePool.",
                id=id,
                name=cls.__name__,
            )
        )
    for name in ("_do_get", "_do_return_conn", "dispose"):
        if getattr(cls, name) is getattr(UpstreamPool, name):
            raise InputError(
                tr(
                    "{id} can't be used: {name} has no method {needed}, which a pool of "
                    "SQLAlchemy's needs.",
                    id=id,
                    name=cls.__name__,
                    needed=name,
                )
            )
    for parameter in list(inspect.signature(cls).parameters.values())[1:]:
        if parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            raise InputError(
                tr(
                    "{id} can't be made: the constructor of {name} requires {needed}, which has "
                    "no default.",
                    id=id,
                    name=cls.__name__,
                    needed=parameter.name,
                )
            )


def _own_limits(cls: type[UpstreamPool]) -> list[Parameter]:
    """Return a constructor's numbers and switches that no pool of the library has, as limits."""
    bases: list[Any] = [UpstreamPool, *map(_library_class, _FAMILIES)]
    known = {name for base in bases for name in inspect.signature(base).parameters}
    return [
        _by_rebuilding(limit)
        for name, parameter in inspect.signature(cls).parameters.items()
        if name not in known and (limit := _limit(name, parameter.default)) is not None
    ]


def _limit(name: str, given: object) -> Parameter | None:
    help = f"The constructor's parameter {name}."
    default = limit_value(given)
    if default is None:
        return None
    if isinstance(default, bool):
        return Switch(key=name, default=default, help=help)
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
