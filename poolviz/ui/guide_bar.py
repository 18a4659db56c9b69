"""A bar above the charts that leads through something: the tour's and the lesson's."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)


class GuideBar(QFrame):
    """A title with texts below it, and buttons beside them. It stands in the window's layout, and
    covers nothing. A text that is empty takes no room."""

    presets_wanted = Signal()

    def __init__(self, name: str, words: str, parent: QWidget | None = None) -> None:
        """`name` is that of the style sheet, `words` the accessible one."""
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(words)
        self._texts, self._buttons = QVBoxLayout(), QVBoxLayout()
        self._texts.setSpacing(4)
        self._buttons.setSpacing(5)
        for column in (self._texts, self._buttons):
            column.addStretch(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 7, 12, 7)
        row.setSpacing(14)
        row.addLayout(self._texts, 1)
        row.addLayout(self._buttons)
        self.title = QLabel()
        self.title.setProperty("role", "name")
        self.title.setWordWrap(True)
        self._texts.insertWidget(0, self.title)

    def add_text(self, role: str = "") -> QLabel:
        """Return a new label for running text, below what is there."""
        label = QLabel()
        label.setWordWrap(True)
        label.setTextFormat(Qt.TextFormat.PlainText)
        if role:
            label.setProperty("role", role)
        self.add(label)
        return label

    def add(self, widget: QWidget) -> None:
        """Put a widget below the texts that are there."""
        self._texts.insertWidget(self._texts.count() - 1, widget)

    def add_button(self, words: str = "", *, primary: bool = False) -> QPushButton:
        """Return a new button, below those that are there."""
        button = QPushButton(words)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        if primary:
            button.setProperty("primary", "true")
        self._buttons.insertWidget(self._buttons.count() - 1, button)
        return button

    @staticmethod
    def show_text(label: QLabel, text: str, role: str | None = None) -> None:
        """Show a text of the bar, in the style of another `role` if one is given."""
        label.setText(text)
        label.setVisible(bool(text))
        if role is not None and label.property("role") != role:
            label.setProperty("role", role)
            label.style().unpolish(label)
            label.style().polish(label)
