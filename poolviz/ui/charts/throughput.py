"""Throughput: operations per second as a line, timeouts and errors as bars."""

from __future__ import annotations

import numpy as np

from poolviz.language import number, tr, tr_noop
from poolviz.sessions.resolutions import View
from poolviz.ui.charts.axes import CalmRange, Floats, Frame, highest, latest, nice_top, ticks_up
from poolviz.ui.charts.chart import Chart, Figure, Name, Scale
from poolviz.ui.charts.curve import Bars
from poolviz.ui.style.units import per_second, rate_unit
from poolviz.ui.style.units import rate as rate_in_unit

_SERIES, _NAMES = ("throughput", "timeouts", "errors"), ("ops/s", "timeouts", "errors")
_SECOND = tr_noop("operations/s; errors as bars")
_MINUTE = tr_noop("operations/min; errors as bars")
_LATEST = 1.0
_LOWEST_TOP = 10.0
_SHORTEST_BAR = 4.0  # pixels: one error among thousands of operations remains visible
_THINNEST_BAR = 2.0
_TICK_EVERY, _FEWEST_TICKS = 35.0, 3  # pixels; a tall chart has more of them


class Throughput(Chart):
    """Completed operations, timeouts and errors per second, on one scale."""

    title = tr_noop("Throughput")
    subtitle = _SECOND
    topic = "throughput_chart"
    share = 0.24

    def build(self) -> None:
        """Create the bars, then the line over them."""
        self._timeouts, self._errors = self.bars(), self.bars()
        self._ghost, self._line = self.line(), self.line()
        self._top = CalmRange(0.0, _LOWEST_TOP)

    def colour(self) -> None:
        """Use the colour of waiting for timeouts, red for errors."""
        self._line.setPen(self.pen(self.theme.throughput))
        self._ghost.setPen(self.pen(self.theme.throughput, pale=True))
        self._timeouts.set_colour(self.theme.timeout_bar)
        self._errors.set_colour(self.theme.error_bar)

    def clear(self) -> None:
        """Remove all but the axes."""
        self._line.clear()
        self._ghost.clear()
        for bars in (self._timeouts, self._errors):
            bars.clear()
        self.names = []
        self._top = CalmRange(0.0, _LOWEST_TOP)
        self._set_scale()

    def draw(self, view: View, x: Floats, frame: Frame, *, calm: bool) -> None:
        """Draw the line, and timeouts stacked on errors."""
        rate, timeouts, errors = (view.lines[n] * rate_in_unit(1.0) for n in _SERIES)
        named = highest(timeouts) > 0, highest(errors) > 0
        rate, timeouts, errors = (
            line * self.shown(name)
            for line, name in zip((rate, timeouts, errors), _NAMES, strict=True)
        )
        self._line.setVisible(self.shown(_NAMES[0]))
        wrong = timeouts + errors
        behind = highest(_rate(self.ghost)) if self.ghost is not None else 0.0
        top = max(nice_top(max(highest(rate), highest(wrong), behind)), _LOWEST_TOP)
        self._top.fit(0.0, top, frame.end, calm=calm)
        self._set_scale()
        self.draw_ghost({self._ghost: _rate}, frame.end)
        self._line.setData(x, rate)
        least = self.scale_y.high * _SHORTEST_BAR / max(self.plot.height(), 1)
        thinnest = _THINNEST_BAR * frame.span / max(self.plot.width(), 1)
        width = np.clip(np.diff(x, prepend=x[0] - view.bin), thinnest, view.bin + thinnest)
        low = _seen(errors, least)
        _set_bars(self._errors, x, low, width)
        high = np.where(timeouts > 0, low + _seen(timeouts, least), 0)
        _set_bars(self._timeouts, x, high, width)
        bins = max(round(_LATEST / view.bin), 1)
        self.names = [Name(rate_unit(), self.theme.throughput, latest(rate, bins), _NAMES[0])]
        if named[0]:
            self.names.append(
                Name(tr("timeouts"), self.theme.wait, latest(wrong, bins), "timeouts")
            )
        if named[1]:
            self.names.append(
                Name(tr("errors"), self.theme.bad, latest(errors, bins) / 2, "errors")
            )

    def _set_scale(self) -> None:
        self.subtitle = _SECOND if per_second() else _MINUTE
        top = self._top.high
        most = max(int(self.plot.height() / _TICK_EVERY), _FEWEST_TICKS)
        self.scale_y = Scale(0.0, top * 1.05, ticks_up(top, most))

    def figures(self, view: View, index: int) -> list[Figure]:
        """Return the rates of one bin."""
        theme, a_second = self.theme, per_second()
        rate = view.lines["throughput"][index]
        operations = tr("operations/s") if a_second else tr("operations/min")
        found = [_figure(operations, rate, theme.throughput)]
        for name, title, colour in (
            ("timeouts", tr("timeouts/s") if a_second else tr("timeouts/min"), theme.wait),
            ("errors", tr("errors/s") if a_second else tr("errors/min"), theme.bad),
        ):
            if highest(view.lines[name]) > 0:
                found.append(_figure(title, view.lines[name][index], colour))
        return found


def _figure(name: str, rate: float, colour: str) -> Figure:
    shown = rate_in_unit(float(rate))
    return Figure(name, _whole(shown), colour, shown, _whole)


def _whole(rate: float) -> str:
    return number(rate, ",.0f")


def _seen(height: Floats, least: float) -> Floats:
    """Return the heights, those above zero made at least `least`."""
    seen: Floats = np.where(height > 0, np.maximum(height, least), 0.0)
    return seen


def _rate(view: View) -> Floats:
    line: Floats = view.lines["throughput"] * rate_in_unit(1.0)
    return line


def _set_bars(bars: Bars, x: Floats, height: Floats, width: Floats) -> None:
    """Set bars that end at `x`, where there is a height."""
    some = height > 0
    bars.setData(x[some] - width[some], width[some], height[some])
