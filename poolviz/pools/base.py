"""What every pool looks like from outside: its limits, and how it acquires, releases, resizes.

To add a pool, write one file in this folder and name it in `__init__.py`. It holds
- a subclass of the library's own class that overrides what a live change needs, and no more;
- a `ThreadPool` or `TaskPool` around it that declares its limits and says what they allow.
Connections are made by the library's own code, through a counter, as in `postgres.py`.
No limit may have the name of a setting of the load. The tests in `tests/pools` then try it, as
they try every pool in `POOLS`: all limits, up and down, under load, against a real server.
"""

from __future__ import annotations

import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

from poolviz.model.parameters import Parameters, Value
from poolviz.model.sample import ReportedCounts


class ConnectionCounter(Protocol):
    """Where connections are counted: each one opened goes through `opened` before anybody can use
    it, and through `closed` once nobody can any more. Called from any thread."""

    def check(self, since: float) -> float:
        """Seconds that a connection still has to wait before it is made, where somebody wants one
        since that moment (perf_counter); ConnectRefused where it may not be made. See
        `connect_faults.py`."""

    def opened(self, seconds: float) -> None:
        """A connection was made; it took `seconds`."""

    def closed(self) -> None:
        """A connection that was opened is no more."""


class ConnectRefused(Exception):
    """Raised at the counter: a connection may not be made now, and why."""


class PoolStopped(Exception):
    """Raised by `acquire` once `interrupt` was called: the run is over."""


def shut_socket(raw: Any, held: Callable[[], bool]) -> None:
    """Shut the socket of a driver's connection, so that whoever waits for its answer gets an error.

    Its client may close it at this very moment, and another may get its number. Whether the
    duplicate really is that connection's shows in its still being held and open afterwards.
    """
    with socket.socket(fileno=os.dup(raw.fileno())) as duplicate:
        if held() and not raw.closed:
            duplicate.shutdown(socket.SHUT_RDWR)


def set_autocommit(raw: Any, on: bool) -> None:
    """Have a driver's connection commit each statement by itself, or not; by the attribute or the
    method that drivers have for it. One without either is taken not to, as DB-API has it."""
    found = getattr(raw, "autocommit", False)
    if callable(found):
        found(on)
    elif found is not on:
        raw.autocommit = on


class Pool(ABC):
    """A library's pool, behaving as its library ships it, with limits that hold when changed.

    What is said here holds for pools of either kind; `ThreadPool` and `TaskPool` say how their
    clients call them.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    library: ClassVar[str]  # the distribution whose version a report names
    about: ClassVar[str]  # one sentence: what this pool does when it runs out
    limits: ClassVar[Parameters]
    waits: ClassVar[bool]  # a caller waits when the pool is exhausted, instead of failing at once
    exhausted: ClassVar[tuple[type[Exception], ...]]  # no connection was free, and acquire gave up
    # Those of them that a pool that otherwise waits raises at once. Tell them apart first: such an
    # error may be a subclass of one that ends a wait.
    refused: ClassVar[tuple[type[Exception], ...]] = ()
    servers: ClassVar[tuple[str, ...]] = ("postgresql",)  # what it runs on: see `dialect_of`
    nests: ClassVar[bool] = True  # a client that holds a connection may get another one
    # The driver begins a transaction by itself before the first statement, unless told otherwise.
    transactional: ClassVar[bool] = True
    shares: ClassVar[bool] = False  # one connection may be lent to several clients at once
    one_client: ClassVar[str] = ""  # why one client is all it is made for, in a sentence
    takes_away: ClassVar[bool] = False  # a client beyond those kept has another's, in use, closed
    lingers: ClassVar[bool] = False  # idle connections beyond those kept are closed after a time

    @classmethod
    @abstractmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """The most connections that `limits` allow; None where they allow any number."""

    @classmethod
    @abstractmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """The connections that the pool keeps open when idle; open ones beyond are overflow."""

    @abstractmethod
    def reported_counts(self) -> ReportedCounts:
        """The pool's own counts, read without waiting for its locks; called from any thread."""


