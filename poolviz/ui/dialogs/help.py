"""The help window: keyboard shortcuts, version, and licences of the packaged program."""

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
    ("M", "Mark this moment"),
    ("Ctrl+Space", "Pause the view, not the recording"),
    ("End", "Go to the newest samples"),
    ("Ctrl+1 … 4", "Show 1, 5 or 15 minutes, or all"),
    ("+ − 0", "Zoom the charts"),
    ("← →", "Move the crosshair"),
    ("Ctrl+Z", "Undo a change"),
    ("Ctrl+Shift+Z", "Redo a change"),
    ("Ctrl+E", "Export the graphs"),
    ("Ctrl+S", "Save the session"),
    ("Ctrl+Shift+S", "Save as scenario"),
    ("Ctrl+O", "Open a scenario or a session"),
    ("Ctrl+R", "Run the session again, with other limits or another pool"),
    ("Ctrl+L", "List the sessions that are kept"),
    ("Ctrl+K", "Compare sessions"),
    ("F9", "Show or hide the side panel"),
    ("F11", "Full screen"),
)


class HelpDialog(QDialog):
    """The keyboard shortcuts and what poolviz is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Keys and about")
        title = QLabel(f"poolviz {VERSION}")
        title.setProperty("role", "title")
        about = QLabel(
            "A laboratory for database connection pools: a real pool class under a synthetic "
            "load on a real server. Every limit can be changed while it runs."
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
        layout = QVBoxLayout(self)
        layout.setContentsMargins(22, 20, 22, 16)
        layout.setSpacing(12)
        for part in (title, about):
            layout.addWidget(part)
        layout.addLayout(grid)
        layout.addLayout(buttons)


class LicencesDialog(QDialog):
    """The licences of the software in the packaged program."""

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
    """Return the licences of the software packaged with poolviz; "" if it isn't packaged."""
    try:
        return resource("THIRD-PARTY.txt").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
