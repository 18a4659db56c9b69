"""Take pictures of the window in every state, to be looked at.

    uv run python -m tests.screenshots FOLDER [--state NAME]… [--scale 1]… [--size 1280x800]…
                                       [--theme light]… [--language en]… [--text-size 150]

Each state of `states.py` is taken in every size, theme, language and scale that is asked for; all
of them by default. A picture is `STATE/LANGUAGE-THEME-WIDTHxHEIGHT@SCALE.png`, and `STATE/all.png`
shows all pictures of a state on one sheet. Texts that have too little room are named, and the exit
status is 1 where there are any. `--readme` takes those of the README instead.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests.servers.fixtures import PROJECT

SIZES = ("900x560", "1280x800", "1920x1200")
_SHEET = 560  # pixels of a picture's width on a sheet
_GAP = 12
_LONGEST = 3600  # seconds for all pictures of one scale and language


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.screenshots", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--state", action="append", default=[])
    parser.add_argument("--size", action="append", default=[])
    parser.add_argument("--theme", action="append", default=[], choices=("light", "dark"))
    parser.add_argument("--language", action="append", default=[], choices=("en", "es"))
    parser.add_argument("--scale", action="append", default=[])
    parser.add_argument("--text-size", default="100", help="in per cent")
    parser.add_argument("--readme", action="store_true", help="the README's pictures alone")
    asked = parser.parse_args()
    if asked.readme:
        return take_readme(asked.folder)
    statuses = [
        take(
            asked.folder,
            scale,
            language,
            *options("state", asked.state),
            *options("size", asked.size or SIZES),
            *options("theme", asked.theme or ("light", "dark")),
            *options("text-size", [asked.text_size]),
        )
        for scale, language in itertools.product(
            asked.scale or ("1", "2"), asked.language or ("en", "es")
        )
    ]
    for state in sorted(each for each in asked.folder.iterdir() if each.is_dir()):
        make_sheet(state)
    return max(statuses)


def options(name: str, values: list[str] | tuple[str, ...]) -> list[str]:
    return [part for value in values for part in (f"--{name}", value)]


def take(folder: Path, scale: str, language: str, *options: str) -> int:
    """Take the pictures of one scale and one language, in a process of their own: Qt has one scale
    for each process."""
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "QT_SCALE_FACTOR": scale,
        "POOLVIZ_LANGUAGE": language,
    }
    command = [sys.executable, "-m", "tests.screenshots.pictures", str(folder), *options]
    return subprocess.run(
        command, cwd=PROJECT, env=environment, check=False, timeout=_LONGEST
    ).returncode


def take_readme(folder: Path) -> int:
    """Take the README's pictures: `window-light.png`, `window-dark.png`, `sizing-light.png`."""
    options = ("--state", "running", "--size", "1280x800", "--theme", "light", "--theme", "dark")
    status = take(folder, "2", "en", *options)
    for theme in ("light", "dark"):
        (folder / "running" / f"en-{theme}-1280x800@2.png").rename(folder / f"window-{theme}.png")
    options = ("--state", "sizing_measured", "--size", "1280x800", "--theme", "light")
    status = take(folder, "2", "en", *options) or status
    taken = folder / "sizing_measured" / "en-light-1280x800@2.png"
    taken.rename(folder / "sizing-light.png")
    return status


def make_sheet(state: Path) -> None:
    """Put all pictures of a state on one sheet, in rows of four."""
    pictures = []
    for file in sorted(state.glob("*@*.png")):
        with Image.open(file) as picture:
            height = round(picture.height * _SHEET / picture.width)
            pictures.append(picture.convert("RGB").resize((_SHEET, height)))
    rows = [pictures[at : at + 4] for at in range(0, len(pictures), 4)]
    width = 4 * (_SHEET + _GAP)
    sheet = Image.new("RGB", (width, sum(row_height(row) + _GAP for row in rows)), "grey")
    top = 0
    for row in rows:
        for column, picture in enumerate(row):
            sheet.paste(picture, (column * (_SHEET + _GAP), top))
        top += row_height(row) + _GAP
    sheet.save(state / "all.png")


def row_height(row: list[Image.Image]) -> int:
    return max(picture.height for picture in row)


if __name__ == "__main__":
    sys.exit(main())
