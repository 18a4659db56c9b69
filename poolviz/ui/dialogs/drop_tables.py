"""Drops the tables that poolviz made on a server, after a question."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from poolviz.load.statements import SCHEMA
from poolviz.model.dialect import SQLITE, dialect_of
from poolviz.runs.tables import drop_tables
from poolviz.servers.target import Target
from poolviz.ui.session.controller import Controller
from poolviz.ui.session.notices import Weight, sentence_of

_TOPIC = "drop"


def why_not(controller: Controller) -> str:
    """Return why no tables can be dropped now, as a sentence; "" if they can."""
    if controller.busy:
        return "A run is going on, which may need them: stop it first."
    if controller.target is None:
        return "No server is connected."
    if dialect_of(controller.target.conninfo) == SQLITE:
        return "poolviz keeps no tables in SQLite."
    return ""


def ask_to_drop(controller: Controller, window: QWidget) -> None:
    """Ask whether to drop the tables on the chosen server; a worker drops them."""
    target = controller.target
    if target is None or why_not(controller):
        return
    question = Question(target, window)
    question.accepted.connect(lambda: _drop(controller, target))
    question.open()


class Question(QDialog):
    """Asks whether to drop the tables on a server, which it names."""

    def __init__(self, target: Target, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Drop the poolviz tables")
        self.setMinimumWidth(460)
        self.words = QLabel(f"Drop the tables in schema {SCHEMA} on {target.shown}?")
        self.words.setProperty("role", "name")
        note = QLabel(
            "poolviz created them; nothing else is dropped. A load that needs them creates them "
            "again."
        )
        note.setProperty("role", "note")
        for label in (self.words, note):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.yes, self.no = QPushButton("Drop tables"), QPushButton("Cancel")
        self.yes.setAutoDefault(False)
        self.no.setDefault(True)
        self.yes.clicked.connect(self.accept)
        self.no.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch(1)
        buttons.addWidget(self.yes)
        buttons.addWidget(self.no)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 16)
        column.setSpacing(10)
        column.addWidget(self.words)
        column.addWidget(note)
        column.addLayout(buttons)


def _drop(controller: Controller, target: Target) -> None:
    if reason := why_not(controller):  # it was not so when the question was requested
        controller.notices.say(_TOPIC, reason, Weight.WARN, passing=True)
        return
    where = f"schema {SCHEMA} on {target.shown}"
    notes: list[str] = []  # the worker's until it is done

    def done(sentence: str) -> None:
        controller.notices.say(
            _TOPIC, " ".join([sentence, *(f"{note}." for note in notes)]), passing=True
        )

    def failed(error: BaseException) -> None:
        controller.notices.say(_TOPIC, sentence_of(error), Weight.BAD)

    controller.notices.say(_TOPIC, f"Dropping the tables in {where}…", closable=False)
    controller.before_any_run(lambda: drop_tables(target, notes.append), done, failed)
