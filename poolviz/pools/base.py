"""The interface of every pool: its limits, and how it acquires, releases and resizes.

To add a pool, write one file under `poolviz/pools/` and one under `tests/pools/`. The file holds,
in this order:

1. Its listing, before any class or function and with literal arguments, for it is read without
   importing the file (see `listing.py`):

       LISTING = Listing("library.PoolClass", "Library PoolClass", rank=80)

   A driver that poolviz doesn't require is named by `drivers` and `extra`, and that extra has to
   stand in pyproject.toml.
2. A subclass of the library's own pool class that overrides what changing its limits in use
   needs, and nothing else. It connects with the library's code, through a `ConnectionCounter`:
   `connections/` has connection classes that are counted, and `connections/counting.py` what a
   new driver needs. Private names of the library are listed in the file's docstring, in a table
   that `tests/upstream` checks.
3. A `ThreadPool` or `TaskPool` around it, with `id, title = LISTING.id, LISTING.title`, that
   declares its limits, each with `help` and with `effect_help`, which says in a sentence what a
   change of it does, and says what they allow. No limit may have the name of a load setting. If
   applications use the pool in several ways, it declares its `uses`, and `calls` returns what
   clients call in each. `connect` has the arguments that its driver connects with, from
   `connections/arguments.py`.

That makes the pool appear in `poolviz pools`, `--pool`, the window's menu and the schema, and the
suites `tests/pools/test_every_pool*.py` try it like all others: all limits, up and down, under
load, against a real server. The new test file tests what is particular to this pool; the
library's own behaviour, where the subclass departs from it, is pinned in `tests/upstream/`.
"""

from __future__ import annotations

import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, cast

from poolviz.language import tr
from poolviz.model.parameters import Parameters, Value
from poolviz.model.use import POOL, Use

if TYPE_CHECKING:
    from poolviz.model.sample import ReportedCounts

T = TypeVar("T")

_TIMEOUTS = ("pool_timeout", "timeout", "wait_timeout")  # limits that end a caller's wait
NOTHING: Mapping[str, Value] = {}  # for a constructor that is given no connect arguments


class ConnectionCounter(Protocol):
    """Counts the connections that a pool opens and closes. Called from any thread.

    Each connection is passed to `opened` before anyone can use it, and to `closed` once it
    can't be used any more. An attempt that fails is passed to neither.
    """

    def check(self, since: float) -> float:
        """Return how many seconds a connection attempted at `since` (perf_counter) must wait.

        Infinity until there is an answer. Raises ConnectRefused if it may not be made. See
        `connections/connect_faults.py`.
        """

    def opened(self, seconds: float) -> None:
        """Count a connection that was opened, in `seconds`."""

    def closed(self) -> None:
        """Count a connection that was opened before, and is closed."""


class ConnectRefused(Exception):
    """Raised by `ConnectionCounter.check`: no connection may be made now. Its text says why."""


class NotAConnection(Exception):
    """A user's pool gave something else than a connection. The text says what."""


def a_connection(given: T) -> T:
    """Return what a pool's `acquire` gave. Raises NotAConnection if that is None."""
    if given is None:
        raise NotAConnection(tr("acquire returned None"))
    return given


class PoolStopped(Exception):
    """Raised by `acquire` once `interrupt` was called: the run is over."""


def shut_socket(raw: Any, held: Callable[[], bool]) -> None:
    """Shut down the socket of a driver's connection, so that a client waiting for it gets an error.

    The client may close the connection at the same time, and its file descriptor may be reused.
    If the client still holds it and it is still open after the descriptor was duplicated, the
    duplicate is this connection's.
    """
    with socket.socket(fileno=os.dup(raw.fileno())) as duplicate:
        if held() and not raw.closed:
            duplicate.shutdown(socket.SHUT_RDWR)


def set_autocommit(raw: Any, on: bool) -> None:
    """Turn a driver's autocommit on or off, by its attribute or its method of that name.

    A connection with neither is taken to have autocommit off, which is DB-API's default.
    """
    found = getattr(raw, "autocommit", False)
    if callable(found):
        found(on)
    elif found is not on:
        raw.autocommit = on


