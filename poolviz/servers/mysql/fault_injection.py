"""Faults that MySQL and MariaDB can cause in a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pymysql  # type: ignore[import-untyped]

from poolviz.language import tr
from poolviz.load.statements import SCHEMA
from poolviz.model.errors import ServerError
from poolviz.model.mysql_url import MySQLAddress
from poolviz.servers.fault_injection import (
    LOCK_LIMIT,
    TABLES,
    FaultInjection,
    Wait,
    lock_denied,
    lock_timeout,
    no_tables,
)
from poolviz.servers.mysql.connection import connect
from poolviz.servers.mysql.errors import (
    ACCESS_DENIED,
    LOCK_WAIT_TIMEOUT,
    NO_SUCH_THREAD,
    UNKNOWN_TABLE,
    describe_error,
    number_of,
)
from poolviz.servers.mysql.target import with_application_name

# The connection that executes this is included: if it isn't listed, no connection is.
_CONNECTIONS = """
SELECT p.id, p.id = connection_id()
  FROM performance_schema.session_account_connect_attrs a
  JOIN information_schema.processlist p ON p.id = a.processlist_id
 WHERE a.attr_name = 'program_name' AND a.attr_value IN (%s, %s)
   AND p.user = substring_index(user(), '@', 1)
 ORDER BY p.command = 'Sleep', p.id
"""
_LOCK = "LOCK TABLES {}".format(", ".join(f"{SCHEMA}.{table} WRITE" for table in TABLES))

_Execute = Callable[..., tuple[Any, ...]]


class MySQLFaultInjection(FaultInjection):
    """Injects faults into the run `application_name`, which is its connections' program_name."""

    def __init__(self, conninfo: str, application_name: str) -> None:
        self._name, self._own_name = application_name, f"{application_name} fault"
        self._address = MySQLAddress.parse(with_application_name(conninfo, self._own_name))

    def terminate(self, how_many: int | None, wait: Wait) -> int:  # noqa: ARG002 - nothing to wait for
        """Execute KILL, which the server allows for connections of the same user."""
        with self._connected(_kill_denied) as execute:
            found = execute(_CONNECTIONS, self._name, self._own_name)
            if not any(own for _, own in found):
                raise ServerError(
                    tr(
                        "No connection was ended, because this MySQL server doesn't record their "
                        "names: performance_schema=ON in its configuration would enable that."
                    )
                )
            chosen = [thread for thread, own in found if not own][:how_many]
            return sum(_kill(execute, thread) for thread in chosen)

    def lock_tables(self, seconds: float, wait: Wait) -> None:
        """Execute LOCK TABLES; the locks end with the connection."""
        with self._connected(lock_denied) as execute:
            execute("SET SESSION lock_wait_timeout = 1")
            for _ in range(LOCK_LIMIT):
                try:
                    execute(_LOCK)
                except pymysql.OperationalError as error:
                    if number_of(error) != LOCK_WAIT_TIMEOUT:
                        raise
                    if wait(0):
                        return
                else:
                    wait(seconds)
                    return
            raise lock_timeout("HY000")

    def hosts(self, wait: Wait) -> list[tuple[str, int]]:  # noqa: ARG002 - nothing to wait for
        """Return the address in the DSN."""
        return [(self._address.host, self._address.port)]

    @contextmanager
    def _connected(self, denied: Callable[[str], ServerError]) -> Iterator[_Execute]:
        """Connect for the duration of the block, which gets a function that executes statements.
        `denied` makes the error for a statement that this user may not execute."""
        try:
            with closing(connect(self._address)) as connection:

                def execute(statement: str, *values: object) -> tuple[Any, ...]:
                    with connection.cursor() as cursor:
                        cursor.execute(statement, values)
                        return tuple(cursor.fetchall())

                yield execute
        except (pymysql.Error, OSError) as error:
            number = number_of(error)
            if number in UNKNOWN_TABLE:
                raise no_tables("42S02") from None
            if number in ACCESS_DENIED:
                raise denied("42000") from None
            raise describe_error(error, self._address.url) or ServerError(str(error)) from None


def _kill_denied(code: str) -> ServerError:
    return ServerError(tr("This user may not end connections, or not see them."), code)


def _kill(execute: _Execute, thread: int) -> bool:
    """End a connection; return False if it is gone already."""
    try:
        execute("KILL %s", thread)
    except pymysql.Error as error:
        if number_of(error) != NO_SUCH_THREAD:
            raise
        return False
    return True
