"""A user's own pool that lends connections to threads, by getconn and putconn for instance."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Mapping
from time import perf_counter
from typing import Any, ClassVar, NamedTuple

import psycopg2
from psycopg2 import pool as upstream

from poolviz.language import tr, tr_noop
from poolviz.model.errors import InputError, ServerError
from poolviz.model.parameters import Parameters, Value
from poolviz.model.sample import ReportedCounts
from poolviz.model.use import Use
from poolviz.pools.base import ConnectionCounter, Pool, PoolStopped, ThreadPool
from poolviz.pools.connections.library_logs import keep_off_terminal
from poolviz.pools.connections.postgres import counted_connection
from poolviz.pools.custom import lending
from poolviz.pools.custom.connection_counts import ConnectionCounts
from poolviz.pools.custom.constructor import PoolConstructor
from poolviz.pools.custom.factories import lender_in
from poolviz.pools.custom.findings import Findings
from poolviz.pools.custom.lending import Lender, Loan
from poolviz.pools.custom.library_pools import send_waiting_away
from poolviz.pools.custom.methods import LendingMethods
from poolviz.pools.custom.objects import apply_limits, own_address, prepare
from poolviz.pools.custom.opening import close_now, open_now, set_environment
from poolviz.pools.custom.own_options import split_id
from poolviz.pools.custom.server_arguments import RunServer
from poolviz.pools.custom.user_errors import phrase
from poolviz.pools.custom.waiters import waiting, wake
from poolviz.pools.psycopg2.pools import ONE_THREAD, not_all_opened
from poolviz.pools.psycopg2.resizable import ResizablePsycopg2Pool


def wrap(
    made: Any,
    methods: LendingMethods,
    constructor: PoolConstructor,
    id: str,
    *,
    url: str = "",
    base: type[Pool] | None = None,
    declared: Mapping[str, Any] | None = None,
) -> type[Pool]:
    """Return a pool for `made`, a class or a function of the user's that makes a pool, or an
    object that is one.

    `base` is CustomPool or CustomTaskPool. `url` is the option of that name; `declared` are
    further attributes of the class.
    """
    base = base or CustomPool
    cls: Any = made if isinstance(made, type) else object
    library = _library_of(cls, base)
    if library.logger:
        keep_off_terminal(library.logger)
    limits = constructor.limits
    simple = issubclass(cls, upstream.SimpleConnectionPool)
    waits, exhausted = getattr(cls, "waits", None), getattr(cls, "exhausted", None)
    name = title_of(made, id)
    body = {
        "__doc__": f"`{id}`, a pool of the user's.",
        "__module__": __name__,
        "id": id,
        "title": name,
        "about": about_of(made, id),
        "limits": limits,
        "waits": waits
        if isinstance(waits, bool)
        else methods.tasks or any("timeout" in key for key in limits),
        "library": library.distribution,
        "exhausted": exhausted if _are_errors(exhausted) else (*base.exhausted, *_timeouts()),
        "one_client": ONE_THREAD.format(name) if simple else "",
        "constructor": constructor,
        "methods": methods,
        "connects_to_run": url == "run",
        "uses": (Use("pool", code_of(name, methods)),),
    }
    return type(name, (base,), body | dict(declared or {}))


def title_of(made: Any, id: str) -> str:
    """Return the name of a class, a function or an object, as a pool's title."""
    own = getattr(made, "__name__", None)
    return str(own) if isinstance(own, str) else split_id(id)[0].rpartition(":")[2]


def about_of(made: Any, id: str) -> str:
    """Return the first sentences of a docstring, as what a pool is."""
    named = isinstance(made, type) or hasattr(made, "__name__")
    text = (getattr(made, "__doc__", "") or "") if named else ""
    about = " ".join(text.strip().split("\n\n")[0].split())
    kind = "a class" if isinstance(made, type) else "a pool"
    return (
        about
        if about.endswith(".")
        else tr("{title_of}, {kind} of your own.", title_of=title_of(made, id), kind=kind)
    )


