"""The limits of a user's pool: the numbers and switches among its constructor's parameters."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from psycopg2.pool import AbstractConnectionPool

from poolviz.language import tr, tr_noop
from poolviz.model.parameters import Count, Effect, Parameter, Seconds, Switch
from poolviz.pools.constructor_defaults import limit_value
from poolviz.pools.custom.server_arguments import part_of
from poolviz.pools.psycopg2.pools import MAXCONN, MINCONN

_Kinds = inspect.Parameter
_LEAST = ("minconn", "min_size", "minsize", "min_connections", "min_conn", "mincached", "pool_min")
_MOST = (
    *("maxconn", "max_size", "maxsize", "max_connections", "max_conn", "maxconnections"),
    *("pool_size", "size", "pool_max", "max_pool_size"),
)
_TIMES = {"timeout", "age", "lifetime", "delay", "interval", "seconds", "recycle", "ttl"}
_HIGHEST = 10_000.0  # count that a limit takes, unless its default is higher
_LONGEST = 30 * 86_400.0  # seconds, likewise
_REBUILT = tr_noop(
    "The pool is rebuilt; the old one keeps serving clients that hold or wait for one of its "
    "connections, and is closed when the last connection is back."
)


class Bounds(NamedTuple):
    """The limits that say how many connections are kept, and how many there may be, if any do."""

    least: str | None
    most: str | None


def bounds_of(parameters: Iterable[inspect.Parameter]) -> Bounds:
    """Return the bounds among the parameters that are limits."""
    whole = {each.name for each in parameters if is_limit(each) and _is_whole(each)}
    least, most = (
        next((name for name in names if name in whole), None) for names in (_LEAST, _MOST)
    )
    return Bounds(least, most)


def is_limit(parameter: inspect.Parameter) -> bool:
    """Return whether a parameter is a number or a switch, by its default or a known name.

    A number that no limit can hold, such as infinity, is none: it keeps its default, as one that
    has no upper bound.
    """
    if parameter.kind in (_Kinds.VAR_POSITIONAL, _Kinds.VAR_KEYWORD):
        return False
    if part_of(parameter.name):
        return False
    default = parameter.default
    if default is _Kinds.empty:
        return parameter.name in (*_LEAST, *_MOST)
    return limit_value(default) is not None


def _is_whole(parameter: inspect.Parameter) -> bool:
    """Return whether a limit may stand for a number of connections."""
    default = parameter.default
    return default is _Kinds.empty or (not isinstance(default, bool) and default == int(default))


def limit_of(
    made: Any, parameter: inspect.Parameter, in_place: frozenset[str], bounds: Bounds
) -> Parameter:
    """Return a parameter of `made`, a class or a function that makes a pool, as a limit."""
    key, default = parameter.name, parameter.default
    changes: dict[str, Any] = {"key": key}
    least, most = bounds
    of_library = (
        key in ("minconn", "maxconn")
        and isinstance(made, type)
        and issubclass(made, AbstractConnectionPool)
    )
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
                tr_noop("The maximum number of connections.")
                if key == most
                else tr_noop("The minimum number of connections.")
            )
        limit: Parameter = known
    else:
        limit = _plain(parameter)
    help = _documented_help(made, key)
    if help:
        changes["help"] = help
    if key not in in_place:
        changes |= {"effect": Effect.REBUILD, "effect_help": _REBUILT}
    elif not of_library:
        changes["effect_help"] = tr_noop("Set as an attribute of the pool.")
    return msgspec.structs.replace(limit, **changes)


def limit_of_value(made: Any, key: str, value: object) -> Parameter | None:
    """Return an attribute of a pool that was made before as a limit; None if it can't be one."""
    if limit_value(value) is None:
        return None
    parameter = inspect.Parameter(key, _Kinds.POSITIONAL_OR_KEYWORD, default=value)
    return limit_of(made, parameter, frozenset({key}), Bounds(None, None))


def _plain(parameter: inspect.Parameter) -> Parameter:
    """Return a limit for a parameter of which only the name and the default are known."""
    key, default = parameter.name, limit_value(parameter.default)
    assert default is not None, f"{key} can't be a limit"
    help = tr("The constructor's parameter {key}.", key=key)
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


def _documented_help(made: Any, key: str) -> str:
    """Return what a docstring says about a parameter, in a line `key: …`."""
    for text in (made.__doc__, made.__init__.__doc__):
        found = re.search(rf"^\W*(?:param )?\b{key}\b`*: *(.+)$", text or "", re.MULTILINE)
        if found:
            return found[1].strip().rstrip(".") + "."
    return ""
