"""A button whose text goes on in further lines where one has no room for it."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget

from poolviz.ui.unexpected import contained

_NARROWEST = 9.0  # times the height of its text


class WrappedButton(QPushButton):
    """Shows all of its `words`, in as many lines as its width needs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = ""
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)

    def show_words(self, words: str) -> None:
        """Show other words."""
        self.words = words
        self.setAccessibleName(words)
        self._wrap()

    def sizeHint(self) -> QSize:
        """Return the size of one line, as high as the lines are."""
        around = super().sizeHint().width() - self._width(self.text())
        return QSize(self._width(self.words) + around, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Return a size in which the words take some lines."""
        narrow = round(_NARROWEST * self.fontMetrics().height())
        return QSize(min(narrow, self.sizeHint().width()), self.sizeHint().height())

    @contained()
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Break the lines where they end now."""
        super().resizeEvent(event)
        self._wrap()

    def _width(self, text: str) -> int:
        return self.fontMetrics().size(Qt.TextFlag.TextShowMnemonic, text).width()

    def _wrap(self) -> None:
        around = super().sizeHint().width() - self._width(self.text())
        lines = [""]
        for word in self.words.split():
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and self._width(longer) + around > self.width():
                lines.append(word)
            else:
                lines[-1] = longer
        text = "\n".join(lines)
        if text != self.text():
            self.setText(text)
            self.updateGeometry()