def code_of(name: str, methods: LendingMethods) -> str:
    """Return what a client does, in a line of Python."""
    acquire = name if methods.acquire == "__call__" else f"{name}.{methods.acquire}"
    if not methods.acquire:
        return tr("a connection of the pool that {name} makes", name=name)
    if methods.release is None:
        return tr("with {acquire}() as connection, or connection.close()", acquire=acquire)
    return f"connection = {acquire}(); …; {name}.{methods.release}(connection)"


class _Library(NamedTuple):
    """The library that a class is derived from: its distribution, and the logger that warns of
    what a run does on purpose."""

    distribution: str
    logger: str = ""


def _library_of(cls: type[Any], base: type[Pool]) -> _Library:
    if any(base.__module__.startswith("psycopg_pool.") for base in cls.__mro__):
        return _Library("psycopg-pool", "psycopg")
    return _Library(base.library)


def _timeouts() -> tuple[type[Exception], ...]:
    """Return the errors of libraries that are loaded which say that no connection was free."""
    names = (("psycopg_pool", "PoolTimeout"), ("sqlalchemy.exc", "TimeoutError"))
    found = [getattr(sys.modules.get(module), name, None) for module, name in names]
    return tuple(each for each in found if each is not None)


def _are_errors(given: object) -> bool:
    return isinstance(given, tuple) and all(
        isinstance(each, type) and issubclass(each, Exception) for each in given
    )


class _Generation:
    """One pool of the user's class, from its making until its last connection was given back.

    `callers` counts those that are acquiring or hold one of its connections; `retired` says
    that a newer pool has taken over. The lock of the CustomPool guards both.
    """

    __slots__ = ("callers", "lender", "libraries", "pool", "retired")

    def __init__(self, pool: Any, lender: Lender, libraries: list[Any]) -> None:
        self.pool, self.lender = pool, lender
        self.libraries = libraries  # the libraries' pools that it is or holds
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
        # A module has no such method, nor has a sessionmaker; the pools in them have.
        closed = close_now(self.pool)
        for each in self.libraries:
            # What closes a session leaves its engine's pool open, which may be disposed of twice.
            if not closed or (each is not self.pool and hasattr(type(each), "dispose")):
                close_now(each)
        # A pool without such a method closes its connections when it is collected.
        self.pool = self.lender = None  # type: ignore[assignment]
        self.libraries = []


