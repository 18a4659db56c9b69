"""The axes of a chart over size, without Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass

from poolviz.language import number
from poolviz.sizing.charts import SizeChart
from poolviz.ui.charts.axes import Tick, decades, nice_top, plain, ticks_up

_WIDE = 12  # times the lowest size: from there on the axis of sizes is logarithmic
_LOWEST = 1e-5  # seconds: less is shown as this
_SHORT = 1e-2  # of the longest wait: so much is shown of a logarithmic axis at least
_TICKS = 5


@dataclass(frozen=True)
class SizeAxis:
    """The x axis: from `low` to `high`, logarithmic if `log`. Places are from 0 to 1."""

    low: float
    high: float
    log: bool
    ticks: tuple[Tick, ...]

    @classmethod
    def of(cls, chart: SizeChart) -> SizeAxis:
        """Return the axis on which everything measured has room."""
        sizes = sorted({dot.x for dot in chart.dots} | {x for c in chart.curves for x in c.x})
        low, high = (sizes[0], sizes[-1]) if sizes else (0.0, 1.0)
        if high <= low:
            low, high = low - 1, low + 1
        measured = sorted({dot.x for dot in chart.dots})
        ticks = tuple(Tick(size, number(size, ".10g")) for size in measured)
        return cls(low, high, low >= 1 and high / low >= _WIDE, ticks)

    def place(self, size: float) -> float:
        """Return where a size is."""
        if self.log:
            return math.log(max(size, 1e-9) / self.low) / math.log(self.high / self.low)
        return (size - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class ValueAxis:
    """The y axis, from `low` to `high`: of values, or of powers of ten of milliseconds."""

    low: float
    high: float
    log: bool
    ticks: tuple[Tick, ...]

    @classmethod
    def of(cls, chart: SizeChart) -> ValueAxis:
        """Return the axis on which everything that the chart shows has room."""
        values = [y for curve in chart.curves for y in curve.y if math.isfinite(y)]
        values += [dot.high for dot in chart.dots if dot.high is not None]
        values += [level.y for level in chart.levels]
        if not chart.logarithmic:
            top = nice_top(max(values, default=0.0)) or 1.0
            return cls(0.0, top * 1.04, False, tuple(ticks_up(top, _TICKS)))
        longest = max([*values, 1e-3])
        shortest = max(min([*values, longest * _SHORT]), _LOWEST)
        low, high = math.floor(_power(shortest) * 2) / 2, math.ceil(_power(longest) * 2) / 2
        return cls(low - 0.1, high + 0.1, True, tuple(decades(low, high)))

    def place(self, value: float) -> float:
        """Return where a value is, from 0 to 1."""
        shown = _power(max(value, _LOWEST)) if self.log else value
        return min(max((shown - self.low) / (self.high - self.low), 0.0), 1.0)


def _power(seconds: float) -> float:
    return math.log10(seconds * 1e3)


def shown_value(value: float | None, unit: str) -> str:
    """Return a figure of a chart as people read it."""
    if value is None or not math.isfinite(value):
        return "–"
    if unit == "s":
        size = value * 1e3
        return f"{plain(float(f'{size / 1e3:.3g}'))} s" if size >= 1e3 else (
            f"{plain(float(f'{size:.3g}'))} ms"
        )  # fmt: skip
    return f"{plain(float(f'{value:.4g}'))} {unit}".strip()
