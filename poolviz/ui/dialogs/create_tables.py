"""Asks before tables are created on a server of the user's."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from poolviz.load.statements import ACCOUNTS, SCHEMA
from poolviz.ui.session.current_run import TablesQuestion

_MEGABYTES = 15  # of tables of scale 1


class CreateTablesDialog(QDialog):
    """Asks whether the tables that a load needs may be created, and passes the answer on."""

    def __init__(self, question: TablesQuestion, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Create tables on your server")
        self.setMinimumWidth(480)
        self.words = QLabel(f"Create tables in schema {SCHEMA} on {question.target.shown}?")
        self.words.setProperty("role", "name")
        scale, present = question.scale, question.present
        replaced = f" They replace those of scale {present} that are there." if present else ""
        note = QLabel(
            f"The load needs them: {scale * ACCOUNTS:,} accounts, about {_MEGABYTES * scale:,} MB."
            f"{replaced} Nothing else is created or changed. They stay until you drop them, from "
            "the window's menu or with `poolviz tables --drop`."
        )
        note.setProperty("role", "note")
        for label in (self.words, note):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.yes, self.no = QPushButton("Create tables"), QPushButton("Cancel")
        self.yes.setAutoDefault(False)
        self.no.setDefault(True)
        self.yes.clicked.connect(self.accept)
        self.no.clicked.connect(self.reject)
        self.accepted.connect(question.allow)
        self.rejected.connect(question.refuse)
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
