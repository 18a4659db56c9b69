"""The server that a run works against: what a DSN means, and what the server says of itself."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from types import ModuleType
from urllib.parse import quote

import msgspec
import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import make_dsn, parse_dsn

from poolviz.model.dialect import MYSQL, SQLITE, dialect_of
from poolviz.model.errors import InputError, ServerError
from poolviz.model.mysql_url import MySQLAddress
from poolviz.servers.postgres.errors import describe_failure

CONNECT_TIMEOUT = 5  # seconds, where neither the DSN nor PGCONNECT_TIMEOUT says another
_NAME_LIMIT = 63  # bytes of an application_name that the server keeps
_SCHEME = re.compile(r"([a-z][a-z0-9.]*)(\+[a-z0-9_]+)?://", re.IGNORECASE)
_COMMON_OPTIONS = (
    *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "options"),
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslnegotiation", "gssencmode"),
    *("connect_timeout", "application_name", "channel_binding", "require_auth", "client_encoding"),
    *("keepalives", "tcp_user_timeout", "target_session_attrs", "load_balance_hosts"),
)
_ASK = """
SELECT current_setting('server_version'),
       current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int,
       coalesce(current_setting('reserved_connections', true), '0')::int,
       r.rolsuper, r.rolconnlimit, d.datconnlimit,
       (SELECT count(*) FROM a), (SELECT count(*) FROM a WHERE usesysid = r.oid),
       (SELECT count(*) FROM a WHERE datid = d.oid)
  FROM pg_roles r, pg_database d
 WHERE r.rolname = session_user AND d.datname = current_database()
"""
# The kind of another user's backend shows only to clients of pg_read_all_stats; a client's has a
# user and a database in any case, and of the server's own workers hardly any has.
_BACKENDS = """
WITH a AS (SELECT usesysid, datid FROM pg_stat_activity
            WHERE usesysid IS NOT NULL AND datid IS NOT NULL AND pid <> pg_backend_pid()
              AND coalesce(backend_type, 'client backend') = 'client backend')
