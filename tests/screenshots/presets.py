"""`python -m tests.screenshots.presets [NAME…]` records the small pictures of presets.

Each preset is run once, whole, on the server that poolviz brings, and its session is kept. Its
counts go to `resources/presets/pictures.json`, and the window paints them in its theme's colours.
"""

from __future__ import annotations

import json
import sys

import poolviz
from poolviz.scenarios.presets import presets
from poolviz.sessions.recorder import Recorder
from poolviz.system.resources import resource

POINTS = 250  # at most; a session has bins of some lengths


def picture_of(name: str) -> dict[str, list[float]]:
    """Run a preset, and return its mean counts in bins of equal width."""
    path = poolviz.run(name, keep=True).session.path
    assert path is not None
    with Recorder.open(path) as recorder:
        levels = recorder.view(0.0, recorder.duration, POINTS).levels
    curves = {"open": "open", "used": "used", "waiting": "pending"}
    return {
        name: [round(float(value), 2) for value in levels[key].mean] for name, key in curves.items()
    }


def main(names: list[str]) -> None:
    """Record the pictures of these presets, or of all, and keep the others."""
    file = resource("presets") / "pictures.json"
    pictures = json.loads(file.read_text("utf-8")) if file.exists() else {}
    for name in names or [preset.name for preset in presets()]:
        sys.stderr.write(f"{name}\n")
        pictures[name] = picture_of(name)
        each = (f"{json.dumps(key)}: {json.dumps(pictures[key])}" for key in sorted(pictures))
        lines = ",\n".join(each)
        file.write_text(f"{{\n{lines}\n}}\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
