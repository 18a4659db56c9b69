"""Fairness: how many operations each client completed in the visible part, sorted."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from poolviz.language import tr, tr_noop, trn
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
_SUBTITLE = tr_noop("operations of each client, sorted")

_TITLES = {
    "most": tr_noop("most operations"),
    "mean": tr_noop("mean of the operations"),
    "least": tr_noop("least operations"),
}


class Fairness(Chart):
    """A bar for each client, the one with most operations first, and their mean as a line."""

    title = tr_noop("Fairness")
    subtitle = _SUBTITLE
    share = 0.26
    least = 84.0
    timed = False
    topic = "fairness"

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
            _name("most", float(most), self.theme.throughput),
            _name("mean", mean, self.theme.text),
            _name("least", float(least), self.theme.muted),
        ]
        self.subtitle = trn(
            "operations of each client, sorted, {start} to {end} · {n:,} client",
            "operations of each client, sorted, {start} to {end} · {n:,} clients",
            len(self._sorted),
            start=clock(counted.start),
            end=clock(counted.end),
        )

    def curve_title(self, curve: str) -> str:
        """Return what a name of a value says."""
        return tr(_TITLES[curve])

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

    def latest(self, view: View) -> list[Figure]:
        """Return the most, the mean and the least."""
        return [
            Figure(self.curve_title(name.key), plain(round(name.y, 1)), name.colour)
            for name in self.names
        ]

    def figures(self, view: View, index: int) -> list[Figure]:
        """Return nothing: its x axis isn't the time."""
        return []


def _name(key: str, value: float, colour: str) -> Name:
    text = {
        "most": tr("most {value}", value=plain(value)),
        "mean": tr("mean {value}", value=plain(round(value, 1))),
        "least": tr("least {value}", value=plain(value)),
    }[key]
    return Name(text, colour, value, key)
