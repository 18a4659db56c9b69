"""Areas between a curve and zero, painted column by column."""

from __future__ import annotations

import numpy as np
from pyqtgraph.functions import arrayToQPolygonF
from pyqtgraph.Qt.internals import PrimitiveArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPaintEngine, QPainter

from poolviz.ui.charts.axes import Floats

_VECTORS = (QPaintEngine.Type.SVG, QPaintEngine.Type.Pdf)


class Area:
    """The area between a curve and zero, in one colour or pattern.

    On a screen it is a rectangle for each column of pixels: a polygon of a thousand corners takes
    ten times as long, and looks the same. In SVG and PDF it is a polygon.
    """

    def __init__(self) -> None:
        self._x: Floats = np.zeros(0)
        self._y: Floats = np.zeros(0)
        self._brush = QBrush(Qt.BrushStyle.NoBrush)
        self._visible = True
        self._rects = PrimitiveArray(QRectF, 4)

    def setData(self, x: Floats, y: Floats) -> None:
        """Set the curve, of ascending `x`."""
        self._x, self._y = x, y

    def setBrush(self, brush: QBrush | QColor) -> None:
        """Set the colour, or a pattern."""
        self._brush = QBrush(brush)

    def setVisible(self, on: bool) -> None:
        """Paint it or not."""
        self._visible = on

    def clear(self) -> None:
        """Remove the curve."""
        self.setData(np.zeros(0), np.zeros(0))

    def paint(
        self, painter: QPainter, plot: QRectF, span: float, scale: tuple[float, float], ratio: float
    ) -> None:
        """Paint it into `plot`, which shows `span` up to 0 and the values of `scale`, with `ratio`
        device pixels a pixel."""
        if not self._visible or len(self._x) < 2:
            return
        low, high = scale
        per_unit = plot.height() / (high - low)
        zero = min(max(plot.bottom() + low * per_unit, plot.top()), plot.bottom())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._brush)
        if painter.paintEngine().type() in _VECTORS:
            x = plot.right() + self._x / span * plot.width()
            y = plot.bottom() - (self._y - low) * per_unit
            inside = arrayToQPolygonF(x, y)
            inside.append(QPointF(float(x[-1]), zero))
            inside.prepend(QPointF(float(x[0]), zero))
            painter.save()
            painter.setClipRect(plot)
            painter.drawPolygon(inside)
            painter.restore()
            return
        columns = max(round(plot.width() * ratio), 1)
        times = ((np.arange(columns) + 0.5) / columns - 1.0) * span
        values = np.interp(times, self._x, self._y, left=0.0, right=float(self._y[-1]))
        tops = np.clip(plot.bottom() - (values - low) * per_unit, plot.top(), plot.bottom())
        filled = np.flatnonzero(np.abs(tops - zero) * ratio >= 0.5)
        if not len(filled):
            return
        self._rects.resize(len(filled))
        memory = self._rects.ndarray()
        memory[:, 0] = plot.left() * ratio + filled
        memory[:, 1] = np.minimum(tops[filled], zero) * ratio
        memory[:, 2] = 1.0
        memory[:, 3] = np.abs(tops[filled] - zero) * ratio
        painter.save()
        painter.scale(1 / ratio, 1 / ratio)  # in device pixels, which are filled at once
        painter.drawRects(*self._rects.drawargs())
        painter.restore()
