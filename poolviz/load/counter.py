"""A counter that many threads add to without a lock."""

from __future__ import annotations

import itertools
from collections.abc import Callable


class Counter:
    """Counts calls of `add`, from any thread. Each call is one step under the interpreter's lock,
    so that none is lost and none waits."""

    __slots__ = ("_count", "_reads", "add")

    def __init__(self) -> None:
        self._count = itertools.count()
        self._reads = 0
        self.add: Callable[[], object] = self._count.__next__

    def total(self) -> int:
        """Return the number of calls so far. To be called by one thread only."""
        total = next(self._count) - self._reads  # reading it counts too
        self._reads += 1
        return total
