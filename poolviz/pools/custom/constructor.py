"""A user's own class that lends connections: its limits, and how to call its constructor.

Both are read from the constructor's signature: the names, annotations and defaults of its
parameters. What is required and isn't known there is asked for in a sentence.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import psycopg2
from psycopg2.extensions import connection, parse_dsn
from psycopg2.pool import AbstractConnectionPool

from poolviz.model.errors import InputError
from poolviz.model.parameters import (
    Count,
    Effect,
    Parameter,
    Parameters,
    Seconds,
    Switch,
    Value,
)
from poolviz.pools.constructor_defaults import limit_value
from poolviz.pools.psycopg2.pools import MAXCONN, MINCONN
from poolviz.pools.psycopg2.resizable import (
    ResizablePsycopg2Pool,
    made_resizable,
    overrides_library,
)

_Kinds = inspect.Parameter
_DSN = ("dsn", "conninfo", "connection_string", "database_url", "url")
_CREATOR = ("creator", "connect")
_FACTORY = "connection_factory"
# Parameters that say where the server is, one by one, by libpq's names for them.
_PARTS = {
    **{name: name for name in ("host", "port", "user", "password", "dbname")},
    **dict.fromkeys(("database", "db"), "dbname"),
    **{"hostname": "host", "username": "user"},
}
_LEAST = ("minconn", "min_size", "minsize", "min_connections")
_MOST = ("maxconn", "max_size", "maxsize", "max_connections", "pool_size", "size")
_TIMES = {"timeout", "age", "lifetime", "delay", "interval", "seconds", "recycle", "ttl"}
_HIGHEST = 10_000.0  # count that a limit takes, unless its default is higher
_LONGEST = 30 * 86_400.0  # seconds, likewise
_REBUILT = (
    "The pool is rebuilt; the old one keeps serving clients that hold or wait for one of its "
    "connections, and is closed when the last connection is back."
)


@dataclass(frozen=True)
class PoolConstructor:
    """How a pool of a user's class is made, and which limits it has.

    `cls` is what is made: the user's class, or one that derives it from our resizable pools
    instead of psycopg2's. The limits in `in_place` are changed in the pool as it is; for any other
    the pool is rebuilt.
    """

    cls: type[Any]
    limits: Parameters
    in_place: frozenset[str]
    least: str | None  # the limit that says how many connections are kept
    most: str | None  # the limit that says how many there may be
    signature: inspect.Signature
    passed_on: tuple[str, ...]  # limits that it takes by *args or **kwargs, for psycopg2's

    def make(self, conninfo: str, factory: type[connection], limits: Mapping[str, Value]) -> Any:
        """Make a pool, with connections of the class `factory` if the constructor allows it.

        Raises whatever the constructor raises.
        """
        named = self.signature.parameters
        given: dict[str, Any] = {key: value for key, value in limits.items() if key in named}
        positional = [limits[key] for key in self.passed_on]
        others: dict[str, Any] = {} if _FACTORY in named else {_FACTORY: factory}
        if not issubclass(self.cls, AbstractConnectionPool):
            others = {}  # it may pass them on to another driver; connections are counted when lent
        given |= {_FACTORY: factory} if _FACTORY in named else {}
        if not _takes_server_whole(self.signature):
            given |= _parts_given(named, conninfo)
        for name in _CREATOR:
            if name in named:
                given[name] = _creator(conninfo, factory)
        spread = _spread(self.signature)
        dsn = next((name for name in _DSN if name in named), None)
        if dsn is not None:
            given[dsn] = conninfo
        elif spread.args:
            positional.append(conninfo)
        elif spread.kwargs:
            others |= {"dsn": conninfo, **{key: limits[key] for key in self.passed_on}}
        if spread.args:
            given[spread.args] = tuple(positional)
        if spread.kwargs:
            given[spread.kwargs] = others
        bound = inspect.BoundArguments(self.signature, given)
        bound.apply_defaults()
        cls = self.cls
        if issubclass(cls, ResizablePsycopg2Pool):
            cls = type(cls.__name__, (cls,), {"__module__": cls.__module__, "factory": factory})
        return cls(*bound.args, **bound.kwargs)


def _takes_server_whole(signature: inspect.Signature) -> bool:
    """Return whether a constructor takes the server's address in one argument, or a function that
    connects to it."""
    return any(name in signature.parameters for name in (*_DSN, *_CREATOR))


def _parts_given(named: Mapping[str, inspect.Parameter], conninfo: str) -> dict[str, Any]:
    """Return the parts of the server's address that a constructor has parameters for."""
    parts = parse_dsn(conninfo)
    given: dict[str, Any] = {}
    for name, part in _PARTS.items():
        if name in named and (part in parts or named[name].default is _Kinds.empty):
            value = parts.get(part, "5432" if part == "port" else "")
            given[name] = int(value) if part == "port" and value.isdigit() else value
    return given


