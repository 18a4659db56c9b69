"""What shows an export while it goes on, and cancels it: in the status bar, whose height stays,
since charts that are resized are drawn anew."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from poolviz.language import tr
from poolviz.ui.elided_label import ElidedLabel

_STEPS = 1000
_BAR_WIDTH, _WORDS_WIDTH = 120, 220  # pixels


class ExportStrip(QWidget):
    """A line with what is written, how far that is, and a button that cancels it. Hidden while
    there is nothing to show."""

    cancelled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words, self.bar, self.button = ElidedLabel(), QProgressBar(), QPushButton(tr("Cancel"))
        self.words.setFixedWidth(_WORDS_WIDTH)
        self.words.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.bar.setFixedWidth(_BAR_WIDTH)
        self.button.setProperty("role", "pill")
        self.bar.setTextVisible(False)
        self.bar.setRange(0, _STEPS)
        self.bar.setAccessibleName(tr("Progress of the export"))
        self.button.setAccessibleName(tr("Cancel the export"))
        self.button.clicked.connect(self.cancelled)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.words)
        row.addWidget(self.bar)
        row.addWidget(self.button)
        self.hide()

    def begin(self, words: str) -> None:
        """Show that something is being written."""
        self.words.setText(words)
        self.bar.setValue(0)
        self.button.setEnabled(True)
        self.show()

    def advance(self, share: float) -> None:
        """Show which share is done."""
        self.bar.setValue(round(share * _STEPS))

    def cancelling(self) -> None:
        """Show that it is being cancelled."""
        self.words.setText(tr("Cancelling…"))
        self.button.setEnabled(False)
