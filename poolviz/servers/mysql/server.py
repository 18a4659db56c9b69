"""A MySQL or MariaDB server: what it says of itself, how it fails, and its view of a run."""

from __future__ import annotations

import getpass
import os
import socket
import ssl
import sys
from contextlib import closing, suppress
from typing import Any
from urllib.parse import quote

import pymysql  # type: ignore[import-untyped]
from pymysql.connections import Connection  # type: ignore[import-untyped]

from poolviz.model.errors import PoolvizError, ServerError
from poolviz.model.mysql_url import MySQLAddress
from poolviz.model.sample import ServerView
from poolviz.pools.connections.mysql import pymysql_arguments
from poolviz.servers.monitor import Monitor, MonitorLost
from poolviz.servers.target import Target, with_application_name

_ANSWER_LIMIT = 3  # seconds for one question
_LOST = (2003, 2006, 2013, 2014, 1053, 1927, 3169, 4031)  # and what a killed connection says
_MISNAMED = (62, 64)  # what OpenSSL calls a certificate for another host, or address
_NOBODY_THERE = 1094  # there is no such connection any more
# {where} is "The MySQL server at …"; the texts of the driver's own errors aren't known by number.
_SENTENCES = {
    1040: (
        "{where} has no connection left (max_connections is reached): lower the pool's limit, or "
        "ask its administrator for a higher one.",
        "08004",
    ),
    1044: ("{where} doesn't let user {user} into database {database}: check both names.", "42000"),
    1045: (
        "{where} refused user {user}: check the user and the password in the DSN, and that this "
        "user may come from here.",
        "28000",
    ),
    1049: ("{where} has no database {database}: check the name in the DSN, or create it.", "42000"),
    1130: ("{where} lets nobody in from this machine: ask its administrator.", "HY000"),
    1203: (
        "{where} has no connection left for user {user}: lower the pool's limit, or ask for a "
        "higher max_user_connections.",
        "42000",
    ),
    1226: (
        "{where} has no connection left for user {user}: lower the pool's limit, or ask for a "
        "higher max_user_connections.",
        "42000",
    ),
    1698: (
        "{where} refused user {user}, whom it knows by the account of the operating system: use "
        "a user with a password.",
        "28000",
    ),
    3159: (
        "{where} lets nobody in without encryption: add ?ssl_ca=FILE to the DSN, or "
        "?ssl_verify_cert=false to encrypt without verifying.",
        "HY000",
    ),
    2026: ("{where} doesn't speak TLS: leave the options that begin with ssl_ out.", "08001"),
}
_ASK = """
SELECT @@version, @@max_connections, @@max_user_connections,
       (SELECT count(*) FROM information_schema.processlist
         WHERE user = substring_index(user(), '@', 1))
"""
# The monitor looks for itself too: where it isn't listed, nobody is.
_LOOK = """
SELECT a.attr_value, p.command, count(*)
  FROM performance_schema.session_account_connect_attrs a
  JOIN information_schema.processlist p ON p.id = a.processlist_id
 WHERE a.attr_name = 'program_name' AND a.attr_value IN (%s, %s)
 GROUP BY 1, 2
"""
_RUNNING = """
SELECT p.id
  FROM performance_schema.session_account_connect_attrs a
  JOIN information_schema.processlist p ON p.id = a.processlist_id
 WHERE a.attr_name = 'program_name' AND a.attr_value = %s AND p.command NOT IN ('Sleep', 'Killed')
"""


def reach(dsn: str) -> Target:
    """As `poolviz.servers.target.reach`, for a URL that begins with mysql:// or mariadb://."""
    address = MySQLAddress.parse(dsn)
    try:
        with closing(connect(address)) as connection, connection.cursor() as cursor:
            cursor.execute(_ASK)
            version, most, for_user, of_user = cursor.fetchone()
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
            used = int(cursor.fetchone()[1])
    except (pymysql.Error, OSError) as error:
        told = describe(error, address.url)
        raise told or ServerError(str(error)) from None
    free = [most - used + 1]  # the connection that asked is gone by then
    free += [for_user - of_user + 1] if for_user else []
    product = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    return Target(
        address.url,
        address.shown,
        version.partition("-")[0],
        most,
        max(0, min(free)),
        product=product,
    )


def describe(error: Exception, conninfo: str) -> PoolvizError | None:
    """What went wrong with a connection, in a sentence; None where it is no error of MySQL's."""
    address = MySQLAddress.parse(conninfo)
    where = f"The MySQL server at {_place(address)}"
    if not isinstance(error, pymysql.Error):
        return None
    origin = _origin(error)
    if isinstance(origin, ssl.SSLError):
        return ServerError(f"{where} {_distrust(origin)}", "08001")
    number = error.args[0] if error.args else 0
    if number in _SENTENCES:
        sentence, code = _SENTENCES[number]
        return ServerError(
            sentence.format(
                where=where,
                user=address.user or getpass.getuser(),
                database=address.database or "(none)",
            ),
            code,
        )
    if number in (2002, 2003):
        return ServerError(
            f"{where} can't be reached ({_cause(origin)}): {_advice(origin)}.", "08001"
        )
    if number in _LOST:
        return ServerError(f"{where} doesn't answer, or closed the connection.", "08006")
    words = str(error.args[-1] if error.args else error).strip().splitlines() or ["no reason given"]
    return ServerError(f"{where} answered with {words[0]!r}.")


