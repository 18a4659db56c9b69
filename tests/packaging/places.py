"""Print where a slider is, as JSON: `python -m tests.packaging.places WIDTH KEY VALUE…`.

That is the colour of sliders, their left edge, the position of the slider of KEY from the top,
and where its knob is at those values. A program of its own: the one under test has another display.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication

from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.draft import Draft
from poolviz.ui.panel.row import NumberRow
from poolviz.ui.panel.slider_scale import SliderScale
from tests.ui.running import open_window


def main(width: str, key: str, *values: str) -> None:
    application = QApplication(["poolviz"])
    with tempfile.TemporaryDirectory() as folder, open_window(application, Path(folder)) as window:
        window.controller.plan(complete_draft(Draft()))
        window.resize(int(width), window.height())
        for _ in range(20):
            application.processEvents()
        sliders = [
            (row.slider.mapTo(window, QPoint(0, 0)), row)
            for row in window.panel.rows.values()
            if isinstance(row, NumberRow) and not row.slider.visibleRegion().isEmpty()
        ]
        sliders.sort(key=lambda each: each[0].y())
        (order,) = [i for i, (_, row) in enumerate(sliders) if row.parameter.key == key]
        corner, row = sliders[order]
        scale = SliderScale(row.parameter)
        found = {
            "colour": row.slider._theme.accent,
            "left": corner.x(),
            "order": order,
            "knobs": [
                round(corner.x() + row.slider.x_of(scale.position(float(value))))
                for value in values
            ],
        }
        sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
