"""What a PostgreSQL DSN means, and what the server reports about itself."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import quote

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import make_dsn, parse_dsn

from poolviz.language import tr
from poolviz.model.errors import InputError, ServerError
from poolviz.pools.connections.dsn import (
    SCHEME,
    about_option,
    postgres_url,
    where_option_belongs,
)
from poolviz.servers.errors import first_line
from poolviz.servers.postgres.connection import NoAnswer, limited
from poolviz.servers.postgres.errors import describe_error
from poolviz.servers.target import Target, check_application_name

CONNECT_TIMEOUT = 5  # seconds, unless the DSN or PGCONNECT_TIMEOUT says another
_ANSWER_LIMIT = 10.0  # seconds for the first answer
_COMMON_OPTIONS = (
    *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "options"),
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslnegotiation", "gssencmode"),
    *("connect_timeout", "application_name", "channel_binding", "require_auth", "client_encoding"),
    *("keepalives", "tcp_user_timeout", "target_session_attrs", "load_balance_hosts"),
)
_SECRETS = ("password", "sslpassword")
_ESCAPES = "%40 (@), %3A (:), %2F (/), %3F (?), %25 (%)"
_COUNTS = """
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
# backend_type of other users' backends is visible only with pg_read_all_stats. A client's backend
# has a user and a database in any case, which hardly any of the server's own processes has.
_BACKENDS = """
WITH a AS (SELECT usesysid, datid FROM pg_stat_activity
            WHERE usesysid IS NOT NULL AND datid IS NOT NULL AND pid <> pg_backend_pid()
              AND coalesce(backend_type, 'client backend') = 'client backend')
"""
LIMITS = _BACKENDS + _COUNTS  # for `free_connections`


def reach(dsn: str) -> Target:
    """See `dispatch.reach`."""
    conninfo = conninfo_of(dsn)
    try:
        with closing(psycopg2.connect(conninfo, application_name="poolviz")) as connection:
            return target_of(connection, conninfo)
    except psycopg2.Error as error:
        raise describe_error(error, conninfo) from None


def with_password(dsn: str, password: str) -> str:
    """See `ServerAccess.with_password`."""
    return str(make_dsn(**_options(dsn) | {"password": password}))


def without_password(dsn: str) -> str:
    """See `ServerAccess.without_password`."""
    options = _options(dsn)
    return str(make_dsn(**{key: options[key] for key in options if key not in _SECRETS}))


def passwords(conninfo: str) -> tuple[str, ...]:
    """See `ServerAccess.passwords`. PGPASSWORD counts, too."""
    options = _options(conninfo)
    found = [*(options.get(key) for key in _SECRETS), os.environ.get("PGPASSWORD")]
    return tuple(str(password) for password in found if password)


def with_application_name(conninfo: str, name: str) -> str:
    """See `dispatch.with_application_name`."""
    check_application_name(name)
    return make_dsn(conninfo, application_name=name)


def conninfo_of(dsn: str) -> str:
    """Return `dsn` as libpq's keywords. InputError if it can't be read; the error doesn't repeat
    anything of it that might be a misplaced password."""
    options = _options(dsn)
    if "connect_timeout" not in options and not os.environ.get("PGCONNECT_TIMEOUT"):
        options["connect_timeout"] = str(CONNECT_TIMEOUT)
    return str(make_dsn(**options))


def _options(dsn: str) -> dict[str, str]:
    """Return the keywords and values of `dsn`. InputError as `conninfo_of`."""
    text = dsn.strip()
    if "\0" in text:
        raise InputError(tr("The DSN contains a NUL character: remove it."))
    scheme = SCHEME.match(text)
    if scheme is not None:
        if scheme[1].lower() not in ("postgresql", "postgres"):
            raise InputError(
                tr(
                    "The DSN begins with {scheme}: it takes postgresql://, mysql:// or "
                    "sqlite:///, such as postgresql://user@host:5432/database.",
                    scheme=scheme[0],
                )
            )
        url = postgres_url(text)
        assert url is not None
        if url.others:
            raise InputError(*(_about_option(name) for name in url.others))
        text = url.libpq
        path = text.removeprefix("postgresql://").partition("?")[0]
        if path.count("@") > 1 or "@" in path.partition("/")[2]:
            raise InputError(
                tr(
                    "The DSN contains an @ besides the one before the host: write special "
                    "characters in user and password as {escapes}.",
                    escapes=_ESCAPES,
                )
            )
    try:
        options: dict[str, str] = parse_dsn(text)
    except psycopg2.Error as error:
        raise InputError(_unreadable(str(error), is_url=scheme is not None)) from None
    _check_port(options)
    return options


