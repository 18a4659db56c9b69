"""psycopg 3's pool for asyncio, with limits that may be changed while it is in use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Self, TypeVar

import msgspec
from psycopg import AsyncConnection, OperationalError
from psycopg_pool import AsyncConnectionPool as UpstreamPool
from psycopg_pool import PoolTimeout, TooManyRequests
from psycopg_pool.base import AttemptWithBackoff
from psycopg_pool.pool_async import AddConnection, MaintenanceTask, ReturnConnection, ShrinkPool

from poolviz.model.parameters import Parameters, Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, TaskPool
from poolviz.pools.connections.arguments import (
    arguments_of,
    drivers_of,
    psycopg_arguments,
    with_libpq_arguments,
)
from poolviz.pools.connections.connect_faults import wait_to_connect_async
from poolviz.pools.connections.counting import count_in
from poolviz.pools.connections.psycopg import connect_timeout, libpq_conninfo
from poolviz.pools.listing import Listing
from poolviz.pools.psycopg.hooks import Upkeep
from poolviz.pools.psycopg.pools import (
    CONNECT,
    MAX_IDLE,
    MAX_LIFETIME,
    MAX_SIZE,
    MAX_WAITING,
    MIN_SIZE,
    TIMEOUT,
    UPKEEP,
    USES,
    returns_rows,
)
from poolviz.pools.psycopg.resizable import (
    START_TIMEOUT,
    ResizableBasePool,
    drop_rollback_records,
)

LISTING = Listing(
    "psycopg_pool.AsyncConnectionPool",
    "psycopg AsyncConnectionPool",
    rank=32,
    drivers=("psycopg", "psycopg_pool"),
    extra="psycopg",
    classes=("psycopg_pool.pool_async:AsyncConnectionPool", "psycopg_pool:AsyncConnectionPool"),
)

ACT = TypeVar("ACT", bound=AsyncConnection[Any])  # the library's parameter, as CT for threads


def counted_connection(counter: ConnectionCounter) -> type[AsyncConnection[Any]]:
    """Return a connection class that `counter` counts, for the pool's `connection_class`."""

    class CountedPsycopgConnection(AsyncConnection[Any]):
        """A psycopg connection that counts itself."""

        lifetime: float
        _count_out: Callable[[], object]

        @classmethod
        async def connect(cls, *args: Any, **kwargs: Any) -> Self:
            """Connect, and count the connection."""
            began = await wait_to_connect_async(
                counter, OperationalError, lambda: connect_timeout(*args, **kwargs)
            )
            conn = await super().connect(*args, **kwargs)
            conn._count_out = count_in(conn, counter, began)
            return conn

        async def close(self) -> None:
            """Close the connection and count it as closed."""
            await super().close()
            self.pgconn.finish()  # psycopg leaves the socket of a broken one open
            self._count_out()

    return CountedPsycopgConnection


class _ReturnOrClose(ReturnConnection):
    """The library's task for a connection that is given back. Where the pool was closed before it
    is run, the library drops the connection without closing it."""

    async def run(self) -> None:
        """Run the task, or close the connection."""
        pool = self.pool()
        if pool is None or not pool.closed:
            await super().run()
        elif not await pool._maybe_close_connection(self.conn):
            await self.conn.close()


class _Shrink(ShrinkPool):
    """The library's regular task, which ends if another has replaced it."""

    async def _run(self, pool: Any) -> None:
        if pool.shrink is self:
            await super()._run(pool)


class ResizableAsyncConnectionPool(ResizableBasePool, UpstreamPool[ACT]):
    """The library's AsyncConnectionPool, with limits that may be changed while it is in use.

    A connection that is given back or new passes `_add_to_pool`, the only place that decides
    whether it may stay. Closing a connection doesn't yield to the loop, so there is no moment at
    which one is neither counted nor closed.
    """

    shrink: ShrinkPool | None = None
    _pool_full_event: Any

    async def start(self) -> None:
        """Open the pool, and wait until min_size connections are open.

        Raises the driver's error if one can't be opened, PoolTimeout if they take too long.
        """
        event = self._pool_full_event = asyncio.Event()
        await self.open()
        with suppress(TimeoutError):
            async with asyncio.timeout(START_TIMEOUT):
                if self._min_size:
                    await event.wait()
        ready = not self._min_size or event.is_set()
        self._pool_full_event = None
        error, self._start_error = self._start_error, None
        if error is None and not ready:
            error = PoolTimeout(f"couldn't open {self._min_size} connections in {START_TIMEOUT} s")
        if error is not None:
            await self.close()
            raise error

    async def change_sizes(self, min_size: int, max_size: int) -> None:
        """Apply both: close idle connections beyond them, open missing ones, wake callers."""
        self._min_size, self._max_size = min_size, max_size
        await self._close_surplus()
        while self._nconns < self._min_size:
            self._nconns += 1
            self.run_task(AddConnection(self))
        if self._waiting:
            self._maybe_grow_pool()

    async def change_idle(self, max_idle: float) -> None:
        """Apply max_idle now; the library would only read it when the old time is over."""
        if max_idle != self.max_idle:
            self.max_idle = max_idle
            await self.schedule_task(ShrinkPool(self), max_idle)

    async def schedule_task(self, task: MaintenanceTask, delay: float) -> None:
        """Schedule a task for a worker. The one that shrinks the pool replaces the one before."""
        if isinstance(task, ShrinkPool):
            task = self.shrink = _Shrink(self)
            delay = self.max_idle
        await super().schedule_task(task, delay)

    async def close(self, timeout: float = 5.0) -> None:
        """Close idle connections and end the workers; others are closed when given back."""
        await self.change_sizes(0, 0)
        await super().close(timeout)

    def run_task(self, task: MaintenanceTask) -> None:
        """Pass a task to a worker; count a new one that opens a connection."""
        if isinstance(task, AddConnection) and task.attempt is None:
            self._opening += 1
        elif type(task) is ReturnConnection:
            task = _ReturnOrClose(self, task.conn, task.from_getconn)
        super().run_task(task)

    async def _connect(self, timeout: float | None = None) -> Any:
        try:
            conn = await super()._connect(timeout)
        except Exception as error:
            if event := self._pool_full_event:
                self._start_error = error
                event.set()
            raise
        self._opening -= 1
        return conn

    async def _add_connection(
        self, attempt: AttemptWithBackoff | None, growing: bool = False
    ) -> None:
        if self._too_many_opening():
            self._nconns -= 1
            self._opening -= 1
            if growing:
                self._growing = False
            return
        await super()._add_connection(attempt, growing)

    async def reconnect_failed(self) -> None:
        """Called when the library has given up a place whose connection couldn't be opened."""
        self._opening -= 1
        await super().reconnect_failed()

    async def _return_connection(self, conn: Any, from_getconn: bool) -> None:
        self._update_expiry_date(conn)
        await super()._return_connection(conn, from_getconn)

    async def _reset_connection(self, conn: Any) -> None:
        await super()._reset_connection(conn)
        if conn.closed:  # the library only drops it; closed by us, it is counted out
            await conn.close()

    async def _maybe_close_connection(self, conn: Any) -> bool:
        if not self._too_many():
            return False
        await self._drop(conn)
        return True

    async def _add_to_pool(self, conn: Any) -> None:
        if not await self._maybe_close_connection(conn):
            await super()._add_to_pool(conn)
            await self._close_surplus()  # a limit may have changed while it waited for the lock

    async def _close_surplus(self) -> None:
        while self._pool and self._too_many():
            await self._drop(self._pool.popleft())  # the one that has been idle longest
            self._nconns_min = min(self._nconns_min, len(self._pool))

    async def _drop(self, conn: Any) -> None:
        self._nconns -= 1
        await self._close_connection(conn)


