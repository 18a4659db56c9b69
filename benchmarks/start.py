"""How long poolviz takes to start, against importing its libraries alone.

Three times, taken in turns: a bare Python process until it has imported PySide6 (QtCore, QtGui,
QtWidgets), pyqtgraph and SQLAlchemy; poolviz from the command until its window is painted; and
poolviz from the command until the first curves are drawn. The last two are taken off the screen of
a virtual display: the window is painted when the blue of the sliders in its side panel is there,
and it measures when idle connections are drawn. A ratio is that of a start and the mean of the two
bare processes before and after it, which the rest of the machine slows down as much; the result is
the median of the ratios.

The first start of each program has an empty home, where the server's folder has to be made; the
others reuse that home. `--bundle` names a packaged program, which starts in the same turns.

    uv run python benchmarks/start.py [--bundle dist/poolviz/poolviz] [--times N] [--check] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
from PySide6.QtGui import QColor, QGuiApplication

from poolviz.ui.style.colours import LIGHT

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = "from PySide6 import QtCore, QtGui, QtWidgets; import pyqtgraph, sqlalchemy"
# Where to look for a colour (x, y, width, height): the window opens at the screen's top left.
SIDE_PANEL, CHARTS = (0, 150, 300, 650), (300, 200, 1000, 400)
LIMIT = 60.0  # seconds that a start may take
PAUSE = 0.02  # seconds between two looks at the screen, which take CPU from the program
GOALS = {"painted": 1.2, "measuring": 2.0}  # times the imports alone
BUNDLE_OVER_SOURCE, BUNDLE_WARM, BUNDLE_FIRST = 1.5, 1.5, 3.0  # a ratio, and seconds


@dataclass
class Starts:
    """What was measured of one program, in seconds; ratios to the imports alone."""

    first: dict[str, float] = field(default_factory=dict)  # by milestone, with an empty home
    warm: dict[str, list[float]] = field(default_factory=dict)
    ratios: dict[str, list[float]] = field(default_factory=dict)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", type=Path, help="a packaged program to start as well")
    parser.add_argument("--times", type=int, default=7, help="how many warm starts of each")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--check", action="store_true", help="fail where a goal is missed")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from tests.packaging.desktop import open_desktop  # noqa: PLC0415 - needs the path set above

    programs = {"source": [sys.executable, "-m", "poolviz"]}
    if options.bundle is not None:
        programs["bundle"] = [str(options.bundle.resolve())]
    with open_desktop() as desktop, tempfile.TemporaryDirectory(prefix="poolviz-start-") as folder:
        os.environ |= {"DISPLAY": desktop.name, "QT_QPA_PLATFORM": "xcb"}
        # Python has compiled every module before, as in any program that is started again.
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(folder, "pycache"))
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        application = QGuiApplication([])  # sees the screen
        imports, starts = measure(programs, Path(folder), options.times)
        del application
    print(as_json(imports, starts) if options.json else as_table(imports, starts))
    missed = missed_goals(starts)
    for sentence in missed if options.check else ():
        print(sentence, file=sys.stderr)
    return int(options.check and bool(missed))


def measure(
    programs: dict[str, list[str]], folder: Path, times: int
) -> tuple[list[float], dict[str, Starts]]:
    """Seconds of the imports alone, and the starts of each program."""
    folder.chmod(0o711)  # as root the server runs as another user, who has to reach its folder
    starts = {name: Starts() for name in programs}
    import_libraries()  # compiled and in the page cache from now on
    for name, command in programs.items():
        starts[name].first = start(command, folder / name)
    imports = [import_libraries()]
    for _ in range(times):
        taken = {name: start(command, folder / name) for name, command in programs.items()}
        imports.append(import_libraries())
        bare = statistics.mean(imports[-2:])
        for name, milestones in taken.items():
            for milestone, seconds in milestones.items():
                starts[name].warm.setdefault(milestone, []).append(seconds)
                starts[name].ratios.setdefault(milestone, []).append(seconds / bare)
    return imports, starts


def import_libraries() -> float:
    """Seconds from the command to the end of the imports, in a process that does nothing else."""
    began = perf_counter()
    done = "import os; os.write(1, b'.')"
    with subprocess.Popen(
        [sys.executable, "-c", f"{LIBRARIES}; {done}"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        if process.stdout.read(1) != b".":
            sys.exit("The libraries can't be imported.")
        return perf_counter() - began


def start(command: Sequence[str], home: Path) -> dict[str, float]:
    """Seconds from the command to each milestone of one start."""
    environment = os.environ | {"POOLVIZ_HOME": str(home), "QT_LOGGING_RULES": "*=false"}
    began = perf_counter()
    process = subprocess.Popen(command, env=environment, cwd=ROOT)
    try:
        painted = await_colour(LIGHT.accent, 1500, SIDE_PANEL, process.poll) - began
        measuring = await_colour(LIGHT.idle, 30, CHARTS, process.poll) - began
    finally:
        process.terminate()
        process.wait(LIMIT)
    return {"painted": painted, "measuring": measuring}


def await_colour(
    colour: str, points: int, area: tuple[int, int, int, int], ended: Callable[[], int | None]
) -> float:
    """The moment when at least `points` points in that area of the screen have the colour."""
    until, wanted = perf_counter() + LIMIT, QColor(colour).rgb() & 0xFFFFFF
    while perf_counter() < until and ended() is None:
        image = QGuiApplication.primaryScreen().grabWindow(0, *area).toImage()
        taken = perf_counter()
        seen = np.frombuffer(image.constBits(), dtype=np.uint32) & 0xFFFFFF
        if np.count_nonzero(seen == wanted) >= points:
            return taken
        time.sleep(PAUSE)
    sys.exit("poolviz didn't start." if ended() is None else "poolviz has ended.")


def as_table(imports: Sequence[float], starts: dict[str, Starts]) -> str:
    """Medians for people."""
    lines = [f"imports alone: {statistics.median(imports):.2f} s", ""]
    lines.append(f"{'':<20}{'first':>9}{'warm':>9}{'ratio':>9}{'goal':>9}")
    for name, of in starts.items():
        for milestone, seconds in of.warm.items():
            ratio, goal = statistics.median(of.ratios[milestone]), GOALS[milestone]
            label, first = f"{name}, {milestone}", of.first[milestone]
            lines.append(
                f"{label:<20}{first:>7.2f} s{statistics.median(seconds):>7.2f} s"
                f"{ratio:>9.2f}{goal if name == 'source' else '':>9}"
            )
    return "\n".join(lines)


def as_json(imports: Sequence[float], starts: dict[str, Starts]) -> str:
    """Every figure that was taken."""
    programs = {name: vars(of) for name, of in starts.items()}
    return json.dumps({"imports": list(imports), "programs": programs}, indent=2)


def missed_goals(starts: dict[str, Starts]) -> list[str]:
    """A sentence for each goal that was missed."""
    missed = []
    source = starts["source"]
    for milestone, goal in GOALS.items():
        ratio = statistics.median(source.ratios[milestone])
        if ratio > goal:
            missed.append(f"{milestone}: {ratio:.2f} times the imports alone; the goal is {goal}.")
    bundle = starts.get("bundle")
    if bundle is not None:
        warm = statistics.median(bundle.warm["painted"])
        over = warm / statistics.median(source.warm["painted"])
        first = bundle.first["measuring"]
        for what, figure, most in (
            ("seconds until the packaged program is painted", warm, BUNDLE_WARM),
            ("the same over the source's", over, BUNDLE_OVER_SOURCE),
            ("seconds until the packaged program first measures", first, BUNDLE_FIRST),
        ):
            if figure > most:
                missed.append(f"{what}: {figure:.2f}; the goal is {most}.")
    return missed


if __name__ == "__main__":
    sys.exit(main())
