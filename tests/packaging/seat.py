"""Somebody with the program's window before them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtGui import QImage

from tests.packaging.desktop import Desktop
from tests.packaging.program import Somebody

TITLE = "– poolviz"
_CLOSE = 11  # pixels from the right end of a title bar to the middle of its cross


@dataclass
class Seat:
    """A person at a desktop, and the program that they started."""

    desktop: Desktop
    person: Somebody
    process: subprocess.Popen[bytes]
    window: str

    def close(self) -> None:
        """Close the window with its cross."""
        place = self.desktop.place(self.window)
        x = place.left + place.width - _CLOSE
        self.desktop.click(x, place.top - place.title // 2)

    def screenshot(self, name: str) -> QImage:
        """What the window shows."""
        place = self.desktop.place(self.window)
        screen = QImage(str(self.desktop.screenshot(self.person.home / f"{name}.png")))
        return screen.copy(place.left, place.top, place.width, place.height)


def keep_picture(desktop: Desktop, name: str) -> None:
    """Leave a picture of the screen in the folder that POOLVIZ_PICTURES names, if it is set."""
    folder = os.environ.get("POOLVIZ_PICTURES")
    if folder:
        desktop.screenshot(Path(folder) / f"{name}.png")
