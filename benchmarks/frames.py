"""What a frame of the charts costs: after a minute of a session, after an hour of it, and after a
minute over another session that is drawn behind.

The standard charts: those of a window of 1280 × 800, which are three with nine curves, one of them
stacked, and 60 s visible. A frame is one sample added, and the charts refreshed and painted
offscreen.

    python benchmarks/frames.py [--json] [--check] [--frames N] [--scale 2]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from itertools import islice

import numpy as np
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication

from poolviz.model.histogram import Histogram
from poolviz.model.messages import MarkAdded, SampleTaken
from poolviz.model.sample import Level, Mark, MarkKind, Sample, ServerView
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.style.theme import LIGHT

GOAL_MEDIAN, GOAL_P99 = 12.0, 25.0  # milliseconds
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


def level(mean: float) -> Level:
    """Return a count that varied a little within its tick."""
    return Level(round(mean), math.floor(mean), math.ceil(mean), mean)


class Paints(QObject):
    """Counts paint events, so that every frame is known to be painted."""

    count = 0

    def eventFilter(self, _: QObject, event: QEvent) -> bool:  # noqa: N802
        self.count += event.type() == QEvent.Type.Paint
        return False


def measure(seconds: int, frames: int, *, over: bool = False) -> dict[str, float]:
    """Return milliseconds per frame, with `seconds` recorded before; `over` another session, which
    is drawn paler behind."""
    application = QApplication.instance() or QApplication([])
    charts, paints = ChartsWidget(LIGHT), Paints()
    charts.resize(*SIZE)
    charts.canvas.viewport().installEventFilter(paints)
    before = int(seconds / TICK)
    run = samples(before + WARM_UP + frames)
    times = []
    with Recorder() as recorder, Recorder() as behind:
        for sample in samples(before + WARM_UP + frames) if over else ():
            behind.add(SampleTaken(sample))
        for sample in islice(run, before):
            recorder.add(SampleTaken(sample))
        recorder.add(MarkAdded(Mark(t=seconds, kind=MarkKind.CHANGE, text="clients 8→20")))
        charts.set_recorder(recorder)
        charts.set_ghost(behind if over else None)
        charts.show()
        for sample in run:
            application.processEvents()
            paints.count, began = 0, time.perf_counter()
            recorder.add(SampleTaken(sample))
            charts.refresh()
            application.processEvents()
            times.append((time.perf_counter() - began) * 1e3)
            if paints.count != 1:
                raise SystemExit(f"A frame was painted {paints.count} times.")
        charts.close()
    times = sorted(times[WARM_UP:])
    return {
        "median_ms": times[len(times) // 2],
        "p99_ms": times[min(math.ceil(len(times) * 0.99), len(times)) - 1],
        "max_ms": times[-1],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="What a frame of the charts costs.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--check", action="store_true", help="exit with 1 over the goals")
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--scale", type=float, default=1.0, help="device pixels per pixel")
    options = parser.parse_args()
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    os.environ["QT_SCALE_FACTOR"] = str(options.scale)
    found = {
        "minute": measure(60, options.frames),
        "hour": measure(3600, options.frames),
        "over one": measure(60, options.frames, over=True),
    }
    if options.json:
        goals = {"median_ms": GOAL_MEDIAN, "p99_ms": GOAL_P99}
        print(json.dumps({"scale": options.scale, "goals": goals, **found}))
    else:
        print(f"{'recorded':10}{'median':>10}{'p99':>10}{'highest':>10}   ms a frame")
        for name, figures in found.items():
            print(f"{name:10}" + "".join(f"{value:10.2f}" for value in figures.values()))
        print(f"{'goal':10}{GOAL_MEDIAN:10.2f}{GOAL_P99:10.2f}")
    slow = any(
        figures["median_ms"] > GOAL_MEDIAN or figures["p99_ms"] > GOAL_P99
        for figures in found.values()
    )
    grows = found["hour"]["median_ms"] > SAME * found["minute"]["median_ms"]
    return int(options.check and (slow or grows))


if __name__ == "__main__":
    sys.exit(main())
