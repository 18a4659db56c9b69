"""Charts that draw the details of a run: what `Recorder.details` has and views haven't."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from poolviz.language import tr
from poolviz.sessions.details import DetailView
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.resolutions import View
from poolviz.ui.charts.axes import CalmRange, Floats, Frame, highest, latest, nice_top, ticks_up
from poolviz.ui.charts.chart import Chart, Figure, Name, Scale, short_number

_MOST, _FEW, _CALM = 300, 60, 0.2  # bins, and seconds of the shortest if there are enough
_LATEST = 1.0  # seconds of which a name shows the mean


class DetailedChart(Chart):
    """Reads the details of the visible part before it is drawn."""

    def build(self) -> None:
        """Begin without details."""
        self.details: DetailView | None = None

    def read(self, recorder: Recorder, frame: Frame) -> None:
        """Take the details in as many bins as rates and distributions allow."""
        seconds = min(frame.end, recorder.duration) - max(frame.start, 0.0)
        points = min(max(int(seconds / _CALM), _FEW), _MOST)
        found = recorder.details(frame.start, frame.end, points, complete=self.complete)
        self.details = found if len(found.t) else None

    def clear(self) -> None:
        """Remove all but the axes."""
        self.details = None
        self.names = []

    def detail_at(self, view: View, index: int) -> tuple[DetailView, int] | None:
        """Return the details and the bin of them at the end of a bin of `view`."""
        if self.details is None:
            return None
        bin_ = int(np.searchsorted(self.details.t, view.t[index] - 1e-6))
        return self.details, min(bin_, len(self.details.t) - 1)


class LinesChart(DetailedChart):
    """Lines on one scale from zero. Subclasses say which."""

    colours: ClassVar[dict[str, str]] = {}  # of the theme, by the curves' names
    unit = ""
    lowest_top = 1.0

    def build(self) -> None:
        """Create a line for each name."""
        super().build()
        self._lines = {name: self.line(gaps=True) for name in self.colours}
        self._top = CalmRange(0.0, self.lowest_top)

    def values(self, details: DetailView) -> dict[str, Floats]:
        """Return what each line draws."""
        raise NotImplementedError

    def as_text(self, value: float) -> str:
        """Return a value as text."""
        return short_number(value)

    def colour(self) -> None:
        """Use the theme's colours."""
        for name, curve in self._lines.items():
            curve.setPen(self.pen(getattr(self.theme, self.colours[name])))

    def clear(self) -> None:
        """Remove all but the axes."""
        super().clear()
        for curve in self._lines.values():
            curve.clear()
        self._top = CalmRange(0.0, self.lowest_top)
        self._set_scale()

    def draw(self, view: View, x: Floats, frame: Frame, *, calm: bool) -> None:
        """Draw the lines, and name them at their ends."""
        details = self.details
        if details is None:
            self.clear()
            return
        values = self.values(details)
        shown = [line for name, line in values.items() if self.shown(name)]
        top = max(nice_top(max(map(highest, shown), default=0.0)), self.lowest_top)
        self._top.fit(0.0, top, frame.end, calm=calm)
        self._set_scale()
        bins = max(round(_LATEST / details.bin), 1)
        self.names = []
        for name, line in values.items():
            self._lines[name].setVisible(self.shown(name))
            self._lines[name].setData(details.t - frame.end, line)
            at = latest(line, bins)
            if np.isfinite(at):
                colour = getattr(self.theme, self.colours[name])
                self.names.append(Name(tr(name), colour, at, name))

    def _set_scale(self) -> None:
        top = self._top.high
        self.scale_y = Scale(0.0, top * 1.05, ticks_up(top, 3))

    def figures(self, view: View, index: int) -> list[Figure]:
        """Return the values of one bin."""
        found = self.detail_at(view, index)
        if found is None:
            return []
        figures = []
        for name, line in self.values(found[0]).items():
            value = float(line[found[1]])
            text = self.as_text(value) if np.isfinite(value) else "–"
            colour = getattr(self.theme, self.colours[name])
            figures.append(Figure(f"{tr(name)}{self.unit}", text, colour, value, self.as_text))
        return figures
