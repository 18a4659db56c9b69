"""The view of a run that MySQL and MariaDB give in the process list."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pymysql  # type: ignore[import-untyped]
from pymysql.connections import Connection  # type: ignore[import-untyped]

from poolviz.language import tr
from poolviz.model.mysql_url import MySQLAddress
from poolviz.model.sample import ServerView
from poolviz.servers.monitor import Monitor, ViewLost, Views, by_state
from poolviz.servers.mysql.connection import connect
from poolviz.servers.mysql.errors import NO_SUCH_THREAD, describe_error, number_of
from poolviz.servers.mysql.target import (
    CONNECTED,
    LIMITS,
    free_connections,
    with_application_name,
)

_DENIED = (1142, 1143, 1227)
# The monitor's own connection is included: if it isn't listed, no connection is.
_COMMANDS = """
SELECT a.attr_value, p.command, count(*)
  FROM performance_schema.session_account_connect_attrs a
  JOIN information_schema.processlist p ON p.id = a.processlist_id
 WHERE a.attr_name = 'program_name' AND (a.attr_value IN (%s, %s) OR a.attr_value LIKE %s)
 GROUP BY 1, 2
"""
_RUNNING = """
SELECT p.id
  FROM performance_schema.session_account_connect_attrs a
  JOIN information_schema.processlist p ON p.id = a.processlist_id
 WHERE a.attr_name = 'program_name' AND a.attr_value = %s AND p.command NOT IN ('Sleep', 'Killed')
"""


class MySQLMonitor(Monitor):
    """Watches the connections of the run `application_name`, which is their program_name, and of
    its processes.

    A connection that is idle in a transaction counts as idle: the server doesn't tell them apart.
    """

    def __init__(self, conninfo: str, application_name: str) -> None:
        super().__init__()
        self._name, self._own_name = application_name, f"{application_name} monitor"
        self._address = MySQLAddress.parse(with_application_name(conninfo, self._own_name))
        self._connection: Connection | None = None

    def close(self) -> None:
        """Disconnect. May be called again; a later call of `view` would connect again."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(pymysql.Error):  # already closed, because it was lost
                connection.close()

    def _read(self) -> tuple[Views, str]:
        rows = self._execute(_COMMANDS, self._name, self._own_name, f"{self._name}-%")
        if not any(name == self._own_name for name, _, _ in rows):
            raise ViewLost(
                tr(
                    "this MySQL server doesn't record the names of connections; "
                    "performance_schema=ON in its configuration would enable that"
                )
            )
        (limits,) = self._execute(LIMITS)
        ((_, connected),) = self._execute(CONNECTED)
        others = max(0, int(connected) - sum(int(count) for _, _, count in rows))
        free = max(0, free_connections(limits, int(connected)))
        names = by_state(row for row in rows if row[0] != self._own_name)
        return Views({name: _view(counts) for name, counts in names.items()}, others, free), ""

    def _cancel(self) -> int:
        return sum(self._kill_query(thread) for (thread,) in self._execute(_RUNNING, self._name))

    def _kill_query(self, thread: int) -> bool:
        """Cancel the statement of a connection; return False if that is gone."""
        try:
            self._execute("KILL QUERY %s", thread)
        except _StatementFailed as failure:
            if failure.number == NO_SUCH_THREAD:
                return False
            raise
        return True

    def _execute(self, statement: str, *values: object) -> tuple[Any, ...]:
        """Execute a statement and return its rows. ViewLost if there is no answer."""
        try:
            if self._connection is None:
                self._connection = connect(self._address)
            with self._connection.cursor() as cursor:
                cursor.execute(statement, values)
                return tuple(cursor.fetchall())
        except (pymysql.Error, OSError) as error:
            number = number_of(error)
            if number in _DENIED:
                reason = tr("this user may not read performance_schema or processlist")
            else:
                sentence = str(describe_error(error, self._address.url) or error)
                reason = sentence.removesuffix(".")
            raise _StatementFailed(reason, number) from None


def _view(counts: dict[str, int]) -> ServerView:
    """Return connections by state."""
    left = dict(counts)
    active = left.pop("Query", 0) + left.pop("Execute", 0)
    idle = left.pop("Sleep", 0)
    return ServerView(active, idle, 0, sum(left.values()))


class _StatementFailed(ViewLost):
    """A statement failed with an error number of the server's."""

    def __init__(self, reason: str, number: int) -> None:
        super().__init__(reason)
        self.number = number
