"""Connections of poolviz' own to MySQL and MariaDB, with a limit on every wait."""

from __future__ import annotations

import socket
import sys

import pymysql  # type: ignore[import-untyped]
from pymysql.connections import Connection  # type: ignore[import-untyped]

from poolviz.model.mysql_url import MySQLAddress
from poolviz.pools.connections.mysql import pymysql_arguments
from poolviz.servers.network import keep_audible

ANSWER_LIMIT = 3  # seconds for one statement


def connect(address: MySQLAddress, answer_limit: float = ANSWER_LIMIT) -> Connection:
    """Open a connection that commits each statement and waits at most `answer_limit` seconds for
    an answer. Raises PyMySQL's errors."""
    limits = {"read_timeout": answer_limit, "write_timeout": answer_limit}
    arguments = pymysql_arguments(address)
    connection = pymysql.connect(defer_connect=True, autocommit=True, **limits, **arguments)
    if not address.unix_socket:
        connection.connect()
        keep_audible(connection._sock)
        return connection
    connection._secure = True  # it can't be intercepted, so a password may be sent unencrypted
    connection.connect(_unix_socket(address))
    return connection


def _unix_socket(address: MySQLAddress) -> socket.socket:
    """Return a connected socket. PyMySQL wouldn't close one that it can't connect."""
    if sys.platform == "win32":
        raise pymysql.OperationalError(2002, "poolviz doesn't use Unix sockets on Windows")
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.settimeout(address.connect_timeout)
        opened.connect(address.unix_socket)
    except OSError as error:
        opened.close()
        raise pymysql.OperationalError(2002, str(error)) from error
    return opened
