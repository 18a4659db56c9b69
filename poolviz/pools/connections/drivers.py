"""The driver for the server that a conninfo means, whose connections count themselves."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg2
from sqlalchemy import make_url

from poolviz.model.dialect import MYSQL, SQLITE, dialect_of
from poolviz.model.errors import InputError
from poolviz.pools.base import ConnectionCounter, set_autocommit, shut_socket
from poolviz.pools.connections.postgres import counted_connection

Held = Callable[[], bool]


@dataclass(frozen=True)
class Driver:
    """How to connect to one server.

    `url` names SQLAlchemy's dialect, and nothing secret; `creator` makes a connection that the
    counter counts. `abort` breaks off what runs on a connection, from another thread, while `held`
    says that its client still has it. `set_autocommit` has each statement commit by itself, or not.

    The connections have a method `hang_up`: it closes one that somebody may still hold, who
    gives it back (`close`) or forgets it later; only then is it counted out.
    """

    url: str
    creator: Callable[[], Any]
    abort: Callable[[Any, Held], None] = shut_socket
    set_autocommit: Callable[[Any, bool], None] = set_autocommit


def driver_for(conninfo: str, counter: ConnectionCounter) -> Driver:
    """psycopg2, PyMySQL or sqlite3; InputError where PyMySQL is needed and missing."""
    dialect = dialect_of(conninfo)
    if dialect == MYSQL:
        return _mysql(conninfo, counter)
    if dialect == SQLITE:
        return _sqlite(conninfo, counter)
    factory = counted_connection(counter)
    return Driver(
        "postgresql+psycopg2://", lambda: psycopg2.connect(conninfo, connection_factory=factory)
    )


def _mysql(conninfo: str, counter: ConnectionCounter) -> Driver:
    if importlib.util.find_spec("pymysql") is None:
        raise InputError(
            "A MySQL or MariaDB server needs a driver that isn't installed: "
            "pip install 'poolviz[mysql]'."
        )
    from poolviz.pools.connections import mysql  # noqa: PLC0415 - an extra

    return Driver("mysql+pymysql://", mysql.creator(conninfo, counter))


def _sqlite(conninfo: str, counter: ConnectionCounter) -> Driver:
    from poolviz.pools.connections import sqlite  # noqa: PLC0415 - a Python may come without sqlite3

    url = make_url(conninfo).set(drivername="sqlite+pysqlite")
    (file,), options = url.get_dialect()().create_connect_args(url)
    options["check_same_thread"] = False  # pools hand connections from thread to thread
    connect = sqlite.counted_connection(counter)
    return Driver(
        "sqlite+pysqlite://",
        lambda: connect(file, **options),
        sqlite.abort,
        sqlite.set_autocommit,
    )
