"""The command that takes pictures of the window takes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests.servers.fixtures import BOUND, PROJECT


def test_pictures_are_taken_in_the_sizes_and_themes_that_are_asked_for(tmp_path: Path) -> None:
    options = ["--scale", "2", "--language", "en", "--size", "1000x640", "--state", "nothing_yet"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.screenshots", str(tmp_path), *options],
        cwd=PROJECT,
        timeout=BOUND,
        check=False,
    )
    assert done.returncode == 0
    brightness = {}
    for theme in ("light", "dark"):
        with Image.open(tmp_path / "nothing_yet" / f"en-{theme}-1000x640@2.png") as picture:
            assert picture.height == 1280
            brightness[theme] = picture.convert("L").resize((1, 1)).getpixel((0, 0))
    assert brightness["dark"] < 80
    assert brightness["light"] > 200
    assert (tmp_path / "nothing_yet" / "all.png").exists()
