"""Connections that were opened and closed in each second."""

from __future__ import annotations

from typing import ClassVar

from poolviz.language import tr_noop
from poolviz.sessions.details import DetailView
from poolviz.ui.charts.axes import Floats
from poolviz.ui.charts.detailed import LinesChart
from poolviz.ui.style.units import per_second, rate

_SECOND, _MINUTE = tr_noop("connections/s"), tr_noop("connections/min")


class Opened(LinesChart):
    """How many connections the pool opened and closed in each second."""

    title = tr_noop("Opened and closed")
    subtitle = _SECOND
    share = 0.2
    topic = "opened_chart"
    colours: ClassVar[dict[str, str]] = {tr_noop("opened"): "used", tr_noop("closed"): "wait"}

    def values(self, details: DetailView) -> dict[str, Floats]:
        """Return the rates."""
        self.subtitle, self.unit = (_SECOND, "/s") if per_second() else (_MINUTE, "/min")
        return {name: details.rate(name) * rate(1.0) for name in self.colours}
