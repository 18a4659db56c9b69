"""A slider as it is seen: where its knob is at some values, and on a picture of the window."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from PySide6.QtGui import QColor, QImage

from tests.servers.fixtures import BOUND, PROJECT

_KNOB = 14  # pixels across


@dataclass
class Slider:
    """What is known of a slider; how high it is, a picture tells."""

    colour: str
    left: int
    order: int
    knobs: list[int]

    def seen(self, picture: QImage) -> int:
        """How far from the top it is: of the lines in its colour, the one in its turn."""
        x, colour, lines = self.left + 3, QColor(self.colour).rgb(), []
        for y in range(picture.height() // 10, picture.height()):
            inside = picture.pixel(x, y) == colour
            if inside and picture.pixel(x, y - 1) != colour:
                lines.append(y + 1)
        return lines[self.order]

    def fill(self, picture: QImage, y: int) -> int:
        """Where about its knob is: the line in its colour ends at it."""
        x, colour = self.left + 3, QColor(self.colour).rgb()
        while x < picture.width() and picture.pixel(x, y) == colour:
            x += 1
        return x + _KNOB // 2


def known_slider(width: int, key: str, *values: int) -> Slider:
    """What a window that is so many pixels wide has for that parameter."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.packaging.places", str(width), key, *map(str, values)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND,
    )
    assert done.returncode == 0, done.stderr
    return Slider(**json.loads(done.stdout))