class _OnFirstUse(Generic[T]):
    """A class attribute whose value is made when it is first read, then kept."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = cache(make)

    def __get__(self, instance: object, owner: type) -> T:
        return self._make()


def on_first_use(make: Callable[[], T]) -> T:
    """Return a class attribute that is what `make` returns, called when it is first read.

    For a library that is slow to import and that a pool's limits don't need.
    """
    return cast("T", _OnFirstUse(make))


class Pool(ABC):
    """A library's pool that behaves as its library ships it, with limits that can be changed.

    This holds for pools of both kinds; `ThreadPool` and `TaskPool` say how clients call them.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    library: ClassVar[str]  # the distribution whose version a report names
    about: ClassVar[str]  # one sentence: what this pool does when it is exhausted
    limits: ClassVar[Parameters]
    waits: ClassVar[bool]  # a caller waits when the pool is exhausted, instead of failing at once
    exhausted: ClassVar[tuple[type[Exception], ...]]  # errors of `acquire`: no connection was free
    # Those of `exhausted` that a pool whose callers otherwise wait raises at once. Test for them
    # first: one may be a subclass of an error that ends a wait.
    refused: ClassVar[tuple[type[Exception], ...]] = ()
    servers: ClassVar[tuple[str, ...]] = ("postgresql",)  # what it runs on: see `dialect_of`
    nests: ClassVar[bool] = True  # a client that holds a connection can get another one
    # The driver begins a transaction before the first statement, unless it is told not to.
    transactional: ClassVar[bool] = True
    shares: ClassVar[bool] = False  # one connection may be lent to several clients at once
    one_client: ClassVar[str] = ""  # why it is made for one client only, in a sentence
    takes_away: ClassVar[bool] = False  # too many clients have each other's connections closed
    lingers: ClassVar[bool] = False  # idle connections beyond those kept are closed after a time
    uses: ClassVar[tuple[Use, ...]] = (POOL,)  # how applications use it; the usual way first
    # By kind of server, the arguments that connections can be made with. They have other names than
    # limits and settings of the load.
    connect: ClassVar[Mapping[str, Parameters]] = {}
    # By kind of server, the drivers that it connects with, as a URL of SQLAlchemy's names them;
    # none where that is up to the user's code.
    drivers: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    what: ClassVar[str] = ""  # of a pool of the user's that is no class: "a function that …"

    @classmethod
    def connect_arguments(cls, dialect: str) -> Parameters:
        """Return the arguments that connections to a server of that kind can be made with."""
        return cls.connect.get(dialect) or Parameters(f"connect argument of {cls.id}")

    @classmethod  # noqa: B027 - most pools need not
    def import_library(cls) -> None:
        """Import what making the first pool would import. Most modules of pools have done so."""

    @classmethod
    @abstractmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """Return the most connections that `limits` allow; None for no bound."""

    @classmethod
    @abstractmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """Return how many connections the pool keeps open when idle; more are overflow."""

    @classmethod
    def patience(cls, limits: Mapping[str, Value]) -> float:
        """Return how many seconds a caller waits at most when the pool is exhausted: 0 if it fails
        at once, infinity where nothing ends the wait."""
        if not cls.waits:
            return 0.0
        return next((float(limits[key]) for key in _TIMEOUTS if key in limits), inf)

    @classmethod
    def most_waiting(cls, limits: Mapping[str, Value]) -> int | None:
        """Return how many callers may wait, beyond whom the pool refuses at once; None for any
        number."""
        most = int(limits.get("max_waiting", 0)) if cls.refused else 0
        return most or None

    def take_findings(self) -> tuple[str, ...]:
        """Return what there is to say, in sentences, of what is measured, since the last call."""
        return ()

    @abstractmethod
    def reported_counts(self) -> ReportedCounts:
        """Return the pool's own counts, without waiting for its locks. Called from any thread."""


class ThreadCalls(ABC):
    """What clients that are threads call, from any thread, in one use of a pool."""

    @abstractmethod
    def acquire(self) -> Any:
        """Return a connection of this use. Raises what the library raises, or PoolStopped."""

    def execute(self, connection: Any, statement: str) -> None:
        """Execute a statement on a connection from `acquire`, and fetch all rows."""
        cursor = connection.cursor()
        cursor.execute(statement)
        if cursor.description is not None:
            cursor.fetchall()
        cursor.close()

    def begin(self, connection: Any, transaction: bool) -> None:
        """Run the next statements in one transaction, or commit each of them.

        How a transaction begins is up to the driver. The connection must not be in one.
        """
        set_autocommit(self.raw(connection), not transaction)

    def commit(self, connection: Any) -> None:
        """Commit the transaction, if there is one."""
        connection.commit()

    def rollback(self, connection: Any) -> None:
        """Roll back the transaction, if there is one."""
        connection.rollback()

    @abstractmethod
    def release(self, connection: Any) -> None:
        """Give back a connection from `acquire`, in whatever state; its place becomes free."""

    def raw(self, connection: Any) -> Any:
        """Return the driver's connection behind one from `acquire`; None if it was lost."""
        return connection

    def abort(self, connection: Any, held: Callable[[], bool]) -> None:
        """Interrupt what runs on a connection, if `held` says that its client still holds it.

        The client gets the driver's error. May raise any error if it can't be done.
        """
        shut_socket(self.raw(connection), held)


