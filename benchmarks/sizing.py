"""How well a sizing's model predicts sizes that it didn't see, and whether sweeps agree.

Three pools are swept with loads whose bottleneck differs. Every third size is held out: a model
that is fitted to the others predicts it. Printed is the table of the README: the median and the
largest relative error of throughput, of the mean wait where at most 80 % of the connections are in
use, and of the wait's p95. What was measured has a 95 % interval, of which the table has half on
average, as ±: an error that is no larger than that and the goal together may be chance, and the
others are counted as *beyond*. Left out are waits under a millisecond, which are the acquire's own
time, and those of open arrivals that are too many for a size, because they have no end.

With `--seeds N` one load is swept N times: printed is what each sweep recommends, and how many of
the measured sizes lie between the smallest and the largest one.

Run it on a machine that does nothing else: what else runs is taken for an effect of the size. Each
sweep is kept in a file, and those that are there already aren't measured again: a benchmark that
was ended goes on where it was.

    uv run python benchmarks/sizing.py [--budget SECONDS] [--quick] [--pool ID…] [--load NAME…]
        [--seeds N] [--keep FOLDER] [--again] [--json]

All nine sweeps take 20 minutes, `--quick` ten.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import poolviz
from poolviz.sessions.statistics import Interval
from poolviz.sizing.sizing import Predicted, Sizing

POOLS = ("sqlalchemy.QueuePool", "psycopg_pool.ConnectionPool", "asyncpg.Pool")
LOADS: dict[str, dict[str, object]] = {
    "sleeping statements": {
        "clients": 24,
        "statement": "sleep",
        "statement_time": 0.01,
        "hold_time": 0,
        "think_time": 0.02,
    },
    "held without work": {
        "clients": 16,
        "statement": "sleep",
        "statement_time": 0.003,
        "hold_time": 0.01,
        "think_time": 0.01,
    },
    "open arrivals": {
        "clients": 64,
        "arrivals": "open",
        "rate": 300,
        "statement": "sleep",
        "statement_time": 0.01,
        "hold_time": 0,
    },
}
GOALS = {"throughput": 0.05, "wait mean": 0.10, "wait p95": 0.20}
BUDGET, QUICK = 130.0, 60.0  # seconds of a sweep
SHORTEST = 1e-3  # seconds of a wait that a queue makes
BUSIEST = 0.8  # of the connections, for the mean wait
LOST = 0.01  # of the operations: there clients wait until they give up
KEPT = Path("sizing-sweeps")


def swept(pool: str, name: str, seed: int, asked: argparse.Namespace) -> Sizing:
    """Return the sweep of a load: the one that is kept, or a new one, which is kept then."""
    asked.keep.mkdir(exist_ok=True)
    path = asked.keep / f"{pool}-{name.replace(' ', '-')}-{seed}-{asked.budget:g}.poolviz"
    if path.exists() and not asked.again:
        with poolviz.open_session(path) as session:
            found = session.sizing
        if found is not None and found.complete:
            return found  # type: ignore[no-any-return]
        path.unlink()
    began = time.monotonic()
    found = poolviz.size(pool=pool, load=LOADS[name], budget=asked.budget, seed=seed, keep=True)
    took = time.monotonic() - began
    print(f"{pool}, {name}: {took:.0f} s of {asked.budget:g} s", file=sys.stderr, flush=True)
    if found.session is not None:
        shutil.move(found.session, path)
    return found


def errors(found: Sizing) -> dict[str, list[tuple[float, float]]]:
    """The relative errors at the sizes that were held out, each with what of it may be chance: half
    of the interval of what was measured."""
    points = {each.sizes: each for each in found.points}
    said: dict[str, list[tuple[float, float]]] = {name: [] for name in GOALS}
    for each in found.predictions:
        point = points[each.sizes]
        if not each.held_out:
            continue
        figures: list[tuple[str, Interval, float | None]] = [
            ("throughput", point.throughput_per_s, each.throughput_per_s)
        ]
        if ends(each):
            figures += [
                ("wait mean", point.wait_mean_s, each.wait_mean_s),
                ("wait p95", point.wait_p95_s, each.wait_p95_s),
            ]
        for name, measured, predicted in figures:
            value = measured.value
            if not value or predicted is None or (name != "throughput" and value < SHORTEST):
                continue
            if name == "wait mean" and point.utilisation > BUSIEST:
                continue
            low, high = measured.low or 0.0, measured.high or 2 * value
            side = high - value if predicted > value else value - low
            said[name].append((abs(predicted / value - 1), side / value))
    return said


def ends(said: Predicted) -> bool:
    """Whether the waits of a size have an end before clients give up."""
    return said.wait_mean_s is not None and said.lost_share < LOST


def validated(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for pool in asked.pool or POOLS:
        for name in asked.load or LOADS:
            row: dict[str, Any] = {"pool": pool, "load": name}
            try:
                found = swept(pool, name, 1, asked)
            except poolviz.PoolvizError as error:
                yield {**row, "failed": str(error)}
                continue
            row |= {"sizes": len(found.points), "recommended": found.recommended}
            row["bottleneck"] = str(found.bottleneck)
            for figure, each in errors(found).items():
                row[figure] = summed_up(each, GOALS[figure])
            yield row


def summed_up(found: list[tuple[float, float]], goal: float) -> dict[str, float] | None:
    """The errors of a figure: the median, the largest, half of the interval of what was measured,
    how many there are, and how many are larger than the goal and chance together."""
    if not found:
        return None
    sizes = [error for error, _ in found]
    return {
        "median": statistics.median(sizes),
        "largest": max(sizes),
        "chance": statistics.median(chance for _, chance in found),
        "count": len(found),
        "beyond": sum(error > goal + chance for error, chance in found),
    }


def repeated(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    pool = (asked.pool or POOLS)[0]
    name = (asked.load or list(LOADS))[0]
    for seed in range(1, asked.seeds + 1):
        found = swept(pool, name, seed, asked)
        recommendation = found.recommendation
        yield {
            "seed": seed,
            "recommended": recommendation.sizes,
            "low": recommendation.low,
            "high": recommendation.high,
            "measured": [each.sizes[0] for each in found.points],
        }


def shown(found: dict[str, float] | None) -> str:
    if found is None:
        return "–"
    text = f"{found['median']:.1%} (largest {found['largest']:.1%} of {found['count']}"
    text += f", measured ±{found['chance']:.0%}"
    return f"{text}, {found['beyond']} beyond)"


def main() -> None:
    parser = argparse.ArgumentParser(description="Validate the model of a sizing.")
    parser.add_argument("--budget", type=float, help=f"seconds of each sweep ({BUDGET:g})")
    parser.add_argument("--quick", action="store_true", help=f"sweeps of {QUICK:g} s")
    parser.add_argument("--seeds", type=int, default=0, help="sweep one load so many times instead")
    parser.add_argument("--pool", action="append", choices=POOLS, help="one of the pools")
    parser.add_argument("--load", action="append", choices=LOADS, help="one of the loads")
    parser.add_argument("--keep", type=Path, default=KEPT, help="the folder of sweeps")
    parser.add_argument("--again", action="store_true", help="measure what is kept again")
    parser.add_argument("--json", action="store_true", help="an object a line")
    asked = parser.parse_args()
    asked.budget = asked.budget or (QUICK if asked.quick else BUDGET)
    if asked.seeds:
        chosen: list[tuple[int, set[int]]] = []
        for row in repeated(asked):
            print(json.dumps(row), flush=True)
            if row["recommended"] is not None:
                chosen.append((row["recommended"][0], set(row["measured"])))
        if not chosen:
            return
        sizes, every = [size for size, _ in chosen], set.union(*(known for _, known in chosen))
        steps = sum(min(sizes) < size <= max(sizes) for size in every)
        print(f"recommended: {min(sizes)} to {max(sizes)}, {steps} measured sizes apart")
        return
    goals = " | ".join(f"{name}, goal {goal:.0%}" for name, goal in GOALS.items())
    if not asked.json:
        print(f"| pool | load | sizes | {goals} |\n|---|---|---|---|---|---|", flush=True)
    for row in validated(asked):
        if asked.json:
            print(json.dumps(row), flush=True)
        elif "failed" in row:
            print(f"| {row['pool']} | {row['load']} | | {row['failed']} | | |", flush=True)
        else:
            cells = [row["pool"], row["load"], str(row["sizes"])]
            print(f"| {' | '.join([*cells, *(shown(row[each]) for each in GOALS)])} |", flush=True)


if __name__ == "__main__":
    main()
