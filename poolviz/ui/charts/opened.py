"""Connections that were opened and closed in each second."""

from __future__ import annotations

from typing import ClassVar

from poolviz.language import tr_noop
from poolviz.sessions.details import DetailView
from poolviz.ui.charts.axes import Floats
from poolviz.ui.charts.detailed import LinesChart


class Opened(LinesChart):
    """How many connections the pool opened and closed in each second."""

    title = tr_noop("Opened and closed")
    subtitle = tr_noop("connections/s")
    share = 0.2
    topic = "opened_chart"
    colours: ClassVar[dict[str, str]] = {tr_noop("opened"): "used", tr_noop("closed"): "wait"}
    unit = "/s"

    def values(self, details: DetailView) -> dict[str, Floats]:
        """Return the rates."""
        return {name: details.rate(name) for name in self.colours}
