"""What a frame of the charts costs: after a minute, an hour and eight hours of a session, over
another session that is drawn behind, with 100 lanes, and with two device pixels a pixel.

The standard charts: those of a window of 1280 × 800, which are three with nine curves, one of them
stacked, and 60 s visible. A frame is one sample added, and the charts refreshed and painted
offscreen. The goals are for the processor's time of the process, all of its threads, which the load
of a machine that others use too changes less than the time that passes; both are printed.

    python benchmarks/frames.py [--json] [--check] [--long] [--frames N]

Eight hours are recorded and measured with `--long` alone: recording them takes minutes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from msgspec.structs import replace
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication

from poolviz.model.histogram import Histogram
from poolviz.model.lanes import KEY, Edge, Edges, pack_edges
from poolviz.model.messages import MarkAdded, SampleTaken
from poolviz.model.sample import Level, Mark, MarkKind, Sample, ServerView
from poolviz.sessions.export.exporter import USUAL
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.style.theme import LIGHT

LANES = 100
SAME = 1.3  # how many times the median of a minute that of an hour may be
SIZE = (996, 690)
TICK = 0.05
WARM_UP = 40


def samples(count: int) -> Iterator[Sample]:
    """Yield samples of a pool of 5 + 5 under a varying load: each curve moves, and errors occur."""
    random, histogram = np.random.default_rng(1), Histogram()
    for index in range(count):
        t = (index + 1) * TICK
        demand = 8 + 6 * math.sin(t / 9) + random.normal()
        used = min(max(demand, 0.0), 10.0)
        open_, waiting = max(used, 5.0), max(demand - 10, 0.0) * 2
        histogram.clear()
        histogram.add(random.lognormal(math.log(2e-4 + waiting * 3e-3), 0.6, 30))
        yield Sample(
            index=index,
            t=t,
            span=TICK,
            segment=0,
            open=level(open_),
            used=level(used),
            idle=level(open_ - used),
            overflow=level(max(used - 5, 0.0)),
            pending=level(waiting),
            retrying=level(waiting / 3),
            operations=int(random.poisson(used * 4)),
            errors={"PoolError": 1} if waiting > 3 and index % 7 == 0 else {},
            timeouts=int(waiting > 6 and index % 11 == 0),
            wait=histogram.pack(),
            limits={"pool_size": 5, "max_overflow": 5},
            load={"clients": 20},
            capacity=10,
            server=ServerView(active=round(used)) if index % 20 == 0 else None,
        )


def with_lanes(run: Iterator[Sample]) -> Iterator[Sample]:
    """Yield samples in which each of 100 connections is acquired, kept after its statements, and
    released once a tick."""
    random, lane = np.random.default_rng(2), np.arange(LANES)
    kinds = (Edge.ACQUIRED, Edge.IN_TRANSACTION, Edge.RELEASED)
    for sample in run:
        moments = np.sort(random.integers(0, round(TICK * 1e6), (len(kinds), LANES)), axis=0)
        edges = [(np.full(LANES, kind), at) for kind, at in zip(kinds, moments, strict=True)]
        stands = sample.index % KEY == 0
        if stands:
            edges.insert(0, (np.full(LANES, Edge.OPENED), np.full(LANES, -1)))
        kind, at = (np.concatenate(column) for column in zip(*edges, strict=True))
        where, nothing = np.tile(lane, len(edges)), np.zeros(len(kind), dtype=np.int64)
        order = np.argsort(at, kind="stable")
        packed = Edges(kind[order], where[order], at[order], where[order], nothing, False, stands)
        yield replace(sample, lanes=pack_edges(packed))


def level(mean: float) -> Level:
    """Return a count that varied a little within its tick."""
    return Level(round(mean), math.floor(mean), math.ceil(mean), mean)


class Paints(QObject):
    """Counts paint events, so that every frame is known to be painted."""

    count = 0

    def eventFilter(self, _: QObject, event: QEvent) -> bool:  # noqa: N802
        self.count += event.type() == QEvent.Type.Paint
        return False


@dataclass(frozen=True)
class Case:
    """What is recorded before the frames that are measured, and the goals in milliseconds: of the
    median, and of the 99th percentile."""

    seconds: int
    median: float
    p99: float
    over: bool = False  # another session, which is drawn paler behind
    lanes: bool = False
    scale: int = 1


CASES = {
    "minute": Case(60, 6.0, 8.0),
    "hour": Case(3600, 6.0, 8.0),
    "eight hours": Case(8 * 3600, 6.0, 8.0),
    "over one": Case(60, 8.0, 12.0, over=True),
    "100 lanes": Case(60, 10.0, 15.0, lanes=True),
    "at 2×": Case(60, 12.0, 16.0, scale=2),
}


def measure(case: Case, frames: int) -> dict[str, float]:
    """Return milliseconds per frame."""
    application = QApplication.instance() or QApplication([])
    charts, paints = ChartsWidget(LIGHT), Paints()
    if case.lanes:
        charts.choice.choose((*USUAL, "lanes"))
    charts.resize(*SIZE)
    charts.canvas.viewport().installEventFilter(paints)
    before = int(case.seconds / TICK)
    run = samples(before + WARM_UP + frames)
    if case.lanes:
        run = with_lanes(run)
    passed, used = [], []
    with Recorder() as recorder, Recorder() as behind:
        for sample in samples(before + WARM_UP + frames) if case.over else ():
            behind.add(SampleTaken(sample))
        for sample in islice(run, before):
            recorder.add(SampleTaken(sample))
        mark = Mark(t=case.seconds, kind=MarkKind.CHANGE, text="clients 8→20")
        recorder.add(MarkAdded(mark))
        charts.set_recorder(recorder)
        charts.set_ghost(behind if case.over else None)
        charts.show()
        for sample in run:
            application.processEvents()
            paints.count, began, busy = 0, time.perf_counter(), time.process_time()
            recorder.add(SampleTaken(sample))
            charts.refresh()
            application.processEvents()
            used.append((time.process_time() - busy) * 1e3)
            passed.append((time.perf_counter() - began) * 1e3)
            if paints.count != 1:
                raise SystemExit(f"A frame was painted {paints.count} times.")
        charts.close()
    used, passed = sorted(used[WARM_UP:]), sorted(passed[WARM_UP:])
    return {
        "median_ms": used[len(used) // 2],
        "p99_ms": used[min(math.ceil(len(used) * 0.99), len(used)) - 1],
        "max_ms": used[-1],
        "passed_median_ms": passed[len(passed) // 2],
    }


def measured_apart(name: str, frames: int) -> dict[str, float]:
    """Return what `measure` does, in a process of its own: Qt has one scale for each."""
    command = [sys.executable, __file__, "--case", name, "--frames", str(frames)]
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "QT_SCALE_FACTOR": str(CASES[name].scale),
    }
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description="What a frame of the charts costs.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--check", action="store_true", help="exit with 1 over the goals")
    parser.add_argument("--long", action="store_true", help="measure eight hours, too")
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--case", choices=CASES, help="measure it here, and print it as JSON")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(CASES[options.case], options.frames)))
        return 0
    asked = [name for name, case in CASES.items() if options.long or case.seconds <= 3600]
    found = {name: measured_apart(name, options.frames) for name in asked}
    if options.json:
        print(json.dumps(found))
    else:
        print(f"{'recorded':12}{'median':>8}{'p99':>8}{'highest':>8}{'passed':>8}   goals, in ms")
        for name, figures in found.items():
            row = f"{name:12}" + "".join(f"{value:8.2f}" for value in figures.values())
            print(f"{row}   {CASES[name].median:.0f} and {CASES[name].p99:.0f}")
    slow = any(
        figures["median_ms"] > CASES[name].median or figures["p99_ms"] > CASES[name].p99
        for name, figures in found.items()
    )
    grows = found["hour"]["median_ms"] > SAME * found["minute"]["median_ms"]
    return int(options.check and (slow or grows))


if __name__ == "__main__":
    sys.exit(main())
