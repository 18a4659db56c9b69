"""The lesson's bar above the charts: question, choices, answer, and the remedy."""

from __future__ import annotations

from functools import partial

from PySide6.QtWidgets import QWidget

from poolviz.language import tr
from poolviz.model.lesson import CHOICES
from poolviz.ui.guide_bar import GuideBar
from poolviz.ui.lessons.lesson_run import LessonRun, Phase
from poolviz.ui.wrapped_button import WrappedButton


class LessonBar(GuideBar):
    """Shows a lesson while there is one."""

    def __init__(self, run: LessonRun, parent: QWidget | None = None) -> None:
        super().__init__("lesson", tr("Lesson"), parent)
        self._run = run
        self._phase = Phase.NONE
        self.verdict, self.words = self.add_text(), self.add_text()
        self.choices = [WrappedButton() for _ in range(CHOICES)]
        for number, button in enumerate(self.choices, 1):
            button.setStyleSheet("text-align: left;")
            button.clicked.connect(partial(self._predict, number))
            self.add(button)
        self.status = self.add_text("name")
        self.explain_button = self.add_button(tr("Show the answer now"))
        self.mend_button = self.add_button(primary=True)
        self.presets_button = self.add_button(tr("Other presets"))
        self.close_button = self.add_button(tr("Close"))
        self.mend_button.clicked.connect(run.mend)
        self.explain_button.clicked.connect(run.explain)
        self.close_button.clicked.connect(run.leave)
        self.presets_button.clicked.connect(self.presets_wanted)
        run.changed.connect(self._show)
        self._show()

    def _predict(self, number: int) -> None:
        self._run.predict(number)

    def _show(self) -> None:
        run = self._run
        self.setVisible(run.on)
        if not run.on:
            self._phase = Phase.NONE
            return
        phase, texts = run.phase, run.texts
        asking, explaining = phase is Phase.PREDICT, phase in (Phase.EXPLAIN, Phase.MENDED)
        title = tr("{title}: predict first", title=run.title) if asking else run.title
        self.title.setText(title)
        self.show_text(self.words, texts.why if explaining else texts.question)
        verdict = self._verdict() if not asking else ""
        self.show_text(self.verdict, verdict, "good" if explaining and run.right else "muted")
        for button, choice in zip(self.choices, texts.choices, strict=True):
            button.show_words(choice)
            button.setVisible(asking)
        status = run.status if not asking else tr("Your answer starts the run.")
        self.show_text(self.status, status)
        changes = ", ".join(f"{each.key} = {each.value}" for each in run.remedy)
        self.mend_button.setText(tr("Mend it: {changes}", changes=changes))
        self.mend_button.setVisible(phase is Phase.EXPLAIN and bool(changes))
        self.explain_button.setVisible(phase is Phase.RUN)
        self.presets_button.setVisible(
            phase is Phase.MENDED or (phase is Phase.EXPLAIN and not changes)
        )
        if phase is not self._phase:
            self._phase = phase
            self._take_focus()

    def _verdict(self) -> str:
        run = self._run
        predicted = run.texts.choices[run.predicted - 1]
        if run.phase is Phase.RUN:
            return tr("You predict: {choice}", choice=predicted)
        if run.right:
            return tr("✓ As you predicted: {choice}", choice=predicted)
        assert run.lesson is not None
        return tr(
            "You predicted: {predicted}. It is: {answer}",
            predicted=predicted,
            answer=run.texts.choices[run.lesson.answer - 1],
        )

    def _take_focus(self) -> None:
        """Have the keyboard at what comes next, if it was on what is gone."""
        focus = self.focusWidget()
        buttons = (self.explain_button, self.mend_button, self.presets_button, self.close_button)
        shown = [button for button in (*self.choices, *buttons) if not button.isHidden()]
        if shown and (self._phase is Phase.PREDICT or (focus is not None and focus.isHidden())):
            shown[0].setFocus()
