"""The kinds of servers, by their connection strings, and the SQL that makes each sleep."""

from __future__ import annotations

POSTGRESQL, MYSQL, SQLITE = "postgresql", "mysql", "sqlite"

_SLEEP = {
    POSTGRESQL: "SELECT pg_sleep({:.6f})",
    MYSQL: "SELECT SLEEP({:.6f})",
    SQLITE: "SELECT sleep({:.6f})",  # a function that poolviz adds to each connection
}


def dialect_of(conninfo: str) -> str:
    """Return the kind of server: MYSQL or SQLITE by the URL's scheme, otherwise POSTGRESQL."""
    scheme = conninfo.partition(":")[0].partition("+")[0].lower()
    if scheme in ("mysql", "mariadb"):
        return MYSQL
    return SQLITE if scheme == "sqlite" else POSTGRESQL


def sleep_statement(dialect: str) -> str:
    """Return the statement that makes such a server sleep, to be formatted with seconds."""
    return _SLEEP[dialect]
