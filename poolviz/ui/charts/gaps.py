"""Parts of the time axis of which it isn't known what a process did, since it was lost: hatched."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from poolviz.ui.style.theme import Theme
from poolviz.ui.unexpected import contained

_LEAST = 6.0  # pixels: of a gap that would be too narrow to be seen


class GapsLayer(QGraphicsItem):
    """Hatches each gap through all charts."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.bands: list[QRectF] = []
        self._size = QRectF()

    def place(self, size: QRectF) -> None:
        """Set the size of the charts."""
        self.prepareGeometryChange()
        self._size = size

    def show_gaps(self, gaps: Sequence[tuple[float, float]], plots: Sequence[QRectF]) -> None:
        """Hatch these gaps, each from x to x, as far as they are in `plots`."""
        bands = []
        for plot in plots:
            for begin, end in gaps:
                left = max(min(begin, end - _LEAST), plot.left())
                right = min(end, plot.right())
                if right > left:
                    bands.append(QRectF(left, plot.top(), right - left, plot.height()))
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
        hatch = QBrush(QColor(self.theme.muted), Qt.BrushStyle.BDiagPattern)
        for band in self.bands:
            painter.fillRect(band, hatch)
