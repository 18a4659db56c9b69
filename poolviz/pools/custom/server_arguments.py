"""The arguments by which a user's class, or a function that makes a pool, is told its server."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import psycopg2
from psycopg2.extensions import connection, parse_dsn
from psycopg2.pool import AbstractConnectionPool

_Kinds = inspect.Parameter
FACTORY = "connection_factory"  # psycopg2's connection class, or a function that connects
_CREATOR = (
    *("creator", "connect", "connector", "connect_func", "connect_function", "create_connection"),
    *("connection_creator", "connection_function", "conn_factory"),
)
# The whole address in one argument, by the last word of its name; and of those that have several.
_DSN = re.compile(r"(?:.*_)?(?:dsn|url|uri|conninfo|connstr|conn_?str(?:ing)?|connection_string)")
_KEYWORDS = re.compile(r"(?:.*_)?(?:config|conf|settings|params|kwargs|connect_args)")
_PREFIX = re.compile(r"^(?:database|db|pg|postgres|postgresql|psql|sql)_")
# Where the server is, part by part: libpq's names for the names that people use.
_PARTS = {
    **dict.fromkeys(("host", "hostname", "server", "host_name"), "host"),
    "port": "port",
    **dict.fromkeys(("user", "username", "user_name", "login"), "user"),
    **dict.fromkeys(("password", "passwd", "pwd", "pass", "pass_"), "password"),
    **dict.fromkeys(("dbname", "database", "db", "database_name", "db_name"), "dbname"),
}
_DRIVERS = {"psycopg_pool": "psycopg", "dbutils": "psycopg2"}  # under a pool's library
_ONLY_WITH_PREFIX = {"name": "dbname"}  # db_name, pg_name


@dataclass(frozen=True)
class RunServer:
    """The run's server, in the forms in which constructors take it."""

    conninfo: str  # libpq's keywords

    @cached_property
    def parts(self) -> dict[str, str]:
        """The parts of the address, by libpq's names."""
        return {key: value for key, value in parse_dsn(self.conninfo).items() if value}

    @cached_property
    def url(self) -> str:
        """The address as a URL, which asyncpg and SQLAlchemy take, too."""
        parts = dict(self.parts)
        user, password = (quote(parts.pop(key, ""), safe="") for key in ("user", "password"))
        host, port = parts.pop("host", ""), parts.pop("port", "")
        name = quote(parts.pop("dbname", ""), safe="")
        if "/" in host or "," in host:  # a socket's folder, or several hosts
            parts |= {"host": host} | ({"port": port} if port else {})
            host = port = ""
        elif ":" in host:
            host = f"[{host}]"
        login = f"{user}:{password}@" if password else f"{user}@" if user else ""
        query = f"?{urlencode(parts, quote_via=quote)}" if parts else ""
        return f"postgresql://{login}{host}{f':{port}' if port else ''}/{name}{query}"

    def environment(self) -> dict[str, str]:
        """Return the environment variables by which applications and libpq are told a server."""
        names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}
        names |= {"password": "PGPASSWORD"}
        found = {names[key]: value for key, value in self.parts.items() if key in names}
        return {"DATABASE_URL": self.url, **found}


class Spread(NamedTuple):
    """The names of `*args` and `**kwargs`; empty if there are none."""

    args: str
    kwargs: str


def spread_of(signature: inspect.Signature) -> Spread:
    """Return how a signature takes what it doesn't name."""
    by_kind = {parameter.kind: name for name, parameter in signature.parameters.items()}
    return Spread(by_kind.get(_Kinds.VAR_POSITIONAL, ""), by_kind.get(_Kinds.VAR_KEYWORD, ""))


def part_of(name: str) -> str:
    """Return the part of the server's address that a parameter of that name is; "" if none."""
    bare = _PREFIX.sub("", name.lower())
    if bare != name.lower() and bare in _ONLY_WITH_PREFIX:
        return _ONLY_WITH_PREFIX[bare]
    return _PARTS.get(name.lower()) or _PARTS.get(bare, "")


def is_server_argument(parameter: inspect.Parameter) -> bool:
    """Return whether a parameter is one by which poolviz can pass the server."""
    name = parameter.name
    if parameter.kind in (_Kinds.VAR_POSITIONAL, _Kinds.VAR_KEYWORD):
        return False
    if isinstance(parameter.default, bool):
        return False  # connect=True
    return (
        name in (*_CREATOR, FACTORY)
        or _DSN.fullmatch(name.lower()) is not None
        or bool(part_of(name))
        or _takes_keywords(parameter)
    )


