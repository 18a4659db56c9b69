"""Chromium without a window, which opens a page as a reader would."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REQUIRE = "POOLVIZ_REQUIRE_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome")


class Browser:
    """Opens files; each call is a process of its own, which has ended when the call returns."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder = program, folder

    def dom(self, page: Path) -> tuple[str, list[str]]:
        """The document once its scripts have run, and what stands in the browser's console."""
        done = self._run(page, "--dump-dom", "--enable-logging=stderr")
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    def picture(self, page: Path, target: Path, *, dark: bool = False) -> Path:
        """The page as PNG, 1280 pixels wide."""
        theme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
        self._run(page, theme, "--window-size=1280,2400", f"--screenshot={target}")
        return target

    def pdf(self, page: Path, target: Path) -> Path:
        """The page as it is printed."""
        self._run(page, f"--print-to-pdf={target}", "--no-pdf-header-footer")
        return target

    def _run(self, page: Path, *options: str) -> subprocess.CompletedProcess[str]:
        command = [
            self._program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--virtual-time-budget=3000", f"--user-data-dir={self._folder}", *options,
            page.as_uri(),
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)


def browser(folder: Path) -> Browser:
    """The browser; skip the test without one, or fail it where one is required."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        lack = "there is no Chromium: apt-get install -y chromium"
        if os.environ.get(REQUIRE):
            pytest.fail(f"{REQUIRE} is set, and {lack}", pytrace=False)
        pytest.skip(lack)
    return Browser(program, folder)
