"""How much of something long is done: a number from 0 to 1 that whoever waits for it hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

# Called by the thread that does it, many times a second perhaps. May raise, which ends it.
ShareDone: TypeAlias = Callable[[float], None]


def unheard(_share: float) -> None:
    """Tell nobody."""


def portion(share_done: ShareDone, number: int, count: int) -> ShareDone:
    """Return what hears of part `number` (from 0) of `count` equal parts of the whole."""
    return lambda share: share_done((number + min(max(share, 0.0), 1.0)) / count)
