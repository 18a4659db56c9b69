"""A user's own class that lends connections, by getconn and putconn for instance, as a ThreadPool.

Private names used here, as in Python 3.11 to 3.13:
    threading.Condition: _waiters
    threading.Semaphore: _cond
"""

from __future__ import annotations

import queue
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter
from typing import Any, ClassVar, NamedTuple

import psycopg2
from psycopg2 import pool as upstream
from psycopg2.extensions import parse_dsn

from poolviz.model.errors import InputError, ServerError
from poolviz.model.parameters import Parameters, Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, PoolStopped, ThreadPool
from poolviz.pools.connections.counting import count_in
from poolviz.pools.connections.library_logs import keep_off_terminal
from poolviz.pools.connections.postgres import counted_connection
from poolviz.pools.custom.constructor import PoolConstructor, constructor_of
from poolviz.pools.custom.methods import (
    LendingMethods,
    Loan,
    borrow,
    check_methods,
    lending_methods,
)
from poolviz.pools.custom.user_errors import phrase
from poolviz.pools.psycopg2.pools import ONE_THREAD, not_all_opened
from poolviz.pools.psycopg2.resizable import ResizablePsycopg2Pool, idle_and_used

_CLOSE_METHODS = ("closeall", "close", "dispose", "shutdown")
_MORE_THAN_CALLERS = 5_000
_LOCK_TIMEOUT = 0.2  # seconds to wait for a lock that may be held while its holder connects
# Attributes by which proxies of SQLAlchemy, DBUtils and others give the driver's connection.
_BEHIND = ("driver_connection", "dbapi_connection", "_con")
_DEEPEST = 4  # proxies within each other


def wrap(cls: type[Any], id: str) -> type[ThreadPool]:
    """Return a ThreadPool for `cls`, which has methods to lend connections.

    Raises InputError as `constructor_of` does, or if a method can't be called by threads.
    """
    methods = lending_methods(cls)
    assert methods is not None, f"{id} can't lend connections"
    check_methods(cls, methods, id)
    library = _library_of(cls)
    if library.logger:
        keep_off_terminal(library.logger)
    constructor = constructor_of(cls, id)
    limits = constructor.limits
    about = " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())
    simple = issubclass(cls, upstream.SimpleConnectionPool)
    waits, exhausted = getattr(cls, "waits", None), getattr(cls, "exhausted", None)
    declared = {
        "__doc__": f"`{id}`, a class of the user's.",
        "__module__": __name__,
        "id": id,
        "title": cls.__name__,
        "about": about if about.endswith(".") else f"{cls.__name__}, a class of your own.",
        "limits": limits,
        "waits": waits if isinstance(waits, bool) else any("timeout" in key for key in limits),
        "library": library.distribution,
        "exhausted": exhausted if _are_errors(exhausted) else (*CustomPool.exhausted, *_timeouts()),
        "one_client": ONE_THREAD.format(cls.__name__) if simple else "",
        "constructor": constructor,
        "methods": methods,
    }
    return type(cls.__name__, (CustomPool,), declared)


class _Library(NamedTuple):
    """The library that a class is derived from: its distribution, and the logger that warns of
    what a run does on purpose."""

    distribution: str
    logger: str = ""


def _library_of(cls: type[Any]) -> _Library:
    if any(base.__module__.startswith("psycopg_pool.") for base in cls.__mro__):
        return _Library("psycopg-pool", "psycopg")
    return _Library(CustomPool.library)


def _timeouts() -> tuple[type[Exception], ...]:
    """Return the errors of libraries that are loaded which say that no connection was free."""
    psycopg_pool = sys.modules.get("psycopg_pool")
    return () if psycopg_pool is None else (psycopg_pool.PoolTimeout,)


def _are_errors(given: object) -> bool:
    return isinstance(given, tuple) and all(
        isinstance(each, type) and issubclass(each, Exception) for each in given
    )


class _Generation:
    """One pool of the user's class, from its making until its last connection was given back.

    `callers` counts those that are acquiring or hold one of its connections; `retired` says
    that a newer pool has taken over. The lock of the CustomPool guards both.
    """

    __slots__ = ("callers", "pool", "retired")

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.callers = 0
        self.retired = False

    def take_back(self, loan: Loan) -> None:
        """Give a connection back to the pool that lent it."""
        known = isinstance(self.pool, upstream.AbstractConnectionPool)
        if self.retired and known:
            loan.connection.close()  # psycopg2's pools discard closed connections
        try:
            loan.give_back()
        except psycopg2.Error:
            if not known:
                raise
            # The rollback failed, so the connection is lost; psycopg2 would lose its place too.
            loan.connection.close()
            self.pool.putconn(loan.connection)

    def close_idle(self) -> None:
        """Close idle connections, if the pool is of a kind whose idle connections are known."""
        if isinstance(self.pool, ResizablePsycopg2Pool):
            self.pool.stopped = True
            self.pool.change_limits(0, 0)

    def end(self) -> None:
        """Close the pool. Nobody holds a connection of it any more, or waits for one."""
        for name in _CLOSE_METHODS:
            if callable(getattr(type(self.pool), name, None)):  # not what a __getattr__ answers
                getattr(self.pool, name)()
                break
        self.pool = None  # a pool without such a method closes its connections when collected


