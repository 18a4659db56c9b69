"""What a PostgreSQL URL says besides libpq's options: its driver, and options of others.

Applications share one URL between their driver, SQLAlchemy, a migration tool and more, each of
which understands options that the others don't.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote

import psycopg2
from psycopg2.extensions import parse_dsn

from poolviz.language import tr, tr_noop
from poolviz.model.errors import InputError
from poolviz.model.ipv6 import check_brackets
from poolviz.model.parameters import either
from poolviz.pools.connections import arguments

SCHEME = re.compile(r"([a-z][a-z0-9.]*)(\+[a-z0-9_]+)?://", re.IGNORECASE)
_POSTGRES = ("postgresql", "postgres")
_LONGEST = 40  # characters of an option that is named
_SYNONYMS = {"database": "dbname", "username": "user", "applicationname": "application_name"}
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_ON, _OFF = ("true", "1", "yes", "on"), ("false", "0", "no", "off")

_SCHEMA = tr_noop("not libpq's: give --connect options='-c search_path=NAME'")
_LIMIT = tr_noop(
    "a limit of the pool: give it with --limit, by the name that `poolviz pools` lists"
)
_ELSEWHERE: Mapping[str, str] = {
    "pgbouncer": tr_noop(
        "Prisma's: for a pooler in transaction mode give --connect "
        "prepare_threshold=never with psycopg, statement_cache_size=0 with asyncpg"
    ),
    **dict.fromkeys(("schema", "currentschema", "search_path"), _SCHEMA),
    **dict.fromkeys(("connection_limit", "pool_timeout", "pool_size", "max_overflow"), _LIMIT),
    **dict.fromkeys(("pool_recycle", "pool_pre_ping", "min_size", "max_size", "minsize"), _LIMIT),
    **dict.fromkeys(("maxsize", "minconn", "maxconn", "poolclass"), _LIMIT),
    "preparethreshold": tr_noop("JDBC's: give --connect prepare_threshold=VALUE with psycopg"),
    "socket_timeout": tr_noop("Prisma's: give --connect options='-c statement_timeout=VALUE'"),
    "server_settings": tr_noop("asyncpg's: give --connect options='-c NAME=VALUE'"),
    "sslaccept": tr_noop("Prisma's: give sslmode=require, or verify-full to check the certificate"),
    "uselibpqcompat": tr_noop("node-postgres': libpq's own sslmode is used"),
}
_SETTINGS = (
    *("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "jit"),
    *("idle_session_timeout", "work_mem", "timezone", "default_transaction_isolation"),
)
_ARGUMENTS: Mapping[str, str] = {
    **{each.key: "PyMySQL" for each in arguments.PYMYSQL},
    "isolation_level": "SQLAlchemy",
    arguments.RESET_ON_RETURN.key: "SQLAlchemy",
    arguments.STATEMENT_CACHE.key: "SQLAlchemy",
    arguments.NAME_FUNCTION.key: "SQLAlchemy",
    arguments.DRIVER.key: "poolviz",
    **{each.key: "asyncpg" for each in arguments.ASYNCPG},
    arguments.PREPARE_THRESHOLD.key: "psycopg",
    arguments.AUTOCOMMIT.key: "psycopg",
}


@dataclass(frozen=True)
class PostgresURL:
    """A URL taken apart: the `driver` in its scheme, if any, what libpq can read, and its `others`:
    options that libpq doesn't know."""

    driver: str
    libpq: str
    others: Mapping[str, str]


def postgres_url(dsn: str) -> PostgresURL | None:
    """Return the parts of a PostgreSQL URL; None if `dsn` isn't one.

    Raises InputError, which repeats nothing that might be secret, for a host or an option that is
    written wrong.
    """
    text = dsn.strip()
    scheme = SCHEME.match(text)
    if scheme is None or scheme[1].lower() not in _POSTGRES:
        return None
    address, mark, query = text[scheme.end() :].partition("?")
    check_brackets(address, "postgresql", 5432)
    kept, others = [], {}
    for part in query.split("&") if mark else ():
        key, _, value = part.partition("=")
        name = unquote(key)
        plain = "=" in part and "@" not in part and name.isidentifier() and name.isascii()
        if plain and name == "ssl":
            kept.append(f"sslmode={_ssl_mode(unquote(value))}")
        elif plain and name.lower() in _SYNONYMS:
            kept.append(f"{_SYNONYMS[name.lower()]}={value}")
        elif not plain or libpq_knows(name):
            kept.append(part)  # what isn't an option may be part of a password
        else:
            others[name] = unquote(value)
    libpq = f"postgresql://{address}{'?' if kept else ''}{'&'.join(kept)}"
    return PostgresURL((scheme[2] or "").removeprefix("+").lower(), libpq, others)


@cache
def libpq_knows(name: str) -> bool:
    """Return whether libpq has an option of that name."""
    try:
        parse_dsn(f"{name}=''")
    except psycopg2.Error:
        return False
    return True


def where_option_belongs(name: str) -> str:
    """Return half a sentence about an option that libpq doesn't know; "" if nothing is known of
    it."""
    word = name.lower()
    if word in _ELSEWHERE:
        return tr(_ELSEWHERE[word])
    if word in _SETTINGS:
        return tr("a setting of the server: give --connect options='-c {word}=VALUE'", word=word)
    if word in _ARGUMENTS:
        return tr(
            "an argument of {arguments}: give it with --connect, to a pool that takes it",
            arguments=_ARGUMENTS[word],
        )
    return ""


def about_option(name: str) -> str:
    """Return the sentence about an option of a URL that libpq doesn't know."""
    shown = name if len(name) <= _LONGEST else tr("with a long name")
    about = where_option_belongs(name)
    if about:
        return tr(
            "The DSN has an option {shown}, which is {about}, and leave it out of the DSN.",
            shown=shown,
            about=about,
        )
    return tr(
        "The DSN has an option {shown}, which libpq doesn't know: correct or remove it.",
        shown=shown,
    )


def _ssl_mode(word: str) -> str:
    """Return asyncpg's `ssl`, or that of others, as libpq's sslmode."""
    word = word.lower()
    if word in _MODES:
        return word
    if word in _ON:
        return "require"
    if word in _OFF:
        return "disable"
    raise InputError(tr("ssl in the DSN takes {modes}: correct it.", modes=either(_MODES, tr)))
