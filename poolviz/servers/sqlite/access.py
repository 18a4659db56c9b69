"""Access to SQLite databases: a file, or a database in memory for each connection."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NoReturn

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.servers.access import ServerAccess
from poolviz.servers.diagnosis import Diagnosis
from poolviz.servers.sqlite.target import diagnose, file_of, reach
from poolviz.servers.tables import Tables
from poolviz.servers.target import Target


class SQLiteAccess(ServerAccess):
    """SQLite, over the standard library. There is no server to monitor or to inject faults into."""

    def reach(self, dsn: str) -> Target:
        """Check that the file can be used."""
        return reach(dsn)

    def diagnose(self, dsn: str, unwanted: Callable[[], bool]) -> Diagnosis:  # noqa: ARG002
        """Look whether the file can be used."""
        return diagnose(dsn)

    def with_password(self, dsn: str, password: str) -> str:  # noqa: ARG002 - it takes none
        """Return `dsn`."""
        return dsn

    def without_password(self, dsn: str) -> str:
        """Return `dsn` if it is the URL of a database."""
        file_of(dsn)
        return dsn

    def passwords(self, conninfo: str) -> tuple[str, ...]:  # noqa: ARG002 - it has none
        """Return none."""
        return ()

    def with_application_name(self, conninfo: str, name: str) -> str:  # noqa: ARG002 - it has none
        """Return `conninfo`: SQLite's connections have no names."""
        return conninfo

    def monitor(self, conninfo: str, application_name: str) -> None:
        """Return None."""

    def fault_injection(self, conninfo: str, application_name: str) -> None:
        """Return None."""

    def tables(self, conninfo: str) -> AbstractContextManager[Tables]:  # noqa: ARG002 - on none
        """Raise InputError."""
        _no_tables()

    def count_rows(self, conninfo: str, seconds: float) -> int:  # noqa: ARG002 - on none
        """Raise InputError."""
        _no_tables()

    def describe_error(self, error: Exception, conninfo: str) -> None:
        """Return None: SQLite's own messages are clear."""


def _no_tables() -> NoReturn:
    raise InputError(
        tr(
            "The tables are created on PostgreSQL, MySQL and MariaDB, not on SQLite: give the "
            "--dsn of such a server."
        )
    )