def _creator(conninfo: str, factory: type[connection]) -> Callable[..., connection]:
    """Return a function that connects and ignores its arguments."""

    def connect(*_args: object, **_kwargs: object) -> connection:
        return psycopg2.connect(conninfo, connection_factory=factory)

    return connect


class _Spread(NamedTuple):
    """The names of `*args` and `**kwargs`; empty if there are none."""

    args: str
    kwargs: str


def _spread(signature: inspect.Signature) -> _Spread:
    by_kind = {parameter.kind: name for name, parameter in signature.parameters.items()}
    return _Spread(by_kind.get(_Kinds.VAR_POSITIONAL, ""), by_kind.get(_Kinds.VAR_KEYWORD, ""))


def constructor_of(cls: type[Any], id: str) -> PoolConstructor:
    """Return how `cls` is made.

    Raises InputError if its constructor requires an argument that poolviz can't supply.
    """
    try:
        signature = inspect.signature(cls)
    except (TypeError, ValueError):
        raise InputError(f"{id} can't be made: its constructor has no signature.") from None
    _check_constructor(signature, id)
    parameters = {name: p for name, p in signature.parameters.items() if _is_limit(p)}
    made, in_place = cls, _declared_in_place(cls)
    passed_on: tuple[str, ...] = ()
    if issubclass(cls, AbstractConnectionPool):
        made = made_resizable(cls)
        if issubclass(made, ResizablePsycopg2Pool) and not overrides_library(cls):
            in_place |= {"minconn", "maxconn"}
        if not {"minconn", "maxconn"} & set(parameters) and any(_spread(signature)):
            passed_on = ("minconn", "maxconn")
            unnamed = {key: _Kinds(key, _Kinds.POSITIONAL_OR_KEYWORD) for key in passed_on}
            parameters = unnamed | parameters
    least, most = (
        next((name for name in names if name in parameters and _is_whole(parameters[name])), None)
        for names in (_LEAST, _MOST)
    )
    limits = [_limit(cls, each, in_place, least, most) for each in parameters.values()]
    return PoolConstructor(
        cls=made,
        limits=Parameters(f"limit of {id}", *limits),
        in_place=in_place,
        least=least,
        most=most,
        signature=signature,
        passed_on=passed_on,
    )


def _declared_in_place(cls: type[Any]) -> frozenset[str]:
    """Return the parameters that the class declares to be settable in a pool in use."""
    declared = getattr(cls, "live_limits", ())
    return frozenset(declared if isinstance(declared, (tuple, list, set, frozenset)) else ())


def _check_constructor(signature: inspect.Signature, id: str) -> None:
    """Raise InputError if the constructor requires something unknown, or can't be told a server."""
    known = {*_DSN, *_CREATOR, *_PARTS, _FACTORY}
    required = [
        parameter
        for name, parameter in signature.parameters.items()
        if parameter.default is _Kinds.empty
        and parameter.kind not in (_Kinds.VAR_POSITIONAL, _Kinds.VAR_KEYWORD)
        and name not in known
        and not _is_limit(parameter)
    ]
    if required:
        names = " and ".join(parameter.name for parameter in required)
        first = required[0].name
        raise InputError(
            f"{id} can't be made: its constructor requires {names}, and poolviz passes the server "
            "(dsn, or host, port, user, password and dbname) and limits such as minconn and "
            f"maxconn; give {first} a default in the constructor's signature, and if that is a "
            f"number, set it by --limit {first}=VALUE."
        )
    spread = _spread(signature)
    takes = any(name in signature.parameters for name in ("host", "dbname", "database", "db"))
    if not (any(spread) or takes or _takes_server_whole(signature)):
        raise InputError(
            f"{id} can't be made: its constructor takes no server; give it a parameter dsn, or "
            "*args and **kwargs to pass on to psycopg2.connect."
        )


