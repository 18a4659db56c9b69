"""Descriptions of MySQL's and MariaDB's errors: one sentence for the user."""

from __future__ import annotations

import getpass
import os
import ssl
from urllib.parse import quote

import pymysql  # type: ignore[import-untyped]

from poolviz.language import tr, tr_noop
from poolviz.model.errors import ServerError
from poolviz.model.mysql_url import MySQLAddress
from poolviz.servers.errors import first_line

# Error numbers
NO_SUCH_THREAD = 1094
LOCK_WAIT_TIMEOUT = 1205
ACCESS_DENIED = (1044, 1142, 1143, 1227, 1370)  # to a database, table, column, …
UNKNOWN_TABLE = (1049, 1146)  # or unknown database
_UNREACHABLE = (2002, 2003)
_LOST = (2003, 2006, 2013, 2014, 1053, 1927, 3169, 4031)  # a killed connection included
_CERTIFICATE_MISMATCH = (62, 64)  # OpenSSL's: another host, another address
# By error number: the sentence and the SQLSTATE. {where} is "The MySQL server at …".
_SENTENCES = {
    1040: (
        tr_noop(
            "{where} has no connection left (max_connections is reached): lower the pool's limit, "
            "or "
            "ask its administrator for a higher one."
        ),
        "08004",
    ),
    1044: (
        tr_noop("{where} doesn't let user {user} into database {database}: check both names."),
        "42000",
    ),
    1045: (
        tr_noop(
            "{where} refused user {user}: check the user and the password in the DSN, and that "
            "this "
            "user may come from here."
        ),
        "28000",
    ),
    1049: (
        tr_noop("{where} has no database {database}: check the name in the DSN, or create it."),
        "42000",
    ),
    1130: (
        tr_noop(
            "{where} accepts no connections from this machine: ask its administrator to allow them."
        ),
        "HY000",
    ),
    1203: (
        tr_noop(
            "{where} has no connection left for user {user}: lower the pool's limit, or ask for a "
            "higher max_user_connections."
        ),
        "42000",
    ),
    1226: (
        tr_noop(
            "{where} has no connection left for user {user}: lower the pool's limit, or ask for a "
            "higher max_user_connections."
        ),
        "42000",
    ),
    1698: (
        tr_noop(
            "{where} refused user {user}, whom it identifies by the operating system's account: "
            "use "
            "a user with a password."
        ),
        "28000",
    ),
    3159: (
        tr_noop(
            "{where} accepts encrypted connections only: add ?ssl_ca=FILE to the DSN, or "
            "?ssl_verify_cert=false to encrypt without verifying."
        ),
        "HY000",
    ),
    2026: (tr_noop("{where} doesn't offer TLS: remove the options that begin with ssl_."), "08001"),
}

# What of the address each of them is about.
_FIELDS = {
    **dict.fromkeys((1044, 1049), "database"),
    **dict.fromkeys((1045, 1698), "user"),
    **dict.fromkeys((2026, 3159), "tls"),
    1130: "host",
}


def number_of(error: Exception) -> int:
    """Return the number of an error of the server or PyMySQL, 0 if it has none."""
    number = error.args[0] if error.args else 0
    return number if isinstance(number, int) else 0


def describe_error(error: Exception, conninfo: str) -> ServerError | None:
    """Return one sentence for an error on a connection to `conninfo`: what is wrong, where, and
    what to do. None if it isn't one of PyMySQL's."""
    if not isinstance(error, pymysql.Error):
        return None
    address = MySQLAddress.parse(conninfo)
    where = tr("The MySQL server at {place}", place=_place(address))
    origin = _origin(error)
    if isinstance(origin, ssl.SSLError):
        return ServerError(f"{where} {_tls_problem(origin)}", "08001", field=_tls_field(origin))
    number = number_of(error)
    if number in _SENTENCES:
        sentence, code = _SENTENCES[number]
        names = {
            "where": where,
            "user": address.user or getpass.getuser(),
            "database": address.database or "(none)",
        }
        return ServerError(tr(sentence, **names), code, field=_FIELDS.get(number, ""))
    if number in _UNREACHABLE:
        return ServerError(
            tr(
                "{where} can't be reached ({cause}): {advice}.",
                where=where,
                cause=_cause(origin),
                advice=_advice(origin),
            ),
            "08001",
            field="port" if isinstance(origin, ConnectionRefusedError) else "host",
        )
    if number in _LOST:
        return ServerError(
            tr(
                "{where} doesn't answer as MySQL does, or closed the connection: check "
                "host and port.",
                where=where,
            ),
            "08006",
            field="port",
        )
    said = first_line(error.args[-1] if error.args else error)
    return ServerError(tr("{where} answered with {said!r}.", where=where, said=said))


def _place(address: MySQLAddress) -> str:
    return address.unix_socket or f"{quote(address.host, safe=':')}:{address.port}"


def _origin(error: Exception) -> BaseException | None:
    """Return the operating system's or OpenSSL's error that caused the driver's, if any."""
    return error.__cause__ or error.__context__ or getattr(error, "original_exception", None)


def _tls_problem(failure: ssl.SSLError) -> str:
    """Return why TLS failed with a server that offers it, and what to do."""
    if not isinstance(failure, ssl.SSLCertVerificationError):
        reason = (failure.reason or "no reason given").replace("_", " ").lower()
        return tr(
            "couldn't agree on TLS ({reason}): check the options of the DSN that begin ssl_.",
            reason=reason,
        )
    if failure.verify_code in _CERTIFICATE_MISMATCH:
        return tr(
            "presents a certificate for another host: write the host as in the certificate, or "
            "remove ssl_verify_identity."
        )
    return tr(
        "presents a certificate that can't be verified ({verify_message}): name "
        "its authority's with ssl_ca in the DSN, or add ssl_verify_cert=false to "
        "encrypt without verifying.",
        verify_message=failure.verify_message,
    )


def _tls_field(failure: ssl.SSLError) -> str:
    if not isinstance(failure, ssl.SSLCertVerificationError):
        return "tls"
    return "host" if failure.verify_code in _CERTIFICATE_MISMATCH else "ca"


def _cause(origin: BaseException | None) -> str:
    """Return the operating system's reason why the server can't be reached."""
    if isinstance(origin, TimeoutError):
        return tr("it doesn't answer")
    if isinstance(origin, OSError) and origin.errno:
        known = os.strerror(origin.errno) if origin.errno > 0 else tr("no such host is known")
        return known.lower()
    return tr("no reason given")


def _advice(origin: BaseException | None) -> str:
    if isinstance(origin, OSError) and (origin.errno or 0) < 0:
        return tr("check the host in the DSN")
    return tr("check that it runs, and the host and port in the DSN")
