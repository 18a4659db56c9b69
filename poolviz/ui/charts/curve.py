"""Curves and bars, painted from arrays.

A `PlotCurveItem` of pyqtgraph is an item of the scene, which asks it for bounds, margins and
transformations: with ten of them that was a fifth of a frame's time.
"""

from __future__ import annotations

import numpy as np
from pyqtgraph.functions import arrayToQPath
from pyqtgraph.Qt.internals import PrimitiveArray
from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from poolviz.ui.charts.axes import Floats
from poolviz.ui.charts.plot_area import PlotArea


class Curve:
    """A line through points; with `gaps` it has one where a value is NaN.

    A pen wider than a device's pixel paints segment by segment: as one path it takes twenty times
    as long. Only dashes need the path `joined`, which is for curves of few corners.
    """

    def __init__(self, *, gaps: bool = False, joined: bool = False) -> None:
        self._gaps, self._joined = gaps, joined
        self._x: Floats = np.zeros(0)
        self._y: Floats = np.zeros(0)
        self._pen = QPen(Qt.PenStyle.NoPen)
        self._visible = True
        self._segments = PrimitiveArray(QLineF, 4)

    def setData(self, x: Floats, y: Floats) -> None:
        """Set the points."""
        self._x, self._y = x, y

    def setPen(self, pen: QPen) -> None:
        """Set the pen."""
        self._pen = pen

    def setVisible(self, on: bool) -> None:
        """Paint it or not."""
        self._visible = on

    def clear(self) -> None:
        """Remove the points."""
        self.setData(np.zeros(0), np.zeros(0))

    def paint(self, painter: QPainter, plot: PlotArea) -> None:
        """Paint it into `plot`."""
        if not self._visible or len(self._x) < 2:
            return
        x, y = plot.x_of(self._x), plot.y_of(self._y)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self._pen)
        if plot.ratio > 1 and not self._joined:
            self._paint_segments(painter, x, y)
        else:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            connect = "finite" if self._gaps else "all"
            painter.drawPath(arrayToQPath(x, y, connect=connect, finiteCheck=self._gaps))

    def _paint_segments(self, painter: QPainter, x: Floats, y: Floats) -> None:
        ends = np.column_stack((x[:-1], y[:-1], x[1:], y[1:]))
        if self._gaps:
            ends = ends[np.isfinite(ends).all(axis=1)]
        if len(ends):
            self._segments.resize(len(ends))
            self._segments.ndarray()[:] = ends
            painter.drawLines(*self._segments.drawargs())


class Bars:
    """Bars from zero up, in one colour."""

    def __init__(self) -> None:
        self._left: Floats = np.zeros(0)
        self._width: Floats = np.zeros(0)
        self._height: Floats = np.zeros(0)
        self._colour = QColor(Qt.GlobalColor.transparent)
        self._rects = PrimitiveArray(QRectF, 4)

    def setData(self, left: Floats, width: Floats, height: Floats) -> None:
        """Set where each bar begins, how wide and how tall it is."""
        self._left, self._width, self._height = left, width, height

    def set_colour(self, colour: str) -> None:
        """Set the colour."""
        self._colour = QColor(colour)

    def clear(self) -> None:
        """Remove the bars."""
        self.setData(*np.zeros((3, 0)))

    def paint(self, painter: QPainter, plot: PlotArea) -> None:
        """Paint them into `plot`."""
        if not len(self._left):
            return
        left, tops = plot.x_of(self._left), plot.y_of(self._height)
        self._rects.resize(len(left))
        memory = self._rects.ndarray()
        memory[:, 0], memory[:, 1] = left, tops
        memory[:, 2] = plot.x_of(self._left + self._width) - left
        memory[:, 3] = plot.zero - tops
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._colour)
        painter.drawRects(*self._rects.drawargs())
