"""aiopg's pool, which uses psycopg2 in its asynchronous mode.

Private names used here, as in aiopg 1.4.0:
    Pool: _acquire _conn_kwargs _dsn _echo _enable_hstore _enable_json _enable_uuid _free
    Pool: _on_connect _recycle _timeout _used
    Connection: _timeout
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Coroutine, Mapping
from typing import Any

import aiopg
from aiopg import pool as upstream
from psycopg2 import OperationalError
from psycopg2.extensions import QueryCanceledError, connection

from poolviz.model.dialect import POSTGRESQL
from poolviz.model.parameters import Effect, Parameters, Seconds, Value
from poolviz.pools.asyncio.condition_pool import (
    LONGEST,
    ConditionTaskPool,
    ResizableConditionPool,
    size_limits,
)
from poolviz.pools.asyncio.loop_errors import ignore_loop_errors
from poolviz.pools.base import ConnectionCounter
from poolviz.pools.connections.arguments import (
    LIBPQ_IN_STEPS,
    arguments_of,
    drivers_of,
    with_libpq_arguments,
)
from poolviz.pools.connections.connect_faults import ConnectTimeout, wait_to_connect_async
from poolviz.pools.connections.counting import CountedConnection
from poolviz.pools.listing import Listing

LISTING = Listing(
    "aiopg.Pool",
    "aiopg Pool",
    rank=50,
    drivers=("aiopg",),
    extra="aiopg",
    classes=("aiopg.pool:Pool", "aiopg:Pool", "aiopg:create_pool"),
)

_CANCELLED_BY_SERVER = (
    "the server cancelled the statement, by a timeout or on request, and aiopg says so by this "
    "exception, which ends a task that doesn't catch it"
)
_LOST = 2  # psycopg2's `closed` where the server or the network has ended a connection


class _CountedAiopgConnection(CountedConnection, connection):
    """A psycopg2 connection that connects in steps, and is counted once it is connected."""


async def _connect(dsn: str, *, counter: ConnectionCounter, **options: Any) -> aiopg.Connection:
    began = await wait_to_connect_async(
        counter, OperationalError, lambda: ConnectTimeout(options["timeout"], TimeoutError)
    )
    made = await aiopg.connect(dsn, connection_factory=_CountedAiopgConnection, **options)
    made.raw.count_in(counter, began)
    return made


class ResizableAiopgPool(ResizableConditionPool, upstream.Pool):
    """aiopg's pool, with limits that may be changed while it is in use."""

    async def connect(self) -> aiopg.Connection:
        """Return a new connection, made as the library does."""
        made = await _connect(
            self._dsn,
            timeout=self._timeout,
            enable_json=self._enable_json,
            enable_hstore=self._enable_hstore,
            enable_uuid=self._enable_uuid,
            echo=self._echo,
            **self._conn_kwargs,
        )
        if self._on_connect is not None:
            await self._on_connect(made)
        return made

    def is_lost(self, conn: Any) -> bool:
        """Return whether a connection is closed. The library only drops it; closed by us, it is
        counted out."""
        return bool(conn.closed)

    def count_out(self, conn: Any) -> None:
        """Close a connection that was lost, but not twice one that aiopg has closed: it would take
        that of another from the loop that has the same file descriptor by now."""
        if conn.raw.closed == _LOST:
            conn.close()

    def change_times(self, timeout: float, recycle: float) -> None:
        """Apply both; the timeout to the statements of open connections, too."""
        self._timeout, self._recycle = timeout, recycle
        for conn in (*self._free, *self._used):
            conn._timeout = timeout


class AiopgPool(ConditionTaskPool):
    """`aiopg.Pool`."""

    id, title = LISTING.id, LISTING.title
    library = "aiopg"
    drivers = drivers_of(postgresql=("aiopg", "psycopg2"))
    connect = arguments_of(id, **{POSTGRESQL: LIBPQ_IN_STEPS})
    about = "When all connections are in use, callers wait in a queue, for timeout at most."
    limits = Parameters(
        f"limit of {id}",
        *size_limits(library),
        Seconds(
            key="timeout",
            default=60.0,
            minimum=0.001,
            maximum=LONGEST,
            slider=(0.01, 60),
            log_slider=True,
            effect=Effect.NEW_REQUESTS,
            help="The longest time that a caller waits for a connection before it gets an error. "
            "aiopg also applies it to connecting and to each statement, after which it closes the "
            "connection.",
            effect_help="Callers that already wait and statements in progress keep their timeout.",
        ),
    )

    def make(self, limits: Mapping[str, Value]) -> ResizableAiopgPool:
        """Return a pool made as `aiopg.create_pool` does."""
        ignore_loop_errors(_is_cancelled_statement, asyncio.get_running_loop())
        # Printed each time that a connection comes back in a transaction, which is then closed.
        warnings.filterwarnings("ignore", "Invalid transaction status", ResourceWarning)
        return ResizableAiopgPool(
            with_libpq_arguments(self.conninfo, self.connect_with),
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

    def driver(self, connection: aiopg.Connection) -> Any:
        """Return psycopg2's connection behind the library's."""
        return connection.raw

    def acquire(self) -> Coroutine[Any, Any, aiopg.Connection]:
        """Return a connection.

        Raises TimeoutError after `timeout`, psycopg2.Error if the pool can't connect.
        """
        coroutine: Coroutine[Any, Any, aiopg.Connection] = self._pool._acquire()
        return coroutine

    async def execute(self, connection: Any, statement: str) -> None:
        """Execute a statement and fetch all rows.

        Raises CancelledError if the server cancels it, too: that is what aiopg raises.
        """
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(statement)
                if cursor.description is not None:
                    await cursor.fetchall()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # As its library does, which gives it no text.
            raise asyncio.CancelledError(_CANCELLED_BY_SERVER) from None


def _is_cancelled_statement(context: dict[str, Any]) -> bool:
    """Return whether aiopg reports a statement that the server cancelled."""
    return isinstance(context.get("exception"), QueryCanceledError)