class ThreadPool(Pool, ThreadCalls):
    """A pool whose clients are threads.

    Clients call `acquire`, `execute` and `release` of one of its uses, from any thread; the pool
    itself is its bare use, whose connections are DB-API's. The engine's control thread alone calls
    `resize`, `interrupt` and `close`, one at a time, while clients go on.
    """

    @abstractmethod
    def __init__(
        self,
        conninfo: str,
        counter: ConnectionCounter,
        limits: Mapping[str, Value],
        connect: Mapping[str, Value] = NOTHING,
    ) -> None:
        """Make the pool as its library does, with the arguments in `connect` passed on.

        Raises the driver's error if the pool connects at once and can't. A class that declares no
        `connect` is called without it.
        """

    def calls(self, use: str) -> ThreadCalls:  # noqa: ARG002 - most pools have one use
        """Return what clients call in a use that `uses` names."""
        return self

    @abstractmethod
    def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply `limits`, which are complete and checked. No connection in use is taken away.

        Raises ServerError if connections that are now required can't be opened; the limits apply
        all the same.
        """

    @abstractmethod
    def interrupt(self) -> None:
        """Wake all callers that wait in `acquire`; they and all later ones get PoolStopped."""

    @abstractmethod
    def close(self) -> None:
        """Interrupt, and close all connections; those in use when they are released."""


class TaskCalls(ABC):
    """What clients that are tasks call, on their loop, in one use of a pool.

    Callers that wait are sent away by cancellation, so `acquire` must not lose a connection if it
    is cancelled at any await.
    """

    @abstractmethod
    async def acquire(self) -> Any:
        """Return a connection of this use. Raises what the library raises."""

    def driver(self, connection: Any) -> Any:
        """Return the driver's connection behind one from `acquire`."""
        return connection

    @abstractmethod
    async def execute(self, connection: Any, statement: str) -> None:
        """Execute a statement on a connection from `acquire`, and fetch all rows."""

    async def begin(self, connection: Any, transaction: bool) -> None:
        """Do as `ThreadCalls.begin`. This and the next two suit drivers not `transactional`."""
        if transaction:
            await self.execute(connection, "BEGIN")

    async def commit(self, connection: Any) -> None:
        """Commit the transaction."""
        await self.execute(connection, "COMMIT")

    async def rollback(self, connection: Any) -> None:
        """Roll back the transaction."""
        await self.execute(connection, "ROLLBACK")

    @abstractmethod
    async def release(self, connection: Any) -> None:
        """Give back a connection from `acquire`, in whatever state; its place becomes free."""


class TaskPool(Pool, TaskCalls):
    """A pool whose clients are tasks on one asyncio event loop.

    Everything except `reported_counts` is called on that loop, where the pool is also made. The
    pool itself is its bare use, whose connections are the driver's.
    """

    transactional = False

    def __init__(
        self,
        conninfo: str,
        counter: ConnectionCounter,
        limits: Mapping[str, Value],
        connect: Mapping[str, Value] = NOTHING,
    ) -> None:
        self.conninfo, self.counter, self.initial_limits = conninfo, counter, limits
        self.connect_with = connect

    @abstractmethod
    async def open(self) -> None:
        """Make the pool as its library does.

        Raises the driver's error if the pool connects at once and can't.
        """

    def calls(self, use: str) -> TaskCalls:  # noqa: ARG002 - most pools have one use
        """Return what clients call in a use that `uses` names."""
        return self

    @abstractmethod
    async def resize(self, limits: Mapping[str, Value]) -> None:
        """Do as `ThreadPool.resize`, without blocking the loop: clients go on meanwhile."""

    @abstractmethod
    async def close(self) -> None:
        """Close all connections. No client is left by then."""
