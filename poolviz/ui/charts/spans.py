"""Parts of the time axis that are highlighted through all charts, such as before and after."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QLineF, QRectF
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from poolviz.ui.style.theme import Theme
from poolviz.ui.unexpected import contained

_SHADE = 0.10  # opacity
_EDGE = 2.0  # pixels: the line at the top of a part, which tells it from the ground without colour


class SpansLayer(QGraphicsItem):
    """Paints a pale band for each part."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.bands: list[QRectF] = []
        self._size = QRectF()

    def place(self, size: QRectF) -> None:
        """Set the size of the charts."""
        self.prepareGeometryChange()
        self._size = size

    def show_spans(self, spans: Sequence[tuple[float, float]], plots: Sequence[QRectF]) -> None:
        """Highlight these parts, each from x to x, as far as they are in `plots`."""
        bands = [
            QRectF(left, plot.top(), right - left, plot.height())
            for plot in plots
            for left, right in (
                (max(begin, plot.left()), min(end, plot.right())) for begin, end in spans
            )
            if right > left
        ]
        if bands != self.bands:
            self.bands = bands
            self.update()

    def boundingRect(self) -> QRectF:
        """Return the area of the charts."""
        return self._size

    @contained()
    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Paint the bands."""
        edge = QPen(QColor(self.theme.accent), _EDGE)
        shade = QColor(self.theme.accent)
        shade.setAlphaF(_SHADE)
        for band in self.bands:
            painter.fillRect(band, shade)
            painter.setPen(edge)
            painter.drawLine(QLineF(band.topLeft(), band.topRight()))
