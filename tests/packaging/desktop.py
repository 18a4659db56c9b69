"""A desktop with a person at it: a virtual display, a window manager, keyboard and mouse."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.fixtures import BOUND, PROJECT, wait_until

SIZE = (1440, 960)
_TOOLS = {"Xvfb": "xvfb", "openbox": "openbox", "xdotool": "xdotool", "xprop": "x11-utils"}


@dataclass(frozen=True)
class Place:
    """A window's content on the screen, in pixels, and the height of its title bar."""

    left: int
    top: int
    width: int
    height: int
    title: int


class Desktop:
    """What a person does at the display `name`, and sees there."""

    def __init__(self, name: str) -> None:
        self.name = name

    def managed(self) -> bool:
        """Return whether a window manager is running."""
        return "window id" in self._output("xprop", "-root", "_NET_SUPPORTING_WM_CHECK")

    def window(self, title: str, beside: str = "") -> str:
        """The id of the window with that in its title, once it is there."""
        pattern = re.escape(title)
        return str(
            wait_until(
                lambda: next((each for each in self._found(pattern) if each != beside), None),
                f"a window {title}",
            )
        )

    def windows(self, title: str) -> list[str]:
        """The ids of the windows with that in their titles, now."""
        return self._found(re.escape(title))

    def place(self, window: str) -> Place:
        """Where a window is."""
        geometry = self._output("xwininfo", "-id", window)  # xdotool counts the frame twice
        left, top, width, height = (
            int(re.search(rf"{name}: +(\d+)", geometry)[1])  # type: ignore[index]
            for name in ("Absolute upper-left X", "Absolute upper-left Y", "Width", "Height")
        )
        frame = self._output("xprop", "-id", window, "_NET_FRAME_EXTENTS")
        return Place(left, top, width, height, int(re.findall(r"\d+", frame)[2]))

    def focus(self, window: str) -> None:
        """Bring a window to the front."""
        self._do("windowactivate", "--sync", window)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        self._do("key", "--delay", "30", *keys)

    def write(self, text: str) -> None:
        """Type."""
        self._do("type", "--delay", "5", text)

    def click(self, x: int, y: int) -> None:
        """Click with the left button."""
        self._do("mousemove", "--sync", str(x), str(y), "click", "1")

    def drag(self, x: int, y: int, to: int) -> None:
        """Press at a place, pull sideways, let go."""
        steps = [x + round((to - x) * step / 8) for step in range(1, 9)]
        moves = [part for at in steps for part in ("mousemove", str(at), str(y), "sleep", "0.02")]
        self._do("mousemove", str(x), str(y), "mousedown", "1", *moves, "mouseup", "1")

    def screenshot(self, file: Path) -> Path:
        """Save a picture of the whole screen."""
        subprocess.run(
            [sys.executable, "-m", "tests.packaging.screenshot", str(file)],
            env={**self._environment, "QT_QPA_PLATFORM": "xcb"},
            cwd=PROJECT,
            check=True,
            timeout=BOUND,
        )
        return file

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "DISPLAY": self.name}

    def _found(self, pattern: str) -> list[str]:
        done = subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--name", pattern],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=BOUND,
        )
        return done.stdout.split()

    def _do(self, *action: str) -> None:
        self._output("xdotool", *action)

    def _output(self, *command: str) -> str:
        done = subprocess.run(
            command,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=BOUND,
        )
        return done.stdout


@contextmanager
def open_desktop() -> Iterator[Desktop]:
    """Start a desktop of its own, on a display that nothing else uses."""
    missing = [package for tool, package in _TOOLS.items() if shutil.which(tool) is None]
    assert not missing, f"apt-get install {' '.join(missing)}"
    read, write = os.pipe()
    screen = f"{SIZE[0]}x{SIZE[1]}x24"
    options = ["-displayfd", str(write), "-screen", "0", screen, "-nolisten", "tcp", "-ac"]
    options.append("-noreset")  # else Xvfb resets whenever its last client disconnects
    display = subprocess.Popen(
        ["Xvfb", *options], pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(write)
    try:
        with os.fdopen(read, encoding="ascii") as answer:
            number = answer.readline().strip()
        assert number, "Xvfb didn't start"
        desktop = Desktop(f":{number}")
        manager = subprocess.Popen(
            ["openbox"],
            env={**os.environ, "DISPLAY": desktop.name},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(desktop.managed, "the window manager is there")
            yield desktop
        finally:
            manager.kill()
            manager.wait()
    finally:
        display.terminate()
        display.wait()
