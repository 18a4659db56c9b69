"""A lesson that is gone through: what was predicted, what was measured, and what the remedy did."""

from __future__ import annotations

from enum import Enum, auto
from pathlib import Path

import msgspec
from PySide6.QtCore import QObject, Signal

from poolviz.language import in_users_language, tr
from poolviz.load.faults import FAULTS
from poolviz.model.figures import figure_named
from poolviz.model.lesson import Lesson, LessonTexts
from poolviz.model.parameters import Value
from poolviz.model.preset_titles import title_in_words
from poolviz.model.scenario import Change, Scenario
from poolviz.sessions.remedies import before_and_after, measured, shown
from poolviz.ui.session.controller import Controller, State

_USUAL = 8.0  # seconds until the answer, where no remedy says how long there is something to see
_SETTLED = 3.0  # seconds after the remedy from which on its effect is shown


class Phase(Enum):
    """Where a lesson is."""

    NONE = auto()  # there is none
    PREDICT = auto()
    RUN = auto()
    EXPLAIN = auto()
    MENDED = auto()


class LessonRun(QObject):
    """Goes through one lesson at a time, judged by `judge`. Belongs to the GUI thread."""

    changed = Signal()

    def __init__(self, controller: Controller, parent: QObject) -> None:
        super().__init__(parent)
        self._controller = controller
        self.phase = Phase.NONE
        self.lesson: Lesson | None = None
        self.scenario: Scenario | None = None
        self.predicted = 0  # the number of the choice, from 1
        self._dsn: str | None = None
        self._mended_at: float | None = None  # seconds of the run
        self._said = ""
        self._viewed: Path | None = None  # the session that was open as the lesson began

    @property
    def on(self) -> bool:
        """A lesson is shown."""
        return self.phase is not Phase.NONE

    @property
    def title(self) -> str:
        """The title of its scenario."""
        return title_in_words(self.scenario.title) if self.scenario is not None else ""

    @property
    def texts(self) -> LessonTexts:
        """Its texts, in the user's language if it has them."""
        assert self.lesson is not None
        names = {language: language for language in self.lesson.texts}
        return self.lesson.texts[in_users_language(names)]

    @property
    def right(self) -> bool:
        """The prediction was right."""
        return self.lesson is not None and self.predicted == self.lesson.answer

    @property
    def remedy(self) -> tuple[Change, ...]:
        """The changes that mend it; none if nothing is to be mended."""
        lesson, scenario = self.lesson, self.scenario
        if lesson is None or scenario is None or lesson.mend_at is None:
            return ()
        return tuple(change for change in scenario.changes if change.at == lesson.mend_at)

    @property
    def seconds_left(self) -> float:
        """Seconds of the run until the answer is shown."""
        return max(self._until - self._seconds, 0.0)

    @property
    def figure(self) -> str:
        """The lesson's figure as it was measured, as a sentence; "" if it has none."""
        lesson, recorder = self.lesson, self._controller.recorder
        if lesson is None or not lesson.figure or recorder is None:
            return ""
        title = tr(figure_named(lesson.figure).title)
        if lesson.figure not in (title, ""):
            title = f"{title} ({lesson.figure})"
        mended_at = self._seconds + 1 if self._mended_at is None else self._mended_at
        before, after = before_and_after(recorder.summary(), mended_at)
        was = None if before is None else measured(before, lesson.figure)
        if self._mended_at is None or after is None:
            return tr("{figure}: {value}", figure=title, value=shown(lesson.figure, was))
        became = measured(after, lesson.figure)
        return tr(
            "{figure}: {before} before, {after} after",
            figure=title,
            before=shown(lesson.figure, was),
            after=shown(lesson.figure, became),
        )

    # What the user does

    def open(self, lesson: Lesson, scenario: Scenario, dsn: str | None = None) -> None:
        """Ask the lesson's question. Nothing runs until it is answered."""
        self.lesson, self.scenario, self._dsn = lesson, scenario, dsn
        self.predicted, self._mended_at = 0, None
        self._viewed = self._controller.viewing
        self._go_to(Phase.PREDICT)

    def predict(self, choice: int) -> None:
        """Take the prediction, the number of a choice from 1, and run the scenario up to what mends
        it, which is left to the user."""
        scenario, lesson = self.scenario, self.lesson
        if scenario is None or lesson is None or self.phase is not Phase.PREDICT:
            return
        self.predicted = choice
        until = lesson.mend_at
        before = tuple(c for c in scenario.changes if until is None or c.at < until)
        # What to watch would answer the question.
        asked = msgspec.structs.replace(scenario, changes=before, duration=None, watch={})
        self._go_to(Phase.RUN)
        self._controller.perform(asked, self._dsn)

    def explain(self) -> None:
        """Answer the question now."""
        if self.phase is Phase.RUN:
            self._go_to(Phase.EXPLAIN)

    def mend(self) -> None:
        """Apply the remedy: its limits and settings as one change, and its faults."""
        if self.phase is not Phase.EXPLAIN or self._controller.state is not State.RUNNING:
            return
        self._mended_at = self._seconds
        values: dict[str, Value] = {}
        for change in self.remedy:
            if change.key in FAULTS:
                self._controller.inject(change.key, change.value)
            else:
                values[change.key] = change.value
        if values:
            self._controller.change_settings(values)
        self._go_to(Phase.MENDED)

    def leave(self) -> None:
        """End the lesson; a run goes on."""
        self.lesson = self.scenario = None
        self._go_to(Phase.NONE)

    def judge(self) -> None:
        """Go on if the time has come. Called a few times a second while a lesson is shown."""
        viewing = self._controller.viewing
        if viewing is None:
            self._viewed = None
        if self.on and viewing != self._viewed:
            self.leave()  # another session is looked at
        elif self.phase is Phase.RUN and self._seconds >= self._until:
            self._go_to(Phase.EXPLAIN)
        elif self.phase in (Phase.RUN, Phase.MENDED) and self.status != self._said:
            self._go_to(self.phase)

    @property
    def status(self) -> str:
        """What the lesson waits for, or what was measured."""
        if self.phase is Phase.RUN:
            if self._controller.state is State.RUNNING:
                return tr(
                    "Watch the charts. The answer comes in {n} s.", n=round(self.seconds_left)
                )
            if self._controller.busy or self._controller.state is State.CONNECTING:
                return tr("Starting…")
            return tr("Press Start (F5): nothing runs.")
        if self.phase is Phase.MENDED:
            assert self._mended_at is not None
            if self._controller.busy and self._seconds - self._mended_at < _SETTLED:
                return tr("Watch what the change does…")
        return self.figure

    # What it is judged by

    @property
    def _until(self) -> float:
        """Seconds of the run after which the question is answered."""
        lesson = self.lesson
        if lesson is None or self.scenario is None:
            return _USUAL
        if lesson.mend_at is not None:
            return lesson.mend_at
        return max([change.at for change in self.scenario.changes], default=0.0) + 1 or _USUAL

    @property
    def _seconds(self) -> float:
        """Seconds of the run that goes on; 0 if none does."""
        recorder = self._controller.recorder
        running = self._controller.state in (State.RUNNING, State.STOPPING)
        return recorder.duration if recorder is not None and running else 0.0

    def _go_to(self, phase: Phase) -> None:
        self.phase = phase
        self._said = self.status if phase is not Phase.NONE else ""
        self.changed.emit()
