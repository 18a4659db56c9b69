"""A count that many clients add to."""

from __future__ import annotations

import itertools
from collections.abc import Callable


class Counter:
    """Counts calls of `add`, from any thread: each is one step under the interpreter's lock, so
    that none is lost and nobody waits."""

    __slots__ = ("_count", "_looks", "add")

    def __init__(self) -> None:
        self._count = itertools.count()
        self._looks = 0
        self.add: Callable[[], object] = self._count.__next__

    def total(self) -> int:
        """How many there were. For one thread, which looks now and then."""
        total = next(self._count) - self._looks
        self._looks += 1
        return total
