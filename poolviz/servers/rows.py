"""How many rows the clients' work has left behind, as the server has them."""

from __future__ import annotations

import time
from contextlib import closing

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from poolviz.load.statements import SCHEMA
from poolviz.model.dialect import MYSQL, dialect_of
from poolviz.model.errors import ServerError
from poolviz.servers.monitor import SilenceError, await_answer
from poolviz.servers.postgres.errors import describe_failure
from poolviz.servers.target import mysql, with_application_name

_COUNT = f"SELECT count(*) FROM {SCHEMA}.history"


def count_rows(conninfo: str, seconds: float) -> int:
    """The rows of poolviz' table `history`, counted over a connection of its own; everybody's.

    ServerError in one sentence where they can't be counted within about so many seconds.
    """
    if dialect_of(conninfo) == MYSQL:
        mysql()  # which says where its driver is missing
        from poolviz.servers.mysql.tables import count  # noqa: PLC0415 - an extra

        return count(conninfo, _COUNT, seconds)
    return _count_on_postgres(conninfo, seconds)


def _count_on_postgres(conninfo: str, seconds: float) -> int:
    until = time.monotonic() + seconds
    named = with_application_name(conninfo, "poolviz rows")
    try:
        # Asynchronous: libpq by itself would wait without an end.
        with closing(psycopg2.connect(named, async_=True)) as connection:
            await_answer(connection, seconds)
            return _answer(connection, until - time.monotonic())
    except SilenceError:
        raise ServerError(f"{SCHEMA}.history wasn't counted within {seconds:g} s.") from None
    except psycopg2.Error as error:
        raise describe_failure(error, conninfo) from None


def _answer(connection: Connection, seconds: float) -> int:
    with connection.cursor() as cursor:
        try:
            cursor.execute(_COUNT)
            await_answer(connection, seconds)
            ((count,),) = cursor.fetchall()
        except psycopg2.Error as error:
            said = (str(error).strip().splitlines() or ["no reason given"])[0]
            raise ServerError(f"The server answered with {said!r}.", error.pgcode) from None
    return int(count)
