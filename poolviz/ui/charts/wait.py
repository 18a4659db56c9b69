"""Wait to acquire: percentiles on a logarithmic scale."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from poolviz.language import tr, tr_noop
from poolviz.sessions.resolutions import View
from poolviz.ui.charts.axes import (
    CalmRange,
    Floats,
    Frame,
    bridged,
    decades,
    highest,
    latest,
    lowest,
)
from poolviz.ui.charts.chart import Chart, Figure, Name, Scale
from poolviz.ui.style.units import time_axis_unit, time_with_unit

_SHARES = ("p50", "p95", "p99")
_GHOSTS = ("p95",)  # of a session behind: more would be a tangle
_LOWEST, _EMPTY = -3.0, (-1.0, 2.0)  # powers of ten, of milliseconds
_LEAST_DECADES = 2.0
_LATEST = 1.0
_HEADROOM = 0.15
_BRIDGED = 10.0  # seconds without a wait over which curves go on: few operations leave bins empty


class Wait(Chart):
    """The time that clients waited for a connection in each bin: p50, p95 and p99."""

    title = tr_noop("Wait to acquire")
    subtitle = tr_noop("ms, log")
    topic = "wait_chart"
    share = 0.28

    def build(self) -> None:
        """Create the curves, the slowest over the others."""
        self._ghosts = {share: self.line(gaps=True) for share in _GHOSTS}
        self._lines = {share: self.line(gaps=True) for share in _SHARES}
        self._range = CalmRange(*_EMPTY)

    def colour(self) -> None:
        """Use stronger colours for higher percentiles."""
        for share, curve in self._lines.items():
            curve.setPen(self.pen(getattr(self.theme, share)))
        for curve in self._ghosts.values():
            curve.setPen(self.pen(self.theme.wait, pale=True))

    def clear(self) -> None:
        """Remove all but the axes."""
        for curve in (*self._lines.values(), *self._ghosts.values()):
            curve.clear()
        self.names = []
        self._range = CalmRange(*_EMPTY)
        self._set_scale()

    def draw(self, view: View, x: Floats, frame: Frame, *, calm: bool) -> None:
        """Draw logarithms of milliseconds, with a gap where nothing was acquired for long."""
        powers = {share: _powers_of(share, view) for share in _SHARES}
        for share, curve in self._lines.items():
            curve.setVisible(self.shown(share))
            curve.setData(x, powers[share])
        ghosts = {curve: partial(_powers_of, share) for share, curve in self._ghosts.items()}
        self.draw_ghost(ghosts, frame.end)
        drawn = [share for share in _SHARES if self.shown(share)] or list(_SHARES)
        low, high = lowest(powers[drawn[0]], math.nan), highest(powers[drawn[-1]], math.nan)
        if self.ghost is not None:
            for share in _GHOSTS:
                behind = _powers_of(share, self.ghost)
                low, high = (
                    np.fmin(low, lowest(behind, math.nan)),
                    np.fmax(high, highest(behind, math.nan)),
                )
        self._fit(float(low), float(high), frame, calm=calm)
        self._set_scale()
        bins = max(round(_LATEST / view.bin), 1)
        heights = [(share, latest(powers[share], bins)) for share in reversed(_SHARES)]
        self.names = [
            Name(share, getattr(self.theme, share), y) for share, y in heights if not math.isnan(y)
        ]

    def _fit(self, low: float, high: float, frame: Frame, *, calm: bool) -> None:
        """Fit the range in half decades, at least two decades wide."""
        if math.isnan(low):
            return
        low = max(math.floor(low * 2 - 0.2) / 2, _LOWEST)
        high = max(math.ceil(high * 2 + 0.2) / 2, low + _LEAST_DECADES)
        self._range.fit(low, high, frame.end, calm=calm)

    def _set_scale(self) -> None:
        self.subtitle = time_axis_unit()
        low, high = self._range.low, self._range.high
        self.scale_y = Scale(low, high + _HEADROOM, decades(low, high))

    def figures(self, view: View, index: int) -> list[Figure]:
        """Return the percentiles of one bin."""
        found = []
        for share in reversed(_SHARES):
            wait = float(view.lines[f"wait_{share}"][index])
            shown = "–" if math.isnan(wait) else time_with_unit(wait)
            colour = getattr(self.theme, share)
            found.append(
                Figure(tr("wait {share}", share=share), shown, colour, wait, time_with_unit)
            )
        return found


def _powers_of(share: str, view: View) -> Floats:
    """Return a percentile as powers of ten of milliseconds, without short gaps."""
    powers: Floats = np.log10(np.maximum(view.lines[f"wait_{share}"] * 1e3, 10**_LOWEST))
    return bridged(view.t, powers, _BRIDGED)
