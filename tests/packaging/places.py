"""Tells where a window of that size has a parameter's slider with its knob at certain values:
`python -m tests.packaging.places WIDTH HEIGHT HINT KEY VALUE…` prints [[x…], y]. A program of its
own, as the program under test is on another display."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication

from poolviz.load.scenarios import checked
from poolviz.model.scenario import Draft
from poolviz.ui.notice import Notice
from poolviz.ui.row import NumberRow
from poolviz.ui.scale import Scale
from tests.ui.laboratory import open_window


def main(width: str, height: str, hint: str, key: str, *values: str) -> None:
    application = QApplication(["poolviz"])
    with tempfile.TemporaryDirectory() as folder, open_window(application, Path(folder)) as window:
        window.lab.plan(checked(Draft()))
        window.resize(int(width), int(height))
        if hint == "hint":
            window.banner.say(Notice("hint", "A hint of one line."))
        for _ in range(20):
            application.processEvents()
        row = window.panel.rows[key]
        assert isinstance(row, NumberRow) and not row.slider.visibleRegion().isEmpty()
        corner = row.slider.mapTo(window, QPoint(0, 0))
        scale = Scale(row.parameter)
        x = [round(corner.x() + row.slider.x_of(scale.position(float(value)))) for value in values]
        sys.stdout.write(json.dumps([x, corner.y() + row.slider.height() // 2]))


if __name__ == "__main__":
    main(*sys.argv[1:])
