"""aiopg's pool: psycopg2 in its asynchronous mode, one condition for all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from types import FunctionType
from typing import Any

import aiopg
from aiopg import pool as upstream
from psycopg2 import OperationalError
from psycopg2.extensions import (
    TRANSACTION_STATUS_IDLE,
    QueryCanceledError,
    connection,
)

from poolviz.model.parameters import Count, Effect, Parameters, Seconds, Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.asyncio.loop_errors import hear_nothing_of
from poolviz.pools.asyncio.resizable import ResizableConditionPool
from poolviz.pools.base import ConnectionCounter, TaskPool
from poolviz.pools.connections.connect_faults import wait_to_connect_async
from poolviz.pools.connections.counting import CountedConnection
from poolviz.pools.listing import Listing

LISTING = Listing("aiopg.Pool", "aiopg Pool", rank=50, drivers=("aiopg",), extra="aiopg")

_MOST = 10_000
_LONGEST = 86_400.0
_NEVER = -1


class _CountedConnection(CountedConnection, connection):
    """A psycopg2 connection that connects in steps, and is counted once it is connected."""


async def _connect(dsn: str, *, counter: ConnectionCounter, **options: Any) -> aiopg.Connection:
    began = await wait_to_connect_async(counter, OperationalError)
    made = await aiopg.connect(dsn, connection_factory=_CountedConnection, **options)
    made.raw.count_in(counter, began)
    return made


class ResizablePool(ResizableConditionPool, upstream.Pool):
    """aiopg's own pool, with limits that may be changed while it is in use."""

    # The library has no hook before it connects. This is its own code, but for what it calls there.
    _fill = FunctionType(
        upstream.Pool._fill_free_pool.__code__, {**vars(upstream), "connect": _connect}
    )

    async def _fill_free_pool(self, override_min: bool) -> None:
        for conn in self._free:
            if conn.closed:
                conn.close()  # lost; the library only forgets it
        await self._fill(override_min)

    def release(self, conn: Any) -> asyncio.Future[None]:
        """As the library's: one that comes back in a transaction is closed. It warns of each, too,
        and has these warnings printed always."""
        if not conn.closed and conn.raw.get_transaction_status() != TRANSACTION_STATUS_IDLE:
            conn.close()
        return super().release(conn)

    def change_times(self, timeout: float, recycle: float) -> None:
        """Put both in force; for the statements of the connections there are as well."""
        self._timeout, self._recycle = timeout, recycle
        for conn in (*self._free, *self._used):
            conn._timeout = timeout


class Pool(TaskPool):
    """`aiopg.Pool`."""

    id, title = LISTING.id, LISTING.title
    library = "aiopg"
    about = "When every connection is in use a caller waits its turn, for timeout at most."
    waits = True
    exhausted = (TimeoutError,)
    limits = Parameters(
        f"limit of {id}",
        Count(
            key="minsize",
            default=1,
            maximum=_MOST,
            slider=(0, 50),
            help="How many connections are opened at the start, and again where they are lost.",
            effect_help="Raised, connections up to it are opened at once, one by one, while "
            "callers wait; lowered, nothing is closed.",
        ),
        Count(
            key="maxsize",
            default=10,
            minimum=1,
            maximum=_MOST,
            slider=(1, 50),
            at_least="minsize",
            help="The most connections, in use and idle together. Once open they stay: aiopg "
            "never shrinks by itself.",
            effect_help="Raised, callers who wait start at once; lowered, idle connections beyond "
            "it are closed at once, those in use when they are given back.",
        ),
        Seconds(
            key="pool_recycle",
            default=-1.0,
            maximum=30 * _LONGEST,
            slider=(1, 3600),
            log_slider=True,
            special={_NEVER: "never"},
            help="How long a connection may have rested. One that rested longer is closed the "
            "next time that anybody asks for a connection.",
            effect_help="Holds from the next time that anybody asks for a connection.",
        ),
        Seconds(
            key="timeout",
            default=60.0,
            minimum=0.001,
            maximum=_LONGEST,
            slider=(0.01, 60),
            log_slider=True,
            effect=Effect.NEW_REQUESTS,
            help="How long a caller waits for a connection before it gets an error. aiopg allows "
            "connecting and each statement as long, and closes the connection when that is over.",
            effect_help="Callers who wait already, and statements under way, keep the time they "
            "came with.",
        ),
    )

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """The most connections: maxsize."""
        return int(limits["maxsize"])

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """The most connections kept idle: maxsize, since the library closes none."""
        return int(limits["maxsize"])

    async def open(self) -> None:
        """Make the pool and open minsize connections; psycopg2.Error where it can't."""
        limits = self.initial_limits
        hear_nothing_of(_is_cancelled_statement, asyncio.get_running_loop())
        self._pool = ResizablePool(
            self.conninfo,
            int(limits["minsize"]),
            int(limits["maxsize"]),
            float(limits["timeout"]),
            pool_recycle=float(limits["pool_recycle"]),
            enable_json=True,  # as aiopg.create_pool has it, and so on
            enable_hstore=True,
            enable_uuid=True,
            echo=False,
            on_connect=None,
            counter=self.counter,
        )
        try:
            await self._pool.fill()
        except BaseException:
            await self._pool.end()
            raise

    def acquire(self) -> Coroutine[Any, Any, aiopg.Connection]:
        """A connection; TimeoutError after `timeout`, psycopg2.Error where it can't connect."""
        return self._pool._acquire()

    async def execute(self, connection: Any, statement: str) -> None:
        """Run a statement and fetch what it returns."""
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(statement)
                if cursor.description is not None:
                    await cursor.fetchall()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # aiopg turns the server's word that it broke off a statement into the end of the task.
            raise QueryCanceledError("the server broke off the statement") from None

    async def release(self, connection: Any) -> None:
        """Give a connection back."""
        await self._pool.release(connection)

    async def resize(self, limits: Mapping[str, Value]) -> None:
        """Put the limits in force; psycopg2.Error where minsize can't be opened."""
        self._pool.change_times(float(limits["timeout"]), float(limits["pool_recycle"]))
        await self._pool.change_sizes(int(limits["minsize"]), int(limits["maxsize"]))

    def reported_counts(self) -> ReportedCounts:
        """What the pool's own counts say."""
        return self._pool.reported_counts()

    async def close(self) -> None:
        """Close every connection; those in use once they are given back."""
        await self._pool.end()


def _is_cancelled_statement(trouble: dict[str, Any]) -> bool:
    """aiopg tells the loop of each statement that the server broke off, beside raising."""
    return isinstance(trouble.get("exception"), QueryCanceledError)
