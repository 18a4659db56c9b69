"""The rows that clients have committed, counted on PostgreSQL."""

from __future__ import annotations

import time

import psycopg2

from poolviz.language import tr
from poolviz.load.statements import SCHEMA
from poolviz.model.errors import ServerError
from poolviz.servers.errors import first_line
from poolviz.servers.postgres.connection import LimitedConnection, NoAnswer
from poolviz.servers.postgres.errors import describe_error
from poolviz.servers.postgres.target import with_application_name
from poolviz.servers.tables import COUNT_HISTORY


def count_rows(conninfo: str, seconds: float) -> int:
    """See `dispatch.count_rows`."""
    deadline = time.monotonic() + seconds
    named = with_application_name(conninfo, "poolviz rows")
    try:
        with LimitedConnection(named, seconds=seconds) as connection:
            return _count(connection, deadline - time.monotonic())
    except NoAnswer:
        raise ServerError(
            tr(
                "{schema}.history couldn't be counted within {seconds:g} s.",
                schema=SCHEMA,
                seconds=seconds,
            )
        ) from None
    except psycopg2.Error as error:
        raise describe_error(error, conninfo) from None


def _count(connection: LimitedConnection, seconds: float) -> int:
    try:
        ((count,),) = connection.execute(COUNT_HISTORY, seconds=seconds)
    except psycopg2.Error as error:
        raise ServerError(
            tr("The server answered with {answer!r}.", answer=first_line(error)),
            error.pgcode,
        ) from None
    return int(count)
