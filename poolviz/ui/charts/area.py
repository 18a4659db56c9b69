"""Areas between a curve and zero: all of a chart are painted as one image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pyqtgraph.functions import arrayToQPolygonF
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QPaintEngine, QPainter

from poolviz.ui.charts.axes import Floats
from poolviz.ui.charts.plot_area import PlotArea

_VECTORS = (QPaintEngine.Type.SVG, QPaintEngine.Type.Pdf)
_HATCH = 8  # pixels from one line of a hatched area to the next, as of BDiagPattern


class Area:
    """The area between a curve and zero, in one colour, or hatched in it."""

    def __init__(self) -> None:
        self.x: Floats = np.zeros(0)
        self.y: Floats = np.zeros(0)
        self.colour = QColor(Qt.GlobalColor.transparent)
        self.hatched = False
        self._visible = True

    def setData(self, x: Floats, y: Floats) -> None:
        """Set the curve, of ascending `x`."""
        self.x, self.y = x, y

    def set_colour(self, colour: str, *, hatched: bool = False) -> None:
        """Set the colour, and whether it is hatched."""
        self.colour, self.hatched = QColor(colour), hatched

    def setVisible(self, on: bool) -> None:
        """Paint it or not."""
        self._visible = on

    def clear(self) -> None:
        """Remove the curve."""
        self.setData(np.zeros(0), np.zeros(0))

    @property
    def painted(self) -> bool:
        """Whether there is anything to paint."""
        return self._visible and len(self.x) > 1


def paint_areas(painter: QPainter, areas: Sequence[Area], plot: PlotArea) -> None:
    """Paint areas into `plot`, each over those before it.

    On a screen they are one image of numbers of colours, made of comparisons with a row of pixels
    each: seven areas take 0.5 ms, of which each took 0.9 ms as a rectangle for each column, and ten
    times that as a polygon. In SVG and PDF they are polygons.
    """
    areas = [area for area in areas if area.painted]
    if painter.paintEngine().type() in _VECTORS:
        for area in areas:
            _paint_polygon(painter, area, plot)
    elif areas:
        pixels = _pixels(areas, plot)
        height, width = pixels.shape
        image = QImage(pixels.data, width, height, width, QImage.Format.Format_Indexed8)
        image.setColorTable([0, *(area.colour.rgba() for area in areas)])
        # Converted first: painting numbers of colours itself takes five times as long, and Qt
        # does it by threads, for which the window would wait on a machine that is busy.
        coloured = image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
        coloured.setDevicePixelRatio(plot.ratio)
        painter.drawImage(plot.rect.topLeft(), coloured)


def _paint_polygon(painter: QPainter, area: Area, plot: PlotArea) -> None:
    x, y, zero = plot.x_of(area.x), plot.y_of(area.y), plot.zero
    inside = arrayToQPolygonF(x, y)
    inside.append(QPointF(float(x[-1]), zero))
    inside.prepend(QPointF(float(x[0]), zero))
    style = Qt.BrushStyle.BDiagPattern if area.hatched else Qt.BrushStyle.SolidPattern
    painter.save()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QBrush(area.colour, style))
    painter.setClipRect(plot.rect)
    painter.drawPolygon(inside)
    painter.restore()


def _pixels(areas: Sequence[Area], plot: PlotArea) -> NDArray[np.uint8]:
    """Return for each device pixel of the plot the number of the uppermost area there, from 1."""
    rect, ratio = plot.rect, plot.ratio
    columns, rows = (max(round(side * ratio), 1) for side in (rect.width(), rect.height()))
    # The lines of an image begin at multiples of four bytes; what is too much stays transparent.
    pixels = np.zeros((rows, -(-columns // 4) * 4), dtype=np.uint8)
    inside = pixels[:, :columns]
    zero = round((plot.zero - rect.top()) * ratio)
    lines = np.arange(rows, dtype=np.uint16)[:, np.newaxis]  # compared twice as fast as 32 bits
    times = ((np.arange(columns) + 0.5) / columns - 1.0) * plot.span
    for number, area in enumerate(areas, 1):
        values = np.interp(times, area.x, area.y, left=0.0, right=float(area.y[-1]))
        edge = np.rint((plot.y_of(values) - rect.top()) * ratio)
        edge = np.clip(edge, 0, rows).astype(np.uint16)
        top, bottom = min(int(edge.min()), zero), max(int(edge.max()), zero)
        for part, covers in (
            (slice(top, zero), np.greater_equal),
            (slice(zero, bottom), np.less),
        ):
            covered = covers(lines[part], edge)
            if area.hatched:
                covered &= (lines[part] + np.arange(columns)) % _HATCH == 0
            np.maximum(inside[part], covered * np.uint8(number), out=inside[part])
    return pixels
