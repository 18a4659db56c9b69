"""What the window costs the load: a run with the window open over the same run without.

Pairs of runs in turns, each in a process of its own, on the embedded server; the result is the
median of the ratios of neighbours. Paced: 8 clients that think for 10 ms between operations (close
to 100 a second each); saturated: 8 clients that never think. The window paints offscreen unless a
display is set.

    uv run python benchmarks/window.py [--check] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from poolviz.model.errors import InputError
from poolviz.sessions.recorder import Recorder

LOADS: dict[str, dict[str, Any]] = {
    "paced": {"think_time": 0.01, "goals": {"throughput": 0.98, "wait_p99": 1.25}},
    "saturated": {"think_time": 0, "goals": {"throughput": 0.9}},
}
SCENARIO = """
pool = "sqlalchemy.QueuePool"
duration = {seconds}
[limits]
pool_size = 8
max_overflow = 0
[load]
clients = 8
statement_time = 0
hold_time = 0
think_time = {think_time}
think_distribution = "constant"
"""


def without(scenario: Path, home: Path) -> dict[str, float]:
    """Return the figures of `poolviz run`."""
    session = home / "run.poolviz"
    command = [sys.executable, "-m", "poolviz", "run", str(scenario), "--out", str(session)]
    subprocess.run([*command, "--quiet"], check=True, capture_output=True, env=_environment(home))
    return _figures(session)


def with_window(scenario: Path, home: Path, seconds: float) -> dict[str, float]:
    """Return the figures of the same run with the window open, which is closed after the run."""
    sessions = home / "sessions"
    before = set(sessions.glob("*.poolviz"))
    process = subprocess.Popen(
        [sys.executable, "-m", "poolviz", str(scenario)], env=_environment(home)
    )
    deadline = time.monotonic() + seconds + 60
    try:
        while not (made := set(sessions.glob("*.poolviz")) - before) or not _ended(made):
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit("The window's run didn't end.")
            time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    return _figures(made.pop())


def _environment(home: Path) -> dict[str, str]:
    shown = {} if os.environ.get("DISPLAY") else {"QT_QPA_PLATFORM": "offscreen"}
    return {**os.environ, **shown, "POOLVIZ_HOME": str(home)}


def _ended(sessions: set[Path]) -> bool:
    try:
        with Recorder.open(next(iter(sessions))) as recorder:
            return recorder.ended is not None
    except InputError:
        return False  # its first second isn't written yet


def _figures(session: Path) -> dict[str, float]:
    with Recorder.open(session) as recorder:
        summary = recorder.summary()
    return {
        "throughput": summary.throughput_per_s or 0.0,
        "wait_p99": summary.wait_time_s.p99 or 0.0,
    }


def measure(load: str, home: Path, pairs: int, seconds: float) -> dict[str, Any]:
    """Return medians of both and of the ratios of neighbours."""
    scenario = home / f"{load}.toml"
    scenario.write_text(SCENARIO.format(seconds=seconds, think_time=LOADS[load]["think_time"]))
    figures = []
    for number in range(pairs):
        # The order changes from pair to pair, so that neither way always comes second.
        if number % 2:
            run = without(scenario, home)
            window = with_window(scenario, home, seconds)
        else:
            window = with_window(scenario, home, seconds)
            run = without(scenario, home)
        figures.append((run, window))
    result: dict[str, Any] = {"load": load, "pairs": pairs, "seconds": seconds}
    for name in ("throughput", "wait_p99"):
        result[name] = {
            "without": statistics.median(run[name] for run, _ in figures),
            "with_window": statistics.median(window[name] for _, window in figures),
            "ratio": round(statistics.median(w[name] / r[name] for r, w in figures), 3),
            "ratios": [round(w[name] / r[name], 3) for r, w in figures],
        }
    return result


def missed(result: dict[str, Any]) -> list[str]:
    """Return the goals that a result misses, as sentences."""
    goals = LOADS[result["load"]]["goals"]
    sentences = []
    if result["throughput"]["ratio"] < goals["throughput"]:
        sentences.append(f"{result['load']}: throughput under {goals['throughput']}")
    if "wait_p99" in goals and result["wait_p99"]["ratio"] > goals["wait_p99"]:
        sentences.append(f"{result['load']}: wait p99 over {goals['wait_p99']}")
    return sentences


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if a goal is missed")
    parser.add_argument("--quick", action="store_true", help="three short pairs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    pairs, seconds = (3, 6.0) if options.quick else (7, 15.0)
    with tempfile.TemporaryDirectory(prefix="poolviz-benchmark-") as folder:
        Path(folder).chmod(0o711)  # the account that serves under root must pass through
        results = [measure(load, Path(folder), pairs, seconds) for load in LOADS]
    if options.json:
        print(json.dumps(results))
    else:
        for result in results:
            for name in ("throughput", "wait_p99"):
                row = result[name]
                print(
                    f"{result['load']:<10} {name:<11} without {row['without']:<12.6g} "
                    f"with {row['with_window']:<12.6g} ratio {row['ratio']} {row['ratios']}"
                )
    sentences = [sentence for result in results for sentence in missed(result)]
    for sentence in sentences:
        print(f"Missed: {sentence}", file=sys.stderr)
    return int(options.check and bool(sentences))


if __name__ == "__main__":
    sys.exit(main())
