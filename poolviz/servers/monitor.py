"""The server's own view of a run: its backends by state, seen from outside the pool."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from poolviz.language import tr
from poolviz.model.sample import ServerView

if TYPE_CHECKING:
    from poolviz.servers.activity import Activity

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0  # seconds between two attempts, doubling

_logger = logging.getLogger(__name__)


class MonitorLost(Exception):
    """The server's view can't be read. The text is the reason, as the end of a sentence."""


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


class Monitor(ABC):
    """Watches the backends of a run, and of all its processes, over a connection of its own.

    Used by one thread at a time. It connects at the first call and again after a loss, at first
    after 1 s and then at growing intervals of up to 15 s. `problem` says in one sentence why there
    is no view, or only half of one; it is empty otherwise. A call takes about 10 s at most,
    whatever has happened to the server, not counting the time to resolve its host name.
    """

    def __init__(self) -> None:
        self.problem = ""
        self._pause = _FIRST_PAUSE
        self._next_attempt = 0.0  # on the monotonic clock

    def view(self) -> ServerView | None:
        """Return the run's backends by state, or None while they can't be seen; see `problem`."""
        views = self.views()
        return None if views is None else views.whole

    def views(self) -> Views | None:
        """Return the run's backends by name and state, or None while they can't be seen; see
        `problem`."""
        if time.monotonic() < self._next_attempt:
            return None
        try:
            views, self.problem = self._views()
        except MonitorLost as reason:
            self._lose(str(reason))
            return None
        self._pause = _FIRST_PAUSE
        return views

    def activity(self) -> Activity | None:
        """Return what the run's backends are doing, or None where the server doesn't say it, or
        can't be asked now; see `problem`."""
        try:
            return self._activity()
        except MonitorLost as reason:
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
        except MonitorLost as reason:
            self._lose(str(reason))
            return 0

    @abstractmethod
    def close(self) -> None:
        """Disconnect. May be called again; a later call of `view` would connect again."""

    @abstractmethod
    def _views(self) -> tuple[Views, str]:
        """Return the backends, and a sentence about those that can't be seen in full, or "".
        Raises MonitorLost if none can be seen."""

    @abstractmethod
    def _cancel(self) -> int:
        """Cancel the run's statements and return how many there were. Raises MonitorLost."""

    def _lose(self, reason: str) -> None:
        """Note what is wrong, and leave the server alone for a while."""
        self.problem = tr("The server's own view is missing: {reason}.", reason=reason)
        _logger.info("%s Next attempt in %g s.", self.problem, self._pause)
        self.close()
        self._next_attempt = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
