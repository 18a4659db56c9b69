"""What is asked of a server again and again while a run goes on, over a connection of its own."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from poolviz.language import tr
from poolviz.model.sample import ServerView

if TYPE_CHECKING:
    from poolviz.servers.activity import Activity

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0  # seconds between two attempts, doubling

_logger = logging.getLogger(__name__)


V = TypeVar("V")


class ViewLost(Exception):
    """A view can't be read. The text is the reason, as the end of a sentence."""


@dataclass(frozen=True)
class Views:
    """The backends of a run at one moment, by their application name: that of the run, or that
    with a hyphen and more for each of its processes. `others` and `free` are those of the run as a
    whole, as in a ServerView. `at` is Unix time, in seconds."""

    by_name: dict[str, ServerView] = field(default_factory=dict)
    others: int | None = None
    free: int | None = None
    at: float = field(default_factory=time.time)

    @property
    def whole(self) -> ServerView:
        """The backends of all names."""
        each = self.by_name.values()
        return ServerView(
            active=sum(view.active for view in each),
            idle=sum(view.idle for view in each),
            idle_in_transaction=sum(view.idle_in_transaction for view in each),
            other=sum(view.other for view in each),
            others=self.others,
            free=self.free,
        )

    def of(self, name: str, names: Iterable[str]) -> ServerView:
        """Return the backends of one name, to which those of the other `names` are others."""
        own = self.by_name.get(name, ServerView())
        ours = sum(self.by_name[each].total for each in names if each in self.by_name)
        others = None if self.others is None else self.others + ours - own.total
        return msgspec.structs.replace(own, others=others, free=self.free)


def by_state(rows: Iterable[tuple[str, str, int]]) -> dict[str, dict[str, int]]:
    """Return counts of backends by name, and those of each name by state."""
    found: dict[str, dict[str, int]] = {}
    for name, state, count in rows:
        found.setdefault(name, {})[state] = int(count)
    return found


class ViewReader(ABC, Generic[V]):
    """Reads one view again and again over a connection of its own.

    Used by one thread at a time. It connects at the first call and again after a loss, at first
    after 1 s and then at growing intervals of up to 15 s. `problem` says in one sentence why there
    is no view, or only half of one; it is empty otherwise. A call takes about 10 s at most,
    whatever has happened to the server, not counting the time to resolve its host name.
    """

    def __init__(self) -> None:
        self.problem = ""
        self._pause = _FIRST_PAUSE
        self._next_attempt = 0.0  # on the monotonic clock

    def read(self) -> V | None:
        """Return what is seen now, or None while nothing can be; see `problem`."""
        if time.monotonic() < self._next_attempt:
            return None
        try:
            view, self.problem = self._read()
        except ViewLost as reason:
            self._lose(str(reason))
            return None
        self._pause = _FIRST_PAUSE
        return view

    @abstractmethod
    def close(self) -> None:
        """Disconnect. May be called again; a later call of `read` would connect again."""

    @abstractmethod
    def _read(self) -> tuple[V, str]:
        """Return what is seen, and a sentence about what of it can't be seen in full, or "".
        Raises ViewLost if nothing can be."""

    @abstractmethod
    def _missing(self, reason: str) -> str:
        """Return the sentence that says why there is no view."""

    def _lose(self, reason: str) -> None:
        """Note what is wrong, and leave the server alone for a while."""
        self.problem = self._missing(reason)
        _logger.info("%s Next attempt in %g s.", self.problem, self._pause)
        self.close()
        self._next_attempt = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


class Monitor(ViewReader[Views]):
    """Watches the backends of a run, and of all its processes, by state, from outside the pool:
    `read` returns them by name."""

    def view(self) -> ServerView | None:
        """Return the run's backends by state, or None while they can't be seen; see `problem`."""
        views = self.read()
        return None if views is None else views.whole

    def activity(self) -> Activity | None:
        """Return what the run's backends are doing, or None where the server doesn't say it, or
        can't be asked now; see `problem`."""
        try:
            return self._activity()
        except ViewLost as reason:
            self._lose(str(reason))
            return None

    def _activity(self) -> Activity | None:
        return None

    def cancel_statements(self) -> int:
        """Ask the server to cancel the statements of the run's backends; return how many there
        were. Doesn't wait for the next attempt to be due, so that a run stops quickly. If it
        fails, `problem` says so."""
        try:
            return self._cancel()
        except ViewLost as reason:
            self._lose(str(reason))
            return 0

    @abstractmethod
    def _cancel(self) -> int:
        """Cancel the run's statements and return how many there were. Raises ViewLost."""

    def _missing(self, reason: str) -> str:
        return tr("The server's own view is missing: {reason}.", reason=reason)
