"""Fairness: how many operations each client completed in the visible part, sorted."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from poolviz.sessions.details import ClientView
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.resolutions import View
from poolviz.ui.charts.axes import (
    CalmRange,
    Floats,
    Frame,
    clock,
    nice_top,
    plain,
    snapped,
    ticks_up,
)
from poolviz.ui.charts.chart import Chart, Figure, Name, Scale
from poolviz.ui.unexpected import contained

_LEAST = 10.0
_SUBTITLE = "operations of each client, sorted"


class Fairness(Chart):
    """A bar for each client, the one with most operations first, and their mean as a line."""

    title = "Fairness"
    subtitle = _SUBTITLE
    share = 0.26
    least = 84.0
    timed = False
    topic = "throughput"

    def build(self) -> None:
        """Begin without clients."""
        self._clients: ClientView | None = None
        self._sorted: Floats = np.zeros(0)
        self._top = CalmRange(0.0, _LEAST)

    def read(self, recorder: Recorder, frame: Frame) -> None:
        """Take the counts of the visible part."""
        self._clients = recorder.clients(max(frame.start, 0.0), frame.end, complete=self.complete)

    def clear(self) -> None:
        """Remove all but the axes."""
        self._clients, self._sorted, self.names = None, np.zeros(0), []
        self.subtitle = _SUBTITLE
        self._top = CalmRange(0.0, _LEAST)
        self._set_scale()

    def draw(self, view: View, x: Floats, frame: Frame, *, calm: bool) -> None:
        """Sort the clients, and name the most, the mean and the least."""
        counted = self._clients
        if counted is None or not len(counted.operations):
            self.clear()
            return
        self._sorted = np.sort(counted.operations)[::-1].astype(np.float64)
        most, least, mean = self._sorted[0], self._sorted[-1], float(self._sorted.mean())
        self._top.fit(0.0, max(nice_top(float(most)), _LEAST), frame.end, calm=calm)
        self._set_scale()
        self.names = [
            Name(f"most {plain(float(most))}", self.theme.throughput, float(most), "most"),
            Name(f"mean {plain(round(mean, 1))}", self.theme.text, mean, "mean"),
            Name(f"least {plain(float(least))}", self.theme.muted, float(least), "least"),
        ]
        part = f"{clock(counted.start)} to {clock(counted.end)}"
        self.subtitle = f"{_SUBTITLE}, {part} · {len(self._sorted):,} clients"

    def _set_scale(self) -> None:
        top = self._top.high
        self.scale_y = Scale(0.0, top * 1.05, ticks_up(top, 3))
        self._time_ticks = []

    def show_nothing(self, frame: Frame) -> None:
        """Draw only the axes."""
        super().show_nothing(frame)
        self._time_ticks = []

    @contained()
    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Paint the bars, as wide as there is room for, and the mean over them."""
        super().paint(painter, option, widget)
        count = len(self._sorted)
        if not count:
            return
        plot = self.plot
        wide = plot.width() / count
        gap = min(wide * 0.2, 4.0) if wide > 2 else 0.0
        ground = self.y_of(0.0)
        bars = [
            QRectF(plot.left() + place * wide, y, max(wide - gap, 1.0), ground - y)
            for place, y in enumerate(self.y_of(float(value)) for value in self._sorted)
        ]
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.theme.throughput))
        painter.drawRects(bars)
        if self.shown("mean"):
            painter.setPen(QPen(QColor(self.theme.text), 1, Qt.PenStyle.DashLine))
            y = snapped(self.y_of(float(self._sorted.mean())))
            painter.drawLine(QLineF(plot.left(), y, plot.right(), y))

    def figures(self, view: View, index: int) -> list[Figure]:
        """Return nothing: its x axis isn't the time."""
        return []
