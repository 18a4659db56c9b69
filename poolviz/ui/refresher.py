"""The window's frames: what other threads reported is taken in, and what is new is shown."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, thread_time

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QWidget

from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.frame_rate import FrameRate
from poolviz.ui.session.controller import Controller, State
from poolviz.ui.unexpected import contained

_IDLE = 100  # milliseconds between two frames when nothing runs
_FIGURES = 0.22  # seconds between two refreshes of the figures, so that they can be read
_MACHINE = 1.0  # seconds between two measurements of the machine's load
_NOTHING: tuple[object, int] = (None, -1)

ShowFigures = Callable[[Recorder | None], object]


class Refresher(QObject):
    """Refreshes `charts` once a frame, and what was added with `add` a few times a second, while
    there is something new and the window is visible. Belongs to the GUI thread."""

    def __init__(self, controller: Controller, charts: ChartsWidget, window: QWidget) -> None:
        super().__init__(window)
        self._controller, self._charts, self._window = controller, charts, window
        self._figures: list[ShowFigures] = []
        self._rate = FrameRate()
        self._timer = QTimer(self, singleShot=True)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.frame)
        self.drawn = _NOTHING  # recorder and revision last shown
        self._figures_at = self._cpu_at = 0.0
        self._machine_at = monotonic()
        self._closed = False

    def add(self, *figures: ShowFigures) -> None:
        """Have these called with the record that is shown, when it has something new. One that
        fails doesn't keep the others from being called."""
        self._figures += figures

    def draw_again(self) -> None:
        """Show everything in the next frame, as if it were new."""
        self.drawn = _NOTHING

    def set_most_frames(self, most: float) -> None:
        """Draw at most so many frames a second."""
        self._rate.most = most

    def hurry(self) -> None:
        """Have the next frame now."""
        if not self._closed:
            self._timer.start(0)

    def close(self) -> None:
        """Refresh nothing any more."""
        self._closed = True
        self._timer.stop()

    def frame(self) -> None:
        """Take in what other threads reported, show it, and schedule the next frame, whatever
        fails in this one."""
        now = monotonic()
        with contained():
            self._controller.poll()
        with contained():
            self._measure(now)
        if self._window.isVisible() and not self._window.isMinimized():
            with contained():
                self._draw(now)
        busy = self._controller.busy or self._controller.state is State.CONNECTING
        if not self._closed:  # by what came in
            self._timer.start(self._rate.milliseconds if busy else _IDLE)

    def _measure(self, now: float) -> None:
        """Measure the CPU time of the last frame, and once a second the machine's load."""
        cpu = thread_time()
        self._rate.note_frame(cpu - self._cpu_at if self._cpu_at else 0.0)
        self._cpu_at = cpu
        if now - self._machine_at >= _MACHINE:
            self._machine_at = now
            import psutil  # noqa: PLC0415 - not needed before the first frame

            self._rate.note_machine(psutil.cpu_percent(None) / 100)

    def _draw(self, now: float) -> None:
        recorder = self._controller.shown.recorder
        shown = (recorder, recorder.revision if recorder is not None else 0)
        news = shown != self.drawn
        if news and self._charts.isVisible():
            self._charts.refresh()
        if now - self._figures_at >= _FIGURES and (news or self._controller.busy):
            self._figures_at = now
            self.drawn = shown
            for show in self._figures:
                with contained():
                    show(recorder)
