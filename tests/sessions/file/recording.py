"""Sessions for the tests here: recorded in this process, or in one that is killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poolviz.model.errors import InputError
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import change, record, reports, samples, ticks

RECORD_UNTIL_KILLED = """
import sys
from itertools import count
from pathlib import Path
from poolviz.model.messages import SampleTaken
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import began, samples, ticks
recorder = Recorder(Path(sys.argv[1]))
recorder.add(began())
run = samples(ticks(1_000_000))
for sample in run:
    recorder.add(SampleTaken(sample))
    if sample.index == 99:
        print("added", flush=True)
        sys.stdin.readline()
"""


def recorded(path: Path, count: int = 60, seed: int = 1) -> Path:
    with Recorder(path) as recorder:
        record(recorder, reports(samples(ticks(count, seed)), change(1.0)))
    return path


def count_in(path: Path) -> int:
    try:
        with Recorder.open(path) as recorder:
            return sum(1 for _ in recorder.samples())
    except InputError:
        return 0  # not there yet


@contextmanager
def child(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that runs `script`, and is gone afterwards."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