def _unreadable(complaint: str, *, is_url: bool) -> str:
    """Return why libpq can't read a DSN. Its own words may quote a piece of a password, so only
    the name of an option is taken from them, and only if it resembles a real one."""
    option = re.search(r'invalid (?:connection option|URI query parameter:) "(\w+)"', complaint)
    if option and where_option_belongs(option[1]):
        return about_option(option[1])
    near = difflib.get_close_matches(option[1], _COMMON_OPTIONS, n=1) if option else []
    if option and near:
        return tr(
            "The DSN has an option {option}, which libpq doesn't know: is it {near}?",
            option=option[1],
            near=near[0],
        )
    if option:
        return tr("The DSN has an option that libpq doesn't know: correct or remove it.")
    if is_url:
        return tr(
            "The DSN isn't a URL that libpq understands: write it as "
            "postgresql://user:password@host:5432/database?sslmode=require, with "
            "special characters in user and password as {escapes}.",
            escapes=_ESCAPES,
        )
    return tr(
        "The DSN is neither a URL such as postgresql://user@host:5432/database nor keywords such "
        "as host=… port=5432 dbname=… user=…: put values with spaces into 'single quotes'."
    )


def _about_option(name: str) -> str:
    """Return the sentence about an option of a URL, with the nearest that libpq has."""
    near = difflib.get_close_matches(name, _COMMON_OPTIONS, n=1)
    if near and not where_option_belongs(name):
        return tr(
            "The DSN has an option {name}, which libpq doesn't know: is it {near}?",
            name=name,
            near=near[0],
        )
    return about_option(name)


def _check_port(options: Mapping[str, str]) -> None:
    """Raise InputError if the port isn't one. It isn't repeated: it may be part of a password."""
    for port in options.get("port", "").split(","):
        if port and not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
            raise InputError(
                tr(
                    "The port in the DSN isn't a number from 1 to 65535: correct it, and write a "
                    ": or "
                    "/ in user and password as %3A or %2F."
                )
            )


def target_of(
    connection: Connection, conninfo: str, unwanted: Callable[[], bool] = lambda: False
) -> Target:
    """Return what the server at the other end of `connection` reports about itself, within
    seconds; ServerError if it reports nothing, or once `unwanted` returns True."""
    shown = _shown(connection)
    try:
        with limited(connection, _ANSWER_LIMIT, unwanted), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 5000")
            cursor.execute(LIMITS)
            row = cursor.fetchone()
    except NoAnswer:
        raise ServerError(
            tr(
                "The server {shown} takes connections and then answers nothing for "
                "{answer_limit:.0f} s: check that it isn't overloaded, and that a pooler "
                "in between has connections left.",
                shown=shown,
                answer_limit=_ANSWER_LIMIT,
            ),
            "08006",
            field="host",
        ) from None
    except psycopg2.Error as error:
        if connection.closed and _refuses_transactions(conninfo):
            raise ServerError(
                tr(
                    "{shown} is a pooler in statement mode, which refuses transactions: set "
                    "its pool_mode to transaction or session, or name the server behind it.",
                    shown=shown,
                ),
                error.pgcode,
                field="port",
            ) from None
        raise ServerError(
            tr(
                "The server {shown} can't answer queries that every PostgreSQL since "
                "version 10 can ({first_line}): check that it is PostgreSQL, and that no "
                "proxy changes the queries.",
                shown=shown,
                first_line=first_line(error),
            ),
            error.pgcode,
        ) from None
    if row is None:
        raise ServerError(
            tr(
                "The server {shown} doesn't list its own user or database: check both in the DSN.",
                shown=shown,
            )
        )
    return Target(conninfo, shown, row[0].split()[0], row[1], max(0, free_connections(row)))


def _refuses_transactions(conninfo: str) -> bool:
    """Return whether a statement alone is answered where a transaction isn't, and not by the
    process that libpq has heard of: by a pooler in statement mode."""
    try:
        with closing(psycopg2.connect(conninfo, application_name="poolviz")) as connection:
            connection.autocommit = True
            with limited(connection, _ANSWER_LIMIT), connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                row = cursor.fetchone()
                return bool(row and row[0] != connection.info.backend_pid)
    except (psycopg2.Error, NoAnswer):
        return False


def free_connections(row: Sequence[Any]) -> int:
    """Return how many connections this user may open, by the row that `LIMITS` gives, beside the
    one that asked; less than 0 where a limit was lowered."""
    most, for_superusers, for_others, superuser, of_role, of_database = row[1:7]
    used, used_by_role, used_in_database = row[7:]
    free = [most - used]
    if not superuser:  # superusers aren't bound by reservations and connection limits
        free = [most - for_superusers - for_others - used]
        free += [of_role - used_by_role] if of_role >= 0 else []
        free += [of_database - used_in_database] if of_database >= 0 else []
    return int(min(free))


def _shown(connection: Connection) -> str:
    """Return the server's address as a URL without anything secret."""
    info = connection.info
    user, name = quote(info.user or "", safe=""), quote(info.dbname or "", safe="")
    if info.host.startswith(("/", "@")):
        return f"postgresql://{user}@/{name}?host={info.host}&port={info.port}"
    host = f"[{info.host}]" if ":" in info.host else info.host
    return f"postgresql://{user}@{host}:{info.port}/{name}"
