"""PyMySQL's connections to MySQL and MariaDB: each one counts itself in and out."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from time import perf_counter
from typing import Any

import msgspec
from pymysql.connections import Connection  # type: ignore[import-untyped]

from poolviz.model.mysql_url import MySQLAddress
from poolviz.pools.base import Door

_SWITCHES = ("ssl_disabled", "ssl_verify_cert", "ssl_verify_identity")


def creator(url: str, door: Door) -> Callable[[], Connection]:
    """What connects to the server that `url` means, with connections that `door` counts."""
    options = msgspec.structs.asdict(MySQLAddress.parse(url))
    tls: dict[str, Any] = options.pop("tls")
    for key in _SWITCHES:
        if key in tls:
            tls[key] = tls[key].lower() in ("1", "true", "yes", "on")
    # Unasked, PyMySQL tries TLS, without verifying: 26 ms a connection instead of 0.5.
    tls = tls or {"ssl_disabled": True}
    given = {key: value for key, value in options.items() if value}
    connect = counted_connection(door)
    return lambda: connect(**given, **tls)


def counted_connection(door: Door) -> type[Connection]:
    """A class of connection that `door` counts.

    Opened once connected, before anybody can hold it; closed once, after it was closed or when
    it is forgotten unclosed. A connection that can't be made is never counted.
    """

    class CountedConnection(Connection):  # type: ignore[misc]
        """A PyMySQL connection that counts itself in and out."""

        def __init__(self, **options: Any) -> None:
            begun = perf_counter()
            super().__init__(**options)
            door.opened(perf_counter() - begun)
            self._count_out = weakref.finalize(self, door.closed)
            self._count_out.atexit = False

        def close(self) -> None:
            """Close the connection, and count it out if that is still to do."""
            self.hang_up()
            self._count_out()

        def hang_up(self) -> None:
            """Close the connection, which somebody may still hold: it stays counted until then."""
            if not self._closed:  # PyMySQL minds being closed twice
                super().close()

        @property
        def closed(self) -> bool:
            """The connection was closed, or found lost."""
            return not self.open

        def fileno(self) -> int:
            """The socket's."""
            return int(self._sock.fileno())

    return CountedConnection
