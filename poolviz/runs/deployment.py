"""A rolling deployment: which process takes the place of which, and when the old ones end."""

from __future__ import annotations

from collections.abc import Iterable


class Deployment:
    """The processes that are still to be replaced, and those that are being replaced.

    One newcomer after the other begins. An old process goes on for `overlap` seconds after its
    successor has begun: with a long overlap all successors are there before the first old one ends.
    Moments are seconds since the run began. Used by the thread that owns the processes.
    """

    def __init__(self, names: Iterable[str], overlap: float) -> None:
        self._waiting, self._overlap = list(names), overlap
        self._old = ""  # the process whose place the newcomer takes; "" if it is gone
        self.newcomer = ""  # the process that begins now; "" if none does
        self._draining: dict[str, float] = {}  # old processes, and when each of them is to end
        self._ending: set[str] = set()  # those that were ended

    @property
    def over(self) -> bool:
        """Every process was replaced, and has ended."""
        return not (self._waiting or self.newcomer or self._draining or self._ending)

    @property
    def besides(self) -> set[str]:
        """The processes that are there besides those that a run without deployments would have."""
        early = {self.newcomer} if self._old else set[str]()
        return {*self._draining, *self._ending, *early}

    @property
    def next_end(self) -> float | None:
        """When the next old process is to end; None if none is."""
        return min(self._draining.values(), default=None)

    def next(self) -> bool:
        """Take the next process to be replaced, whose successor starts now; False if there is
        none, or another successor hasn't begun yet."""
        if self.newcomer or not self._waiting:
            return False
        self._old = self._waiting.pop(0)
        return True

    def begun(self, name: str, now: float) -> None:
        """Note that a process has begun: the newcomer's predecessor has its time left."""
        if name == self.newcomer:
            if self._old:
                self._draining[self._old] = now + self._overlap
            self.newcomer = self._old = ""

    def take_due(self, now: float) -> list[str]:
        """Return the old processes that are to end now, each once."""
        due = [name for name, end in self._draining.items() if end <= now]
        for name in due:
            del self._draining[name]
        self._ending.update(due)
        return due

    def ended(self, name: str, *, failed: bool) -> None:
        """Note that a process has ended. If it was a newcomer that `failed` to begin, the processes
        that wait are not replaced."""
        self._draining.pop(name, None)
        self._ending.discard(name)
        if name in self._waiting:
            self._waiting.remove(name)
        if name == self._old:
            self._old = ""
        if name == self.newcomer:
            self.newcomer = self._old = ""
            if failed:
                self._waiting.clear()
