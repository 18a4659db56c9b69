"""What each process of a run costs, and whether their sum is what the server has.

Runs of one, two, four and eight processes, and one that has no processes besides its engine, follow
each other on one embedded server, each with the same paced load in each process: it adds rows,
which are counted in the table at the end. Of each run stand the seconds from its beginning until
the last process has begun, the memory that is each process's own, the processor time that it and
its part of poolviz's own process took for a second, and the operations by poolviz's count beside
the rows. The ratio is that of the costs of a process in a run of several to those of the run
without, of the same turn; the result is the median over the turns.

    uv run python benchmarks/fleet.py [--processes N]… [--turns N] [--seconds S] [--check] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from time import perf_counter, process_time

import psutil

from poolviz.model.messages import Report
from poolviz.runs.request import check_draft
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner
from poolviz.runs.warnings import RunWarning
from poolviz.scenarios.draft import Draft
from poolviz.sessions.recorder import Recorder

LOAD = {
    **{"arrivals": "open", "rate": 50, "clients": 8},
    **{"statement": "read_write", "hold_time": 0.0},
}
START_LIMIT = 300.0  # seconds
LOOK = 0.02
MOST = 1.25  # times the processor time of a run without processes


@dataclass(frozen=True)
class Cost:
    """What one run took. `processes` is 0 for one that has none besides its engine. Times are in
    seconds: `cpu` of a process, and `own_cpu` of poolviz's own process for each, per second.
    `memory` is in bytes, of a process."""

    processes: int
    start: float
    cpu: float
    own_cpu: float
    memory: float
    operations: int
    committed: int
    rows: int


class _Silent:
    """Hears of a run."""

    def progressed(self, sentence: str) -> None:
        """Nothing is printed."""

    def warned(self, warning: RunWarning) -> None:
        """Nothing is printed."""

    def reported(self, run: Run, report: Report) -> None:
        """The recorder has it."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--processes", type=int, action="append", help="1, 2, 4 and 8 by default")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each run is measured")
    parser.add_argument("--check", action="store_true", help="fail where a goal is missed")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each run")
    options = parser.parse_args()
    numbers = [0, *(options.processes or (1, 2, 4, 8))]
    turns: list[list[Cost]] = []
    with Runner() as runner:
        for _ in range(options.turns):
            turns.append([measure(runner, number, options.seconds) for number in numbers])
            for cost in turns[-1]:
                print(json.dumps(asdict(cost)) if options.json else as_line(cost), flush=True)
    missed = list(problems(turns))
    if not options.json:
        print("\n".join(ratios(turns)))
    for sentence in missed if options.check else ():
        print(sentence, file=sys.stderr)
    return 1 if missed and options.check else 0


def measure(runner: Runner, processes: int, seconds: float) -> Cost:
    """Run so many processes, or a plain run for 0, and return what it took."""
    fleet = {"processes": processes} if processes else {}
    scenario = check_draft(Draft(load=LOAD, fleet=fleet))
    run = Run(scenario, runner.reach(None, lambda _: None), _Silent(), may_create_tables=True)
    began = perf_counter()
    runner.begin(run)
    recorder = run.recorder
    assert recorder is not None and run.engine is not None
    with recorder:
        number = max(processes, 1)
        while counting(recorder, processes) < number:
            if perf_counter() - began > START_LIMIT or run.over:
                raise SystemExit(f"{processes} processes didn't start")
            time.sleep(LOOK)
        start = perf_counter() - began
        pids = getattr(run.engine, "pids", ()) or (run.engine.pid,)  # type: ignore[union-attr]
        children = [psutil.Process(pid) for pid in pids]
        before, own, since = list(map(used, children)), process_time(), perf_counter()
        time.sleep(seconds)
        passed = perf_counter() - since
        own_cpu = (process_time() - own) / passed / number
        cpu = statistics.mean(
            (used(child) - old) / passed for child, old in zip(children, before, strict=True)
        )
        memory = statistics.mean(child.memory_full_info().uss for child in children)
        run.stop()
        run.wait()
        runner.end_run()
        rows = run.ended.rows if run.ended is not None else None
        assert rows is not None
        operations = recorder.summary().operations
    return Cost(processes, start, cpu, own_cpu, memory, operations, rows.expected, rows.found)


def counting(recorder: Recorder, processes: int) -> int:
    """Return how many processes have counted an operation."""
    if not processes:
        return int(recorder.summary().operations > 0)
    return sum(recorder.member(name).summary().operations > 0 for name in recorder.members)


def used(process: psutil.Process) -> float:
    """Return the processor time that a process has taken, in seconds."""
    times = process.cpu_times()
    return float(times.user + times.system)


def as_line(cost: Cost) -> str:
    """Return a run as a line of text."""
    name = f"{cost.processes} processes" if cost.processes else "plain run"
    counts = f"{cost.operations} operations, {cost.committed} committed, {cost.rows} rows"
    return (
        f"{name:>12}: started in {cost.start:5.2f} s, each {cost.memory / 1e6:5.1f} MB, "
        f"{cost.cpu * 1e3:5.1f} ms/s, in poolviz {cost.own_cpu * 1e3:5.1f} ms/s; {counts}"
    )


def ratios(turns: Sequence[Sequence[Cost]]) -> list[str]:
    """Return for each number of processes the costs of one to those of a plain run."""
    lines = []
    for place in range(1, len(turns[0])):
        pairs = [(turn[place], turn[0]) for turn in turns]
        cpu = statistics.median((a.cpu + a.own_cpu) / (b.cpu + b.own_cpu) for a, b in pairs)
        memory = statistics.median(a.memory / b.memory for a, b in pairs)
        start = statistics.median(a.start / b.start for a, b in pairs)
        lines.append(
            f"{turns[0][place].processes} processes, each over a plain run: processor time "
            f"{cpu:.2f}, memory {memory:.2f}; all are there after {start:.2f} times as long"
        )
    return lines


def problems(turns: Sequence[Sequence[Cost]]) -> list[str]:
    """Return what is not as it should be, in sentences."""
    found = [
        f"{cost.processes} processes: {cost.committed} committed, {cost.rows} rows"
        for turn in turns
        for cost in turn
        if cost.committed != cost.rows or cost.operations > cost.committed
    ]
    for place in range(1, len(turns[0])):
        pairs = [(turn[place], turn[0]) for turn in turns]
        cpu = statistics.median((a.cpu + a.own_cpu) / (b.cpu + b.own_cpu) for a, b in pairs)
        if cpu > MOST:
            found.append(f"{turns[0][place].processes} processes take {cpu:.2f} times as much")
    return found


if __name__ == "__main__":
    sys.exit(main())
