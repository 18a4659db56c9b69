"""What an error means that a pool raised while it was opened or resized."""

from __future__ import annotations

from collections.abc import Collection

from poolviz.language import tr
from poolviz.model.error_text import sentence_part
from poolviz.model.errors import PoolvizError
from poolviz.pools.custom.places import place_of_error
from poolviz.servers import dispatch


def describe_error(error: BaseException, conninfo: str) -> PoolvizError:
    """Return a pool's error as one sentence for the user."""
    if isinstance(error, PoolvizError):
        return error
    described = dispatch.describe_error(error, conninfo) if isinstance(error, Exception) else None
    return described or PoolvizError(pool_raised(error, dispatch.passwords(conninfo)))


def pool_raised(error: BaseException, passwords: Collection[str] = ()) -> str:
    """Return the sentence for an error of the user's own pool: what it raised, and where."""
    place = place_of_error(error)
    where = f" ({place})" if place is not None else ""
    return tr(
        "The pool raised {error}{where}.",
        error=sentence_part(error, passwords),
        where=where,
    )
