"""How long sessions take to open, to draw and to export, and how large they are.

A session of an hour, and one of eight, are recorded of samples as the engine makes them: 40
clients, 25 operations a sample, a change each minute. What concerns opening is the median of
several processes, so that nothing is cached but the file; `memory` is that of the process, Python
and its libraries included.

    uv run python benchmarks/sessions.py [--hours N…] [--repeat N] [--json]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from time import perf_counter

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from poolviz.model.messages import MarkAdded, SampleTaken
from poolviz.model.sample import TICK, Sample
from poolviz.sessions.export.registry import exporter_for, suffixes
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import LIMITS, began, change, ended, samples, ticks

POINTS = 1400  # bins that a wide chart asks for


def a_run(seconds: float) -> Iterator[Sample]:
    """Samples of a busy run, of which each 100 s are like the last."""
    some = list(samples(ticks(2000)))
    for index, sample in zip(range(round(seconds / TICK)), cycle(some), strict=False):
        t = (index + 1) * 50_000_000 * 1e-9
        segment = int(t // 60)
        yield msgspec.structs.replace(
            sample, index=index, t=t, segment=segment, limits={**LIMITS, "pool_size": segment % 9}
        )


def record(path: Path, seconds: float) -> None:
    with Recorder(path) as recorder:
        recorder.add(began())
        for sample in a_run(seconds):
            recorder.add(SampleTaken(sample))
            if sample.index % 1200 == 0 and sample.index:
                recorder.add(MarkAdded(change(sample.t)))
        recorder.add(ended())


def one(path: Path) -> dict[str, float]:
    """Open the session, draw it whole and its last minute, and return the seconds that took."""
    start = perf_counter()
    with Recorder.open(path) as recorder:
        opened = perf_counter()
        recorder.view(0.0, recorder.duration, POINTS)
        recorder.summary()
        drawn = perf_counter()
        recorder.view(recorder.duration / 2, recorder.duration / 2 + 60, POINTS)
        near = perf_counter()
    return {
        "open": opened - start,
        "draw whole": drawn - opened,
        "draw a minute": near - drawn,
        "memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def exports(path: Path, folder: Path) -> dict[str, float]:
    """Return the seconds that each export took, and its megabytes."""
    took = {}
    for suffix in suffixes():
        target = folder / f"export{suffix}"
        with Recorder.open(path) as recorder:
            start = perf_counter()
            files = exporter_for(target).export(recorder, target)
            took[f"export {suffix}"] = perf_counter() - start
        took[f"{suffix}, MB"] = sum(file.stat().st_size for file in files) / 1e6
        for file in files:
            file.unlink()
    return took


def measure(hours: float, repeat: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="poolviz-") as name:
        path = Path(name) / "session.poolviz"
        record(path, hours * 3600)
        figures = {"hours": hours, "MB": path.stat().st_size / 1e6}
        command = [sys.executable, __file__, "--one", str(path)]
        runs = [json.loads(subprocess.check_output(command)) for _ in range(repeat)]
        figures |= {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        return figures | exports(path, Path(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--hours", type=float, nargs="+", default=[1.0, 8.0])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(one(options.one)))
        return
    results = [measure(hours, options.repeat) for hours in options.hours]
    if options.json:
        print(json.dumps(results))
        return
    for result in results:
        for key, value in result.items():
            print(f"{key:<16} {value:>10.3f}")
        print()


if __name__ == "__main__":
    main()
