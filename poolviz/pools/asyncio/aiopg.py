"""aiopg's pool, which uses psycopg2 in its asynchronous mode.

Private names used here, as in aiopg 1.4.0:
    Pool: _acquire _fill_free_pool _free _recycle _timeout _used
    Connection: _timeout
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
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
from poolviz.pools.asyncio.condition_pool import (
    ConditionTaskPool,
    ResizableConditionPool,
    fill_with,
)
from poolviz.pools.asyncio.loop_errors import ignore_loop_errors
from poolviz.pools.base import ConnectionCounter
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


class ResizableAiopgPool(ResizableConditionPool, upstream.Pool):
    """aiopg's pool, with limits that may be changed while it is in use."""

    _fill = fill_with(_connect, upstream)

    async def _fill_free_pool(self, override_min: bool) -> None:
        for conn in self._free:
            if conn.closed:
                conn.close()  # lost: the library only drops it; closed by us, it is counted out
        await self._fill(override_min)

    def release(self, conn: Any) -> asyncio.Future[None]:
        """Give a connection back; as in the library, one in a transaction is closed.

        The library would also warn of each, in a way that is printed each time.
        """
        if not conn.closed and conn.raw.get_transaction_status() != TRANSACTION_STATUS_IDLE:
            conn.close()
        return super().release(conn)

    def change_times(self, timeout: float, recycle: float) -> None:
        """Apply both; the timeout to the statements of open connections, too."""
        self._timeout, self._recycle = timeout, recycle
        for conn in (*self._free, *self._used):
            conn._timeout = timeout


class AiopgPool(ConditionTaskPool):
    """`aiopg.Pool`."""

    id, title = LISTING.id, LISTING.title
    library = "aiopg"
    about = "When all connections are in use, callers wait in a queue, for timeout at most."
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

    def make(self, limits: Mapping[str, Value]) -> ResizableAiopgPool:
        """Return a pool made as `aiopg.create_pool` does."""
        ignore_loop_errors(_is_cancelled_statement, asyncio.get_running_loop())
        return ResizableAiopgPool(
            self.conninfo,
            int(limits["minsize"]),
            int(limits["maxsize"]),
            float(limits["timeout"]),
            pool_recycle=float(limits["pool_recycle"]),
            enable_json=True,
            enable_hstore=True,
            enable_uuid=True,
            echo=False,
            on_connect=None,
            counter=self.counter,
        )

    def acquire(self) -> Coroutine[Any, Any, aiopg.Connection]:
        """Return a connection.

        Raises TimeoutError after `timeout`, psycopg2.Error if the pool can't connect.
        """
        coroutine: Coroutine[Any, Any, aiopg.Connection] = self._pool._acquire()
        return coroutine

    async def execute(self, connection: Any, statement: str) -> None:
        """Execute a statement and fetch all rows."""
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(statement)
                if cursor.description is not None:
                    await cursor.fetchall()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # aiopg raises CancelledError when the server cancels the statement.
            raise QueryCanceledError("the server cancelled the statement") from None


def _is_cancelled_statement(context: dict[str, Any]) -> bool:
    """Return whether aiopg reports a statement that the server cancelled."""
    return isinstance(context.get("exception"), QueryCanceledError)
