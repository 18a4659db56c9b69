"""What `poolviz pools` prints: every pool and its limits, read from their declarations."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from poolviz.model.parameters import Parameter
from poolviz.pools.base import Pool, TaskPool
from poolviz.pools.listing import Listing
from poolviz.pools.registry import listings


def as_json() -> str:
    """Every pool as one JSON object; what it is and does only where it can be loaded."""
    pools = [_described(listing) for listing in listings()]
    return msgspec.json.format(msgspec.json.encode({"pools": pools})).decode()


def as_text() -> str:
    """Every pool for people."""
    return "\n\n".join(_told(listing) for listing in listings())


def _described(listing: Listing) -> dict[str, Any]:
    missing = listing.missing
    known = {
        "id": listing.id,
        "title": listing.title,
        "available": not missing,
        "install": missing,
    }
    if missing:
        return known
    pool = listing.load()
    return known | {
        "library": pool.library,
        "about": pool.about,
        "runs": _runs(pool),
        "servers": pool.servers,
        "waits_when_exhausted": pool.waits,
        "limits": [_limit(parameter) for parameter in pool.limits.values()],
    }


def _told(listing: Listing) -> str:
    missing = listing.missing
    if missing:
        needs = f"needs {' and '.join(listing.drivers)}: " if listing.drivers else ""
        return f"{listing.id}\n  ({needs}{missing})"
    pool = listing.load()
    lines = [pool.id, f"  {pool.about}", f"  Runs {_runs(pool)} on {', '.join(pool.servers)}."]
    width = max([16, *map(len, pool.limits)])
    for parameter in pool.limits.values():
        lines += [
            f"  {parameter.key:<{width}} {parameter.show(parameter.default):>8}   "
            f"{parameter.allowed()}; a change holds {_when(parameter)}.",
            f"  {'':<{width + 8}}    {parameter.help}",
        ]
    return "\n".join(lines)


def _runs(pool: type[Pool]) -> str:
    """What the clients of a pool are."""
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


def _when(parameter: Parameter) -> str:
    words = {"now": "at once", "new requests": "for new requests"}
    return words.get(parameter.effect, str(parameter.effect))
