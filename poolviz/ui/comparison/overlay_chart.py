"""A chart of one figure of several sessions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetricsF

from poolviz.language import number, tr, tr_noop
from poolviz.model.parameters import shown_time
from poolviz.model.text import shortened
from poolviz.sessions.differences_in_words import percent
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
from poolviz.ui.charts.chart import Chart, Figure, Name, Scale
from poolviz.ui.style.colours import SESSIONS
from poolviz.ui.style.theme import Theme

_LOWEST, _EMPTY = -3.0, (-1.0, 2.0)  # powers of ten, of milliseconds
_LOWEST_TOP = 1.0
_TICKS = 5
_LONGEST_NAME = 40  # characters, beside the pointer


class OverlayChart(Chart):
    """One figure, a curve for each session, named at its end."""

    def __init__(
        self, overlay: Overlay, count: int, theme: Theme, *, with_time_axis: bool = False
    ) -> None:
        self.overlay, self._count = overlay, count
        self._drawn: Overlaid | None = None
        self.title = tr(overlay.title)
        self.subtitle = {"s": tr_noop("ms, log"), "/s": tr_noop("a second")}.get(overlay.unit, "")
        super().__init__(theme, with_time_axis=with_time_axis)

    def build(self) -> None:
        """Create the curves, that of the baseline over the others."""
        curves = [self.line(gaps=True) for _ in range(self._count)]
        self._by_session = curves[::-1]

    def colour(self) -> None:
        """Give each session its colour."""
        for curve, colour in zip(self._by_session, SESSIONS, strict=False):
            curve.setPen(self.pen(getattr(self.theme, colour)))

    def show_overlaid(self, drawn: Overlaid, names: Sequence[str], frame: Frame) -> None:
        """Draw the figures in `frame`, of sessions with these names."""
        self._drawn = drawn
        self._show_frame(frame)
        self._time_ticks = _time_ticks(frame, max(int(self.plot.width() / 95), 2))
        rows = [_power(row) if self.overlay.unit == "s" else row for row in drawn.rows]
        self.scale_y = _powers(rows) if self.overlay.unit == "s" else _from_zero(rows)
        metrics = QFontMetricsF(self._name_font)
        self.names, room = [], round(RIGHT * self.text_room) - 12
        for curve, row, name, colour in zip(self._by_session, rows, names, SESSIONS, strict=False):
            curve.setData(drawn.t - frame.end, row)
            known = row[np.isfinite(row)]
            if len(known):
                text = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, room)
                height = min(latest(known, 5), self.scale_y.high)
                self.names.append(Name(text, getattr(self.theme, colour), height))
        self.update()

    def values_at(self, time: float, names: Sequence[str]) -> tuple[list[Figure], dict[str, str]]:
        """Return what each session has in the bin with a time of the common axis, and by their
        names what that is more or less than the baseline has."""
        figures: list[Figure] = []
        differences: dict[str, str] = {}
        drawn = self._drawn
        if drawn is None or not len(drawn.t):
            return figures, differences
        place = min(int(np.searchsorted(drawn.t, time)), len(drawn.t) - 1)
        values = [float(row[place]) for row in drawn.rows]
        for name, colour, value in zip(names, SESSIONS, values, strict=False):
            short = shortened(name, _LONGEST_NAME)
            text = self._shown(value) if math.isfinite(value) else "–"
            if figures and math.isfinite(value) and values[0] > 0:
                differences[short] = percent(value / values[0] - 1)
            figures.append(Figure(short, text, getattr(self.theme, colour)))
        return figures, differences

    def _shown(self, value: float) -> str:
        if self.overlay.unit == "s":
            return shown_time(float(f"{value:.3g}"))
        return f"{number(value, ',.0f')} /s" if self.overlay.unit == "/s" else number(value, ",.3g")


def time_text(seconds: float, step: float) -> str:
    """Return a time before or after the moment at which the sessions are aligned."""
    return f"{MINUS if seconds < 0 else ''}{clock(abs(seconds), step)}"


def _time_ticks(frame: Frame, most: int) -> list[Tick]:
    """Return ticks on both sides of the moment at which the sessions are aligned."""
    step = time_step(frame.span, most)
    first, last = math.ceil(frame.start / step - 1e-9), math.floor(frame.end / step + 1e-9)
    return [Tick(n * step - frame.end, time_text(n * step, step)) for n in range(first, last + 1)]


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