def takes_server(signature: inspect.Signature) -> bool:
    """Return whether a constructor can be told a server, be it by `*args` or `**kwargs`."""
    named = signature.parameters.values()
    return any(spread_of(signature)) or any(
        is_server_argument(each) and part_of(each.name) not in ("port", "user", "password")
        for each in named
    )


def _takes_keywords(parameter: inspect.Parameter) -> bool:
    """Return whether a required parameter is for a mapping of libpq's keywords."""
    required = parameter.default is _Kinds.empty
    return required and _KEYWORDS.fullmatch(parameter.name.lower()) is not None


def server_arguments(
    make: Callable[..., Any],
    signature: inspect.Signature,
    server: RunServer,
    factory: type[connection],
    *,
    connect: Callable[..., Any] | None = None,
) -> dict[str, Any]:
    """Return the arguments that tell `make` its server, by name; those for `*args` and `**kwargs`
    under the names of these.

    `factory` is the class of psycopg2's connections, where it is asked for. `connect` is what a
    parameter for a function that connects gets; by default it connects with psycopg2.
    """
    named = signature.parameters
    given: dict[str, Any] = {}
    connect = connect or creator(server.conninfo, factory)
    of_psycopg2 = isinstance(make, type) and issubclass(make, AbstractConnectionPool)
    for name, parameter in named.items():
        if not is_server_argument(parameter):
            continue
        if name in _CREATOR:
            given[name] = connect
        elif _DSN.fullmatch(name.lower()):
            given[name] = server.conninfo if "conninfo" in name.lower() else server.url
        elif _takes_keywords(parameter):
            given[name] = dict(server.parts)
    if not given:
        given = _parts(named, server.parts)
    if FACTORY in named:
        given[FACTORY] = factory if of_psycopg2 or given else connect
    spread = spread_of(signature)
    if any(part_of(name) not in ("port", "user", "password") for name in given if name != FACTORY):
        return given
    if spread.args:
        return {**given, spread.args: (server.conninfo,)}
    if spread.kwargs:
        return {**given, spread.kwargs: _keywords(make, server)}
    return given


def _parts(named: Mapping[str, inspect.Parameter], parts: Mapping[str, str]) -> dict[str, Any]:
    """Return the parts of the server's address that there are parameters for."""
    given: dict[str, Any] = {}
    for name, parameter in named.items():
        part = part_of(name)
        if part and (part in parts or parameter.default is _Kinds.empty):
            value = parts.get(part, "5432" if part == "port" else "")
            given[name] = int(value) if part == "port" and value.isdigit() else value
    return given


def creator(conninfo: str, factory: type[connection]) -> Callable[..., connection]:
    """Return a function that connects with psycopg2 and ignores its arguments."""

    def connect(*_args: object, **_kwargs: object) -> connection:
        return psycopg2.connect(conninfo, connection_factory=factory)

    return connect


def _keywords(make: Callable[..., Any], server: RunServer) -> dict[str, Any]:
    """Return the server as keywords that `**kwargs` may pass on to the library of `make`."""
    library = library_of(make)
    if library in ("psycopg2", "aiopg"):
        return {"dsn": server.conninfo}
    if library == "psycopg":
        return {"conninfo": server.conninfo}
    if library == "asyncpg":
        return {"dsn": server.url}
    return dict(server.parts)  # which psycopg2.connect and psycopg.connect take


def library_of(make: Callable[..., Any]) -> str:
    """Return the driver whose pool a class is, or the only one that its module imports; else ""."""
    bases = [base.__module__.partition(".")[0] for base in getattr(make, "__mro__", ())]
    for known in ("psycopg2", "psycopg_pool", "asyncpg", "aiopg", "dbutils"):
        if known in bases:
            return _DRIVERS.get(known, known)
    module = sys.modules.get(getattr(make, "__module__", "") or "")
    names = {
        (value.__name__ if inspect.ismodule(value) else str(getattr(value, "__module__", "")))
        for value in list(vars(module).values() if module is not None else ())
    }
    used = {name.partition(".")[0] for name in names}
    drivers = {_DRIVERS.get(name, name) for name in used}
    drivers &= {"psycopg2", "psycopg", "asyncpg", "aiopg"}
    return drivers.pop() if len(drivers) == 1 else ""
