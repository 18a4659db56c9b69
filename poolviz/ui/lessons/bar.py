"""The lesson's bar above the charts: question, choices, answer, and the remedy."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from poolviz.language import tr
from poolviz.model.lesson import CHOICES
from poolviz.ui.lessons.lesson_run import LessonRun, Phase


class LessonBar(QFrame):
    """Shows a lesson while there is one. It stands in the window's layout, and covers nothing."""

    presets_wanted = Signal()

    def __init__(self, run: LessonRun, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run = run
        self.setObjectName("lesson")
        self.setAccessibleName(tr("Lesson"))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.title, self.words, self.verdict, self.status = QLabel(), QLabel(), QLabel(), QLabel()
        self.title.setProperty("role", "name")
        self.status.setProperty("role", "name")
        for label in (self.words, self.verdict, self.status):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.choices = [QPushButton() for _ in range(CHOICES)]
        self.mend_button = QPushButton()
        self.mend_button.setProperty("primary", "true")
        self.explain_button = QPushButton(tr("Show the answer now"))
        self.presets_button = QPushButton(tr("Other presets"))
        self.close_button = QPushButton(tr("Close"))
        self._lay_out()
        for number, button in enumerate(self.choices, 1):
            button.clicked.connect(partial(self._predict, number))
        self.mend_button.clicked.connect(run.mend)
        self.explain_button.clicked.connect(run.explain)
        self.close_button.clicked.connect(run.leave)
        self.presets_button.clicked.connect(self.presets_wanted)
        run.changed.connect(self._show)
        self._phase = Phase.NONE
        self._show()

    def _lay_out(self) -> None:
        column = QVBoxLayout()
        column.setSpacing(5)
        for label in (self.title, self.verdict, self.words):
            column.addWidget(label)
        for button in self.choices:
            button.setStyleSheet("text-align: left;")
            column.addWidget(button)
        line = QHBoxLayout()
        line.setSpacing(8)
        line.addWidget(self.status, 1)
        for button in self._others:
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            line.addWidget(button)
        column.addLayout(line)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 9, 12, 9)
        row.addLayout(column, 1)

    @property
    def _others(self) -> tuple[QPushButton, ...]:
        return self.explain_button, self.mend_button, self.presets_button, self.close_button

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
        if asking:
            self.title.setText(tr("{title}: predict first", title=run.title))
        else:
            self.title.setText(run.title)
        self.words.setText(texts.why if explaining else texts.question)
        self.verdict.setVisible(not asking)
        self.verdict.setText(self._verdict() if not asking else "")
        self._set_role("good" if explaining and run.right else "muted")
        for button, choice in zip(self.choices, texts.choices, strict=True):
            button.setText(choice)
            button.setVisible(asking)
        self.status.setText(run.status if not asking else tr("Your answer starts the run."))
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

    def _set_role(self, role: str) -> None:
        if self.verdict.property("role") != role:
            self.verdict.setProperty("role", role)
            self.verdict.style().unpolish(self.verdict)
            self.verdict.style().polish(self.verdict)

    def _take_focus(self) -> None:
        """Have the keyboard at what comes next, if it was on what is gone."""
        focus = self.focusWidget()
        shown = [button for button in (*self.choices, *self._others) if not button.isHidden()]
        if shown and (self._phase is Phase.PREDICT or (focus is not None and focus.isHidden())):
            shown[0].setFocus()