class _LentConnections:
    """Counts connections that a class opens itself, from the first time that they are lent.

    Keyed by `id`: a connection may be of any class, and need not be hashable.
    """

    def __init__(self, counter: ConnectionCounter) -> None:
        self._counter = counter
        self._lock = threading.Lock()  # guards _known
        self._known: dict[int, tuple[weakref.ref[Any], Callable[[], object]]] = {}

    def lent(self, connection: Any, began: float) -> None:
        """Count a connection that was lent, if it is new; acquiring it began at `began`."""
        with self._lock:
            known = self._known.get(id(connection))
            if known is None or known[0]() is not connection:
                count_out = count_in(connection, self._counter, began)
                self._known[id(connection)] = weakref.ref(connection), count_out

    def count_closed(self) -> None:
        """Count out all connections that were closed, though they may still be referred to."""
        with self._lock:
            for key, (reference, count_out) in list(self._known.items()):
                connection = reference()
                if connection is None:
                    del self._known[key]  # counted out when it was garbage collected
                elif _is_closed(connection):
                    count_out()
                    del self._known[key]


def _is_closed(connection: Any) -> bool:
    try:
        return bool(getattr(connection, "closed", False))
    except Exception:  # noqa: BLE001 - a property of the user's
        return False


def _driver_connection(connection: Any) -> Any:
    """Return the driver's connection behind a proxy of a pool; what has none is the connection."""
    for _ in range(_DEEPEST):
        names = (name for name in _BEHIND if hasattr(type(connection), name))
        own = getattr(connection, "__dict__", {})
        name = next(names, next((each for each in _BEHIND if each in own), None))
        behind = None if name is None else getattr(connection, name, None)
        if behind is None or not hasattr(behind, "cursor"):
            break
        connection = behind
    return connection


