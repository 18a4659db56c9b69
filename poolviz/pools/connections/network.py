"""What each driver does about a server that doesn't answer, and which servers have a network."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import psycopg2
from psycopg2.extensions import parse_dsn

from poolviz.model.dialect import MYSQL, SQLITE, dialect_of
from poolviz.model.errors import InputError
from poolviz.model.mysql_url import MySQLAddress
from poolviz.pools.connections.connect_faults import ConnectTimeout

_LEAST_OF_LIBPQ = 2.0  # seconds: a lower connect_timeout counts as this
_SCHEME = re.compile(r"postgres(ql)?(\+\w+)?://", re.IGNORECASE)


def over_network(conninfo: str) -> bool:
    """Return whether the server of a DSN is reached by TCP, not by a Unix socket or as a file.

    What a service file says isn't known here, and a DSN that can't be read isn't refused here: both
    count as reached by TCP.
    """
    dialect, text = dialect_of(conninfo.strip()), conninfo.strip()
    if dialect == SQLITE:
        return False
    if dialect == MYSQL:
        try:
            return not MySQLAddress.parse(text).unix_socket
        except InputError:
            return True
    try:
        given = parse_dsn(_SCHEME.sub("postgresql://", text, count=1))
    except (psycopg2.Error, ValueError):
        return True
    if given.get("service") or os.environ.get("PGSERVICE"):
        return True
    hosts = given.get("hostaddr") or given.get("host") or ""
    hosts = hosts or os.environ.get("PGHOSTADDR") or os.environ.get("PGHOST") or ""
    if not hosts:
        return sys.platform == "win32"
    return any(host[:1] not in ("/", "@") for host in hosts.split(","))


def libpq_timeout(dsn: str, error: Callable[[str], Exception]) -> ConnectTimeout:
    """Return libpq's connect_timeout for a connection string. `error` makes psycopg2's error."""
    given = parse_dsn(dsn)
    host = given.get("host") or given.get("hostaddr") or os.environ.get("PGHOST") or "localhost"
    port = given.get("port") or os.environ.get("PGPORT") or "5432"
    text = f'connection to server at "{host}", port {port} failed: timeout expired\n'
    return ConnectTimeout(libpq_seconds(given, None), lambda: error(text))


def libpq_seconds(given: Mapping[str, Any], default: float | None) -> float | None:
    """Return the seconds of a connect_timeout as libpq counts them; `default` if there is none."""
    try:
        seconds = float(given.get("connect_timeout") or os.environ.get("PGCONNECT_TIMEOUT") or 0)
    except ValueError:
        return default  # the driver refuses it when it connects
    return max(seconds, _LEAST_OF_LIBPQ) if seconds > 0 else default


def mysql_timeout(
    host: str, seconds: float | None, error: type[Exception], reason: str = ""
) -> ConnectTimeout:
    """Return a MySQL driver's timeout, whose error gives `reason` after the host."""
    text = f"Can't connect to MySQL server on {host!r}{reason}"
    return ConnectTimeout(seconds, lambda: error(2003, text))
