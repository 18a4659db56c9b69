"""aiomysql's pool, for MySQL and MariaDB. A caller waits without a bound: poolviz adds a timeout.

Private names used here, as in aiomysql 0.3.2:
    Pool: _acquire _conn_kwargs _echo _loop _recycle
    Connection: _connect _reader _request_authentication _ssl_context _writer
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiomysql import Connection, OperationalError  # type: ignore[import-untyped]
from aiomysql import pool as upstream
from pymysql.constants import CLIENT, CR  # type: ignore[import-untyped]

from poolviz.model.dialect import MYSQL
from poolviz.model.mysql_url import MySQLAddress
from poolviz.model.parameters import Effect, Parameters, Seconds, Value
from poolviz.pools.asyncio.condition_pool import (
    LONGEST,
    ConditionTaskPool,
    ResizableConditionPool,
    size_limits,
)
from poolviz.pools.base import ConnectionCounter
from poolviz.pools.connections.arguments import (
    AIOMYSQL,
    arguments_of,
    drivers_of,
    mysql_own_arguments,
)
from poolviz.pools.connections.connect_faults import refused_by_mysql, wait_to_connect_async
from poolviz.pools.connections.counting import CountedConnection
from poolviz.pools.connections.mysql import tls_context
from poolviz.pools.connections.network import mysql_timeout
from poolviz.pools.listing import Listing

LISTING = Listing(
    "aiomysql.Pool",
    "aiomysql Pool",
    rank=60,
    drivers=("aiomysql",),
    extra="mysql",
    classes=("aiomysql.pool:Pool", "aiomysql:Pool", "aiomysql:create_pool"),
)


class _CountedAiomysqlConnection(CountedConnection, Connection):  # type: ignore[misc]
    """An aiomysql connection that counts itself.

    A closed one leaves a task in `closing` until its socket is closed too: the end of a TLS
    session takes an answer from the server.
    """

    def __init__(
        self, counter: ConnectionCounter, closing: set[asyncio.Task[None]], **options: Any
    ) -> None:
        super().__init__(**options)
        self._counter, self._closing_tasks = counter, closing

    async def _connect(self) -> None:
        began = await wait_to_connect_async(
            self._counter,
            refused_by_mysql(OperationalError),
            lambda: mysql_timeout(self.host, self.connect_timeout, OperationalError),
        )
        await super()._connect()
        self.count_in(self._counter, began)

    async def _request_authentication(self) -> None:
        # The library would go on without TLS if the server has none.
        if self._ssl_context and not self.server_capabilities & CLIENT.SSL:
            raise OperationalError(CR.CR_SSL_CONNECTION_ERROR, "The server doesn't speak TLS")
        await super()._request_authentication()

    def disconnect(self) -> None:
        """Close the connection; its socket follows in a task."""
        writer = self._writer
        super().disconnect()
        if writer is not None:
            task = asyncio.ensure_future(_wait_closed(writer))
            self._closing_tasks.add(task)
            task.add_done_callback(self._closing_tasks.discard)


async def _wait_closed(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # it was lost
        await writer.wait_closed()


async def _connect(**options: Any) -> _CountedAiomysqlConnection:
    connection = _CountedAiomysqlConnection(**options)
    await connection._connect()
    return connection


class ResizableAiomysqlPool(ResizableConditionPool, upstream.Pool):  # type: ignore[misc]
    """aiomysql's pool, with limits that may be changed while it is in use."""

    timeout = 0.0  # seconds that acquire may take; the library has no such limit

    async def connect(self) -> _CountedAiomysqlConnection:
        """Return a new connection, made as the library does."""
        return await _connect(echo=self._echo, loop=self._loop, **self._conn_kwargs)

    def is_lost(self, conn: Any) -> bool:
        """Return whether the server has closed a connection, or said that it will."""
        reader = conn._reader
        return bool(reader.at_eof() or reader.exception() or reader.eof_received)

    def change_times(self, timeout: float, recycle: float) -> None:
        """Apply both."""
        self.timeout, self._recycle = timeout, recycle


class AiomysqlPool(ConditionTaskPool):
    """`aiomysql.Pool`."""

    id, title = LISTING.id, LISTING.title
    library = "aiomysql"
    about = (
        "When all connections are in use, callers wait in a queue: without a bound in aiomysql, "
        "here for timeout at most."
    )
    transactional = True
    servers = (MYSQL,)
    drivers = drivers_of(mysql=("aiomysql", "pymysql"))
    connect = arguments_of(id, **{MYSQL: AIOMYSQL})
    limits = Parameters(
        f"limit of {id}",
        *size_limits(library),
        Seconds(
            key="timeout",
            default=30.0,
            minimum=0.001,
            maximum=LONGEST,
            slider=(0.01, 60),
            log_slider=True,
            effect=Effect.NEW_REQUESTS,
            help="The longest time that acquire may take, connecting included, before the caller "
            "gets an error. aiomysql has no such limit: poolviz wraps acquire in asyncio.timeout.",
            effect_help="Callers that already wait keep their timeout.",
        ),
    )

    def make(self, limits: Mapping[str, Value]) -> ResizableAiomysqlPool:
        """Return a pool made as `aiomysql.create_pool` does. Raises InputError as `tls_context`."""
        self._closing_tasks: set[asyncio.Task[None]] = set()
        pool = ResizableAiomysqlPool(
            minsize=int(limits["minsize"]),
            maxsize=int(limits["maxsize"]),
            echo=False,
            pool_recycle=float(limits["pool_recycle"]),
            loop=asyncio.get_running_loop(),
            counter=self.counter,
            closing=self._closing_tasks,
            **aiomysql_arguments(MySQLAddress.parse(self.conninfo))
            | mysql_own_arguments(self.connect_with),
        )
        pool.timeout = float(limits["timeout"])
        return pool

    async def acquire(self) -> Any:
        """Return a connection.

        Raises TimeoutError after `timeout`, pymysql.Error if the pool can't connect.
        """
        async with asyncio.timeout(self._pool.timeout):
            return await self._pool._acquire()

    async def execute(self, connection: Any, statement: str) -> None:
        """Execute a statement and fetch all rows."""
        async with connection.cursor() as cursor:
            await cursor.execute(statement)
            await cursor.fetchall()  # an empty list if the statement returns no rows

    async def begin(self, connection: Any, transaction: bool) -> None:
        """Turn autocommit off or on."""
        await connection.autocommit(not transaction)

    async def commit(self, connection: Any) -> None:
        """Commit the transaction."""
        await connection.commit()

    async def rollback(self, connection: Any) -> None:
        """Roll back the transaction."""
        await connection.rollback()

    async def close(self) -> None:
        """Close all connections, and wait until their sockets are closed."""
        await super().close()
        if self._closing_tasks:
            await asyncio.wait(self._closing_tasks)


def aiomysql_arguments(address: MySQLAddress) -> dict[str, Any]:
    """Return the arguments with which `aiomysql.connect` reaches `address`.

    Raises InputError as `tls_context` does.
    """
    arguments: dict[str, Any] = {
        "host": address.host,
        "port": address.port,
        "user": address.user or None,
        "password": address.password,
        "db": address.database or None,
        "charset": address.charset,
        "connect_timeout": address.connect_timeout,
        "program_name": address.program_name,
        "ssl": tls_context(address),
    }
    if address.unix_socket:
        arguments["unix_socket"] = address.unix_socket
    return arguments
