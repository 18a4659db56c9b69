"""PyMySQL's connections to MySQL and MariaDB: each one counts itself in and out."""

from __future__ import annotations

import ssl
import weakref
from collections.abc import Callable
from time import perf_counter
from typing import Any

import msgspec
from pymysql.connections import Connection  # type: ignore[import-untyped]
from pymysql.err import OperationalError  # type: ignore[import-untyped]

from poolviz.model.errors import InputError
from poolviz.model.mysql_url import MySQLAddress
from poolviz.pools.base import ConnectionCounter
from poolviz.pools.connections.connect_faults import refused_by_mysql, wait_to_connect


def creator(url: str, counter: ConnectionCounter) -> Callable[[], Connection]:
    """What connects to the server that `url` means, with connections that `counter` counts."""
    arguments, connect = pymysql_arguments(MySQLAddress.parse(url)), counted_connection(counter)
    return lambda: connect(**arguments)


def pymysql_arguments(address: MySQLAddress) -> dict[str, Any]:
    """What PyMySQL is to be given to connect to `address`; InputError as `tls_context` has it."""
    options = msgspec.structs.asdict(address)
    del options["tls"]
    context = tls_context(address)
    # Unasked, PyMySQL tries TLS, without verifying: 26 ms a connection instead of 0.5.
    tls = {"ssl": context} if context else {"ssl_disabled": True}
    return {key: value for key, value in options.items() if value} | tls


def tls_context(address: MySQLAddress) -> ssl.SSLContext | None:
    """The encryption that an address asks for, None where for none; the same for every driver.

    The server's certificate is verified where it is asked for, or ssl_ca given. InputError where
    a file can't be read.
    """
    tls = address.tls
    if not tls or _on(tls.get("ssl_disabled", "")):
        return None
    for option in ("ssl_ca", "ssl_cert", "ssl_key"):
        _check_readable(option, tls.get(option))
    try:
        context = ssl.create_default_context(cafile=tls.get("ssl_ca"))
        if "ssl_cert" in tls:
            # With an empty password OpenSSL doesn't ask for one on the terminal.
            context.load_cert_chain(tls["ssl_cert"], tls.get("ssl_key"), password="")
    except ssl.SSLError:
        raise InputError(
            "The files that the DSN names for TLS (ssl_ca, ssl_cert, ssl_key) are no certificates "
            "with their key: give PEM files that belong together, the key without a password."
        ) from None
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # which MySQL's own certificates don't pass
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
        with open(file, "rb"):  # noqa: PTH123 - as ssl opens it: a Path would make '' a '.'
            pass
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise InputError(
            f"{option} in the DSN names {file!r}, which can't be read ({reason}): check the path."
        ) from None


def counted_connection(counter: ConnectionCounter) -> type[Connection]:
    """A class of connection that `counter` counts.

    Opened once connected, before anybody can hold it; closed once, after it was closed or when
    it is forgotten unclosed. A connection that can't be made is never counted.
    """

    class CountedConnection(Connection):  # type: ignore[misc]
        """A PyMySQL connection that counts itself in and out."""

        def __init__(self, **options: Any) -> None:
            begun = perf_counter()
            wait_to_connect(counter, refused_by_mysql(OperationalError))
            super().__init__(**options)
            counter.opened(perf_counter() - begun)
            self._count_out = weakref.finalize(self, counter.closed)
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
