"""The session as one HTML file to open in a browser, without a network.

It is made by the `ui` package, whose colours it has, and which this one may not import.
"""

from __future__ import annotations

from poolviz.sessions.export.exporter import REPORT, Exporter, write_by_name

_WRITE = write_by_name("poolviz.ui.report:write")
EXPORTER = Exporter("Report as HTML", _WRITE, charts=REPORT, long=True)
