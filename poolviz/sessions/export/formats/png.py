"""The charts of the session as a PNG image.

They are painted with Qt by the `ui` package, which this one may not import. The function is given
by name and loaded when the first PNG is written.
"""

from __future__ import annotations

from poolviz.sessions.export.exporter import PICTURE, Exporter, write_by_name

EXPORTER = Exporter(
    "Graphs as PNG",
    write_by_name("poolviz.ui.charts.png:write", "poolviz.ui.sizing.image:write_png"),
    charts=PICTURE,
)
