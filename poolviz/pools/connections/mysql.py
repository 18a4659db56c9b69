"""PyMySQL connections that a counter counts, and the TLS settings that a MySQL URL asks for.

Private names used here, as in PyMySQL 1.2.4:
    Connection: _closed _sock
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from pymysql.connections import Connection  # type: ignore[import-untyped]
from pymysql.err import OperationalError  # type: ignore[import-untyped]

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.mysql_url import MySQLAddress
from poolviz.model.parameters import Value
from poolviz.pools.base import NOTHING, ConnectionCounter
from poolviz.pools.connections.arguments import mysql_own_arguments
from poolviz.pools.connections.connect_faults import (
    ConnectTimeout,
    refused_by_mysql,
    wait_to_connect,
)
from poolviz.pools.connections.counting import CountedConnection
from poolviz.pools.connections.network import mysql_timeout

DEFAULT_CONNECT_TIMEOUT = 10.0  # seconds, PyMySQL's own


def creator(
    url: str, counter: ConnectionCounter, connect: Mapping[str, Value] = NOTHING
) -> Callable[[], Connection]:
    """Return a function that connects to the server of `url`, with connections that are counted
    and are made with the arguments `connect`.

    Raises InputError as `tls_context` does.
    """
    arguments = pymysql_arguments(MySQLAddress.parse(url)) | mysql_own_arguments(connect)
    made = counted_connection(counter)
    return lambda: made(**arguments)


def pymysql_arguments(address: MySQLAddress) -> dict[str, Any]:
    """Return the arguments with which `pymysql.connect` reaches `address`.

    Raises InputError as `tls_context` does.
    """
    options = msgspec.structs.asdict(address)
    del options["tls"]
    context = tls_context(address)
    # Unless told not to, PyMySQL tries TLS without verifying: 26 ms a connection instead of 0.5.
    tls = {"ssl": context} if context else {"ssl_disabled": True}
    return {key: value for key, value in options.items() if value} | tls


def tls_context(address: MySQLAddress) -> ssl.SSLContext | None:
    """Return the TLS settings that an address asks for, or None; the same for every driver.

    The server's certificate is verified if the address asks for that or names an ssl_ca. Raises
    InputError if a file can't be read or doesn't hold what it should.
    """
    tls = address.tls
    if not tls or _on(tls.get("ssl_disabled", "")):
        return None
    for option in ("ssl_ca", "ssl_cert", "ssl_key"):
        _check_readable(option, tls.get(option))
    try:
        context = ssl.create_default_context(cafile=tls.get("ssl_ca"))
        if "ssl_cert" in tls:
            # Given an empty password, OpenSSL doesn't prompt for one on the terminal.
            context.load_cert_chain(tls["ssl_cert"], tls.get("ssl_key"), password="")
    except ssl.SSLError:
        raise InputError(
            tr(
                "The TLS files that the DSN names (ssl_ca, ssl_cert, ssl_key) are not "
                "certificates with their key: give PEM files that belong together, the key "
                "without a password."
            )
        ) from None
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # MySQL's own certificates don't pass it
    context.check_hostname = _on(tls.get("ssl_verify_identity", ""))
    verify = _on(tls.get("ssl_verify_cert", "true" if "ssl_ca" in tls else ""))
    context.verify_mode = ssl.CERT_REQUIRED if verify or context.check_hostname else ssl.CERT_NONE
    return context


def _on(word: str) -> bool:
    return word.lower() in ("1", "true", "yes", "on")


def _check_readable(option: str, file: str | None) -> None:
    if file is None:
        return
    try:
        with open(file, "rb"):  # noqa: PTH123 - as ssl opens it: Path would turn '' into '.'
            pass
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise InputError(
            tr(
                "{option} in the DSN names {file!r}, which can't be read ({reason}): check the "
                "path.",
                option=option,
                file=file,
                reason=reason,
            )
        ) from None


def _timeout(options: Mapping[str, Any]) -> ConnectTimeout:
    seconds = options.get("connect_timeout", DEFAULT_CONNECT_TIMEOUT)
    return mysql_timeout(options.get("host", ""), seconds, OperationalError, " (timed out)")


def counted_connection(counter: ConnectionCounter) -> type[Connection]:
    """Return a class of PyMySQL connections that `counter` counts."""

    class CountedPyMySQLConnection(CountedConnection, Connection):  # type: ignore[misc]
        """A PyMySQL connection that counts itself."""

        def __init__(self, **options: Any) -> None:
            began = wait_to_connect(
                counter, refused_by_mysql(OperationalError), lambda: _timeout(options)
            )
            super().__init__(**options)
            self.count_in(counter, began)

        def disconnect(self) -> None:
            """Close the connection; PyMySQL raises an error when it is closed twice."""
            if not self._closed:
                super().disconnect()

        @property
        def closed(self) -> bool:
            """Whether the connection was closed, or found to be lost."""
            return not self.open

        def fileno(self) -> int:
            """Return the file descriptor of the socket."""
            return int(self._sock.fileno())

    return CountedPyMySQLConnection
