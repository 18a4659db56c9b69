"""psycopg 3's pool for tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from psycopg import AsyncConnection, OperationalError
from psycopg_pool import AsyncConnectionPool as UpstreamPool
from psycopg_pool import PoolTimeout, TooManyRequests
from psycopg_pool._acompat import AEvent
from psycopg_pool.base import AttemptWithBackoff
from psycopg_pool.pool_async import AddConnection, MaintenanceTask, ShrinkPool

from poolviz.model.parameters import Parameters, Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, TaskPool
from poolviz.pools.connections.connect_faults import wait_to_connect_async
from poolviz.pools.connections.counting import count_in
from poolviz.pools.listing import Listing
from poolviz.pools.psycopg.pools import (
    MAX_IDLE,
    MAX_LIFETIME,
    MAX_SIZE,
    MAX_WAITING,
    MIN_SIZE,
    TIMEOUT,
)
from poolviz.pools.psycopg.resizable import START_LIMIT, CountsMixin, libpq_conninfo

LISTING = Listing(
    "psycopg_pool.AsyncConnectionPool",
    "psycopg AsyncConnectionPool",
    rank=32,
    drivers=("psycopg", "psycopg_pool"),
    extra="psycopg",
)


def counted_connection(counter: ConnectionCounter) -> type[AsyncConnection[Any]]:
    """A class of connection that `counter` counts, for the pool's `connection_class`."""

    class CountedPsycopgConnection(AsyncConnection[Any]):
        """A psycopg connection that counts itself."""

        lifetime: float
        _count_out: Callable[[], object]

        @classmethod
        async def connect(cls, *args: Any, **kwargs: Any) -> Self:
            """Connect, and count the connection."""
            began = await wait_to_connect_async(counter, OperationalError)
            conn = await super().connect(*args, **kwargs)
            conn._count_out = count_in(conn, counter, began)
            return conn

        async def close(self) -> None:
            """Close the connection and count it as closed."""
            await super().close()
            self.pgconn.finish()  # psycopg leaves the socket of a broken one open
            self._count_out()

    return CountedPsycopgConnection


class _Shrink(ShrinkPool):
    """The library's regular task, which ends once another was begun in its place."""

    async def _run(self, pool: Any) -> None:
        if pool.shrink is self:
            await super()._run(pool)


class ResizableAsyncConnectionPool(CountsMixin, UpstreamPool[Any]):
    """The library's own AsyncConnectionPool, with limits that may be changed while it is in use.

    What comes back, or is new, goes by `_add_to_pool`, the one place where it is decided whether
    it may stay. To close a connection takes no turn of the loop, so nothing leaves unseen.
    """

    shrink: ShrinkPool | None = None

    async def start(self) -> None:
        """Open the pool, and wait for its first connections, min_size of them.

        The driver's error where one can't be made; PoolTimeout where they take too long.
        """
        event = self._pool_full_event = AEvent()
        await self.open()
        ready = not self._min_size or await event.wait_timeout(START_LIMIT)
        self._pool_full_event = None
        fault, self._fault = self._fault, None
        if fault is None and not ready:
            fault = PoolTimeout(f"couldn't open {self._min_size} connections in {START_LIMIT} s")
        if fault is not None:
            await self.close()
            raise fault

    async def change_sizes(self, min_size: int, max_size: int) -> None:
        """Put both in force: close idle connections beyond, open missing ones, wake waiters."""
        self._min_size, self._max_size = min_size, max_size
        await self._close_surplus()
        while self._nconns < self._min_size:
            self._nconns += 1
            self.run_task(AddConnection(self))
        if self._waiting:
            self._maybe_grow_pool()

    async def change_idle(self, max_idle: float) -> None:
        """Put max_idle in force: the library would look at it only when the old one is over."""
        if max_idle != self.max_idle:
            self.max_idle = max_idle
            await self.schedule_task(ShrinkPool(self), max_idle)

    async def schedule_task(self, task: MaintenanceTask, delay: float) -> None:
        """Have a worker do `task` later. The task that shrinks replaces the one before it."""
        if isinstance(task, ShrinkPool):
            task = self.shrink = _Shrink(self)
            delay = self.max_idle
        await super().schedule_task(task, delay)

    async def close(self, timeout: float = 5.0) -> None:
        """Leave no room, and end the workers: connections in use are closed when given back."""
        self.stopped = True
        await self.change_sizes(0, 0)
        await super().close(timeout)

    def run_task(self, task: MaintenanceTask) -> None:
        """Have a worker do `task`. A new one that opens a connection is counted."""
        if isinstance(task, AddConnection) and task.attempt is None:
            self._coming += 1
        super().run_task(task)

    async def _connect(self, timeout: float | None = None) -> Any:
        try:
            conn = await super()._connect(timeout)
        except Exception as error:
            if event := self._pool_full_event:
                self._fault = error
                event.set()
            raise
        self._coming -= 1
        return conn

    async def _add_connection(
        self, attempt: AttemptWithBackoff | None, growing: bool = False
    ) -> None:
        if self._too_many_to_come():
            self._nconns -= 1
            self._coming -= 1
            if growing:
                self._growing = False
            return
        await super()._add_connection(attempt, growing)

    async def reconnect_failed(self) -> None:
        """Called once the library has given up a place whose connection never came."""
        self._coming -= 1
        await super().reconnect_failed()

    async def _return_connection(self, conn: Any, from_getconn: bool) -> None:
        self._date_anew(conn)
        await super()._return_connection(conn, from_getconn)

    async def _reset_connection(self, conn: Any) -> None:
        await super()._reset_connection(conn)
        if conn.closed:  # the library just forgets it; closed, it is counted out
            await conn.close()

    async def _maybe_close_connection(self, conn: Any) -> bool:
        if not self._too_many():
            return False
        await self._drop(conn)
        return True

    async def _add_to_pool(self, conn: Any) -> None:
        if not await self._maybe_close_connection(conn):
            await super()._add_to_pool(conn)
            await self._close_surplus()  # of a change while it had to wait for the lock

    async def _close_surplus(self) -> None:
        while self._pool and self._too_many():
            await self._drop(self._pool.popleft())  # the one that rested longest
            self._nconns_min = min(self._nconns_min, len(self._pool))

    async def _drop(self, conn: Any) -> None:
        self._nconns -= 1
        await self._close_connection(conn)


