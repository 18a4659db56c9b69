"""The charts of the session as PDF. They are painted by the `ui` package, as those of PNG are."""

from __future__ import annotations

from poolviz.sessions.export.exporter import PICTURE, Exporter, write_by_name

_WRITE = write_by_name("poolviz.ui.charts.vector:write_pdf", "poolviz.ui.sizing.image:write_pdf")
EXPORTER = Exporter("Graphs as PDF", _WRITE, charts=PICTURE)
