"""The rows that clients have committed, counted on MySQL and MariaDB."""

from __future__ import annotations

from contextlib import closing

import pymysql  # type: ignore[import-untyped]

from poolviz.model.mysql_url import MySQLAddress
from poolviz.servers.mysql.connection import connect
from poolviz.servers.mysql.errors import describe_error
from poolviz.servers.tables import COUNT_HISTORY


def count_rows(conninfo: str, seconds: float) -> int:
    """See `dispatch.count_rows`."""
    address = MySQLAddress.parse(conninfo)
    try:
        with closing(connect(address, seconds)) as connection, connection.cursor() as cursor:
            cursor.execute(COUNT_HISTORY)
            return int(cursor.fetchone()[0])
    except pymysql.Error as error:
        raise describe_error(error, conninfo) or error from None
