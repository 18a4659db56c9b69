"""Waits as a heatmap: how many of each moment took how long."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QLinearGradient, QPainter
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from poolviz.language import number, tr, tr_noop
from poolviz.sessions.details import BOUNDS, Cells, DetailView
from poolviz.sessions.resolutions import View
from poolviz.ui.charts.axes import CalmRange, Floats, Frame, decades, plain
from poolviz.ui.charts.chart import Figure, Scale
from poolviz.ui.charts.detailed import DetailedChart
from poolviz.ui.style.theme import Theme
from poolviz.ui.style.units import time_axis_unit, time_with_unit
from poolviz.ui.unexpected import contained

_POWERS: Floats = np.log10(BOUNDS * 1e3)  # of milliseconds
_LOWEST = int(np.searchsorted(_POWERS, -3.0))  # the cell that has all shorter waits too
_EMPTY = (-1.0, 2.0)
_LEAST_DECADES = 1.0
_SHADES = 256
_KEY_WIDTH = 10.0


class Heatmap(DetailedChart):
    """The whole distribution of waits in each bin: the darker a cell, the more of the bin's waits
    took so long. The colours follow the logarithm of the count, and grow in lightness,
    which every reader can tell apart."""

    title = tr_noop("Waits as a heatmap")
    subtitle = tr_noop("ms, log")
    share = 0.3
    least = 90.0
    topic = "heatmap"

    def build(self) -> None:
        """Begin without a picture."""
        super().build()
        self._range = CalmRange(*_EMPTY)
        self._image: QImage | None = None
        self._powers = (0.0, 0.0)  # that the image covers
        self._most = 0
        self._shades: NDArray[np.uint32] = np.zeros(_SHADES, dtype=np.uint32)

    def colour(self) -> None:
        """Take the shades from the theme's colours of waits; no wait at all has none."""
        self._shades = _shades(self.theme)

    def clear(self) -> None:
        """Remove all but the axes."""
        super().clear()
        self._image = None
        self._range = CalmRange(*_EMPTY)
        self._set_scale()

    def draw(self, view: View, x: Floats, frame: Frame, *, calm: bool) -> None:
        """Make the picture: a column for each pixel, and a row for each cell of the range."""
        details = self.details
        if details is None or not details.waits.any():
            self.clear()
            return
        counts = details.waits.copy()
        counts[:, _LOWEST] = counts[:, : _LOWEST + 1].sum(axis=1)
        counts[:, :_LOWEST] = 0
        filled = np.flatnonzero(counts.any(axis=0))
        first, last = int(filled[0]), int(filled[-1])
        low = math.floor(_POWERS[first] * 2) / 2
        high = max(math.ceil(_POWERS[last + 1] * 2) / 2, low + _LEAST_DECADES)
        self._range.fit(low, high, frame.end, calm=calm)
        self._set_scale()
        self._powers = float(_POWERS[first]), float(_POWERS[last + 1])
        self._most = int(counts.max())
        self._image = self._picture(details, counts[:, first : last + 1], frame)

    def _picture(self, details: DetailView, counts: Cells, frame: Frame) -> QImage:
        width = max(round(self.plot.width() * self.pixel_ratio), 1)
        times = frame.start + (np.arange(width) + 0.5) / width * frame.span
        bins = np.searchsorted(details.t, times)
        known = bins < len(details.t)
        bins[~known] = 0
        spans = details.sums["span"]
        known &= times > details.t[bins] - np.maximum(spans[bins], details.bin) - 1e-9
        levels = np.log1p(counts) * ((_SHADES - 1) / math.log1p(self._most))
        shades = self._shades[np.ceil(levels).astype(np.intp)]
        shades = np.where(known[:, np.newaxis], shades[bins], 0)
        pixels = np.ascontiguousarray(shades.T[::-1])  # the longest waits are above
        height = len(pixels)
        image = QImage(
            pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied
        )
        return image.copy()  # which owns its pixels

    def _set_scale(self) -> None:
        self.subtitle = time_axis_unit()
        low, high = self._range.low, self._range.high
        self.scale_y = Scale(low, high, decades(low, high))

    @contained()
    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Paint the picture over panel and grid, and the key beside it."""
        super().paint(painter, option, widget)
        if self._image is None:
            return
        plot, (low, high) = self.plot, self._powers
        place = QRectF(QPointF(plot.left(), self.y_of(high)), QPointF(plot.right(), self.y_of(low)))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(place, self._image)
        self._paint_key(painter)

    def _paint_key(self, painter: QPainter) -> None:
        """Paint the shades from one wait to the most that a cell has."""
        plot = self.plot
        bar = QRectF(plot.right() + 10, plot.top() + 4, _KEY_WIDTH, min(plot.height() - 8, 80.0))
        shades = QLinearGradient(bar.bottomLeft(), bar.topLeft())
        lowest = math.log1p(1) / math.log1p(max(self._most, 1))
        for step in range(9):
            share = lowest + (1 - lowest) * step / 8
            shades.setColorAt(step / 8, _colour(int(self._shades[round(share * (_SHADES - 1))])))
        painter.fillRect(bar, shades)
        painter.setPen(QColor(self.theme.muted))
        painter.setFont(self._tick_font)
        side = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        for y, text in ((bar.top() + 5, plain(self._most)), (bar.bottom() - 5, tr("1 wait"))):
            painter.drawText(QRectF(bar.right() + 6, y - 8, 60, 16), side, text)

    def figures(self, view: View, index: int) -> list[Figure]:
        """Return how many waits a bin has, and how long most of them and the longest took."""
        found = self.detail_at(view, index)
        if found is None:
            return []
        counts = found[0].waits[found[1]]
        total = int(counts.sum())
        colour = self.theme.p95
        figures = [Figure(tr("waits"), number(total), colour, total, _count)]
        if total:
            for name, cell in (
                (tr("most took"), int(counts.argmax())),
                (tr("longest"), int(np.flatnonzero(counts)[-1])),
            ):
                low, high = (time_with_unit(float(bound)) for bound in BOUNDS[cell : cell + 2])
                figures.append(Figure(name, tr("{low} to {high}", low=low, high=high), colour))
        return figures


def _count(waits: float) -> str:
    return number(waits, ",.0f")


def _shades(theme: Theme) -> NDArray[np.uint32]:
    """Return the colours from a pale one to the strongest, the first of them transparent."""
    colours = [QColor(name) for name in (theme.panel, theme.p50, theme.p95, theme.p99)]
    stops = np.array([(c.red(), c.green(), c.blue()) for c in colours], dtype=np.float64)
    stops[0] = stops[0] * 0.55 + stops[1] * 0.45
    at = np.linspace(0, len(stops) - 1, _SHADES)
    parts = [np.interp(at, np.arange(len(stops)), stops[:, part]) for part in range(3)]
    red, green, blue = (np.round(part).astype(np.uint32) for part in parts)
    shades = np.uint32(0xFF000000) | red << np.uint32(16) | green << np.uint32(8) | blue
    shades[0] = 0
    return shades.astype(np.uint32)


def _colour(argb: int) -> QColor:
    return QColor.fromRgba(argb)
