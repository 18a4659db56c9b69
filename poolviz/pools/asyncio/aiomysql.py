"""aiomysql's pool, for MySQL and MariaDB: one condition for all who wait, and no end to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import FunctionType
from typing import Any

from aiomysql import Connection, OperationalError  # type: ignore[import-untyped]
from aiomysql import pool as upstream
from pymysql.constants import CLIENT, CR  # type: ignore[import-untyped]

from poolviz.model.dialect import MYSQL
from poolviz.model.mysql_url import MySQLAddress
from poolviz.model.parameters import Count, Effect, Parameters, Seconds, Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.asyncio.resizable import ResizableConditionPool
from poolviz.pools.base import ConnectionCounter, TaskPool
from poolviz.pools.connections.connect_faults import refused_by_mysql, wait_to_connect_async
from poolviz.pools.connections.counting import CountedConnection
from poolviz.pools.connections.mysql import tls_context
from poolviz.pools.listing import Listing

LISTING = Listing("aiomysql.Pool", "aiomysql Pool", rank=60, drivers=("aiomysql",), extra="mysql")

_MOST = 10_000
_LONGEST = 86_400.0
_NEVER = -1


class _CountedConnection(CountedConnection, Connection):  # type: ignore[misc]
    """An aiomysql connection that counts itself.

    A closed one leaves a task in `closing` until its socket is closed too: the end of a TLS
    session takes an answer from the server.
    """

    def __init__(
        self, counter: ConnectionCounter, closing: set[asyncio.Task[None]], **options: Any
    ) -> None:
        super().__init__(**options)
        self._counter, self._closing = counter, closing

    async def _connect(self) -> None:
        began = await wait_to_connect_async(self._counter, refused_by_mysql(OperationalError))
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
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _wait_closed(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # it was lost
        await writer.wait_closed()


async def _connect(**options: Any) -> _CountedConnection:
    connection = _CountedConnection(**options)
    await connection._connect()
    return connection


class ResizablePool(ResizableConditionPool, upstream.Pool):  # type: ignore[misc]
    """aiomysql's own pool, with limits that may be changed while it is in use."""

    # The library has no hook where it connects. This is its own code, but for what it calls there.
    _fill_free_pool = FunctionType(
        upstream.Pool._fill_free_pool.__code__, {**vars(upstream), "connect": _connect}
    )


class Pool(TaskPool):
    """`aiomysql.Pool`."""

    id, title = LISTING.id, LISTING.title
    library = "aiomysql"
    about = (
        "When every connection is in use a caller waits its turn: in aiomysql for ever, here for "
        "timeout at most."
    )
    waits = True
    exhausted = (TimeoutError,)
    transactional = True
    servers = (MYSQL,)
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
            help="The most connections, in use and idle together. Once open they stay: aiomysql "
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
            default=30.0,
            minimum=0.001,
            maximum=_LONGEST,
            slider=(0.01, 60),
            log_slider=True,
            effect=Effect.NEW_REQUESTS,
            help="How long acquire may take, connecting included, before the caller gets an "
            "error. aiomysql has no such limit: poolviz puts asyncio.timeout around its acquire.",
            effect_help="Callers who wait already keep the time they came with.",
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

    def __init__(
        self, conninfo: str, counter: ConnectionCounter, limits: Mapping[str, Value]
    ) -> None:
        super().__init__(conninfo, counter, limits)
        self._timeout = float(limits["timeout"])
        self._closing: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Make the pool and open minsize connections; pymysql.Error where it can't."""
        limits = self.initial_limits
        self._pool = ResizablePool(
            minsize=int(limits["minsize"]),
            maxsize=int(limits["maxsize"]),
            echo=False,
            pool_recycle=float(limits["pool_recycle"]),
            loop=asyncio.get_running_loop(),
            counter=self.counter,
            closing=self._closing,
            **aiomysql_arguments(MySQLAddress.parse(self.conninfo)),
        )
        try:
            await self._pool.fill()
        except BaseException:
            await self.close()
            raise

    async def acquire(self) -> Any:
        """A connection; TimeoutError after `timeout`, pymysql.Error where it can't connect."""
        async with asyncio.timeout(self._timeout):
            return await self._pool._acquire()

    async def execute(self, connection: Any, statement: str) -> None:
        """Run a statement and fetch what it returns."""
        async with connection.cursor() as cursor:
            await cursor.execute(statement)
            await cursor.fetchall()  # nothing, where there are no rows

    async def begin(self, connection: Any, transaction: bool) -> None:
        """Have what follows run in one transaction, or each statement commit by itself."""
        await connection.autocommit(not transaction)

    async def commit(self, connection: Any) -> None:
        """Keep what was done."""
        await connection.commit()

    async def rollback(self, connection: Any) -> None:
        """Undo what was done."""
        await connection.rollback()

    async def release(self, connection: Any) -> None:
        """Give a connection back."""
        await self._pool.release(connection)

    async def resize(self, limits: Mapping[str, Value]) -> None:
        """Put the limits in force; pymysql.Error where minsize can't be opened."""
        self._timeout = float(limits["timeout"])
        self._pool._recycle = float(limits["pool_recycle"])
        await self._pool.change_sizes(int(limits["minsize"]), int(limits["maxsize"]))

    def reported_counts(self) -> ReportedCounts:
        """What the pool's own counts say."""
        reported_counts: ReportedCounts = self._pool.reported_counts()
        return reported_counts

    async def close(self) -> None:
        """Close every connection; those in use once they are given back."""
        await self._pool.end()
        if self._closing:
            await asyncio.wait(self._closing)


def aiomysql_arguments(address: MySQLAddress) -> dict[str, Any]:
    """What `aiomysql.connect` is to be given for an address; InputError as `tls_context` has it.
    Only asked to does it use TLS."""
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