class AsyncConnectionPool(TaskPool):
    """`psycopg_pool.AsyncConnectionPool`."""

    id, title = LISTING.id, LISTING.title
    library = "psycopg-pool"
    about = "When every connection is in use a caller waits its turn, for timeout at most."
    waits = True
    exhausted = (PoolTimeout, TooManyRequests)
    refused = (TooManyRequests,)
    transactional = True
    lingers = True
    limits = Parameters(
        f"limit of {id}", MIN_SIZE, MAX_SIZE, TIMEOUT, MAX_WAITING, MAX_LIFETIME, MAX_IDLE
    )

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """The most connections: max_size."""
        return int(limits["max_size"])

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """The connections kept open for good: min_size."""
        return int(limits["min_size"])

    async def open(self) -> None:
        """Make the pool and open min_size connections; psycopg's own error where it can't."""
        options: dict[str, Any] = dict(self.initial_limits)
        self._pool = ResizableAsyncConnectionPool(
            libpq_conninfo(self.conninfo),
            connection_class=counted_connection(self.counter),
            open=False,
            **options,
        )
        await self._pool.start()

    async def acquire(self) -> AsyncConnection[Any]:
        """A connection; PoolTimeout after `timeout`, TooManyRequests where too many wait."""
        conn: AsyncConnection[Any] = await self._pool.getconn()
        return conn

    async def execute(self, connection: Any, statement: str) -> None:
        """Run a statement and fetch what it returns."""
        cursor = connection.cursor()
        await cursor.execute(statement)
        if cursor.description is not None:
            await cursor.fetchall()
        await cursor.close()

    async def begin(self, connection: Any, transaction: bool) -> None:
        """Have what follows run in one transaction, or each statement commit by itself."""
        if connection.autocommit is transaction:
            await connection.set_autocommit(not transaction)

    async def commit(self, connection: Any) -> None:
        """Keep what was done."""
        await connection.commit()

    async def rollback(self, connection: Any) -> None:
        """Undo what was done."""
        await connection.rollback()

    async def release(self, connection: AsyncConnection[Any]) -> None:
        """Give a connection back; the library rolls back what is open in it."""
        await self._pool.putconn(connection)

    async def resize(self, limits: Mapping[str, Value]) -> None:
        """Put the limits in force. Connections are opened in the background."""
        pool = self._pool
        pool.timeout = float(limits["timeout"])
        pool.max_waiting = int(limits["max_waiting"])
        pool.max_lifetime = float(limits["max_lifetime"])
        await pool.change_idle(float(limits["max_idle"]))
        await pool.change_sizes(int(limits["min_size"]), int(limits["max_size"]))

    def reported_counts(self) -> ReportedCounts:
        """What the pool's own counters say."""
        return self._pool.reported_counts()

    async def close(self) -> None:
        """Close idle connections and end the pool's own tasks."""
        await self._pool.close()
