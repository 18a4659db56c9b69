"""psycopg 3 connections that a counter counts, for pools of threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from psycopg import Connection, OperationalError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import ConnectionTimeout

from poolviz.model.parameters import Value
from poolviz.pools.base import ConnectionCounter
from poolviz.pools.connections.arguments import psycopg_arguments
from poolviz.pools.connections.connect_faults import ConnectTimeout, wait_to_connect
from poolviz.pools.connections.counting import CountedConnection
from poolviz.pools.connections.network import libpq_seconds

_CONNECT_TIMEOUT = 130.0  # seconds, psycopg's own, where no connect_timeout is given


def libpq_conninfo(conninfo: str) -> str:
    """Return `conninfo` without its empty parameters, which libpq ignores and psycopg doesn't."""
    given = conninfo_to_dict(conninfo)
    return make_conninfo("", **{key: value for key, value in given.items() if value != ""})


def creator(
    conninfo: str, counter: ConnectionCounter, connect: Mapping[str, Value]
) -> Callable[[], Connection[Any]]:
    """Return a function that connects to the server of `conninfo`, with connections that are
    counted and are made with the arguments `connect`."""
    whole, arguments = libpq_conninfo(conninfo), psycopg_arguments(connect)
    made = counted_connection(counter)
    return lambda: made.connect(whole, **arguments)


def connect_timeout(conninfo: str = "", **arguments: Any) -> ConnectTimeout:
    """Return the timeout of psycopg's `connect` with these arguments."""
    given = {**conninfo_to_dict(conninfo), **arguments}
    return ConnectTimeout(libpq_seconds(given, _CONNECT_TIMEOUT), _timeout_expired)


def _timeout_expired() -> ConnectionTimeout:
    return ConnectionTimeout("connection timeout expired")


def counted_connection(counter: ConnectionCounter) -> type[Connection[Any]]:
    """Return a connection class that `counter` counts, for a pool's `connection_class`."""

    class CountedPsycopgConnection(CountedConnection, Connection[Any]):
        """A psycopg connection that counts itself."""

        lifetime: float

        @classmethod
        def connect(cls, *args: Any, **kwargs: Any) -> Self:
            """Connect, and count the connection."""
            began = wait_to_connect(
                counter, OperationalError, lambda: connect_timeout(*args, **kwargs)
            )
            conn = super().connect(*args, **kwargs)
            conn.count_in(counter, began)
            return conn

        def disconnect(self) -> None:
            """Close the connection; psycopg leaves the socket of a broken one open."""
            super().disconnect()
            self.pgconn.finish()

    return CountedPsycopgConnection
