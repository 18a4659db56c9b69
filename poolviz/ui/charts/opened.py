"""Connections that were opened and closed in each second."""

from __future__ import annotations

from typing import ClassVar

from poolviz.sessions.details import DetailView
from poolviz.ui.charts.axes import Floats
from poolviz.ui.charts.detailed import LinesChart


class Opened(LinesChart):
    """How many connections the pool opened and closed in each second."""

    title = "Opened and closed"
    subtitle = "connections/s"
    share = 0.2
    topic = "connections"
    colours: ClassVar[dict[str, str]] = {"opened": "used", "closed": "wait"}
    unit = "/s"

    def values(self, details: DetailView) -> dict[str, Floats]:
        """Return the rates."""
        return {name: details.rate(name) for name in self.colours}
