"""How old the open connections are."""

from __future__ import annotations

from typing import ClassVar

from poolviz.language import number, tr_noop
from poolviz.sessions.details import DetailView
from poolviz.ui.charts.axes import Floats, lasting
from poolviz.ui.charts.detailed import LinesChart


class Ages(LinesChart):
    """The age of the oldest connection that is open, and the mean of all."""

    title = tr_noop("Age of connections")
    subtitle = "s"
    share = 0.2
    topic = "ages"
    colours: ClassVar[dict[str, str]] = {
        tr_noop("oldest"): "server",
        tr_noop("mean age"): "idle_name",
    }

    def values(self, details: DetailView) -> dict[str, Floats]:
        """Return the ages in seconds."""
        return {"oldest": details.oldest, "mean age": details.mean("age", "age_known")}

    def as_text(self, value: float) -> str:
        """Return an age as text."""
        return f"{number(value, '.1f')} s" if value < 60 else lasting(value)
