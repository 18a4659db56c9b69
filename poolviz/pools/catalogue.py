"""The output of `poolviz pools`: all pools and their limits, as declared."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from poolviz.model.parameters import Effect, Parameter, Parameters
from poolviz.pools.base import Pool, TaskPool
from poolviz.pools.listing import Listing
from poolviz.pools.registry import listings, missing_for, pool_class

_APPLIES = {
    Effect.NOW: "a change applies at once",
    Effect.NEW_REQUESTS: "a change applies to new requests",
    Effect.REBUILD: "a change rebuilds the pool",
    Effect.NEW_RUN: "a change needs a new run",
}


def as_json() -> str:
    """Return all pools as one JSON object; more than names only for those that can be used."""
    pools = [_as_dict(listing) for listing in listings()]
    return msgspec.json.format(msgspec.json.encode({"pools": pools})).decode()


def as_text() -> str:
    """Return all pools as text for people."""
    return "\n\n".join(_as_text(listing) for listing in listings())


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
        needs = f"needs {' and '.join(listing.drivers)}: " if listing.drivers else ""
        return f"{listing.id}\n  ({needs}{missing})"
    pool = pool_class(listing.id)
    servers = ", ".join(pool.servers)
    lines = [pool.id, f"  {pool.about}", f"  Clients are {_clients(pool)}; servers: {servers}."]
    lines += [f"  use = {use.name}: {use.code}" for use in pool.uses]
    lines += _listed(pool.limits)
    for server, arguments in pool.connect.items():
        where = f" to {server}" if len(pool.servers) > 1 else ""
        lines += [f"  Connect arguments{where} (--connect), for a whole run:", *_listed(arguments)]
    return "\n".join(lines)


def _listed(parameters: Parameters) -> list[str]:
    """Return two lines for each parameter."""
    lines = []
    width = max([16, *map(len, parameters)])
    for parameter in parameters.values():
        applies = "" if parameter.effect is Effect.NEW_RUN else f"; {_APPLIES[parameter.effect]}"
        lines += [
            f"  {parameter.key:<{width}} {parameter.show(parameter.default) or 'empty':>8}   "
            f"{parameter.allowed()}{applies}.",
            f"  {'':<{width + 8}}    {parameter.help}",
        ]
    return lines


def _runs(pool: type[Pool]) -> str:
    """Return how the clients of a pool run, as the JSON has it."""
    return "asyncio" if issubclass(pool, TaskPool) else "threads"


def _clients(pool: type[Pool]) -> str:
    return "asyncio tasks" if issubclass(pool, TaskPool) else "threads"


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
