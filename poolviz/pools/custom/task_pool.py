"""A user's own pool that lends connections to tasks, as a TaskPool."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from time import perf_counter
from typing import Any, ClassVar

from poolviz.language import tr, tr_noop
from poolviz.model.errors import InputError, ServerError
from poolviz.model.parameters import Parameters, Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, TaskPool
from poolviz.pools.connections.postgres import counted_connection
from poolviz.pools.custom import task_lending
from poolviz.pools.custom.connection_counts import ConnectionCounts
from poolviz.pools.custom.constructor import PoolConstructor
from poolviz.pools.custom.factories import lender_in
from poolviz.pools.custom.findings import Findings
from poolviz.pools.custom.library_pools import give_loop, library_objects
from poolviz.pools.custom.methods import LendingMethods
from poolviz.pools.custom.objects import apply_limits, own_address, prepare
from poolviz.pools.custom.opening import close_by, open_by, set_environment
from poolviz.pools.custom.server_arguments import RunServer, connect_of
from poolviz.pools.custom.task_lending import TaskLender, TaskLoan
from poolviz.pools.custom.user_errors import phrase


class _Generation:
    """One pool of the user's, from its making until its last connection was given back."""

    def __init__(self, pool: Any, lender: TaskLender, libraries: list[Any], leave: Any) -> None:
        self.pool, self.lender = pool, lender
        self.libraries = libraries  # the libraries' pools that it is or holds
        self.callers = 0  # those that are acquiring or hold one of its connections
        self.retired = False  # a newer pool has taken over
        self._leave = leave  # the end of a context manager that gave the pool

    async def end(self) -> None:
        """Close the pool. Nobody holds a connection of it any more, or waits for one."""
        if self._leave is not None:
            await self._leave(None, None, None)
        elif not await close_by(self.pool):
            for each in self.libraries:
                await close_by(each)


