"""How a user's own pool class is made, read from its constructor, and what of it is live."""

from __future__ import annotations

import dis
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any, NamedTuple

import msgspec
import psycopg2
from psycopg2.extensions import connection
from psycopg2.pool import AbstractConnectionPool, SimpleConnectionPool, ThreadedConnectionPool

from poolviz.model.errors import InputError
from poolviz.model.parameters import Count, Effect, Parameter, Parameters, Seconds, Switch, Value
from poolviz.pools.psycopg2.pools import MAXCONN, MINCONN
from poolviz.pools.psycopg2.resizable import (
    ResizableConnectionPool,
    ResizableLocklessPool,
    ResizableSimplePool,
    ResizableThreadedPool,
)

_Kinds = inspect.Parameter
_DSN = ("dsn", "conninfo", "connection_string", "database_url", "url")
_CREATOR = ("creator", "connect")
_FACTORY = "connection_factory"
_LEAST = ("minconn", "min_size", "minsize", "min_connections")
_MOST = ("maxconn", "max_size", "maxsize", "max_connections", "pool_size", "size")
_TIMES = {"timeout", "age", "lifetime", "delay", "interval", "seconds", "recycle", "ttl"}
_HIGHEST = 10_000.0  # count that a limit takes, unless its default is higher
_LONGEST = 30 * 86_400.0  # seconds, likewise
_REBUILT = (
    "The pool is made anew with it; the old one serves whoever holds or awaits one of its "
    "connections, and is closed when the last is back."
)


@dataclass(frozen=True)
class Constructor:
    """How a class with getconn and putconn is made and changed.

    `made` is what is made of it: itself, or itself on top of our live pool instead of psycopg2's.
    `live` names the limits that are changed in the pool as it is; for all others it is rebuilt.
    """

    made: type[Any]
    limits: Parameters
    live: frozenset[str]
    least: str | None  # the limit that says how many connections are kept
    most: str | None  # the limit that says how many there may be
    signature: inspect.Signature
    handed_on: tuple[str, ...]  # limits that it takes unnamed, for psycopg2's constructor

    def make(self, conninfo: str, factory: type[connection], limits: Mapping[str, Value]) -> Any:
        """A pool of the class, on connections of the class `factory` wherever it lets us choose.

        Raises whatever its constructor does.
        """
        named = self.signature.parameters
        given: dict[str, Any] = {key: value for key, value in limits.items() if key in named}
        unnamed = [limits[key] for key in self.handed_on]
        others: dict[str, Any] = {} if _FACTORY in named else {_FACTORY: factory}
        given |= {_FACTORY: factory} if _FACTORY in named else {}
        for name in _CREATOR:
            if name in named:
                given[name] = _creator(conninfo, factory)
        spread = _spread(self.signature)
        dsn = next((name for name in _DSN if name in named), None)
        if dsn is not None:
            given[dsn] = conninfo
        elif spread.args:
            unnamed.append(conninfo)
        else:
            others |= {"dsn": conninfo, **{key: limits[key] for key in self.handed_on}}
        if spread.args:
            given[spread.args] = tuple(unnamed)
        if spread.kwargs:
            given[spread.kwargs] = others
        bound = inspect.BoundArguments(self.signature, given)
        bound.apply_defaults()
        made = self.made
        if issubclass(made, ResizableConnectionPool):
            made = type(made.__name__, (made,), {"__module__": made.__module__, "factory": factory})
        return made(*bound.args, **bound.kwargs)


def _creator(conninfo: str, factory: type[connection]) -> Callable[..., connection]:
    """A function that connects, whatever it is called with."""

    def connect(*_args: object, **_kwargs: object) -> connection:
        return psycopg2.connect(conninfo, connection_factory=factory)

    return connect


class _Spread(NamedTuple):
    """The names of `*args` and `**kwargs`; empty where there are none."""

    args: str
    kwargs: str


