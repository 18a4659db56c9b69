"""Access to MySQL and MariaDB servers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from poolviz.model.errors import PoolvizError
from poolviz.servers.access import ServerAccess
from poolviz.servers.diagnosis import Diagnosis
from poolviz.servers.fault_injection import FaultInjection
from poolviz.servers.mysql import errors, rows, tables, target
from poolviz.servers.tables import Tables
from poolviz.servers.target import Target

if TYPE_CHECKING:
    from poolviz.servers.monitor import Monitor  # which loads numpy


class MySQLAccess(ServerAccess):
    """MySQL and MariaDB, over PyMySQL."""

    def reach(self, dsn: str) -> Target:
        """Connect once, and read version and limits."""
        return target.reach(dsn)

    def diagnose(self, dsn: str, unwanted: Callable[[], bool]) -> Diagnosis:  # noqa: ARG002
        """Ask for rights, each answer within seconds."""
        from poolviz.servers.mysql import diagnosis  # noqa: PLC0415 - for a test only

        return diagnosis.diagnose(dsn)

    def with_password(self, dsn: str, password: str) -> str:
        """Set the password in the URL."""
        return target.with_password(dsn, password)

    def without_password(self, dsn: str) -> str:
        """Remove the password from the URL."""
        return target.without_password(dsn)

    def passwords(self, conninfo: str) -> tuple[str, ...]:
        """Return the password in the URL."""
        return target.passwords(conninfo)

    def with_application_name(self, conninfo: str, name: str) -> str:
        """Set the connection attribute `program_name`."""
        return target.with_application_name(conninfo, name)

    def monitor(self, conninfo: str, application_name: str) -> Monitor:
        """Watch the process list."""
        from poolviz.servers.mysql.monitor import MySQLMonitor  # noqa: PLC0415 - loads numpy

        return MySQLMonitor(conninfo, application_name)

    def fault_injection(self, conninfo: str, application_name: str) -> FaultInjection:
        """Kill connections and lock tables."""
        from poolviz.servers.mysql.fault_injection import (  # noqa: PLC0415 - for runs only
            MySQLFaultInjection,
        )

        return MySQLFaultInjection(conninfo, application_name)

    def tables(self, conninfo: str) -> AbstractContextManager[Tables]:
        """Create or drop the tables."""
        return tables.connect_tables(conninfo)

    def count_rows(self, conninfo: str, seconds: float) -> int:
        """Count over a connection of its own."""
        return rows.count_rows(conninfo, seconds)

    def describe_error(self, error: Exception, conninfo: str) -> PoolvizError | None:
        """Describe an error of PyMySQL, which is also the one of aiomysql."""
        return errors.describe_error(error, conninfo)