def _is_limit(parameter: inspect.Parameter) -> bool:
    """Return whether a parameter is a number or a switch, by its default or a known name.

    A number that no limit can hold, such as infinity, is none: it keeps its default, as one that
    has no upper bound.
    """
    if parameter.kind in (_Kinds.VAR_POSITIONAL, _Kinds.VAR_KEYWORD) or parameter.name in _PARTS:
        return False
    default = parameter.default
    if default is _Kinds.empty:
        return parameter.name in (*_LEAST, *_MOST)
    return limit_value(default) is not None


def _is_whole(parameter: inspect.Parameter) -> bool:
    """Return whether a limit may stand for a number of connections."""
    default = parameter.default
    return default is _Kinds.empty or (not isinstance(default, bool) and default == int(default))


def _limit(
    cls: type[Any],
    parameter: inspect.Parameter,
    in_place: frozenset[str],
    least: str | None,
    most: str | None,
) -> Parameter:
    """Return a constructor's parameter as a limit."""
    key, default = parameter.name, parameter.default
    changes: dict[str, Any] = {"key": key}
    of_library = key in ("minconn", "maxconn") and issubclass(cls, AbstractConnectionPool)
    if key in (least, most):
        known = MAXCONN if key == most else MINCONN
        changes["at_least"] = least if key == most else None
        if default is not _Kinds.empty:
            changes["default"] = number = int(default)
            changes["minimum"] = min(known.minimum, number)
            changes["maximum"] = max(known.maximum, number)
            changes["slider"] = (changes["minimum"], max(known.slider[1], number))
        if not of_library:
            changes["help"] = (
                f"The {'maximum' if key == most else 'minimum'} number of connections."
            )
        limit: Parameter = known
    else:
        limit = _plain(parameter)
    help = _documented_help(cls, key)
    if help:
        changes["help"] = help
    if key not in in_place:
        changes |= {"effect": Effect.REBUILD, "effect_help": _REBUILT}
    elif not of_library:
        changes["effect_help"] = "Set as an attribute of the pool."
    return msgspec.structs.replace(limit, **changes)


def _plain(parameter: inspect.Parameter) -> Parameter:
    """Return a limit for a parameter of which only the name and the default are known."""
    key, default = parameter.name, limit_value(parameter.default)
    assert default is not None, f"{key} can't be a limit"
    help = f"The constructor's parameter {key}."
    if isinstance(default, bool):
        return Switch(key=key, default=default, help=help)
    is_time = isinstance(default, float) or parameter.annotation in (float, "float")
    least = min(0, default)
    if is_time or _TIMES & set(key.split("_")):
        longest = max(_LONGEST, default)
        return Seconds(
            key=key,
            default=float(default),
            help=help,
            minimum=least,
            maximum=longest,
            slider=(least, min(longest, max(60, 2 * default))),
            log_slider=default >= 0,
        )
    highest = max(_HIGHEST, default)
    return Count(
        key=key,
        default=int(default),
        help=help,
        minimum=least,
        maximum=highest,
        slider=(least, min(highest, max(60, 2 * default))),
    )


def _documented_help(cls: type[Any], key: str) -> str:
    """Return what a docstring of the class says about a parameter, in a line `key: …`."""
    for text in (cls.__doc__, cls.__init__.__doc__):
        found = re.search(rf"^\W*(?:param )?\b{key}\b`*: *(.+)$", text or "", re.MULTILINE)
        if found:
            return found[1].strip().rstrip(".") + "."
    return ""
