"""When the processes of a run begin: the first ones all at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from time import perf_counter

from poolviz.language import tr
from poolviz.runs.spawned_engine import START_LIMIT

TOGETHER_LIMIT = 10.0  # seconds that processes whose pool is open wait for the others


class CommonStart:
    """Used by the thread that owns the processes. `say` is called with a sentence about those that
    the others don't wait for, and with an empty one once all of them are there."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._until: float | None = None  # when the first ones no longer wait
        self._over = False
        self._late: set[str] = set()

    def is_over(self, *, opened: bool, missing: Sequence[str]) -> bool:
        """Return whether processes begin as soon as their pool is open, once any of them has
        `opened` it and none is `missing`, or those that are take too long."""
        if self._over or not opened:
            return self._over
        now = perf_counter()
        self._until = self._until or now + TOGETHER_LIMIT
        self._over = not missing or now >= self._until
        if self._over and missing:
            self._late = set(missing)
            self._say(
                tr(
                    "{names} had no open pool after {limit:g} s: the others have begun.",
                    names=", ".join(missing),
                    limit=TOGETHER_LIMIT,
                )
            )
        return self._over

    @property
    def seconds_left(self) -> float | None:
        """How long those that wait still do; None if nobody does."""
        if self._over or self._until is None:
            return None
        return max(self._until - perf_counter(), 0.0)

    def arrive(self, name: str) -> None:
        """Note that a process has begun or ended."""
        if name in self._late:
            self._late.discard(name)
            if not self._late:
                self._say("")


def start_limit(number: int) -> float:
    """Return the seconds for which so many processes that start at once may be silent: they load
    what they need on the same processors."""
    return START_LIMIT * max(number / (os.cpu_count() or 1), 1.0)
