"""What `poolviz pools` prints: every pool and its limits, read from their declarations."""

from __future__ import annotations

from typing import Any

import msgspec

from poolviz.model.parameters import Parameter
from poolviz.pools import POOLS


def as_json() -> str:
    """Every pool as one JSON object."""
    pools = [
        {
            "id": pool.id,
            "title": pool.title,
            "library": pool.library,
            "about": pool.about,
            "waits_when_exhausted": pool.waits,
            "limits": [_described(parameter) for parameter in pool.limits.values()],
        }
        for pool in POOLS.values()
    ]
    return msgspec.json.format(msgspec.json.encode({"pools": pools})).decode()


def as_text() -> str:
    """Every pool for people."""
    blocks = []
    for pool in POOLS.values():
        lines = [pool.id, f"  {pool.about}"]
        for parameter in pool.limits.values():
            lines.append(
                f"  {parameter.key:<16} {parameter.show(parameter.default):>8}   "
                f"a change holds {_when(parameter)}. {parameter.help}"
            )
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _described(parameter: Parameter) -> dict[str, Any]:
    return {
        "key": parameter.key,
        "kind": parameter.kind,
        "default": parameter.default,
        "allowed": parameter.allowed(),
        "change": parameter.effect,
        "change_does": parameter.effect_help,
        "help": parameter.help,
    }


def _when(parameter: Parameter) -> str:
    words = {"now": "at once", "new requests": "for new requests"}
    return words.get(parameter.effect, str(parameter.effect))
