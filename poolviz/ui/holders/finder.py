"""Finds who holds the connections: now, or for the longest time in the part that is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal

from poolviz.model.errors import InputError
from poolviz.sessions.holds import Hold
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.axes import Frame
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.session.worker import Worker

_MOST = 100  # holds
_PAUSE = 150  # milliseconds after which a part that is shown is searched


@dataclass(frozen=True)
class Found:
    """Who holds connections: at the moment `at`, while a run goes on, or for the longest time in
    the part from `at` to `to`. In seconds; `problem` says why nothing can be read."""

    holds: tuple[Hold, ...] = ()
    at: float = 0.0
    to: float | None = None
    problem: str = ""


class HoldersFinder(QObject):
    """Looks for holders in what `charts` show, on request. A run that goes on is looked at at once,
    parts of others by `worker`. Belongs to the GUI thread."""

    found = Signal(object)  # a Found

    def __init__(
        self, charts: ChartsWidget, worker: Worker, live: Callable[[], bool], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._charts, self._worker, self._live = charts, worker, live
        self._recorder: Recorder | None = None
        self._wanted: object = None  # what is searched, or was last
        self._working = False
        self._pause = QTimer(self, singleShot=True)
        self._pause.setInterval(_PAUSE)
        self._pause.timeout.connect(self._search)

    def find(self, recorder: Recorder | None) -> None:
        """Look at a record if there is something new, and emit what was found: soon, if it takes
        long."""
        if recorder is not self._recorder:
            self._recorder, self._wanted = recorder, None
        if recorder is None or recorder.last is None:
            self.found.emit(Found())
        elif self._live():
            self._wanted = None
            at = min(self._charts.frame.end, recorder.duration)
            self.found.emit(Found(tuple(recorder.holders(at, _MOST)), at))
        elif not self._working and self._what(recorder) != self._wanted:
            self._pause.start()

    def find_soon(self) -> None:
        """Look once no other part has been shown for a moment, unless that is now."""
        if not (self._live() and self._charts.following):
            self._pause.start()

    def _what(self, recorder: Recorder) -> tuple[Recorder, int, Frame]:
        return recorder, recorder.revision, self._charts.frame

    def _search(self) -> None:
        recorder, frame = self._recorder, self._charts.frame
        if recorder is not None and self._live():
            self.find(recorder)
        if recorder is None or self._working or self._live():
            return
        if self._what(recorder) == self._wanted:
            return
        self._wanted, self._working = self._what(recorder), True
        start, end = max(frame.start, 0.0), min(frame.end, recorder.duration)
        self._worker.do(
            lambda: recorder.longest_between(start, end, _MOST),
            lambda holds: self._take(recorder, Found(tuple(holds), start, end)),
            lambda error: self._fail(recorder, error),
        )

    def _fail(self, recorder: Recorder, error: BaseException) -> None:
        self._working = False
        if not isinstance(error, InputError):
            raise error
        self._take(recorder, Found(problem=str(error)))

    def _take(self, recorder: Recorder, found: Found) -> None:
        self._working = False
        if recorder is not self._recorder or self._live():
            return
        self.found.emit(found)
        self.find(recorder)  # another part may be shown since