class CustomPool(ThreadPool):
    """Any class that lends connections; rebuilt for a limit that can't be changed in place.

    `_lock` guards which caller uses which generation. It is never held while the user's code runs.
    """

    library = "psycopg2-binary"
    exhausted = (upstream.PoolError, TimeoutError, queue.Empty)
    limits: ClassVar[Parameters]
    constructor: ClassVar[PoolConstructor]
    methods: ClassVar[LendingMethods]
    connects_to_run: ClassVar[bool] = False  # though its constructor doesn't take the server
    maker: ClassVar[str] = tr_noop("its constructor")
    is_object: ClassVar[bool] = False  # it was made by the application, and isn't made again

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """Return the most connections by the pool's own limits; None if they don't say."""
        return cls.constructor.capacity(limits)

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """Return the connections kept idle by the pool's limits; all if they don't say."""
        return cls.constructor.kept(limits)

    def __init__(
        self, conninfo: str, counter: ConnectionCounter, limits: Mapping[str, Value]
    ) -> None:
        self._conninfo, self._factory = conninfo, counted_connection(counter)
        self._uncounted = ConnectionCounts(counter, self._factory)
        self._findings = Findings(self.title, conninfo)
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
                loan = generation.lender.borrow()
            except BaseException:
                self._leave(generation)
                if self._stopped.is_set():
                    raise PoolStopped from None
                if generation.retired:
                    continue  # it was closed while this caller waited: ask the next one
                raise
            break
        connection = loan.connection
        behind = lending.driver_connection(connection)
        if self._uncounted.opened(behind, began) and not generation.libraries:
            self._findings.counted_late()
        self._findings.look_at(behind)
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
                raise upstream.PoolError(tr("this connection is not lent"))
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
        return lending.driver_connection(connection)

    def execute(self, connection: Any, statement: str) -> None:
        """Execute a statement, on whatever kind of connection the pool lends."""
        if not lending.execute(connection, statement):
            super().execute(connection, statement)

    def commit(self, connection: Any) -> None:
        """Commit the transaction, if there is one."""
        lending.transactional(connection).commit()

    def rollback(self, connection: Any) -> None:
        """Roll back the transaction, if there is one."""
        lending.transactional(connection).rollback()

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
        apply_limits(pool, limits, changed - bounds)
        try:
            if changed & bounds:
                least, most = (
                    limits.get(key, getattr(pool, key)) for key in ("minconn", "maxconn")
                )
                pool.change_limits(int(least), int(most))
        except psycopg2.Error as error:
            raise not_all_opened(pool.minconn, error) from error
        finally:
            wake(pool, over=False)

    def _rebuild(self, limits: Mapping[str, Value]) -> None:
        """Replace the pool by a new one; the old one ends when its last caller leaves."""
        try:
            successor = self._make(limits)
        except (psycopg2.Error, InputError) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise ServerError(
                tr(
                    "{title} could not be rebuilt and goes on unchanged ({reason}): free "
                    "connections on the server, or undo the change.",
                    title=self.title,
                    reason=reason,
                ),
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
            wake(generation.pool, over=True)
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
            began = perf_counter()
            server = RunServer(self._conninfo)
            to_run = self.connects_to_run and not self.constructor.takes_server
            set_environment(server, to_run=to_run)
            pool = self.constructor.make(self._conninfo, self._factory, limits)
            open_now(pool, self.methods.acquire, server, self._factory)
            self._prepare(pool, limits)
            libraries = self._uncounted.watch(pool, began)
            owner, methods = lender_in(pool, self.methods, self.id)
            if owner is not pool:
                self._findings.lends_by(owner)
            lender = Lender(owner, methods)
        except psycopg2.Error as error:
            if self.constructor.takes_server or self.connects_to_run:
                raise
            raise ServerError(
                tr(
                    "{id} connects to a server of its own and raised {error}: start that server, "
                    "or have the pool connect to the run's by `--own-pool url=run`.",
                    id=self.id,
                    error=phrase(error),
                ),
                error.pgcode,
            ) from error
        except InputError:
            raise
        except BaseException as error:
            raised = phrase(error, server.passwords)
            raise InputError(
                tr(
                    "{id} can't be made: {maker} raised {raised}.",
                    id=self.id,
                    maker=tr(self.maker),
                    raised=raised,
                )
            ) from error
        return _Generation(pool, lender, libraries)

    def _prepare(self, pool: Any, limits: Mapping[str, Value]) -> None:
        """Prepare a pool that was made without being given the run's server."""
        if self.constructor.takes_server:
            return
        server, to_run = RunServer(self._conninfo), self.connects_to_run
        if not prepare(pool, server, self._factory, limits, to_run=to_run) and self.is_object:
            self._findings.not_to_the_run()
        if not to_run and (own := own_address(pool)) is not None:
            self._findings.goes_to(*own)

    def take_findings(self) -> tuple[str, ...]:
        """Return what can't be measured."""
        return self._findings.take()

    def interrupt(self) -> None:
        """Send away callers that wait on a condition or a semaphore of the pool."""
        with self._lock:
            self._stopped.set()
        for generation in self._generations:
            pool = generation.pool
            if isinstance(pool, ResizablePsycopg2Pool):
                pool.stopped = True
            wake(pool, over=True)
            for each in generation.libraries:
                if each is not pool or self.is_object:
                    send_waiting_away(each)

    def reported_counts(self) -> ReportedCounts:
        """Return what can be seen from outside.

        Open and used are known for subclasses of psycopg2's pools, pending for pools whose
        callers wait on a condition or a semaphore that is an attribute.
        """
        self._uncounted.count_closed()
        generations = self._generations
        pending: int | None = None
        for generation in generations:
            for number in waiting(generation.pool):
                pending = (pending or 0) + number
        libraries = [each for generation in generations for each in generation.libraries]
        counts = self._uncounted.reported(libraries)
        return ReportedCounts(counts.open, counts.used, counts.pending or pending)

    def close(self) -> None:
        """Close the pool; connections in use are closed when they are given back."""
        self.interrupt()
        self._retire(self._current)
