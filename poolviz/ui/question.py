"""A question that is answered with one of two buttons, of which Cancel is the default."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from poolviz.language import tr


class Question(QDialog):
    """Asks `words`, which `note` explains, and is accepted by the button that says `yes`.

    Both texts are shown as they are, whatever a server is called. It is deleted when it is closed.
    """

    def __init__(self, title: str, words: str, note: str, yes: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.setMinimumWidth(480)
        self.words, explanation = QLabel(words), QLabel(note)
        self.words.setProperty("role", "name")
        explanation.setProperty("role", "note")
        for label in (self.words, explanation):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.yes, self.no = QPushButton(yes), QPushButton(tr("Cancel"))
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
        column.addWidget(explanation)
        column.addLayout(buttons)
