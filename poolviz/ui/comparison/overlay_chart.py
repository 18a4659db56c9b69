"""A chart of one figure of several sessions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetricsF

from poolviz.sessions.overlays import Overlaid, Overlay
from poolviz.ui.charts.axes import (
    MINUS,
    RIGHT,
    Floats,
    Frame,
    Tick,
    clock,
    decades,
    highest,
    latest,
    lowest,
    nice_top,
    ticks_up,
    time_step,
)
from poolviz.ui.charts.chart import Chart, Name, Scale
from poolviz.ui.style.colours import SESSIONS
from poolviz.ui.style.theme import Theme

_LOWEST, _EMPTY = -3.0, (-1.0, 2.0)  # powers of ten, of milliseconds
_LOWEST_TOP = 1.0
_TICKS = 5


class OverlayChart(Chart):
    """One figure, a curve for each session, named at its end."""

    def __init__(
        self, overlay: Overlay, count: int, theme: Theme, *, with_time_axis: bool = False
    ) -> None:
        self.overlay, self._count = overlay, count
        self.title = overlay.title
        self.subtitle = {"s": "ms, log", "/s": "a second"}.get(overlay.unit, "")
        super().__init__(theme, with_time_axis=with_time_axis)

    def build(self) -> None:
        """Create the curves, that of the baseline over the others."""
        curves = [self.line(gaps=True) for _ in range(self._count)]
        self._curves = curves[::-1]

    def colour(self) -> None:
        """Give each session its colour."""
        for curve, colour in zip(self._curves, SESSIONS, strict=False):
            curve.setPen(self.pen(getattr(self.theme, colour)))

    def show_overlaid(self, drawn: Overlaid, names: Sequence[str], frame: Frame) -> None:
        """Draw the figures in `frame`, of sessions with these names."""
        self._show_frame(frame)
        self._time_ticks = _time_ticks(frame, max(int(self.plot.width() / 95), 2))
        rows = [_power(row) if self.overlay.unit == "s" else row for row in drawn.rows]
        self.scale_y = _powers(rows) if self.overlay.unit == "s" else _from_zero(rows)
        metrics = QFontMetricsF(self._name_font)
        self.names = []
        for curve, row, name, colour in zip(self._curves, rows, names, SESSIONS, strict=False):
            curve.setData(drawn.t - frame.end, row)
            known = row[np.isfinite(row)]
            if len(known):
                text = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, RIGHT - 12)
                height = min(latest(known, 5), self.scale_y.high)
                self.names.append(Name(text, getattr(self.theme, colour), height))
        self.box.setYRange(self.scale_y.low, self.scale_y.high, padding=0)
        self.box.prepareForPaint()
        self.update()


def _time_ticks(frame: Frame, most: int) -> list[Tick]:
    """Return ticks on both sides of the moment at which the sessions are aligned."""
    step = time_step(frame.span, most)
    first, last = math.ceil(frame.start / step - 1e-9), math.floor(frame.end / step + 1e-9)
    return [
        Tick(n * step - frame.end, f"{MINUS if n < 0 else ''}{clock(abs(n * step), step)}")
        for n in range(first, last + 1)
    ]


def _power(seconds: Floats) -> Floats:
    powers: Floats = np.log10(np.maximum(seconds * 1e3, 10**_LOWEST))
    return powers


def _powers(rows: Sequence[Floats]) -> Scale:
    low = min((lowest(row, math.inf) for row in rows), default=math.inf)
    high = max((highest(row, -math.inf) for row in rows), default=-math.inf)
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = _EMPTY
    low = max(math.floor(low * 2 - 0.2) / 2, _LOWEST)
    high = max(math.ceil(high * 2 + 0.2) / 2, low + 2)
    return Scale(low, high + 0.15, decades(low, high))


def _from_zero(rows: Sequence[Floats]) -> Scale:
    top = max(nice_top(max((highest(row) for row in rows), default=0.0)), _LOWEST_TOP)
    return Scale(0.0, top * 1.04, ticks_up(top, _TICKS))