class CustomPool(ThreadPool):
    """Any class that lends connections; rebuilt for a limit that can't be changed in place.

    `_lock` guards which caller uses which generation. It is never held while the user's code runs.
    """

    library = "psycopg2-binary"
    exhausted = (upstream.PoolError, TimeoutError, queue.Empty)
    limits: ClassVar[Parameters]
    constructor: ClassVar[PoolConstructor]
    methods: ClassVar[LendingMethods]

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """Return the most connections by the class's own parameter; None if it has none."""
        most = cls.constructor.most
        return None if most is None else int(limits[most])

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """Return the connections kept idle by the class's parameters; all if they don't say."""
        key = cls.constructor.least or cls.constructor.most
        return 0 if key is None else int(limits[key])

    def __init__(
        self, conninfo: str, counter: ConnectionCounter, limits: Mapping[str, Value]
    ) -> None:
        self._conninfo, self._factory = conninfo, counted_connection(counter)
        self._uncounted = _LentConnections(counter)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._lent: dict[int, list[tuple[_Generation, Loan]]] = {}  # by the connection's id
        self._limits = dict(limits)
        self._current = self._make(limits)
        self._generations: tuple[_Generation, ...] = (self._current,)  # replaced as a whole

    def acquire(self) -> Any:
        """Return a connection. Raises what the class raises, or NotAConnection."""
        began = perf_counter()
        while True:
            with self._lock:
                if self._stopped.is_set():
                    raise PoolStopped
                generation = self._current
                generation.callers += 1
            try:
                loan = borrow(generation.pool, self.methods)
            except BaseException:
                self._leave(generation)
                if self._stopped.is_set():
                    raise PoolStopped from None
                if generation.retired:
                    continue  # it was closed while this caller waited: ask the next one
                raise
            break
        connection = loan.connection
        if not isinstance(behind := _driver_connection(connection), self._factory):
            self._uncounted.lent(behind, began)
        with self._lock:
            self._lent.setdefault(id(connection), []).append((generation, loan))
        if self._stopped.is_set():
            self.release(connection)  # which wakes the next caller that waits
            raise PoolStopped
        return connection

    def release(self, connection: Any) -> None:
        """Give a connection back to the pool that lent it."""
        with self._lock:
            lenders = self._lent.get(id(connection))
            if not lenders:
                raise upstream.PoolError("this connection is not lent")
            generation, loan = lenders.pop()
            if not lenders:
                del self._lent[id(connection)]
        try:
            generation.take_back(loan)
        finally:
            self._uncounted.count_closed()
            self._leave(generation)

    def raw(self, connection: Any) -> Any:
        """Return the driver's connection behind a proxy that the class lends."""
        return _driver_connection(connection)

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply the limits, in place or in a new pool.

        Raises ServerError if connections that they require can't be opened; if that prevents a
        new pool, the old one goes on.
        """
        changed = {key for key, value in limits.items() if value != self._limits[key]}
        if changed - self.constructor.in_place:
            self._rebuild(limits)
        elif changed:
            self._limits = dict(limits)
            self._apply(changed)

    def _apply(self, changed: set[str]) -> None:
        """Change limits in the pool as it is."""
        pool, limits = self._current.pool, self._limits
        bounds = {"minconn", "maxconn"} if isinstance(pool, ResizablePsycopg2Pool) else set()
        for key in changed - bounds:
            setattr(pool, key, limits[key])
        try:
            if changed & bounds:
                least, most = (
                    limits.get(key, getattr(pool, key)) for key in ("minconn", "maxconn")
                )
                pool.change_limits(int(least), int(most))
        except psycopg2.Error as error:
            raise not_all_opened(pool.minconn, error) from error
        finally:
            _wake(pool, over=False)

    def _rebuild(self, limits: Mapping[str, Value]) -> None:
        """Replace the pool by a new one; the old one ends when its last caller leaves."""
        try:
            successor = self._make(limits)
        except (psycopg2.Error, InputError) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise ServerError(
                f"{self.title} could not be rebuilt and goes on unchanged ({reason}): free "
                "connections on the server, or undo the change.",
                getattr(error, "pgcode", None),
            ) from error
        self._limits = dict(limits)
        with self._lock:
            old, self._current = self._current, successor
            self._generations = (*self._generations, successor)
        self._retire(old)

    def _retire(self, generation: _Generation) -> None:
        """Let a generation end when its last caller has left."""
        with self._lock:
            if generation.retired:
                return
            generation.callers += 1  # this thread, while it closes what is idle
            generation.retired = True
        try:
            generation.close_idle()
            _wake(generation.pool, over=True)
        finally:
            self._leave(generation)

    def _leave(self, generation: _Generation) -> None:
        """Count a caller out of a generation, and end it if that was the last."""
        with self._lock:
            generation.callers -= 1
            over = generation.retired and not generation.callers
            if over:
                self._generations = tuple(g for g in self._generations if g is not generation)
        if over:
            generation.end()
            self._uncounted.count_closed()

    def _make(self, limits: Mapping[str, Value]) -> _Generation:
        """Make a pool. Raises psycopg2.Error, or InputError for any other error of the class."""
        try:
            pool = self.constructor.make(self._conninfo, self._factory, limits)
        except psycopg2.Error:
            raise
        except BaseException as error:
            password = parse_dsn(self._conninfo).get("password")
            raised = phrase(error, (password,) if password else ())
            raise InputError(
                f"{self.id} can't be made: its constructor raised {raised}."
            ) from error
        return _Generation(pool)

    def interrupt(self) -> None:
        """Send away callers that wait on a condition or a semaphore of the pool."""
        with self._lock:
            self._stopped.set()
        for generation in self._generations:
            pool = generation.pool
            if isinstance(pool, ResizablePsycopg2Pool):
                pool.stopped = True
            _wake(pool, over=True)

    def reported_counts(self) -> ReportedCounts:
        """Return what can be seen from outside.

        Open and used are known for subclasses of psycopg2's pools, pending for pools whose
        callers wait on a condition or a semaphore that is an attribute.
        """
        self._uncounted.count_closed()
        idle = used = 0
        pending: int | None = None
        for generation in self._generations:
            pool = generation.pool
            for waiting in _waiting(pool):
                pending = (pending or 0) + waiting
            if not isinstance(pool, upstream.AbstractConnectionPool):
                return ReportedCounts(pending=pending)
            of_this = idle_and_used(pool)
            idle, used = idle + of_this[0], used + of_this[1]
        return ReportedCounts(open=idle + used, used=used, pending=pending)

    def close(self) -> None:
        """Close the pool; connections in use are closed when they are given back."""
        self.interrupt()
        self._retire(self._current)


def _waiting(pool: Any) -> Iterator[int]:
    """Yield how many threads wait on each condition and each semaphore of the pool."""
    for found in _attributes(pool):
        if isinstance(found, threading.Condition):
            yield len(found._waiters)  # type: ignore[attr-defined]
        elif isinstance(found, threading.Semaphore):
            yield len(found._cond._waiters)  # type: ignore[attr-defined]


def _attributes(pool: Any) -> list[Any]:
    try:
        return list(vars(pool).values())
    except TypeError:  # it has __slots__
        return []


def _wake(pool: Any, *, over: bool) -> None:
    """Wake all threads that wait on a condition of the pool, to test again what they wait for.

    If the pool is `over`, let all threads that wait for a semaphore through, too.
    """
    for found in _attributes(pool):
        if isinstance(found, threading.Condition) and found.acquire(timeout=_LOCK_TIMEOUT):
            try:
                found.notify_all()
            finally:
                found.release()
        elif over and isinstance(found, threading.Semaphore):
            # A BoundedSemaphore's own release would refuse.
            threading.Semaphore.release(found, _MORE_THAN_CALLERS)
