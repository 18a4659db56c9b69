"""The server that a libpq connection string names, as arguments for `asyncpg.connect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from psycopg2.extensions import parse_dsn

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.parameters import Value, both
from poolviz.pools.base import NOTHING
from poolviz.pools.connections.arguments import OPTIONS, asyncpg_own_arguments
from poolviz.pools.connections.connect_faults import ConnectTimeout

# libpq's parameters that asyncpg doesn't know. Those that only tune a connection are dropped;
# those that protect it can't be.
NOT_ASYNCPGS = (
    *("client_encoding", "connect_timeout", "fallback_application_name", "hostaddr", "gssencmode"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    *("load_balance_hosts", "sslcompression", "sslsni", "tcp_user_timeout"),
)
_REFUSED = ("channel_binding", "require_auth", "requirepeer", "sslcertmode", "sslcrldir")
_CONNECT_TIMEOUT = 60.0  # seconds, asyncpg's own default


def asyncpg_timeout(arguments: Mapping[str, Any]) -> ConnectTimeout:
    """Return the timeout of `asyncpg.connect` with these arguments."""
    return ConnectTimeout(arguments.get("timeout", _CONNECT_TIMEOUT), TimeoutError)


def asyncpg_arguments(conninfo: str, connect: Mapping[str, Value] = NOTHING) -> dict[str, Any]:
    """Return a libpq connection string, and what else `connect` gives, as arguments for
    `asyncpg.connect`.

    asyncpg takes parameters of a URL that it doesn't know for server settings, which
    application_name is. Raises InputError for a parameter that protects the connection and that
    asyncpg can't honour.
    """
    given = parse_dsn(conninfo)
    if connect.get(OPTIONS.key):
        given[OPTIONS.key] = str(connect[OPTIONS.key])
    refused = [key for key in _REFUSED if key in given]
    if given.get("gssencmode") == "require":
        refused.append("gssencmode")
    if refused:
        raise InputError(
            tr(
                "The DSN asks for {refused}, which asyncpg doesn't know: leave it out, or use a "
                "pool of psycopg2's or psycopg's.",
                refused=both(refused),
            )
        )
    if "hostaddr" in given:
        given.setdefault("host", given["hostaddr"])
    if "host" in given:
        hosts = given["host"].split(",")
        given["host"] = ",".join(f"[{h}]" if ":" in h and h[0] != "/" else h for h in hosts)
    kept = {key: value for key, value in given.items() if key not in NOT_ASYNCPGS}
    arguments: dict[str, Any] = {"dsn": f"postgresql://?{urlencode(kept)}"}
    if float(given.get("connect_timeout", 0)) > 0:
        arguments["timeout"] = float(given["connect_timeout"])
    return arguments | asyncpg_own_arguments(connect)
