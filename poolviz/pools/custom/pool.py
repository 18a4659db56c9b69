"""A user's own class with getconn and putconn, as a pool that poolviz can drive."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter
from typing import Any, ClassVar

import psycopg2
from psycopg2 import pool as upstream
from psycopg2.extensions import parse_dsn

from poolviz.model.errors import InputError, ServerError
from poolviz.model.parameters import Parameters, Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, PoolStopped, ThreadPool
from poolviz.pools.connections.counting import count_in
from poolviz.pools.connections.postgres import counted_connection
from poolviz.pools.custom.constructor import Constructor, constructor_of
from poolviz.pools.psycopg2.pools import ONE_THREAD, not_all_opened
from poolviz.pools.psycopg2.resizable import ResizableConnectionPool

_CLOSING = ("closeall", "close", "dispose", "shutdown")
_EVERYBODY = 5_000  # more callers than there ever are
_PATIENCE = 0.2  # seconds for a lock that somebody may hold while he connects


def wrap(cls: type[Any], id: str) -> type[ThreadPool]:
    """The pool around `cls`; InputError says what its constructor wants that can't be given."""
    shape = constructor_of(cls, id)
    about = " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())
    simple = issubclass(cls, upstream.SimpleConnectionPool)
    waits, exhausted = getattr(cls, "waits", None), getattr(cls, "exhausted", None)
    declared = {
        "__doc__": f"`{id}`, the user's own.",
        "__module__": __name__,
        "id": id,
        "title": cls.__name__,
        "about": about if about.endswith(".") else f"{cls.__name__}, a class of your own.",
        "limits": shape.limits,
        "waits": waits if isinstance(waits, bool) else any("timeout" in k for k in shape.limits),
        "exhausted": exhausted if _are_errors(exhausted) else CustomPool.exhausted,
        "one_client": ONE_THREAD.format(cls.__name__) if simple else "",
        "_shape": shape,
    }
    return type(cls.__name__, (CustomPool,), declared)


def _are_errors(given: object) -> bool:
    return isinstance(given, tuple) and all(
        isinstance(each, type) and issubclass(each, Exception) for each in given
    )


class _Generation:
    """One pool of the user's class, from its making until the last of its connections is back.

    `callers` counts those who are inside its getconn or hold a connection of it, and `retired`
    says that another has taken over; both are guarded by the lock of the CustomPool.
    """

    __slots__ = ("callers", "pool", "retired")

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.callers = 0
        self.retired = False

    def give_back(self, connection: Any) -> None:
        """Hand a connection back to the pool that lent it."""
        known = isinstance(self.pool, upstream.AbstractConnectionPool)
        if self.retired and known:
            connection.close()  # psycopg2's pools discard a closed one
        try:
            self.pool.putconn(connection)
        except psycopg2.Error:
            if not known:
                raise
            # The rollback failed, so the connection is lost; psycopg2 would lose its place too.
            connection.close()
            self.pool.putconn(connection)

    def close_idle(self) -> None:
        """Close what nobody holds, where the pool is one whose idle connections are known."""
        if isinstance(self.pool, ResizableConnectionPool):
            self.pool.stopped = True
            self.pool.change_limits(0, 0)

    def end(self) -> None:
        """Close the pool. Nobody holds a connection of it any more, or waits for one."""
        for name in _CLOSING:
            close = getattr(self.pool, name, None)
            if callable(close):
                close()
                break
        self.pool = None  # where it has no such method, its connections end with it


