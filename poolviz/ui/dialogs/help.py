"""What F1 shows: the keys, what poolviz is, and whose work comes with it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontDatabase, QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from poolviz.model.version import VERSION
from poolviz.system.resources import resource

KEYS = (
    ("F5", "Start"),
    ("Shift+F5", "Stop"),
    ("M", "Mark the moment"),
    ("Ctrl+Space", "Pause the view; the recording goes on"),
    ("End", "Back to the newest moment"),
    ("Ctrl+1 … 4", "Show 1, 5, 15 minutes, all"),
    ("+ − 0", "Zoom the charts"),
    ("← →", "Step the crosshair"),
    ("Ctrl+Z", "Undo a change"),
    ("Ctrl+Shift+Z", "Redo it"),
    ("Ctrl+E", "Export the graphs"),
    ("Ctrl+S", "Save the session"),
    ("Ctrl+Shift+S", "Save as a scenario"),
    ("Ctrl+O", "Open a scenario or a session"),
    ("F9", "Side panel"),
    ("F11", "Full screen"),
)


class HelpDialog(QDialog):
    """The keys and a word about the program."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Keys and about")
        title = QLabel(f"poolviz {VERSION}")
        title.setProperty("role", "title")
        about = QLabel(
            "A laboratory for database connection pools: a real pool class under a synthetic "
            "load, on a real server, with every limit changeable while it runs."
        )
        about.setWordWrap(True)
        about.setProperty("role", "note")
        grid = QGridLayout()
        grid.setHorizontalSpacing(18)
        grid.setVerticalSpacing(5)
        half = (len(KEYS) + 1) // 2
        for place, (key, what) in enumerate(KEYS):
            row, column = place % half, 2 * (place // half)
            name = QLabel(key)
            name.setProperty("role", "name")
            grid.addWidget(name, row, column)
            grid.addWidget(QLabel(what), row, column + 1)
        grid.setColumnMinimumWidth(1, 200)
        close = QPushButton("Close")
        close.setShortcut(QKeySequence.StandardKey.Close)
        close.clicked.connect(self.accept)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        self.licences = QPushButton("Licences")
        self.licences.clicked.connect(lambda: LicencesDialog(self).open())
        self.licences.setVisible(bool(licences()))
        for button in (self.licences, close):
            buttons.addWidget(button)
        column_of_all = QVBoxLayout(self)
        column_of_all.setContentsMargins(22, 20, 22, 16)
        column_of_all.setSpacing(12)
        for part in (title, about):
            column_of_all.addWidget(part)
        column_of_all.addLayout(grid)
        column_of_all.addLayout(buttons)


class LicencesDialog(QDialog):
    """Whose work the packaged program brings along, and under which licences."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Licences")
        self.resize(900, 600)
        self.text = QPlainTextEdit(licences())
        self.text.setReadOnly(True)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        close = QPushButton("Close")
        close.setShortcut(QKeySequence.StandardKey.Close)
        close.clicked.connect(self.accept)
        column = QVBoxLayout(self)
        column.setContentsMargins(22, 20, 22, 16)
        column.setSpacing(12)
        column.addWidget(self.text)
        column.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)


def licences() -> str:
    """The licences of all that was packaged with poolviz; "" where poolviz wasn't packaged."""
    try:
        return resource("THIRD-PARTY.txt").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
