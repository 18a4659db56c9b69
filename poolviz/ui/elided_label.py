"""A label of one line that ends in … where there is no room for its text."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QWidget

from poolviz.ui.unexpected import contained

_NARROWEST = 24  # pixels, unless another width is asked for


class ElidedLabel(QLabel):
    """Shows as much of its text as there is room for. A long one leaves room to others from
    `narrowest` pixels on."""

    def __init__(
        self, text: str = "", parent: QWidget | None = None, *, narrowest: int = _NARROWEST
    ) -> None:
        super().__init__(text, parent)
        self._narrowest = narrowest

    def minimumSizeHint(self) -> QSize:
        """Return a size that leaves room to others."""
        hint = super().minimumSizeHint()
        return QSize(min(max(hint.width(), _NARROWEST), self._narrowest), hint.height())

    @contained()
    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the text, or its beginning."""
        if self.width() >= self.sizeHint().width():
            super().paintEvent(event)
            return
        fits = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter, fits)
