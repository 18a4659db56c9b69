"""The way to every server: each function chooses by the DSN what speaks to PostgreSQL, MySQL and
MariaDB, or SQLite.

A DSN is what a user writes; a conninfo is the complete form of it in `Target.conninfo`. Both may
hold a password. A server's driver is imported when the first function is called for such a server.
"""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING

from poolviz.language import tr
from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE, dialect_of
from poolviz.model.errors import InputError, PoolvizError
from poolviz.model.secrets import without_secrets
from poolviz.model.text import is_text
from poolviz.servers.access import ServerAccess
from poolviz.servers.diagnosis import Diagnosis
from poolviz.servers.fault_injection import FaultInjection
from poolviz.servers.pooler import Pooler
from poolviz.servers.tables import Tables
from poolviz.servers.target import Target
from poolviz.system.driver_environment import driver_variables_hidden

if TYPE_CHECKING:
    from poolviz.model.sample import PoolerView  # which loads numpy
    from poolviz.servers.monitor import Monitor, ViewReader  # likewise

_logger = logging.getLogger(__name__)

# What may stand before a URL: `export DATABASE_URL=`, `DATABASE_URL: "`, `jdbc:`, a quotation mark.
_AROUND = re.compile(
    r"""\s*((?:export\s+)?\w+\s*[=:]\s*["']?|jdbc:|["'])"""
    r"(?:postgres(?:ql)?|mysql|mariadb|sqlite)(?:\+\w+)?://",
    re.ASCII,
)

Progress = Callable[[str], None]  # gets a sentence without its full stop


def reach(dsn: str) -> Target:
    """Connect once to the server that `dsn` names, read its version and limits, and disconnect.

    The DSN is a URL (postgresql://, mysql://, sqlite:///, also as SQLAlchemy writes them) or
    libpq's keywords; what these leave out comes from PGHOST, PGPASSWORD, PGPASSFILE, PGSERVICE
    and the like. Raises InputError if it can't be read or its driver isn't installed, ServerError
    if there is no connection; each is one sentence, without the password. Creates no SQLite file.
    """
    target = _access(dsn.strip()).reach(dsn)
    _logger.info("Reached %s: %s", target.shown, target.about)
    return target


def diagnose(dsn: str, unwanted: Callable[[], bool] = lambda: False) -> Diagnosis:
    """Test the server that `dsn` names: as `reach`, and also what its user may do there, TLS,
    times, and whether a pooler stands in between.

    Changes nothing there. Every wait has an end, within half a minute altogether for one host;
    `unwanted` is asked ten times a second once it is connected, and ends the test. Raises as
    `reach` does; the `field` of a ServerError is what of the DSN is wrong.
    """
    return _access(dsn.strip()).diagnose(dsn, unwanted)


def with_password(dsn: str, password: str) -> str:
    """Return `dsn` with that password, unless its kind of server takes none. A DSN that can't be
    read is returned as it is: `reach` says what is wrong with it."""
    try:
        return _access(dsn.strip()).with_password(dsn.strip(), password)
    except InputError:
        return dsn


def without_password(dsn: str) -> str:
    """Return `dsn` in a form that may be stored, or "" if it can't be read or has a password where
    none belongs, because then any part of it might be one."""
    try:
        stored = _access(dsn.strip()).without_password(dsn.strip())
    except InputError:
        return ""
    return stored if stored == without_secrets(stored) else ""


def passwords(conninfo: str) -> tuple[str, ...]:
    """Return the passwords in `conninfo`, which must not appear in any output."""
    return _access(conninfo).passwords(conninfo)


def with_application_name(conninfo: str, name: str) -> str:
    """Return `conninfo` with that application name, by which the server's views identify its
    connections. MySQL calls it program_name; SQLite has none. ValueError if a server would
    change it."""
    return _access(conninfo).with_application_name(conninfo, name)


def monitor_for(conninfo: str, application_name: str) -> Monitor | None:
    """Return a monitor of the run with that application name; None for SQLite, which has no
    server."""
    return _access(conninfo).monitor(conninfo, application_name)


def pooler_console_for(console: str, conninfo: str) -> ViewReader[PoolerView]:
    """Return what reads the view of a pooler, before the server of `conninfo`, at its console."""
    from poolviz.servers.postgres.pooler_console import PoolerConsole  # noqa: PLC0415 - for few runs

    return PoolerConsole(console, conninfo)


