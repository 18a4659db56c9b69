"""Which kind of server a conninfo means, and how that kind is told to take its time."""

from __future__ import annotations

POSTGRESQL, MYSQL, SQLITE = "postgresql", "mysql", "sqlite"

_SLEEP = {
    POSTGRESQL: "SELECT pg_sleep({:.6f})",
    MYSQL: "SELECT SLEEP({:.6f})",
    SQLITE: "SELECT sleep({:.6f})",  # a function that each connection is given
}


def dialect_of(conninfo: str) -> str:
    """`mysql` or `sqlite` by the URL's scheme; everything else is PostgreSQL's."""
    scheme = conninfo.partition(":")[0].partition("+")[0].lower()
    if scheme in ("mysql", "mariadb"):
        return MYSQL
    return SQLITE if scheme == "sqlite" else POSTGRESQL


def sleep_statement(dialect: str) -> str:
    """The statement that keeps a server of that kind busy, to be formatted with seconds."""
    return _SLEEP[dialect]
