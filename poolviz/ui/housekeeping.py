"""Drops the tables that poolviz made on a server, once the user has said so."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from poolviz.load.statements import SCHEMA
from poolviz.model.dialect import SQLITE, dialect_of
from poolviz.servers.tables import drop
from poolviz.servers.target import Target
from poolviz.ui.lab import Lab
from poolviz.ui.notice import Weight, sentence_of

_TOPIC = "drop"


def why_not(lab: Lab) -> str:
    """Why no tables can be dropped now, in a sentence; empty where they can."""
    if lab.busy:
        return "A run goes on, which may need them: stop it first."
    if lab.target is None:
        return "No server is connected."
    if dialect_of(lab.target.conninfo) == SQLITE:
        return "poolviz keeps no tables in SQLite."
    return ""


def ask_to_drop(lab: Lab, window: QWidget) -> None:
    """Ask whether to drop them on the server chosen, and have it done by a worker."""
    target = lab.target
    if target is None or why_not(lab):
        return
    box = QMessageBox(window)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Drop poolviz' tables")
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(f"Drop the tables that poolviz made in schema {SCHEMA} on {target.shown}?")
    box.setInformativeText("Nothing else is touched. A load that needs them makes them again.")
    yes = box.addButton("Drop them", QMessageBox.ButtonRole.AcceptRole)
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    yes.clicked.connect(lambda: _drop(lab, target))
    box.open()


def _drop(lab: Lab, target: Target) -> None:
    where = f"schema {SCHEMA} on {target.shown}"
    words: list[str] = []  # the worker's, until it has done

    def done(dropped: bool) -> None:
        sentence = f"Dropped the tables in {where}." if dropped else f"There is no {where} to drop."
        told = [f"{word}." for word in words]
        lab.notices.say(_TOPIC, " ".join([sentence, *told]), passing=True)

    def failed(error: Exception) -> None:
        lab.notices.say(_TOPIC, sentence_of(error), Weight.BAD)

    lab.notices.say(_TOPIC, f"Dropping the tables in {where}…", closable=False)
    lab.errands.do(lambda: drop(target.conninfo, words.append), done, failed)
