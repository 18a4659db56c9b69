"""The room that the charts have in the window."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QApplication, QFrame, QScrollArea

from poolviz.language import tr


class ChartsRoom(QScrollArea):
    """The room of the canvas, which is scrolled if it is too small for all the charts."""

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(tr("Charts"))

    def lay_out(self) -> None:
        """Give what is in it its size at once."""
        above = self.parentWidget()
        layout = above.layout() if above is not None else None
        if layout is not None:
            layout.activate()
        QApplication.sendPostedEvents(self, QEvent.Type.LayoutRequest)
        QApplication.sendPostedEvents(self.widget(), QEvent.Type.Resize)

    def show_part(self, top: int, bottom: int) -> None:
        """Scroll to a part of what is in it, and to its top where not all of it has room."""
        self.lay_out()
        self.ensureVisible(0, bottom, 0, 8)
        self.ensureVisible(0, top, 0, 8)
