"""Descriptions of pools: made where a pool's class is, and made a class again elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from poolviz.language import tr, tr_noop
from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE
from poolviz.model.errors import InputError
from poolviz.model.parameters import (
    Choice,
    Count,
    File,
    Number,
    Parameter,
    Parameters,
    Seconds,
    Switch,
    Text,
    Value,
)
from poolviz.model.pool_description import ConnectionBound, LimitDescription, PoolDescription
from poolviz.model.use import POOL
from poolviz.pools.base import Pool, TaskPool, ThreadPool
from poolviz.pools.custom.own_options import split_id
from poolviz.pools.listing import built_in_listing

_KINDS: dict[str, type[Parameter]] = {
    each.kind: each for each in (Choice, Count, File, Number, Seconds, Switch, Text)
}
_SERVERS = (POSTGRESQL, MYSQL, SQLITE)
_LONGEST, _MOST_LIMITS = 80, 100  # of a session's pool: characters of a name, limits
_LONGEST_TEXT, _GREATEST = 10_000, 1e12  # of its limits: characters, and any number
_ATTRIBUTES = (
    *("id", "title", "library", "about", "waits", "servers", "nests", "transactional", "shares"),
    *("one_client", "takes_away", "lingers", "uses", "drivers", "what"),
)


class DescribedPool(Pool):
    """A pool that is known by its description alone. It is never made."""

    capacity_bound: ClassVar[ConnectionBound]
    kept_bound: ClassVar[ConnectionBound]

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """Return the most connections that `limits` allow; None for no bound, or if that isn't
        known here."""
        bound = cls.capacity_bound
        if bound.pool:
            return _built_in(bound.pool).capacity(limits)
        return int(limits[bound.limit]) if bound.limit else bound.number

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """Return how many connections the pool keeps open when idle; 0 if that isn't known here."""
        bound = cls.kept_bound
        if bound.pool:
            return _built_in(bound.pool).kept(limits)
        return int(limits[bound.limit]) if bound.limit else bound.number or 0


def describe(kind: type[Pool]) -> PoolDescription:
    """Return the description of a pool's class.

    Raises InputError if what a user's class declares is of the wrong type.
    """
    declared = {name: getattr(kind, name) for name in _ATTRIBUTES}
    if not isinstance(kind.limits, Parameters):
        raise InputError(
            tr(
                "{id} can't be used: its limits are a {name}, and should be declared as "
                "poolviz.model.parameters.Parameters.",
                id=kind.id,
                name=type(kind.limits).__name__,
            )
        )
    limits = [_describe_limit(kind, limit) for limit in kind.limits.values()]
    capacity, kept = (_bound(kind, name) for name in ("capacity", "kept"))
    connect = {
        server: [_describe_limit(kind, each) for each in arguments.values()]
        for server, arguments in kind.connect.items()
    }
    described = declared | {"asyncio": issubclass(kind, TaskPool), "limits": limits}
    described["connect"] = connect
    try:
        return msgspec.convert(
            described | {"capacity": capacity, "kept": kept}, PoolDescription, from_attributes=True
        )
    except msgspec.ValidationError as error:
        raise InputError(
            tr(
                "{id} can't be used, for what it declares is wrong: {error}.",
                id=kind.id,
                error=error,
            )
        ) from None


def described_pool(description: PoolDescription) -> type[Pool]:
    """Return a class with everything that `description` says. It can't be instantiated."""
    limits = [_limit(each) for each in description.limits]
    base: Any = TaskPool if description.asyncio else ThreadPool
    body = {name: getattr(description, name) for name in _ATTRIBUTES} | {
        "__doc__": f"`{description.id}`, as its description says.",
        "__module__": __name__,
        "limits": Parameters(f"limit of {description.id}", *limits),
        "connect": {
            server: Parameters(f"connect argument of {description.id}", *map(_limit, arguments))
            for server, arguments in description.connect.items()
        },
        "exhausted": (),
        "capacity_bound": description.capacity,
        "kept_bound": description.kept,
    }
    return type(description.title, (DescribedPool, base), body)


