"""How long poolviz takes to start: from the command to the painted window, and to the first curves.

Measured as somebody sees it, by the colours on a virtual screen: the window is painted when its
Start button's blue is there, and it measures when idle connections are drawn. Run from the source
and, where `--bundle` names it, from the packaged program, in turns: once with an empty home, where
the server's folder has to be made, and then again and again in the same one.

    uv run python benchmarks/start.py [--bundle dist/poolviz/poolviz] [--times N] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
from PySide6.QtGui import QColor, QGuiApplication

from poolviz.ui.style.colours import LIGHT

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 60.0  # seconds for a start
MOST_OVER_SOURCE, MOST_WARM, MOST_FIRST = 1.5, 1.5, 3.0  # the goals: a ratio, and seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", type=Path, help="the packaged program")
    parser.add_argument("--times", type=int, default=7, help="how many warm starts of each")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="fail over the goals")
    options = parser.parse_args()
    if options.check and options.bundle is None:
        parser.error("--check is about the packaged program: name it by --bundle")
    sys.path.insert(0, str(ROOT))
    from tests.packaging.desktop import open_desktop  # noqa: PLC0415 - it needs pytest

    programs = {"source": [sys.executable, "-m", "poolviz"]}
    if options.bundle is not None:
        programs["bundle"] = [str(options.bundle.resolve())]
    with open_desktop() as desktop, tempfile.TemporaryDirectory(prefix="poolviz-start-") as folder:
        os.environ |= {"DISPLAY": desktop.name, "QT_QPA_PLATFORM": "xcb"}
        application = QGuiApplication([])  # sees the screen
        result = measure(programs, Path(folder), options.times)
        del application
    print(json.dumps(result, indent=2) if options.json else table(result))
    return int(options.check and not holds(result))


def measure(
    programs: dict[str, list[str]], folder: Path, times: int
) -> dict[str, dict[str, list[float]]]:
    """Seconds of every start, by program: painted and measuring, at first and warm."""
    folder.chmod(0o711)
    result: dict[str, dict[str, list[float]]] = {}
    for number in range(times + 1):
        for name, command in programs.items():
            painted, measuring = start(command, folder / name)
            way = "warm" if number else "first"
            figures = result.setdefault(name, {})
            figures.setdefault(f"{way}, painted", []).append(painted)
            figures.setdefault(f"{way}, measuring", []).append(measuring)
    return result


def start(command: list[str], home: Path) -> tuple[float, float]:
    """Seconds from the command to the painted window, and to the first curves."""
    environment = os.environ | {"POOLVIZ_HOME": str(home), "QT_LOGGING_RULES": "*=false"}
    began = perf_counter()
    process = subprocess.Popen(command, env=environment, cwd=ROOT)
    try:
        painted = await_colour(LIGHT.accent, 2000, process.poll) - began
        measuring = await_colour(LIGHT.idle, 30, process.poll) - began
    finally:
        process.terminate()
        process.wait(LIMIT)
    return painted, measuring


def await_colour(colour: str, points: int, ended: Callable[[], int | None]) -> float:
    """When so many points of the screen have the colour."""
    until, wanted = perf_counter() + LIMIT, QColor(colour).rgb() & 0xFFFFFF
    while perf_counter() < until and ended() is None:
        image = QGuiApplication.primaryScreen().grabWindow(0).toImage()
        seen = np.frombuffer(image.constBits(), dtype=np.uint32) & 0xFFFFFF
        if np.count_nonzero(seen == wanted) >= points:
            return perf_counter()
    sys.exit("poolviz didn't start." if ended() is None else "poolviz has ended.")


def table(result: dict[str, dict[str, list[float]]]) -> str:
    """Medians, in seconds."""
    lines = [f"{'seconds to':<18}" + "".join(f"{name:>10}" for name in result)]
    for way in next(iter(result.values())):
        medians = [statistics.median(figures[way]) for figures in result.values()]
        lines.append(f"{way:<18}" + "".join(f"{median:>10.2f}" for median in medians))
    return "\n".join(lines)


def holds(result: dict[str, dict[str, list[float]]]) -> bool:
    """Whether the packaged program starts as fast as it should."""
    source, bundle = (
        {way: statistics.median(seconds) for way, seconds in result[name].items()}
        for name in ("source", "bundle")
    )
    return (
        bundle["warm, painted"] <= MOST_WARM
        and bundle["warm, painted"] <= MOST_OVER_SOURCE * source["warm, painted"]
        and bundle["first, measuring"] <= MOST_FIRST
    )


if __name__ == "__main__":
    sys.exit(main())
