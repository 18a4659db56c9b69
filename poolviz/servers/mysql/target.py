"""What a MySQL or MariaDB server reports about itself."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import msgspec
import pymysql  # type: ignore[import-untyped]

from poolviz.language import tr
from poolviz.model.errors import InputError, ServerError
from poolviz.model.mysql_url import MySQLAddress
from poolviz.servers.mysql.connection import connect
from poolviz.servers.mysql.errors import describe_error
from poolviz.servers.target import Target, check_application_name

LIMITS = """
SELECT @@version, @@max_connections, @@max_user_connections,
       (SELECT count(*) FROM information_schema.processlist
         WHERE user = substring_index(user(), '@', 1))
"""
CONNECTED = "SHOW GLOBAL STATUS LIKE 'Threads_connected'"


def reach(dsn: str) -> Target:
    """See `dispatch.reach`."""
    address = MySQLAddress.parse(dsn)
    try:
        with closing(connect(address)) as connection, connection.cursor() as cursor:
            cursor.execute(LIMITS)
            row = cursor.fetchone()
            cursor.execute(CONNECTED)
            used = int(cursor.fetchone()[1])
    except (pymysql.Error, OSError) as error:
        raise describe_error(error, address.url) or ServerError(str(error)) from None
    except ValueError:  # of a host that can't be a name, or a path with a NUL in it
        raise InputError(
            tr(
                "{shown} can't be the address of a server: check the host in the DSN.",
                shown=address.shown,
            )
        ) from None
    version = row[0]
    return Target(
        address.url,
        address.shown,
        version.partition("-")[0],
        row[1],
        max(0, free_connections(row, used) + 1),  # the connection that counted is closed by now
        product="MariaDB" if "mariadb" in version.lower() else "MySQL",
    )


def free_connections(row: Sequence[Any], used: int) -> int:
    """Return how many connections this user may open, by the row that `LIMITS` gives and the
    number that `CONNECTED` gives; less than 0 where a limit was lowered."""
    _, most, for_user, of_user = row
    free = [most - used]
    free += [for_user - of_user] if for_user else []
    return int(min(free))


def with_password(dsn: str, password: str) -> str:
    """See `ServerAccess.with_password`."""
    return msgspec.structs.replace(MySQLAddress.parse(dsn), password=password).url


def passwords(conninfo: str) -> tuple[str, ...]:
    """See `ServerAccess.passwords`."""
    password = MySQLAddress.parse(conninfo).password
    return (password,) if password else ()


def without_password(dsn: str) -> str:
    """See `ServerAccess.without_password`. The URL is short if its options are the usual ones."""
    address = msgspec.structs.replace(MySQLAddress.parse(dsn), password="")
    return address.shown if MySQLAddress.parse(address.shown) == address else address.url


def with_application_name(conninfo: str, name: str) -> str:
    """See `dispatch.with_application_name`."""
    check_application_name(name)
    return msgspec.structs.replace(MySQLAddress.parse(conninfo), program_name=name).url