def pooler_console_of(dsn: str) -> str:
    """Return the DSN of a pooler's console as a conninfo: the database is pgbouncer, unless it
    names another. InputError if it can't be read, or isn't one of PostgreSQL's protocol."""
    if not is_text(dsn) or dialect_of(dsn.strip()) != POSTGRESQL:
        raise InputError(
            tr(
                "The console of a pooler is reached as PostgreSQL is: give its DSN as "
                "postgresql://user@host:6432/pgbouncer."
            )
        )
    from poolviz.servers.postgres.pooler_console import console_of  # noqa: PLC0415 - for few runs

    return console_of(dsn)


def ask_pooler(console: str, conninfo: str) -> Pooler:
    """Return what a pooler before the server of `conninfo` says of itself at its console.
    ServerError, in one sentence and without the password, if it can't be asked."""
    from poolviz.servers.postgres.pooler_console import ask_pooler as ask  # noqa: PLC0415 - likewise

    return ask(console, conninfo)


def fault_injection_for(conninfo: str, application_name: str) -> FaultInjection | None:
    """Return what injects faults into the run with that application name; None for SQLite, which
    has no server."""
    return _access(conninfo).fault_injection(conninfo, application_name)


def prepare_tables(
    conninfo: str,
    scale: int,
    progress: Progress = lambda _: None,
    *,
    create: bool = True,
    embedded: bool = False,
) -> bool:
    """Make sure that the tables exist, of `scale` at least; return whether they were created.

    Without `create` nothing is created, and TablesMissing is raised where that would be needed.
    `progress` is called in this thread. Raises InputError for SQLite, and ServerError, with what
    to do about it, if the schema holds something else or this user lacks a privilege. After an
    error or an interruption, either the earlier tables are there or none. The embedded server is
    reached whatever environment variables say of servers.
    """
    with _tables(conninfo, embedded) as tables:
        return tables.prepare(scale, progress, create=create)


def drop_tables(
    conninfo: str, progress: Progress = lambda _: None, *, embedded: bool = False
) -> bool:
    """Drop what `prepare_tables` created, and nothing else; return False if there was nothing.
    Raises as that does."""
    with _tables(conninfo, embedded) as tables:
        return tables.drop(progress)


@contextmanager
def _tables(conninfo: str, embedded: bool) -> Iterator[Tables]:
    with ExitStack() as stack:
        with driver_variables_hidden() if embedded else nullcontext():
            tables = stack.enter_context(_access(conninfo).tables(conninfo))
        yield tables


def count_rows(conninfo: str, seconds: float) -> int:
    """Return the number of committed rows in poolviz' table `history`, of all clients.

    Uses a connection of its own. Raises ServerError if that takes longer than `seconds`.
    """
    return _access(conninfo).count_rows(conninfo, seconds)


def describe_error(error: Exception, conninfo: str) -> PoolvizError | None:
    """Return what a driver's error means, as one sentence: what is wrong, where, and what to do.

    `error` is what any driver for that server raised, most often while connecting. None if it
    isn't an error of a driver or of the network.
    """
    return _access(conninfo).describe_error(error, conninfo)


def _around_url(dsn: str) -> str:
    """Return what was copied with a URL and doesn't belong to it, as configuration files and Java
    write it; "" if there is nothing."""
    found = _AROUND.match(dsn)
    if found is None:
        return ""
    return found[1].strip() if len(found[1]) > 1 else tr("a quotation mark")


def _access(conninfo: str) -> ServerAccess:
    """Return the implementation for a DSN or conninfo. InputError if its driver is missing, or if
    it contains what no driver takes."""
    if not is_text(conninfo):
        raise InputError(
            tr("The DSN contains a NUL character, or bytes that aren't text: remove them.")
        )
    if around := _around_url(conninfo):
        raise InputError(
            tr(
                "The DSN has {around} before its URL: leave that out, so that it begins with "
                "postgresql://, mysql:// or sqlite:///.",
                around=around,
            )
        )
    dialect = dialect_of(conninfo)
    if dialect == SQLITE:
        from poolviz.servers.sqlite.access import SQLiteAccess  # noqa: PLC0415 - when needed

        return SQLiteAccess()
    if dialect == MYSQL:
        if importlib.util.find_spec("pymysql") is None:
            raise InputError(
                tr(
                    "A MySQL or MariaDB server needs a driver that isn't installed: "
                    "pip install 'poolviz[mysql]'."
                )
            )
        from poolviz.servers.mysql.access import MySQLAccess  # noqa: PLC0415 - an extra

        return MySQLAccess()
    from poolviz.servers.postgres.access import PostgresAccess  # noqa: PLC0415 - loads a driver

    return PostgresAccess()