def recorded_pool(id: str, limits: Mapping[str, Value]) -> type[Pool]:
    """Return a class for a pool of which no more is known than a session records: its id, and
    `limits`, which become the defaults. It can't be instantiated.

    The session may say anything: limits that no pool has are left out.
    """
    bare, _ = split_id(id)
    name = (bare.rpartition(":")[2] or bare)[:_LONGEST]
    shown = "".join(c if c.isprintable() else "?" for c in name) or tr("A pool without a name")
    showable = {key: value for key, value in limits.items() if _is_showable(key, value)}
    return described_pool(
        PoolDescription(
            id=id,
            title=shown,
            library="",
            about=tr("{shown}, a class of your own.", shown=shown),
            asyncio=False,
            limits=tuple(_recorded_limit(*limit) for limit in [*showable.items()][:_MOST_LIMITS]),
            capacity=ConnectionBound(),
            kept=ConnectionBound(),
            waits=True,
            servers=tuple(_SERVERS),
            nests=True,
            transactional=True,
            shares=False,
            one_client="",
            takes_away=False,
            lingers=False,
            uses=(POOL,),
        )
    )


def _is_showable(key: str, value: Value) -> bool:
    if not (key.isprintable() and 0 < len(key) <= _LONGEST):
        return False
    if isinstance(value, str):
        return "\0" not in value and len(value) <= _LONGEST_TEXT
    return abs(value) <= _GREATEST  # which NaN is not


def _recorded_limit(key: str, value: Value) -> LimitDescription:
    help = tr_noop("A limit of the pool, as the session records it.")
    fields: dict[str, Any] = {"key": key, "default": value, "help": help}
    if isinstance(value, bool):
        return LimitDescription(Switch.kind, fields)
    if isinstance(value, str):
        return LimitDescription(Text.kind, fields)
    bounds = {"minimum": min(0, value), "slider": (min(0, value), max(60, 2 * value))}
    kind = Count.kind if isinstance(value, int) else Number.kind
    return LimitDescription(kind, fields | bounds)


def _describe_limit(kind: type[Pool], limit: object) -> LimitDescription:
    """Describe a limit; one of a class of the user's is described as what it is derived from."""
    known = next((each for each in _KINDS.values() if type(limit) is each), None) or next(
        (each for each in _KINDS.values() if isinstance(limit, each)), None
    )
    if known is None or not isinstance(limit, Parameter):
        raise InputError(
            tr(
                "{id} can't be used: its limit {limit!r} is none of poolviz.model.parameters.",
                id=kind.id,
                limit=limit,
            )
        )
    limit.check(limit.default)
    fields = {name: getattr(limit, name) for name in known.__struct_fields__}
    return LimitDescription(known.kind, fields)


def _limit(description: LimitDescription) -> Parameter:
    limit = msgspec.convert(description.fields, _KINDS[description.kind])
    # Their keys are whole numbers, which the type of the field makes -1.0.
    if special := description.fields.get("special"):
        return msgspec.structs.replace(limit, special=special)
    return limit


def _bound(kind: type[Pool], name: str) -> ConnectionBound:
    """Return how the class method `name` of a pool depends on its limits, as far as that can be
    told to another process."""
    constructor = getattr(kind, "constructor", None)  # of a class with getconn and putconn
    if constructor is not None and constructor.like:
        return ConnectionBound(pool=constructor.like)
    if constructor is not None:
        least, most = constructor.least, constructor.most
        limit = most if name == "capacity" else least or most
        return ConnectionBound(limit=limit or "")
    method = getattr(kind, name).__func__
    for base in kind.__mro__:
        id = vars(base).get("id")
        listed = built_in_listing(id) if isinstance(id, str) and id else None
        if listed is not None and getattr(listed.load(), name).__func__ is method:
            return ConnectionBound(pool=listed.id)
    if method.__module__.startswith("poolviz.pools."):
        return ConnectionBound(number=method(kind, kind.limits.defaults()))
    return ConnectionBound()


def _built_in(id: str) -> type[Pool]:
    listing = built_in_listing(id)
    assert listing is not None, f"{id} isn't a pool of poolviz"
    return listing.load()
