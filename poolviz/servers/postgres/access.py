"""Access to PostgreSQL servers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import psycopg2

from poolviz.model.errors import PoolvizError
from poolviz.servers.access import ServerAccess
from poolviz.servers.diagnosis import Diagnosis
from poolviz.servers.fault_injection import FaultInjection
from poolviz.servers.postgres import errors, rows, tables, target
from poolviz.servers.tables import Tables
from poolviz.servers.target import Target

if TYPE_CHECKING:
    from poolviz.servers.monitor import Monitor  # which loads numpy


class PostgresAccess(ServerAccess):
    """PostgreSQL, over psycopg2."""

    def reach(self, dsn: str) -> Target:
        """Connect once, and read version and limits."""
        return target.reach(dsn)

    def diagnose(self, dsn: str, unwanted: Callable[[], bool]) -> Diagnosis:
        """Ask for rights, and find a pooler in between."""
        from poolviz.servers.postgres import diagnosis  # noqa: PLC0415 - for a test only

        return diagnosis.diagnose(dsn, unwanted)

    def with_password(self, dsn: str, password: str) -> str:
        """Set the keyword `password`."""
        return target.with_password(dsn, password)

    def without_password(self, dsn: str) -> str:
        """Remove the keywords that hold passwords."""
        return target.without_password(dsn)

    def passwords(self, conninfo: str) -> tuple[str, ...]:
        """Return the keywords that hold passwords."""
        return target.passwords(conninfo)

    def with_application_name(self, conninfo: str, name: str) -> str:
        """Set `application_name`."""
        return target.with_application_name(conninfo, name)

    def monitor(self, conninfo: str, application_name: str) -> Monitor:
        """Watch pg_stat_activity."""
        from poolviz.servers.postgres.monitor import PostgresMonitor  # noqa: PLC0415 - loads numpy

        return PostgresMonitor(conninfo, application_name)

    def fault_injection(self, conninfo: str, application_name: str) -> FaultInjection:
        """End backends and lock tables."""
        from poolviz.servers.postgres.fault_injection import (  # noqa: PLC0415 - for runs only
            PostgresFaultInjection,
        )

        return PostgresFaultInjection(conninfo, application_name)

    def tables(self, conninfo: str) -> AbstractContextManager[Tables]:
        """Create or drop the tables, each within a transaction."""
        return tables.connect_tables(conninfo)

    def count_rows(self, conninfo: str, seconds: float) -> int:
        """Count over a connection of its own."""
        return rows.count_rows(conninfo, seconds)

    def describe_error(self, error: Exception, conninfo: str) -> PoolvizError | None:
        """Describe an error of psycopg2, or of another driver by the words of the server or the
        operating system in it, which libpq's errors have too."""
        if isinstance(error, psycopg2.Error):
            return errors.describe_error(error, conninfo)
        if hasattr(error, "sqlstate") or isinstance(error, OSError):
            return errors.describe_error(psycopg2.OperationalError(str(error)), conninfo)
        return None
