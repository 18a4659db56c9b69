"""The charts of the session as SVG. They are painted by the `ui` package, as those of PNG are."""

from __future__ import annotations

from poolviz.sessions.export.exporter import PICTURE, Exporter, write_by_name

_WRITE = write_by_name("poolviz.ui.charts.vector:write_svg", "poolviz.ui.sizing.image:write_svg")
EXPORTER = Exporter("Graphs as SVG", _WRITE, charts=PICTURE)