class _LentConnections:
    """Counts connections that a class makes by itself, from the first time that they are lent.

    Keyed by `id`: the connection may be of any class, and need not be hashable.
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
        """Count out all that were closed, though somebody may still refer to them."""
        with self._lock:
            for key, (reference, count_out) in list(self._known.items()):
                connection = reference()
                if connection is None:
                    del self._known[key]  # counted out when it was garbage collected
                elif getattr(connection, "closed", False):
                    count_out()
                    del self._known[key]


class CustomPool(ThreadPool):
    """Any class with getconn and putconn, made anew where a limit can't be changed in it.

    `_lock` guards who calls which generation; it is never held while the user's code runs.
    """

    library = "psycopg2-binary"
    exhausted = (upstream.PoolError, TimeoutError, queue.Empty)
    limits: ClassVar[Parameters]
    _shape: ClassVar[Constructor]

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """The most connections, as the class' own parameter says; None where it has none."""
        most = cls._shape.most
        return None if most is None else int(limits[most])

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """The connections kept idle, as its parameters say; all where they don't."""
        key = cls._shape.least or cls._shape.most
        return 0 if key is None else int(limits[key])

    def __init__(
        self, conninfo: str, counter: ConnectionCounter, limits: Mapping[str, Value]
    ) -> None:
        self._conninfo, self._factory = conninfo, counted_connection(counter)
        self._lent_connections = _LentConnections(counter)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._lent: dict[int, list[_Generation]] = {}  # by the connection's id
        self._limits = dict(limits)
        self._current = self._make(limits)
        self._generations: tuple[_Generation, ...] = (self._current,)  # replaced whole

    def acquire(self) -> Any:
        """A connection; raises what the class raises."""
        began = perf_counter()
        while True:
            with self._lock:
                if self._stopped.is_set():
                    raise PoolStopped
                generation = self._current
                generation.callers += 1
            try:
                connection = generation.pool.getconn()
            except BaseException:
                self._left(generation)
                if self._stopped.is_set():
                    raise PoolStopped from None
                if generation.retired:
                    continue  # it closed under this caller, who now asks its successor
                raise
            break
        if not isinstance(connection, self._factory):
            self._lent_connections.lent(connection, began)
        with self._lock:
            self._lent.setdefault(id(connection), []).append(generation)
        if self._stopped.is_set():
            self.release(connection)  # which lets the next one in who waits
            raise PoolStopped
        return connection

    def release(self, connection: Any) -> None:
        """Give a connection back to the pool that lent it."""
        with self._lock:
            homes = self._lent.get(id(connection))
            if not homes:
                raise upstream.PoolError("this connection is not lent")
            generation = homes.pop()
            if not homes:
                del self._lent[id(connection)]
        try:
            generation.give_back(connection)
        finally:
            if not isinstance(connection, self._factory):
                self._lent_connections.count_closed()
            self._left(generation)

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Put the limits in force, in the pool as it is or in one made anew.

        ServerError where connections that they want can't be opened; a pool that can't be made
        anew goes on as it was.
        """
        changed = {key for key, value in limits.items() if value != self._limits[key]}
        if changed - self._shape.live:
            self._rebuild(limits)
        elif changed:
            self._limits = dict(limits)
            self._apply(changed)

    def _apply(self, changed: set[str]) -> None:
        """Change live limits in the pool as it is."""
        pool, limits = self._current.pool, self._limits
        bounds = {"minconn", "maxconn"} if isinstance(pool, ResizableConnectionPool) else set()
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
        """Have a new pool take over; the old one goes once nobody has anything of it."""
        try:
            successor = self._make(limits)
        except (psycopg2.Error, InputError) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise ServerError(
                f"{self.title} could not be made anew and goes on as it was ({reason}): free "
                "connections on the server, or take the change back.",
                getattr(error, "pgcode", None),
            ) from error
        self._limits = dict(limits)
        with self._lock:
            old, self._current = self._current, successor
            self._generations = (*self._generations, successor)
        self._retire(old)

    def _retire(self, generation: _Generation) -> None:
        """Let a generation end once its last caller has left."""
        with self._lock:
            if generation.retired:
                return
            generation.callers += 1  # ourselves, while we close what is idle
            generation.retired = True
        try:
            generation.close_idle()
            _wake(generation.pool, over=True)
        finally:
            self._left(generation)

    def _left(self, generation: _Generation) -> None:
        """A caller has nothing of that generation any more."""
        with self._lock:
            generation.callers -= 1
            over = generation.retired and not generation.callers
            if over:
                self._generations = tuple(g for g in self._generations if g is not generation)
        if over:
            generation.end()
            self._lent_connections.count_closed()

    def _make(self, limits: Mapping[str, Value]) -> _Generation:
        """A pool of the class; InputError where its constructor fails with anything of its own."""
        try:
            pool = self._shape.make(self._conninfo, self._factory, limits)
        except psycopg2.Error:
            raise
        except Exception as error:
            password = parse_dsn(self._conninfo).get("password")
            said = " ".join(str(error).split()).rstrip(".")
            said = said.replace(password, "***") if password else said
            raise InputError(
                f"{self.id} can't be made: its constructor raised {type(error).__name__}"
                f"{': ' + said if said else ''}."
            ) from error
        return _Generation(pool)

    def interrupt(self) -> None:
        """Send away whoever waits on a condition or a semaphore of the pool."""
        with self._lock:
            self._stopped.set()
        for generation in self._generations:
            pool = generation.pool
            if isinstance(pool, ResizableConnectionPool):
                pool.stopped = True
            _wake(pool, over=True)

    def reported_counts(self) -> ReportedCounts:
        """Idle and used, where the class keeps psycopg2's reported_counts; who waits, where it
        shows."""
        self._lent_connections.count_closed()
        idle = used = 0
        pending: int | None = None
        for generation in self._generations:
            pool = generation.pool
            for waiting in _waiting(pool):
                pending = (pending or 0) + waiting
            if not isinstance(pool, upstream.AbstractConnectionPool):
                return ReportedCounts(pending=pending)
            idle += len(pool._pool)  # type: ignore[attr-defined]
            used += len(pool._used)  # type: ignore[attr-defined]
        return ReportedCounts(open=idle + used, used=used, pending=pending)

    def close(self) -> None:
        """Close the pool: connections in use once they are given back."""
        self.interrupt()
        self._retire(self._current)


def _waiting(pool: Any) -> Iterator[int]:
    """How many wait on each condition of the pool, and before each semaphore."""
    for found in _attributes(pool):
        if isinstance(found, threading.Condition):
            yield len(found._waiters)  # type: ignore[attr-defined]
        elif isinstance(found, threading.Semaphore):
            yield len(found._cond._waiters)  # type: ignore[attr-defined]


def _attributes(pool: Any) -> list[Any]:
    return list(getattr(pool, "__dict__", {}).values())


def _wake(pool: Any, *, over: bool) -> None:
    """Have everybody look again who waits on a condition of the pool, as waiters must bear.

    Where the pool is `over`, let everybody through who waits before a semaphore, too.
    """
    for found in _attributes(pool):
        if isinstance(found, threading.Condition) and found.acquire(timeout=_PATIENCE):
            try:
                found.notify_all()
            finally:
                found.release()
        elif over and isinstance(found, threading.Semaphore):
            threading.Semaphore.release(found, _EVERYBODY)  # a bounded one would refuse
