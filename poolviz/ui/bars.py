"""Bars above a page, one below the other, which are scrolled where there is no room for all."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from poolviz.language import tr
from poolviz.ui.style.theme import text_room
from poolviz.ui.unexpected import contained

_LEAST = 76  # pixels at the usual size of texts: two lines of a notice


class Bars(QScrollArea):
    """As high as its bars are together, or as there is room for; hidden ones take none."""

    def __init__(self, *bars: QWidget) -> None:
        super().__init__()
        self.setAccessibleName(tr("Notices"))
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._content = QWidget()
        column = QVBoxLayout(self._content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for bar in bars:
            column.addWidget(bar)
        self.setWidget(self._content)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def heightForWidth(self, width: int) -> int:
        """Return the height of the bars that are shown."""
        layout = self._content.layout()
        return 0 if layout is None else layout.totalHeightForWidth(width)

    def sizeHint(self) -> QSize:
        """Return the size of the bars that are shown."""
        return QSize(self._content.sizeHint().width(), self.heightForWidth(self.width()))

    def minimumSizeHint(self) -> QSize:
        """Return a size in which the bars can be scrolled."""
        height = self.heightForWidth(self.width())
        return QSize(0, min(height, round(_LEAST * text_room())))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take another height once the bars need it."""
        if event.type() == QEvent.Type.LayoutRequest:
            with contained():
                self.updateGeometry()
        return super().eventFilter(watched, event)