class MySQLMonitor(Monitor):
    """Watches the backends of the run `application_name`, by their program_name.

    A connection within a transaction counts as idle: the server doesn't say.
    """

    def __init__(self, conninfo: str, application_name: str) -> None:
        super().__init__()
        self._name, self._own_name = application_name, f"{application_name} monitor"
        self._address = MySQLAddress.parse(with_application_name(conninfo, self._own_name))
        self._connection: Connection | None = None

    def close(self) -> None:
        """Leave the server. A later look would connect again."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(pymysql.Error):  # it was closed by its loss
                connection.close()

    def _see(self) -> tuple[ServerView, str]:
        rows = self._ask(_LOOK, self._name, self._own_name)
        if not any(name == self._own_name for name, _, _ in rows):
            raise MonitorLost(
                "this MySQL server keeps no names of connections; performance_schema=ON in its "
                "configuration would show them"
            )
        counts = {command: int(count) for name, command, count in rows if name == self._name}
        active = counts.pop("Query", 0) + counts.pop("Execute", 0)
        return ServerView(active, counts.pop("Sleep", 0), 0, sum(counts.values())), ""

    def _cancel(self) -> int:
        asked = 0
        for (number,) in self._ask(_RUNNING, self._name):
            asked += self._kill(number)
        return asked

    def _kill(self, number: int) -> bool:
        """Break off the statement of a connection; False where that is gone."""
        try:
            self._ask("KILL QUERY %s", number)
        except _RefusedError as refusal:
            if refusal.number == _NOBODY_THERE:
                return False
            raise
        return True

    def _ask(self, question: str, *values: object) -> tuple[Any, ...]:
        """The rows that answer a question; MonitorLost where there is no answer."""
        try:
            connection = self._connection or self._connect()
            with connection.cursor() as cursor:
                cursor.execute(question, values)
                return tuple(cursor.fetchall())
        except (pymysql.Error, OSError) as error:
            number = error.args[0] if error.args else 0
            if number in (1142, 1143, 1227):
                reason = "this user may not read performance_schema or processlist"
            else:
                told = describe(error, self._address.url) or error
                reason = str(told).removesuffix(".")
            raise _RefusedError(reason, number) from None

    def _connect(self) -> Connection:
        self._connection = connect(self._address)
        return self._connection


class _RefusedError(MonitorLost):
    """Why a question failed, and the server's number for that."""

    def __init__(self, reason: str, number: object) -> None:
        super().__init__(reason)
        self.number = number


def connect(address: MySQLAddress, patience: float = _ANSWER_LIMIT) -> Connection:
    """A connection that gives up on an answer after `patience` seconds; PyMySQL's errors."""
    limits = {"read_timeout": patience, "write_timeout": patience}
    arguments = pymysql_arguments(address)
    connection = pymysql.connect(defer_connect=True, autocommit=True, **limits, **arguments)
    if not address.unix_socket:
        connection.connect()
        return connection
    connection._secure = True  # nobody listens in, so a password may be sent as it is
    connection.connect(_socket(address))
    return connection


def _socket(address: MySQLAddress) -> socket.socket:
    """A connected Unix socket. PyMySQL would leave one open that it can't connect."""
    if sys.platform == "win32":
        raise pymysql.OperationalError(2002, "poolviz knows no Unix sockets on Windows")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.settimeout(address.connect_timeout)
        made.connect(address.unix_socket)
    except OSError as error:
        made.close()
        raise pymysql.OperationalError(2002, str(error)) from error
    return made


def _place(address: MySQLAddress) -> str:
    return address.unix_socket or f"{quote(address.host, safe=':')}:{address.port}"


def _origin(error: Exception) -> BaseException | None:
    """What the driver's error came of: the system's own, or none."""
    return error.__cause__ or error.__context__ or getattr(error, "original_exception", None)


def _distrust(failure: ssl.SSLError) -> str:
    """Why there was no TLS with a server that offers it, and what to do."""
    if not isinstance(failure, ssl.SSLCertVerificationError):
        reason = (failure.reason or "no reason given").replace("_", " ").lower()
        return f"couldn't agree on TLS ({reason}): check the options of the DSN that begin ssl_."
    if failure.verify_code in _MISNAMED:
        return (
            "shows a certificate for another host: write the host as the certificate does, or "
            "leave ssl_verify_identity out."
        )
    return (
        f"shows a certificate that can't be verified ({failure.verify_message}): name its "
        "authority's as ssl_ca in the DSN, or add ssl_verify_cert=false to encrypt without "
        "verifying."
    )


def _cause(origin: BaseException | None) -> str:
    """The system's word for why there was no way to the server."""
    if isinstance(origin, TimeoutError):
        return "it doesn't answer"
    if isinstance(origin, OSError) and origin.errno:
        known = os.strerror(origin.errno) if origin.errno > 0 else "no such host is known"
        return known.lower()
    return "no reason given"


def _advice(origin: BaseException | None) -> str:
    if isinstance(origin, OSError) and (origin.errno or 0) < 0:
        return "check the host in the DSN"
    return "check that it runs, and the host and port in the DSN"
