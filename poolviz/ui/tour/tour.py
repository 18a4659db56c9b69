"""The tour's progress: which step it is at, and when that is done.

It is stored in the settings, so that a tour that was begun goes on with the next start, and is
offered by itself only once.
"""

from __future__ import annotations

from time import monotonic

from PySide6.QtCore import QObject, QSettings, Signal

from poolviz.language import tr
from poolviz.ui.session.controller import Controller
from poolviz.ui.tour.observation import Observation, observe
from poolviz.ui.tour.steps import POOL, START, STEPS, Step

_STEP, _OVER = "tour/step", "tour/over"


class Tour(QObject):
    """Which step is shown, judged by `judge`. Belongs to the GUI thread."""

    changed = Signal()  # another step, another text or target, or it began or ended

    def __init__(self, controller: Controller, settings: QSettings, parent: QObject) -> None:
        super().__init__(parent)
        self._controller, self._settings = controller, settings
        self._number: int | None = None  # of the step; None while the tour isn't on
        self._begun: Observation | None = None  # what there was when the step began
        self._since: float | None = None  # when the step was done
        self._kept = 0
        self._now = observe(controller)
        self.shown = ""  # what the step before has shown
        self._last: tuple[str, str] = ("", "")

    @property
    def on(self) -> bool:
        """The tour is shown."""
        return self._number is not None

    @property
    def finished(self) -> bool:
        """All steps are done or skipped, and the tour is still shown."""
        return self._number == len(STEPS)

    @property
    def number(self) -> int:
        """The number of the step, from 0; that of all steps once it is finished."""
        return self._number or 0

    @property
    def step(self) -> Step | None:
        """The step to be done, if any."""
        return STEPS[self.number] if self.on and not self.finished else None

    @property
    def text(self) -> str:
        """What to do now."""
        step = self.step
        if step is None:
            return tr(
                "Next, choose a preset: each shows one thing that pools do, lets you predict it, "
                "and mends it. Ctrl+B measures how large your pool should be, and F1 explains "
                "whatever you point at."
            )
        if self._lacks_limit(step):
            return tr(
                "This pool has no limit that could be raised: choose SQLAlchemy QueuePool first."
            )
        if step.needs_run and not self._controller.busy:
            return tr("Press Start (F5) first: nothing runs.")
        return step.ask(self._now)

    @property
    def target(self) -> str:
        """What is to be used for it; "" for nothing."""
        step = self.step
        if step is None:
            return ""
        if self._lacks_limit(step):
            return POOL
        if step.needs_run and not self._controller.busy:
            return START
        return step.target(self._now)

    def offer(self) -> None:
        """Begin, or go on, unless the tour was once left or finished."""
        if not self.on and not self._settings.value(_OVER, False, type=bool):
            stored = str(self._settings.value(_STEP, 0))
            number = int(stored) if stored.isdecimal() else 0
            self._go_to(min(number, len(STEPS) - 1))

    def begin(self) -> None:
        """Begin with the first step."""
        self._settings.setValue(_OVER, False)
        self.shown = ""
        self._go_to(0)

    def skip(self) -> None:
        """Go on with the next step."""
        if self.step is not None:
            self.shown = ""
            self._go_to(self.number + 1)

    def leave(self) -> None:
        """End the tour; it isn't offered again."""
        if self.on:
            self._number = None
            self._settings.setValue(_OVER, True)
            self.changed.emit()

    def note_kept(self) -> None:
        """Note that something was exported, or the sessions were looked at."""
        self._kept += 1
        self.judge()

    def judge(self) -> None:
        """Judge the step by what there is now. Called a few times a second while it is on."""
        if not self.on:
            return
        self._now = now = observe(self._controller, self._kept)
        step = self.step
        if step is not None:
            # A run that begins anew counts from nothing.
            begun = self._begun
            if begun is None or (step.needs_run and not begun.running and now.running):
                begun = self._begun = now
            if self._since is None and step.done(begun, now):
                self._since = monotonic()
            if self._since is not None and monotonic() - self._since >= step.dwell:
                self.shown = step.shown(begun, now)
                self._go_to(self.number + 1)
                return
        if (self.text, self.target) != self._last:
            self._announce()

    def _go_to(self, number: int) -> None:
        self._number, self._since = number, None
        self._now = self._begun = observe(self._controller, self._kept)
        self._settings.setValue(_STEP, number)
        if number == len(STEPS):
            self._settings.setValue(_OVER, True)
        self._announce()

    def _announce(self) -> None:
        self._last = self.text, self.target
        self.changed.emit()

    def _lacks_limit(self, step: Step) -> bool:
        return step.needs_limit and not self._now.room
