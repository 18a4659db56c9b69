"""All pools, their limits and connect arguments as declared, for `poolviz pools` and `help`."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import msgspec

from poolviz.language import tr, tr_noop
from poolviz.model.parameters import Effect, Parameter, Parameters, both
from poolviz.pools.base import Pool, TaskPool
from poolviz.pools.listing import Listing
from poolviz.pools.registry import POOLS, listings, missing_for, pool_class

# What a change of a parameter does to a pool in use, as part of a sentence.
APPLIES = {
    Effect.NOW: tr_noop("a change applies at once"),
    Effect.NEW_REQUESTS: tr_noop("a change applies to new requests"),
    Effect.REBUILD: tr_noop("a change rebuilds the pool"),
    Effect.NEW_RUN: tr_noop("a change needs a new run"),
}
_INDENTED: dict[str, Any] = {
    "initial_indent": "  ",
    "subsequent_indent": "  ",
    "break_long_words": False,
    "break_on_hyphens": False,
}


def as_json() -> str:
    """Return all pools as one JSON object; more than names only for those that can be used."""
    pools = [_as_dict(listing) for listing in listings()]
    return msgspec.json.format(msgspec.json.encode({"pools": pools})).decode()


def as_text() -> str:
    """Return all pools as text for people."""
    return "\n\n".join(_as_text(listing) for listing in listings())


def limits_as_text() -> str:
    """Return each limit, with what it takes, its default, its help, and the pools that have it."""
    return _by_key([(pool.id, pool.limits) for pool in POOLS.values()])


def connect_arguments_as_text() -> str:
    """Return each connect argument, with what it takes, its default, its help, and the pools whose
    driver takes it."""
    return _by_key(
        [
            (f"{pool.id} ({server})" if len(pool.servers) > 1 else pool.id, arguments)
            for pool in POOLS.values()
            for server, arguments in pool.connect.items()
        ]
    )


def _by_key(declared: list[tuple[str, Parameters]]) -> str:
    """Return the parameters of pools in the order of their keys. Pools that declare the same one
    are listed together; what a key means elsewhere is a paragraph of its own."""
    groups: list[tuple[Parameter, list[str]]] = []
    for pool, parameters in declared:
        for parameter in parameters.values():
            same = next((pools for known, pools in groups if known == parameter), None)
            if same is None:
                groups.append((parameter, [pool]))
            else:
                same.append(pool)
    groups.sort(key=lambda group: group[0].key)
    return "\n\n".join(_paragraph(parameter, pools) for parameter, pools in groups)


def _paragraph(parameter: Parameter, pools: list[str]) -> str:
    if parameter.effect is Effect.NEW_RUN:  # what all of these would say
        parameter = msgspec.structs.replace(parameter, effect_help="")
    taken = tr("Taken by {pools}.", pools=", ".join(pools))
    lines = (textwrap.fill(each, 80, **_INDENTED) for each in (parameter.description(tr), taken))
    usual = tr("{usual} by default", usual=parameter.shown(parameter.default) or tr("empty"))
    said = (parameter.allowed(tr), usual, *_applies(parameter))
    return "\n".join((f"{parameter.key}: {'; '.join(said)}.", *lines))


def _applies(parameter: Parameter) -> tuple[str, ...]:
    """Return what a change does, as part of a sentence; nothing for what can't be changed."""
    return () if parameter.effect is Effect.NEW_RUN else (tr(APPLIES[parameter.effect]),)


def _as_dict(listing: Listing) -> dict[str, Any]:
    missing = missing_for(listing)
    known = {
        "id": listing.id,
        "title": listing.title,
        "available": not missing,
        "install": missing,
    }
    if missing:
        return known
    pool = pool_class(listing.id)
    return known | {
        "library": pool.library,
        "about": pool.about,
        "runs": _runs(pool),
        "servers": pool.servers,
        "waits_when_exhausted": pool.waits,
        "uses": [{"use": use.name, "code": use.code} for use in pool.uses],
        "limits": [_limit(parameter) for parameter in pool.limits.values()],
        "connect": {
            server: [_limit(parameter) for parameter in arguments.values()]
            for server, arguments in pool.connect.items()
        },
    }


def _as_text(listing: Listing) -> str:
    missing = missing_for(listing)
    if missing:
        if listing.drivers:
            drivers = both(listing.drivers)
            missing = tr("needs {drivers}: {install}", drivers=drivers, install=missing)
        return f"{listing.id}\n  ({missing})"
    pool = pool_class(listing.id)
    clients = tr(
        "Clients are {clients}; servers: {servers}.",
        clients=tr("asyncio tasks") if issubclass(pool, TaskPool) else tr("threads"),
        servers=", ".join(pool.servers),
    )
    lines = [pool.id, f"  {tr(pool.about)}", f"  {clients}"]
    lines += [f"  use = {use.name}: {use.code}" for use in pool.uses]
    lines += _listed(pool.limits)
    for server, arguments in pool.connect.items():
        heading = tr("Connect arguments (--connect), for a whole run:")
        if len(pool.servers) > 1:
            heading = tr(
                "Connect arguments to {server} (--connect), for a whole run:", server=server
            )
        lines += [f"  {heading}", *_listed(arguments)]
    return "\n".join(lines)


def _listed(parameters: Parameters) -> list[str]:
    """Return two lines for each parameter."""
    lines = []
    width = max([16, *map(len, parameters)])
    for parameter in parameters.values():
        takes = "; ".join((parameter.allowed(tr), *_applies(parameter)))
        lines += [
            f"  {parameter.key:<{width}} {parameter.shown(parameter.default) or tr('empty'):>8}   "
            f"{takes}.",
            f"  {'':<{width + 8}}    {tr(parameter.help)}",
        ]
    return lines


def _runs(pool: type[Pool]) -> str:
    """Return how the clients of a pool run, as the JSON has it."""
    return "asyncio" if issubclass(pool, TaskPool) else "threads"


def _limit(parameter: Parameter) -> dict[str, Any]:
    low, high = parameter.bounds or (None, math.inf)
    return {
        "key": parameter.key,
        "kind": parameter.kind,
        "default": parameter.default,
        "minimum": low,
        "maximum": high if math.isfinite(high) else None,
        "at_least": parameter.at_least,
        "special": {str(value): meaning for value, meaning in parameter.special.items()},
        "allowed": parameter.allowed(),
        "change": parameter.effect,
        "change_does": parameter.effect_help,
        "help": parameter.help,
    }