def _spread(signature: inspect.Signature) -> _Spread:
    by_kind = {parameter.kind: name for name, parameter in signature.parameters.items()}
    return _Spread(by_kind.get(_Kinds.VAR_POSITIONAL, ""), by_kind.get(_Kinds.VAR_KEYWORD, ""))


def constructor_of(cls: type[Any], id: str) -> Constructor:
    """How `cls` is made; InputError says what its constructor wants that poolviz hasn't got."""
    try:
        signature = inspect.signature(cls)
    except (TypeError, ValueError):
        raise InputError(f"{id} doesn't say what its constructor takes.") from None
    _check_constructor(signature, id)
    parameters = {name: p for name, p in signature.parameters.items() if _is_limit(p)}
    made, live = cls, _resizable_by_itself(cls)
    handed_on: tuple[str, ...] = ()
    if issubclass(cls, AbstractConnectionPool):
        made = _on_resizable(cls)
        if issubclass(made, ResizableConnectionPool) and builds_on_the_library(cls):
            live |= {"minconn", "maxconn"}
        if not {"minconn", "maxconn"} & set(parameters) and any(_spread(signature)):
            handed_on = ("minconn", "maxconn")
            unnamed = {key: _Kinds(key, _Kinds.POSITIONAL_OR_KEYWORD) for key in handed_on}
            parameters = unnamed | parameters
    least = next((name for name in _LEAST if name in parameters), None)
    most = next((name for name in _MOST if name in parameters), None)
    limits = [_limit(cls, each, live, least, most) for each in parameters.values()]
    return Constructor(
        made=made,
        limits=Parameters(f"limit of {id}", *limits),
        live=live,
        least=least,
        most=most,
        signature=signature,
        handed_on=handed_on,
    )


def _resizable_by_itself(cls: type[Any]) -> frozenset[str]:
    """The parameters that the class says may be set in a pool of it."""
    said = getattr(cls, "live_limits", ())
    return frozenset(said if isinstance(said, (tuple, list, set, frozenset)) else ())


def _check_constructor(signature: inspect.Signature, id: str) -> None:
    """InputError where it wants something unknown, or takes no server."""
    known = {*_DSN, *_CREATOR, _FACTORY}
    wanted = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.default is _Kinds.empty
        and parameter.kind not in (_Kinds.VAR_POSITIONAL, _Kinds.VAR_KEYWORD)
        and name not in known
        and not _is_limit(parameter)
    ]
    if wanted:
        raise InputError(
            f"{id} can't be made: its constructor wants {' and '.join(wanted)}, and poolviz gives "
            "minconn, maxconn and what psycopg2.connect takes, such as dsn; give the rest defaults."
        )
    spread = _spread(signature)
    places = (*_DSN, *_CREATOR)
    if not (spread.args or spread.kwargs or any(name in signature.parameters for name in places)):
        raise InputError(
            f"{id} can't be made: its constructor takes no server; give it a parameter dsn, or "
            "*args and **kwargs to pass to psycopg2.connect."
        )


def _is_limit(parameter: inspect.Parameter) -> bool:
    """Whether it is a number or a switch, by its default or a name that we know."""
    if parameter.kind in (_Kinds.VAR_POSITIONAL, _Kinds.VAR_KEYWORD):
        return False
    if parameter.default is _Kinds.empty:
        return parameter.name in (*_LEAST, *_MOST)
    return isinstance(parameter.default, (bool, int, float))


