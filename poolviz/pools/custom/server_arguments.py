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
from psycopg2.extensions import connection, make_dsn, parse_dsn
from psycopg2.pool import AbstractConnectionPool

from poolviz.model.dialect import MYSQL, POSTGRESQL, dialect_of
from poolviz.model.mysql_url import MySQLAddress
from poolviz.pools.base import ConnectionCounter
from poolviz.pools.connections.asyncpg import NOT_ASYNCPGS, asyncpg_arguments
from poolviz.pools.connections.connect_faults import refused_by_system, wait_to_connect_async
from poolviz.pools.custom.code_names import names_in

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
_WORDS = {  # names in code and modules that show which driver is meant
    "sqlalchemy.asyncio": {"create_async_engine", "async_engine_from_config"},
    "psycopg2": {"psycopg2", "ThreadedConnectionPool", "SimpleConnectionPool"},
    "psycopg": {"psycopg", "psycopg_pool", "ConnectionPool", "AsyncConnectionPool"},
    "asyncpg": {"asyncpg"},
    "aiopg": {"aiopg"},
}
_DRIVERS = {"psycopg_pool": "psycopg", "dbutils": "psycopg2"}  # under a pool's library
# What SQLAlchemy passes on to asyncpg, which takes it in other forms.
_SECURITY = ("sslmode", "options", "target_session_attrs")
_ONLY_WITH_PREFIX = {"name": "dbname"}  # db_name, pg_name


@dataclass(frozen=True)
class RunServer:
    """The run's server, in the forms in which constructors take it."""

    conninfo: str  # libpq's keywords

    @cached_property
    def parts(self) -> dict[str, str]:
        """The parts of the address, by libpq's names; none of another server than PostgreSQL."""
        if dialect_of(self.conninfo) != POSTGRESQL:
            return {}
        return {key: value for key, value in parse_dsn(self.conninfo).items() if value}

    @cached_property
    def name(self) -> str:
        """The application name of the run's connections, which MySQL calls program_name."""
        if dialect_of(self.conninfo) == MYSQL:
            return MySQLAddress.parse(self.conninfo).program_name or ""
        return self.parts.get("application_name", "")

    @property
    def passwords(self) -> tuple[str, ...]:
        """The password in the address, if there is one."""
        return tuple(filter(None, [self.parts.get("password")]))

    @cached_property
    def url(self) -> str:
        """The address as a URL, which asyncpg and SQLAlchemy take, too."""
        parts = dict(self.parts)
        if not parts:
            return self.conninfo  # a URL already
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

    def url_for(self, driver: str, default: object = None) -> str:
        """Return the address as a URL for a driver: with the scheme of the `default` that a
        parameter has, if it has one, and with nothing that the driver doesn't know."""
        url = self.url
        if driver in ("asyncpg", "sqlalchemy.asyncio"):
            if not self.parts:
                return _engines_url(url, driver)
            dropped = set(self.parts) & set(NOT_ASYNCPGS)
            if driver == "sqlalchemy.asyncio":
                dropped |= set(self.parts) & {"application_name", *_SECURITY}
            url = RunServer(
                make_dsn(**{k: v for k, v in self.parts.items() if k not in dropped})
            ).url
        if not self.parts:
            return _engines_url(url, driver)
        scheme = default.partition("://")[0] if isinstance(default, str) else ""
        if driver == "sqlalchemy.asyncio" and "+" not in scheme:
            scheme = "postgresql+asyncpg"
        known = scheme.partition("+")[0] in ("postgresql", "postgres")
        return f"{scheme}://{url.partition('://')[2]}" if known and "://" in url else url

    def environment(self) -> dict[str, str]:
        """Return the environment variables by which applications and libpq are told a server."""
        names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}
        names |= {"password": "PGPASSWORD"}
        found = {names[key]: value for key, value in self.parts.items() if key in names}
        return {"DATABASE_URL": self.url, **found}


def _engines_url(url: str, driver: str) -> str:
    """Return a MySQL server's URL for an engine of SQLAlchemy's, with the driver that poolviz
    brings; any other as it is."""
    scheme, separator, rest = url.partition("://")
    if dialect_of(url) != MYSQL or "+" in scheme:
        return url
    return f"mysql+{'aiomysql' if driver == 'sqlalchemy.asyncio' else 'pymysql'}{separator}{rest}"


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
            whole = server.url_for(library_of(make), parameter.default)
            given[name] = server.conninfo if "conninfo" in name.lower() else whole
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
        library = library_of(make)
        whole = server.url_for(library) if library == "asyncpg" else server.conninfo
        return {**given, spread.args: (whole,)}
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


def connect_of(
    call: Callable[..., Any],
    server: RunServer,
    opened: Callable[[Any, float], object],
    counter: ConnectionCounter,
) -> Callable[..., Any]:
    """Return an asynchronous function that connects and ignores its arguments, with the driver of
    `call`; `opened` gets each connection, and the time at which connecting began."""

    async def connect(*_args: object, **_kwargs: object) -> Any:
        if library_of(call) == "psycopg":
            from psycopg import AsyncConnection, OperationalError  # noqa: PLC0415 - an extra

            began = await wait_to_connect_async(counter, OperationalError)
            made: Any = await AsyncConnection.connect(server.conninfo)
        else:
            import asyncpg  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra

            began = await wait_to_connect_async(counter, refused_by_system)
            made = await asyncpg.connect(**asyncpg_arguments(server.conninfo))
        opened(made, began)
        return made

    return connect


def _keywords(make: Callable[..., Any], server: RunServer) -> dict[str, Any]:
    """Return the server as keywords that `**kwargs` may pass on to the library of `make`."""
    library = library_of(make)
    if library in ("psycopg2", "aiopg"):
        return {"dsn": server.conninfo}
    if library == "psycopg":
        return {"conninfo": server.conninfo}
    if library == "asyncpg":
        return {"dsn": server.url_for(library)}
    return dict(server.parts)  # which psycopg2.connect and psycopg.connect take


def library_of(make: Callable[..., Any]) -> str:
    """Return the driver whose pool a class is, or the only one that its code names, or else that
    its module imports; "" if it isn't known, "sqlalchemy.asyncio" for an asynchronous engine."""
    bases = [base.__module__.partition(".")[0] for base in getattr(make, "__mro__", ())]
    for known in ("psycopg2", "psycopg_pool", "asyncpg", "aiopg", "dbutils"):
        if known in bases:
            return _DRIVERS.get(known, known)
    names = names_in(make)
    found = _driver_in(names)
    if found or "create_engine" in names:  # whatever else its module imports
        return found
    return _driver_in(_imported_by(make))


def _imported_by(make: Callable[..., Any]) -> set[str]:
    """Return the names of the modules that the module of `make` imports, or imports from."""
    module = sys.modules.get(getattr(make, "__module__", "") or "")
    values = list(vars(module).values()) if module is not None else []
    names = {
        value.__name__ if inspect.ismodule(value) else str(getattr(value, "__module__", ""))
        for value in values
    }
    return {name.partition(".")[0] for name in names} | (
        {"create_async_engine"} & {getattr(value, "__name__", "") for value in values}
    )


def _driver_in(names: set[str]) -> str:
    found = {driver for driver, words in _WORDS.items() if words & names}
    return found.pop() if len(found) == 1 else ""
