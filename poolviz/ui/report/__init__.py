"""A session as one HTML file that needs no network: charts to zoom into, tables, the manifest.

Qt isn't needed for it. The charts are drawn by uPlot (`resources/report/README.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from poolviz.sessions.export.exporter import REPORT
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.share_done import ShareDone, unheard
from poolviz.ui.report.page import page

__all__ = ["page", "write"]


def write(
    recorder: Recorder,
    paths: Sequence[Path],
    share_done: ShareDone = unheard,
    charts: Sequence[str] = REPORT,
) -> None:
    """Write the report to the one path, as an export format does, with all charts or some."""
    paths[0].write_bytes(page(recorder, charts, share_done))
