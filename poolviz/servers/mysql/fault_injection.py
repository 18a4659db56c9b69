"""What a MySQL or MariaDB server can be made to do to a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pymysql  # type: ignore[import-untyped]

from poolviz.load.statements import SCHEMA
from poolviz.model.errors import ServerError
from poolviz.model.mysql_url import MySQLAddress
from poolviz.servers.fault_injection import (
    LOCK_LIMIT,
    MAY_NOT_LOCK,
    NO_LOCK,
    NO_TABLES,
    TABLES,
    FaultInjection,
    Wait,
)
from poolviz.servers.mysql.server import connect, describe
from poolviz.servers.target import with_application_name

_NOBODY_THERE = 1094  # there is no such connection any more
_LOCK_WAIT_OVER = 1205
_MISSING, _DENIED = (1049, 1146), (1044, 1142, 1143, 1227)
# The one that asks is looked for too: where it isn't listed, nobody is.
_CONNECTIONS = """
SELECT p.id, p.id = connection_id()
  FROM performance_schema.session_account_connect_attrs a
  JOIN information_schema.processlist p ON p.id = a.processlist_id
 WHERE a.attr_name = 'program_name' AND a.attr_value IN (%s, %s)
   AND p.user = substring_index(user(), '@', 1)
 ORDER BY p.command = 'Sleep', p.id
"""
_LOCK = "LOCK TABLES {}".format(", ".join(f"{SCHEMA}.{table} WRITE" for table in TABLES))


class MySQLFaultInjection(FaultInjection):
    """Does harm to the run `application_name`, whose connections are known by program_name."""

    def __init__(self, conninfo: str, application_name: str) -> None:
        self._name, self._own_name = application_name, f"{application_name} fault"
        self._address = MySQLAddress.parse(with_application_name(conninfo, self._own_name))

    def terminate(self, how_many: int | None, wait: Wait) -> int:  # noqa: ARG002 - it takes no time
        """KILL, which the server allows for connections of the same user."""
        with self._session("This user may not end connections, or see them.") as ask:
            found = ask(_CONNECTIONS, self._name, self._own_name)
            if not any(own for _, own in found):
                raise ServerError(
                    "This MySQL server keeps no names of connections, so none is ended: "
                    "performance_schema=ON in its configuration would show them."
                )
            chosen = [number for number, own in found if not own][:how_many]
            return sum(_kill(ask, number) for number in chosen)

    def lock_tables(self, seconds: float, wait: Wait) -> None:
        """LOCK TABLES, which ends with its connection."""
        with self._session(MAY_NOT_LOCK) as ask:
            ask("SET SESSION lock_wait_timeout = 1")
            for _ in range(LOCK_LIMIT):
                try:
                    ask(_LOCK)
                except pymysql.OperationalError as error:
                    if error.args[0] != _LOCK_WAIT_OVER:
                        raise
                    if wait(0):
                        return
                else:
                    wait(seconds)
                    return
            raise ServerError(NO_LOCK, "HY000")

    @contextmanager
    def _session(self, denied: str) -> Iterator[Callable[..., tuple[Any, ...]]]:
        """A connection, as what asks it; nothing of it is left after the block."""
        try:
            with closing(connect(self._address)) as connection:

                def ask(question: str, *values: object) -> tuple[Any, ...]:
                    with connection.cursor() as cursor:
                        cursor.execute(question, values)
                        return tuple(cursor.fetchall())

                yield ask
        except (pymysql.Error, OSError) as error:
            number = error.args[0] if error.args else 0
            if number in _MISSING:
                raise ServerError(NO_TABLES, "42S02") from None
            if number in _DENIED:
                raise ServerError(denied, "42000") from None
            raise describe(error, self._address.url) or ServerError(str(error)) from None


def _kill(ask: Callable[..., tuple[Any, ...]], number: int) -> bool:
    """End a connection; False where it is gone already."""
    try:
        ask("KILL %s", number)
    except pymysql.Error as error:
        if error.args[0] != _NOBODY_THERE:
            raise
        return False
    return True
