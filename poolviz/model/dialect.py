"""The kinds of servers, by their connection strings, and the SQL in which they differ."""

from __future__ import annotations

POSTGRESQL, MYSQL, SQLITE = "postgresql", "mysql", "sqlite"

_SLEEP = {
    POSTGRESQL: "SELECT pg_sleep({:.6f})",
    MYSQL: "SELECT SLEEP({:.6f})",
    SQLITE: "SELECT sleep({:.6f})",  # a function that poolviz adds to each connection
}
# A statement timeout for the session, in milliseconds and seconds, and the end of it. MariaDB and
# MySQL have settings of different names, and each runs the comment that is written for it.
_TIMEOUT = {
    POSTGRESQL: ("SET statement_timeout = {0}", "RESET statement_timeout"),
    MYSQL: (
        "SET SESSION /*M! max_statement_time = {1:.3f} */ /*!50708 max_execution_time = {0} */",
        "SET SESSION /*M! max_statement_time = DEFAULT */ /*!50708 max_execution_time = DEFAULT */",
    ),
}


def dialect_of(conninfo: str) -> str:
    """Return the kind of server: MYSQL or SQLITE by the URL's scheme, otherwise POSTGRESQL."""
    scheme = conninfo.partition(":")[0].partition("+")[0].lower()
    if scheme in ("mysql", "mariadb"):
        return MYSQL
    return SQLITE if scheme == "sqlite" else POSTGRESQL


def driver_in(dsn: str) -> str:
    """Return the driver that the scheme of a URL names, as SQLAlchemy writes it: "asyncpg" of
    `postgresql+asyncpg://…`; "" if it names none."""
    scheme, mark, _ = dsn.strip().partition("://")
    driver = scheme.partition("+")[2].lower() if mark else ""
    return driver if driver.isidentifier() and driver.isascii() and len(driver) < 40 else ""


def sleep_statement(dialect: str) -> str:
    """Return the statement that makes such a server sleep, to be formatted with seconds."""
    return _SLEEP[dialect]


def timeout_statements(dialect: str, seconds: float) -> tuple[str, str]:
    """Return the statements that set a statement timeout of `seconds`, in whole milliseconds, for
    the session, and that lift it. SQLite has none."""
    to_set, to_lift = _TIMEOUT[dialect]
    milliseconds = max(round(seconds * 1000), 1)
    return to_set.format(milliseconds, milliseconds / 1000), to_lift
