"""What a pooler in between says of its clients and of its connections to the server."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from poolviz.language import tr, tr_noop
from poolviz.model.parameters import shown_time
from poolviz.sessions.details import DetailView
from poolviz.sessions.resolutions import View
from poolviz.ui.charts.axes import Floats
from poolviz.ui.charts.chart import Figure
from poolviz.ui.charts.connections import as_count
from poolviz.ui.charts.detailed import LinesChart

_COUNTS = {
    tr_noop("clients waiting"): "pooler_cl_waiting",
    tr_noop("clients served"): "pooler_cl_active",
    tr_noop("backends in use"): "pooler_sv_active",
    tr_noop("backends idle"): "pooler_sv_idle",
}


class PoolerCounts(LinesChart):
    """Clients that the pooler serves and that wait in it, and its connections, in use and idle."""

    title = tr_noop("The pooler's view")
    subtitle = tr_noop("of clients and of its connections to the server")
    share = 0.3
    least = 90.0
    topic = "pooler_view"
    colours: ClassVar[dict[str, str]] = {
        "clients waiting": "wait",
        "clients served": "used",
        "backends in use": "server",
        "backends idle": "idle_name",
    }
    lowest_top = 5.0

    def values(self, details: DetailView) -> dict[str, Floats]:
        """Return the means of the counts; nothing where the pooler wasn't asked."""
        return {name: details.mean(key, "pooler_known") for name, key in _COUNTS.items()}

    def as_text(self, value: float) -> str:
        """Return a mean count."""
        return as_count(value)

    def figures(self, view: View, index: int) -> list[Figure]:
        """Return the counts of one bin, and the longest wait in it."""
        found = self.detail_at(view, index)
        longest = float(found[0].maxwait[found[1]]) if found is not None else np.nan
        if not np.isfinite(longest):
            return []
        figures = super().figures(view, index)
        figures.append(Figure(tr("longest wait"), _time(longest), self.theme.wait, longest, _time))
        return figures


def _time(seconds: float) -> str:
    return shown_time(float(f"{seconds:.3g}"))