def _limit(
    cls: type[Any],
    parameter: inspect.Parameter,
    live: frozenset[str],
    least: str | None,
    most: str | None,
) -> Parameter:
    """The declaration of a constructor's parameter as a limit."""
    key, default = parameter.name, parameter.default
    changes: dict[str, Any] = {"key": key}
    librarys = key in ("minconn", "maxconn") and issubclass(cls, AbstractConnectionPool)
    if key in (least, most):
        known = MAXCONN if key == most else MINCONN
        changes["at_least"] = least if key == most else None
        if default is not _Kinds.empty:
            changes["default"] = number = int(default)
            changes["minimum"] = min(known.minimum, number)
            changes["slider"] = (changes["minimum"], max(known.slider[1], number))
        if not librarys:
            changes["help"] = f"The {'most' if key == most else 'fewest'} connections."
        limit: Parameter = known
    else:
        limit = _plain(parameter)
    help = _said_of(cls, key)
    if help:
        changes["help"] = help
    if key not in live:
        changes |= {"effect": Effect.REBUILD, "effect_help": _REBUILT}
    elif not librarys:
        changes["effect_help"] = "It is set in the pool as it is."
    return msgspec.structs.replace(limit, **changes)


def _plain(parameter: inspect.Parameter) -> Parameter:
    """A limit that is known by nothing but its name and its default."""
    key, default = parameter.name, parameter.default
    help = f"What the constructor calls {key}."
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
        default=default,
        help=help,
        minimum=least,
        maximum=highest,
        slider=(least, min(highest, max(60, 2 * default))),
    )


def _said_of(cls: type[Any], key: str) -> str:
    """What the docstrings of the class say about a parameter, in a line `key: what it is`."""
    for text in (cls.__doc__, cls.__init__.__doc__):
        found = re.search(rf"^\W*(?:param )?\b{key}\b`*: *(.+)$", text or "", re.MULTILINE)
        if found:
            return found[1].strip().rstrip(".") + "."
    return ""


def _on_resizable(cls: type[Any]) -> type[Any]:
    """`cls` as it would be had its author built it on our live pools instead of psycopg2's."""
    live: type[Any] = ResizableLocklessPool
    if issubclass(cls, ThreadedConnectionPool):
        live = ResizableThreadedPool
    elif issubclass(cls, SimpleConnectionPool):
        live = ResizableSimplePool
    if issubclass(live, cls):  # the library's own
        return live
    try:
        return type(
            cls.__name__, (cls, live), {"__module__": cls.__module__, "__doc__": cls.__doc__}
        )
    except TypeError:  # it can't be a base of another, or not together with ours
        return cls


def builds_on_the_library(cls: type[Any]) -> bool:
    """Whether minconn and maxconn of a psycopg2 pool can be changed in it as it is.

    That is so where each of the library's methods that the class overrides calls the library's
    in turn, and its constructor does nothing with the two but pass them on.
    """
    calls = {
        "__init__": {"__init__"},
        "_getconn": {"_getconn"},
        "_putconn": {"_putconn"},
        "getconn": {"getconn", "_getconn"},
        "putconn": {"putconn", "_putconn"},
    }
    for owner in cls.__mro__:
        if owner.__module__ == AbstractConnectionPool.__module__:
            break
        for name, any_of in calls.items():
            method = vars(owner).get(name)
            if method is not None and not any_of & _names_in(method):
                return False
        if _keeps_limits(vars(owner).get("__init__")):
            return False
    return True


def _code_of(method: Any) -> Iterator[CodeType]:
    """The code of a method, and of all that is defined within it."""
    code = getattr(inspect.unwrap(method), "__code__", None)
    left = [code] if code is not None else []
    while left:
        found = left.pop()
        yield found
        left += [constant for constant in found.co_consts if isinstance(constant, CodeType)]


def _names_in(method: Callable[..., Any]) -> set[str]:
    return {name for code in _code_of(method) for name in code.co_names}


def _keeps_limits(init: Any) -> bool:
    """Whether a constructor uses its minconn or maxconn more than once: to hand them on."""
    if init is None:
        return False
    for code in _code_of(init):
        used = [
            name
            for instruction in dis.get_instructions(code)
            if instruction.opname.startswith("LOAD_")
            for name in (
                instruction.argval
                if isinstance(instruction.argval, tuple)
                else (instruction.argval,)
            )
        ]
        if used.count("minconn") > 1 or used.count("maxconn") > 1:
            return True
    return False