"""


@dataclass(frozen=True)
class Target:
    """A server that was reached, and what it had to give then.

    `conninfo` may hold a password: it is not shown, and not part of this object's repr; `shown`
    names the server without it. `free_connections` is what this user could open when asked; it
    and `max_connections` are None where there is no bound, as with SQLite.
    """

    conninfo: str = field(repr=False)
    shown: str
    version: str
    max_connections: int | None
    free_connections: int | None
    embedded: bool = False
    product: str = "PostgreSQL"

    @property
    def about(self) -> str:
        """What it is and how much it takes: `PostgreSQL 18.6, 100 connections at most`."""
        most = self.max_connections
        bound = "no bound on connections" if most is None else f"{most} connections at most"
        return f"{self.product} {self.version}, {bound}"

    def has_room_for(self, connections: int) -> bool:
        """Whether so many could be opened when it was asked."""
        return self.free_connections is None or connections <= self.free_connections

    def describe(self) -> dict[str, str]:
        """What a report says about this server; nothing in it is secret."""
        other = "" if self.product == "PostgreSQL" else f"{self.product} "
        described = {"server": self.shown, "server version": f"{other}{self.version}"}
        if self.max_connections is not None:
            described["max_connections"] = str(self.max_connections)
        return described


def reach(dsn: str) -> Target:
    """Connect once to the server that `dsn` names, ask what it is, and close.

    The DSN is a URL (postgresql://, mysql://, sqlite:///, also as SQLAlchemy writes them) or
    libpq's keywords; what these leave out comes from PGHOST, PGPASSWORD, PGPASSFILE, PGSERVICE
    and their like. InputError if it can't be read or its driver isn't installed, ServerError if
    there is no way in; one sentence each, never a password.
    """
    dialect = dialect_of(dsn.strip())
    if dialect == MYSQL:
        found: Target = mysql().reach(dsn)
        return found
    if dialect == SQLITE:
        from poolviz.servers.sqlite import target as sqlite  # noqa: PLC0415 - which needs this module's Target

        return sqlite.reach(dsn)
    conninfo = _conninfo(dsn)
    try:
        with closing(psycopg2.connect(conninfo, application_name="poolviz")) as connection:
            return _asked(connection, conninfo)
    except psycopg2.Error as error:
        raise describe_failure(error, conninfo) from None


def mysql() -> ModuleType:
    """What speaks to MySQL servers; InputError where its driver isn't installed."""
    if importlib.util.find_spec("pymysql") is None:
        raise InputError(
            "A MySQL or MariaDB server needs a driver that isn't installed: "
            "pip install 'poolviz[mysql]'."
        )
    return importlib.import_module("poolviz.servers.mysql.server")


def with_application_name(conninfo: str, name: str) -> str:
    """`conninfo` under another application_name, by which the server then finds its backends;
    MySQL's word for it is program_name, and SQLite has none."""
    dialect = dialect_of(conninfo)
    if dialect == SQLITE:
        return conninfo
    if not name.isascii() or not name.isprintable() or len(name) > _NAME_LIMIT:
        raise ValueError(f"the server would change the application name {name!r}")
    if dialect == MYSQL:
        address = MySQLAddress.parse(conninfo)
        return msgspec.structs.replace(address, program_name=name).url
    return make_dsn(conninfo, application_name=name)


def _asked(connection: Connection, conninfo: str) -> Target:
    """What the server at the other end of `connection` says of itself."""
    shown = _shown(connection)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 5000")
            cursor.execute(_BACKENDS + _ASK)
            answer = cursor.fetchone()
    except psycopg2.Error as error:
        words = str(error).strip().splitlines() or ["no reason given"]
        raise ServerError(
            f"The server {shown} doesn't answer questions that every PostgreSQL from 10 on does"
            f" ({words[0]}): is it one, and reached without a proxy that changes that?",
            error.pgcode,
        ) from None
    if answer is None:
        raise ServerError(f"The server {shown} doesn't know its own user or database: check both.")
    version, most, for_superusers, for_others, superuser, of_role, of_database = answer[:7]
    used, used_by_role, used_in_database = answer[7:]
    free = [most - used]
    if not superuser:  # whom neither reserved connections nor connection limits bind
        free = [most - for_superusers - for_others - used]
        free += [of_role - used_by_role] if of_role >= 0 else []
        free += [of_database - used_in_database] if of_database >= 0 else []
    return Target(conninfo, shown, version.split()[0], most, max(0, min(free)))


def _shown(connection: Connection) -> str:
    """Where `connection` leads, as a URL with nothing secret in it."""
    info = connection.info
    user, name = quote(info.user or "", safe=""), quote(info.dbname or "", safe="")
    if info.host.startswith(("/", "@")):
        return f"postgresql://{user}@/{name}?host={info.host}&port={info.port}"
    host = f"[{info.host}]" if ":" in info.host else info.host
    return f"postgresql://{user}@{host}:{info.port}/{name}"


def _conninfo(dsn: str) -> str:
    """`dsn` as libpq's keywords; InputError where it isn't one, without repeating any of it that
    might be a password gone astray."""
    text = dsn.strip()
    if "\0" in text:
        raise InputError("The DSN holds a character that no DSN can (NUL): remove it.")
    scheme = _SCHEME.match(text)
    if scheme is not None:
        if scheme[1].lower() not in ("postgresql", "postgres"):
            raise InputError(
                f"The DSN begins with {scheme[0]}: it takes postgresql://, mysql:// or "
                "sqlite:///, such as postgresql://user@host:5432/database."
            )
        text = f"postgresql://{text[scheme.end() :]}"
        path = text.removeprefix("postgresql://").partition("?")[0]
        if path.count("@") > 1 or "@" in path.partition("/")[2]:
            raise InputError(
                "The DSN holds an @ beside the one before the host: write the special characters "
                "of a user or password as %40 (@), %3A (:), %2F (/), %3F (?), %25 (%)."
            )
    try:
        given = parse_dsn(text)
    except psycopg2.Error as error:
        raise InputError(_unreadable(str(error), is_url=scheme is not None)) from None
    _check_port(given)
    if "connect_timeout" not in given and not os.environ.get("PGCONNECT_TIMEOUT"):
        given["connect_timeout"] = str(CONNECT_TIMEOUT)
    conninfo: str = make_dsn(**given)
    return conninfo


def _unreadable(complaint: str, *, is_url: bool) -> str:
    """Why libpq can't read a DSN. Its own words may quote a piece of a password, so of them only
    the name of an option is taken, and only where a real one is near."""
    option = re.search(r'invalid (?:connection option|URI query parameter:) "(\w+)"', complaint)
    near = difflib.get_close_matches(option[1], _COMMON_OPTIONS, n=1) if option else []
    if option and near:
        return f"The DSN has an option {option[1]}, which libpq doesn't know: is it {near[0]}?"
    if option:
        return "The DSN has an option that libpq doesn't know: correct or remove it."
    if is_url:
        return (
            "The DSN is no URL that libpq understands: write it as "
            "postgresql://user:password@host:5432/database?sslmode=require, the special characters "
            "of user and password as %40 (@), %3A (:), %2F (/), %3F (?), %25 (%)."
        )
    return (
        "The DSN is neither a URL such as postgresql://user@host:5432/database nor keywords such "
        "as host=… port=5432 dbname=… user=…: put values with spaces into 'single quotes'."
    )


def _check_port(given: Mapping[str, str]) -> None:
    """What stands in the port's place may be a piece of a password, so it isn't repeated."""
    for port in given.get("port", "").split(","):
        if port and not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
            raise InputError(
                "The port in the DSN is no number from 1 to 65535: correct it, and write a : or / "
                "within a user or password as %3A or %2F."
            )