class CustomTaskPool(TaskPool):
    """Any pool that lends connections to tasks; rebuilt for a limit that can't be changed in it."""

    library = "asyncpg"
    exhausted = (TimeoutError, asyncio.QueueEmpty)
    limits: ClassVar[Parameters]
    constructor: ClassVar[PoolConstructor]
    methods: ClassVar[LendingMethods]
    connects_to_run: ClassVar[bool] = False
    maker: ClassVar[str] = tr_noop("its constructor")
    is_object: ClassVar[bool] = False

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
        super().__init__(conninfo, counter, limits)
        self._factory = counted_connection(counter)
        self._counts = ConnectionCounts(counter, self._factory)
        self._findings = Findings(self.title, conninfo)
        self._limits = dict(limits)
        self._lent: dict[int, list[tuple[_Generation, TaskLoan]]] = {}  # by the connection's id
        self._generations: tuple[_Generation, ...] = ()  # the last is the current one

    async def open(self) -> None:
        """Make the pool. Raises what the user's code raises, as an InputError, or the driver's
        error."""
        self._generations = (await self._make(self._limits),)

    async def _make(self, limits: Mapping[str, Value]) -> _Generation:
        server = RunServer(self.conninfo)
        set_environment(server, to_run=self.connects_to_run and not self.constructor.takes_server)
        try:
            return await self._made(server, limits)
        except InputError:
            raise
        except Exception as error:
            raised = phrase(error, server.passwords)
            if _is_servers(error):
                if self.constructor.takes_server:
                    raise
                raise ServerError(
                    tr(
                        "{id} connects to a server of its own and raised {raised}: start that "
                        "server, or {remedy}.",
                        id=self.id,
                        raised=raised,
                        remedy=self._remedy,
                    ),
                    getattr(error, "sqlstate", None),
                ) from error
            raise InputError(
                tr(
                    "{id} can't be made: {maker} raised {raised}.",
                    id=self.id,
                    maker=tr(self.maker),
                    raised=raised,
                )
            ) from error

    @property
    def _remedy(self) -> str:
        """What has the pool connect to the run's server."""
        if self.connects_to_run:
            return tr("have it take the run's, as a function with a parameter `dsn` does")
        return tr("have the pool connect to the run's by `--own-pool url=run`")

    async def _made(self, server: RunServer, limits: Mapping[str, Value]) -> _Generation:
        began = perf_counter()
        connect = connect_of(self.constructor.call, server, self._counts.opened, self.counter)
        made = self.constructor.make(self.conninfo, self._factory, limits, connect)
        if inspect.iscoroutine(made):
            made = await made
        self._prepare(made, server, limits)
        libraries = self._counts.watch(made, began)  # before it connects, where that is possible
        leave = None
        give_loop(made)
        if inspect.isawaitable(made) and not hasattr(made, "freesize"):  # which would lend
            opened = await made
            made = made if opened is None else opened
        elif hasattr(made, "__aenter__") and not library_objects(made) and _only_manages(made):
            leave = made.__aexit__
            made = await made.__aenter__()
        if leave is None:
            await open_by(made, self.methods.acquire, server, self._factory)
        owner, methods = lender_in(made, self.methods, self.id)
        if owner is not made:
            self._findings.lends_by(owner)
        known = {id(each) for each in libraries}
        libraries = [*libraries, *self._counts.watch(made, began, but=known)]
        return _Generation(made, TaskLender(owner, methods), libraries, leave)

    def _prepare(self, made: Any, server: RunServer, limits: Mapping[str, Value]) -> None:
        if self.constructor.takes_server:
            prepare(made, server, self._factory, {}, to_run=False)
            return
        to_run = self.connects_to_run
        if not prepare(made, server, self._factory, limits, to_run=to_run) and self.is_object:
            self._findings.not_to_the_run()
        if not to_run and (own := own_address(made)) is not None:
            self._findings.goes_to(*own)

    async def acquire(self) -> Any:
        """Return a connection. Raises what the pool raises, or NotAConnection."""
        began = perf_counter()
        while True:
            generation = self._generations[-1]
            generation.callers += 1
            try:
                loan = await generation.lender.borrow()
            except BaseException as error:
                await self._left(generation)
                if generation.retired and isinstance(error, Exception):
                    continue  # it was closed while this caller waited: ask the next one
                raise
            break
        if self._counts.opened(loan.driver, began) and not generation.libraries:
            self._findings.counted_late()
        self._findings.look_at(loan.driver)
        self._lent.setdefault(id(loan.connection), []).append((generation, loan))
        return loan.connection

    def driver(self, connection: Any) -> Any:
        """Return the driver's connection behind one that the pool lent."""
        return self._lent[id(connection)][-1][1].driver

    async def release(self, connection: Any) -> None:
        """Give a connection back to the pool that lent it."""
        generation, loan = self._lent[id(connection)].pop()
        if not self._lent[id(connection)]:
            del self._lent[id(connection)]
        try:
            await loan.give_back()
        finally:
            self._counts.count_closed()
            await self._left(generation)

    async def execute(self, connection: Any, statement: str) -> None:
        """Execute a statement and fetch all rows."""
        await task_lending.execute(connection, statement)

    async def begin(self, connection: Any, transaction: bool) -> None:
        """Run the next statements in one transaction, or commit each of them."""
        if not await task_lending.begin(connection, transaction):
            await super().begin(connection, transaction)

    async def commit(self, connection: Any) -> None:
        """Commit the transaction."""
        if not await task_lending.end(connection, "commit"):
            await super().commit(connection)

    async def rollback(self, connection: Any) -> None:
        """Roll back the transaction."""
        if not await task_lending.end(connection, "rollback"):
            await super().rollback(connection)

    async def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply the limits, in place or in a new pool. Raises ServerError if that can't be made;
        the old one goes on."""
        changed = {key for key, value in limits.items() if value != self._limits[key]}
        if changed - self.constructor.in_place:
            try:
                successor = await self._make(limits)
            except Exception as error:
                reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
                raise ServerError(
                    tr(
                        "{title} could not be rebuilt and goes on unchanged ({reason}): free "
                        "connections on the server, or undo the change.",
                        title=self.title,
                        reason=reason,
                    ),
                    getattr(error, "sqlstate", None),
                ) from error
            old, self._generations = self._generations[-1], (*self._generations, successor)
            self._limits = dict(limits)
            await self._retire(old)
        elif changed:
            self._limits = dict(limits)
            done: Any = self._apply(limits, changed)
            if inspect.isawaitable(done):
                await done

    def _apply(self, limits: Mapping[str, Value], changed: set[str]) -> object:
        return apply_limits(self._generations[-1].pool, limits, changed)

    async def _retire(self, generation: _Generation) -> None:
        generation.retired = True
        generation.callers += 1
        await self._left(generation)

    async def _left(self, generation: _Generation) -> None:
        """Count a caller out of a generation, and end it if that was the last."""
        generation.callers -= 1
        if generation.retired and not generation.callers:
            self._generations = tuple(g for g in self._generations if g is not generation)
            await generation.end()
            self._counts.count_closed()

    def take_findings(self) -> tuple[str, ...]:
        """Return what can't be measured."""
        return self._findings.take()

    def reported_counts(self) -> ReportedCounts:
        """Return the own counts of the libraries' pools that it is or holds."""
        self._counts.count_closed()
        return self._counts.reported([e for g in self._generations for e in g.libraries])

    async def close(self) -> None:
        """Close the pool."""
        for generation in self._generations:
            if not generation.retired:
                await self._retire(generation)


def _is_servers(error: BaseException) -> bool:
    """Return whether an error is that of a driver or of the system, which says what is wrong with
    the server."""
    if isinstance(error, OSError):
        return True
    modules = {base.__module__.partition(".")[0] for base in type(error).__mro__}
    return bool(modules & {"psycopg2", "psycopg", "asyncpg"})


def _only_manages(made: Any) -> bool:
    """Return whether an object is nothing but a context manager around the pool."""
    names = ("acquire", "connection", "getconn", "connect", "get_connection")
    return not any(callable(getattr(made, name, None)) for name in names)
