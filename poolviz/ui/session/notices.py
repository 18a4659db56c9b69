"""Notices: sentences that the window shows, each with a topic, a weight and perhaps a button."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from PySide6.QtCore import QObject, Signal

from poolviz.language import tr
from poolviz.model.errors import PoolvizError

_logger = logging.getLogger(__name__)


class Weight(StrEnum):
    """How much a notice matters: information, a warning, an error."""

    INFO = "info"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True)
class Notice:
    """A sentence for the banner. A later one on the same topic replaces it."""

    topic: str
    sentence: str
    weight: Weight = Weight.INFO
    remedy: str = ""  # the button's text; none where empty
    act: Callable[[], None] | None = None  # what the button does
    passing: bool = False  # disappears after some seconds
    closable: bool = True
    heading: str = ""  # what the sentence is about; shown before it


class Notices(QObject):
    """The notices that hold at the moment, by topic. Belongs to the GUI thread."""

    said = Signal(object)  # a Notice
    withdrawn = Signal(str)  # the topic of one that no longer holds

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._standing: dict[str, Notice] = {}  # the last one on each topic

    def standing(self, topic: str) -> str:
        """Return the last sentence on a topic, dismissed or not; "" once it was taken back."""
        notice = self._standing.get(topic)
        return notice.sentence if notice is not None else ""

    def say(
        self,
        topic: str,
        sentence: str,
        weight: Weight = Weight.INFO,
        remedy: str = "",
        act: Callable[[], None] | None = None,
        *,
        passing: bool = False,
        closable: bool = True,
    ) -> None:
        """Show a notice in place of the last one on its topic."""
        notice = Notice(topic, sentence, weight, remedy, act, passing, closable)
        self._standing[topic] = notice
        self.said.emit(notice)

    def say_again(self) -> None:
        """Show what holds in a window that is new."""
        for notice in self._standing.values():
            if not notice.passing:
                self.said.emit(notice)

    def take_back(self, topic: str) -> None:
        """Remove the notice on a topic."""
        self._standing.pop(topic, None)
        self.withdrawn.emit(topic)

    def take_all_back(self) -> None:
        """Remove every notice: a new run begins."""
        for topic in tuple(self._standing):
            self.take_back(topic)


def sentence_of(error: BaseException) -> str:
    """Return what went wrong, for the banner; an unexpected error is also logged."""
    if isinstance(error, PoolvizError):
        return str(error)
    log_fault(error)
    return tr("Something unexpected happened: {error!r}.", error=error)


def log_fault(error: BaseException) -> None:
    """Log an unexpected error with its traceback."""
    _logger.error("%s", error, exc_info=error)