class ThreadPool(Pool):
    """A pool whose clients are threads.

    `acquire`, `execute` and `release` are called by clients, from any thread; `resize`,
    `interrupt` and `close` by the engine's control thread alone, one at a time, while clients
    go on.
    """

    @abstractmethod
    def __init__(
        self, conninfo: str, counter: ConnectionCounter, limits: Mapping[str, Value]
    ) -> None:
        """Make the pool as its library does. Where it connects at once and can't, the driver's
        own error."""

    @abstractmethod
    def acquire(self) -> Any:
        """A DB-API connection. Raises what the library raises, or PoolStopped."""

    def execute(self, connection: Any, statement: str) -> None:
        """Run a statement on what `acquire` gave, and fetch what it returns."""
        cursor = connection.cursor()
        cursor.execute(statement)
        if cursor.description is not None:
            cursor.fetchall()
        cursor.close()

    def begin(self, connection: Any, transaction: bool) -> None:
        """Have what follows on a connection run in one transaction, as its driver does that, or
        else have each statement commit by itself. It is in no transaction when this is called."""
        set_autocommit(self.raw(connection), not transaction)

    def commit(self, connection: Any) -> None:
        """Keep what was done in the transaction, if there is one."""
        connection.commit()

    def rollback(self, connection: Any) -> None:
        """Undo what was done in the transaction, if there is one."""
        connection.rollback()

    @abstractmethod
    def release(self, connection: Any) -> None:
        """Give back what `acquire` gave; its place is freed, whatever state it is in."""

    def raw(self, connection: Any) -> Any:
        """The driver's own connection behind what `acquire` gave; None if it was lost."""
        return connection

    def abort(self, connection: Any, held: Callable[[], bool]) -> None:
        """Break off what runs on what `acquire` gave, if its client still has it: `held` tells.
        The client gets the driver's error. Where that can't be done, any error."""
        shut_socket(self.raw(connection), held)

    @abstractmethod
    def resize(self, limits: Mapping[str, Value]) -> None:
        """Put `limits`, complete and checked, in force. No connection in use is taken away.

        ServerError where the new limits want connections at once that can't be made; the limits
        are in force all the same.
        """

    @abstractmethod
    def interrupt(self) -> None:
        """Wake every caller that waits in `acquire`; they and all later ones get PoolStopped."""

    @abstractmethod
    def close(self) -> None:
        """Interrupt, and close every connection; those in use are closed when they are released."""


class TaskPool(Pool):
    """A pool whose clients are tasks on one asyncio loop.

    Everything but `reported_counts` is called on that loop, where the pool is also made. Waiting
    callers are sent away by cancelling them, so acquire must bear to be cancelled at any await
    without losing a connection.
    """

    transactional = False

    def __init__(
        self, conninfo: str, counter: ConnectionCounter, limits: Mapping[str, Value]
    ) -> None:
        self.conninfo, self.counter, self.wanted = conninfo, counter, limits

    @abstractmethod
    async def open(self) -> None:
        """Make the pool as its library does. Where it connects at once and can't, the driver's
        own error."""

    @abstractmethod
    async def acquire(self) -> Any:
        """The driver's connection. Raises what the library raises."""

    @abstractmethod
    async def execute(self, connection: Any, statement: str) -> None:
        """Run a statement on what `acquire` gave, and fetch what it returns."""

    async def begin(self, connection: Any, transaction: bool) -> None:
        """As `ThreadPool.begin`; for a driver that isn't `transactional`, and so on below."""
        if transaction:
            await self.execute(connection, "BEGIN")

    async def commit(self, connection: Any) -> None:
        """Keep what was done in the transaction."""
        await self.execute(connection, "COMMIT")

    async def rollback(self, connection: Any) -> None:
        """Undo what was done in the transaction."""
        await self.execute(connection, "ROLLBACK")

    @abstractmethod
    async def release(self, connection: Any) -> None:
        """Give back what `acquire` gave; its place is freed, whatever state it is in."""

    @abstractmethod
    async def resize(self, limits: Mapping[str, Value]) -> None:
        """As `ThreadPool.resize`. Clients go on meanwhile, so it must not hold up the loop."""

    @abstractmethod
    async def close(self) -> None:
        """Close every connection. No client is left by then."""
