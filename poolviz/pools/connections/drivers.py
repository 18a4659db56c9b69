"""The choice of a driver for SQLAlchemy's pools: psycopg2, psycopg, PyMySQL or sqlite3."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg2

from poolviz.language import tr
from poolviz.model.dialect import MYSQL, SQLITE, dialect_of
from poolviz.model.errors import InputError
from poolviz.model.parameters import Value
from poolviz.pools.base import NOTHING, ConnectionCounter, set_autocommit, shut_socket
from poolviz.pools.connections.arguments import DRIVER, PSYCOPG, with_libpq_arguments
from poolviz.pools.connections.postgres import counted_connection

Held = Callable[[], bool]


@dataclass(frozen=True)
class Driver:
    """How SQLAlchemy's pools for threads connect to one server.

    `url` names SQLAlchemy's dialect and holds no secret. `creator` makes a connection that is
    counted, a `CountedConnection`. `abort(connection, held)` interrupts what runs on a connection,
    from another thread, as long as `held()` says that its client still holds it.
    `set_autocommit(connection, on)` turns the driver's autocommit on or off.
    """

    url: str
    creator: Callable[[], Any]
    abort: Callable[[Any, Held], None] = shut_socket
    set_autocommit: Callable[[Any, bool], None] = set_autocommit


def driver_for(
    conninfo: str, counter: ConnectionCounter, connect: Mapping[str, Value] = NOTHING
) -> Driver:
    """Return the driver for the server of `conninfo`, which connects with the arguments `connect`.

    Raises InputError if the driver isn't installed.
    """
    dialect = dialect_of(conninfo)
    if dialect == MYSQL:
        return _mysql(conninfo, counter, connect)
    if dialect == SQLITE:
        return _sqlite(conninfo, counter, connect)
    whole = with_libpq_arguments(conninfo, connect)
    if connect.get(DRIVER.key) == PSYCOPG:
        return _psycopg(whole, counter, connect)
    factory = counted_connection(counter)
    return Driver(
        "postgresql+psycopg2://", lambda: psycopg2.connect(whole, connection_factory=factory)
    )


def _psycopg(conninfo: str, counter: ConnectionCounter, connect: Mapping[str, Value]) -> Driver:
    if importlib.util.find_spec("psycopg") is None:
        raise InputError(
            tr(
                "driver = psycopg needs a driver that isn't installed: pip install "
                "'poolviz[psycopg]'."
            )
        )
    from poolviz.pools.connections import psycopg  # noqa: PLC0415 - an extra

    return Driver("postgresql+psycopg://", psycopg.creator(conninfo, counter, connect))


def _mysql(conninfo: str, counter: ConnectionCounter, connect: Mapping[str, Value]) -> Driver:
    if importlib.util.find_spec("pymysql") is None:
        raise InputError(
            tr(
                "A MySQL or MariaDB server needs a driver that isn't installed: "
                "pip install 'poolviz[mysql]'."
            )
        )
    from poolviz.pools.connections import mysql  # noqa: PLC0415 - an extra

    return Driver("mysql+pymysql://", mysql.creator(conninfo, counter, connect))


def _sqlite(conninfo: str, counter: ConnectionCounter, connect: Mapping[str, Value]) -> Driver:
    from sqlalchemy import make_url  # noqa: PLC0415 - slow to import, and its pools' alone

    from poolviz.pools.connections import sqlite  # noqa: PLC0415 - Python may lack sqlite3

    url = make_url(conninfo).set(drivername="sqlite+pysqlite")
    (file,), options = url.get_dialect()().create_connect_args(url)
    options["check_same_thread"] = False  # pools pass connections between threads
    if "timeout" in connect:
        options["timeout"] = float(connect["timeout"])
    made = sqlite.counted_connection(counter)
    return Driver(
        "sqlite+pysqlite://",
        lambda: made(file, **options),
        sqlite.abort,
        sqlite.set_autocommit,
    )