class AsyncConnectionPool(TaskPool):
    """`psycopg_pool.AsyncConnectionPool`."""

    id, title = LISTING.id, LISTING.title
    library = "psycopg-pool"
    about = "When all connections are in use, callers wait in a queue, for timeout at most."
    waits = True
    exhausted = (PoolTimeout, TooManyRequests)
    refused = (TooManyRequests,)
    transactional = True
    lingers = True
    uses = (
        msgspec.structs.replace(USES[0], code="async with pool.connection() as connection"),
        msgspec.structs.replace(
            USES[1], code="connection = await pool.getconn(); …; await pool.putconn(connection)"
        ),
    )
    drivers = drivers_of(postgresql=("psycopg", "psycopg_async"))
    connect = arguments_of(id, **CONNECT)
    limits = Parameters(
        f"limit of {id}", MIN_SIZE, MAX_SIZE, TIMEOUT, MAX_WAITING, MAX_LIFETIME, MAX_IDLE, *UPKEEP
    )

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """Return max_size."""
        return int(limits["max_size"])

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """Return min_size: more connections are closed after a time."""
        return int(limits["min_size"])

    async def open(self) -> None:
        """Make the pool and open min_size connections. Raises psycopg's error if it can't."""
        drop_rollback_records()
        self._upkeep = Upkeep(tasks=True)
        self._pool: ResizableAsyncConnectionPool[Any] = ResizableAsyncConnectionPool(
            libpq_conninfo(with_libpq_arguments(self.conninfo, self.connect_with)),
            kwargs=psycopg_arguments(self.connect_with),
            connection_class=counted_connection(self.counter),
            open=False,
            **self._upkeep.options(self.initial_limits),
        )
        with self._upkeep.starting():
            await self._pool.start()

    async def acquire(self) -> AsyncConnection[Any]:
        """Return a connection.

        Raises PoolTimeout after `timeout`, TooManyRequests if too many callers wait.
        """
        conn: AsyncConnection[Any] = await self._pool.getconn()
        return conn

    async def execute(self, connection: Any, statement: str) -> None:
        """Execute a statement and fetch all rows."""
        cursor = connection.cursor()
        await cursor.execute(statement)
        if returns_rows(cursor):
            await cursor.fetchall()
        await cursor.close()

    async def begin(self, connection: Any, transaction: bool) -> None:
        """Turn autocommit off or on."""
        if connection.autocommit is transaction:
            await connection.set_autocommit(not transaction)

    async def commit(self, connection: Any) -> None:
        """Commit the transaction."""
        await connection.commit()

    async def rollback(self, connection: Any) -> None:
        """Roll back the transaction."""
        await connection.rollback()

    async def release(self, connection: AsyncConnection[Any]) -> None:
        """Give a connection back; the library rolls back what is open in it."""
        await self._pool.putconn(connection)

    async def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply the limits. Connections are opened in the background."""
        pool = self._pool
        self._upkeep.apply(limits)
        pool.timeout = float(limits["timeout"])
        pool.max_waiting = int(limits["max_waiting"])
        pool.max_lifetime = float(limits["max_lifetime"])
        pool.reconnect_timeout = float(limits["reconnect_timeout"])
        await pool.change_idle(float(limits["max_idle"]))
        await pool.change_sizes(int(limits["min_size"]), int(limits["max_size"]))

    def reported_counts(self) -> ReportedCounts:
        """Return the pool's own counts."""
        return self._pool.reported_counts()

    async def close(self) -> None:
        """Close idle connections and end the pool's tasks."""
        self._pool.stopped = True
        await self._pool.close()
