"""A page of the window beside that of the run."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame

from poolviz.ui.unexpected import contained


class LeavablePage(QFrame):
    """A page that Escape leaves, wherever in it the focus is."""

    left = Signal()  # the page is to be closed

    @contained()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape leaves the page."""
        if event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)
