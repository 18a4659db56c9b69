"""How well a sizing's model predicts sizes that it didn't see, and whether sweeps agree.

Three pools are swept with loads whose bottleneck differs. Every third size is held out: the model
is fitted to the others and predicts it. Printed are, as the table of the README, the median and the
largest relative error of throughput, of the mean wait where at most 80 % of the connections are in
use, and of its p95; waits shorter than a millisecond are left out, being the acquire's own time.
With `--seeds N` one load is swept N times: printed is what each sweep recommends.

Run it on a machine that does nothing else: what else runs is taken for an effect of the size.

    uv run python benchmarks/sizing.py [--budget SECONDS] [--seeds N] [--pool ID…] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import poolviz
from poolviz.sizing.sizing import Sizing

POOLS = ("sqlalchemy.QueuePool", "psycopg_pool.ConnectionPool", "asyncpg.Pool")
LOADS: dict[str, dict[str, object]] = {
    "sleeping statements": {
        "clients": 24,
        "statement": "sleep",
        "statement_time": 0.02,
        "hold_time": 0,
        "think_time": 0.04,
    },
    "held without work": {
        "clients": 16,
        "statement": "sleep",
        "statement_time": 0.005,
        "hold_time": 0.02,
        "think_time": 0.02,
    },
    "open arrivals": {
        "clients": 64,
        "arrivals": "open",
        "rate": 150,
        "statement": "sleep",
        "statement_time": 0.02,
        "hold_time": 0,
    },
}
GOALS = {"throughput": 0.05, "wait mean": 0.10, "wait p95": 0.20}
SHORTEST = 1e-3  # seconds of a wait that a queue makes
BUSIEST = 0.8  # of the connections, for the mean wait


def errors(found: Sizing) -> dict[str, list[float]]:
    """The relative errors at the sizes that were held out."""
    points = {each.sizes: each for each in found.points}
    said: dict[str, list[float]] = {name: [] for name in GOALS}
    for each in found.predictions:
        point = points[each.sizes]
        if not each.held_out:
            continue
        rate = point.throughput_per_s.value
        if rate:
            said["throughput"].append(abs(each.throughput_per_s / rate - 1))
        for name, wait, predicted in (
            ("wait mean", point.wait_mean_s.value, each.wait_mean_s),
            ("wait p95", point.wait_p95_s.value, each.wait_p95_s),
        ):
            known = wait is not None and predicted is not None and wait >= SHORTEST
            if known and (name != "wait mean" or point.utilisation <= BUSIEST):
                said[name].append(abs(predicted / wait - 1))
    return said


def validated(pools: list[str], budget: float) -> Iterator[dict[str, Any]]:
    for pool in pools:
        for name, load in LOADS.items():
            found = poolviz.size(pool=pool, load=load, budget=budget, seed=1)
            row: dict[str, Any] = {"pool": pool, "load": name, "sizes": len(found.points)}
            row |= {"recommended": found.recommended, "bottleneck": str(found.bottleneck)}
            for figure, each in errors(found).items():
                row[figure] = [statistics.median(each), max(each), len(each)] if each else None
            yield row


def repeated(pool: str, budget: float, seeds: int) -> Iterator[dict[str, Any]]:
    for seed in range(1, seeds + 1):
        load = LOADS["sleeping statements"]
        found = poolviz.size(pool=pool, load=load, budget=budget, seed=seed)
        recommendation = found.recommendation
        yield {
            "seed": seed,
            "recommended": recommendation.sizes,
            "low": recommendation.low,
            "high": recommendation.high,
            "measured": [each.sizes[0] for each in found.points],
        }


def shown(row: dict[str, Any], figure: str) -> str:
    if row[figure] is None:
        return "–"
    median, most, count = row[figure]
    return f"{median:.1%} ({most:.1%} of {count})"


def main() -> None:
    parser = argparse.ArgumentParser(description="Validate the model of a sizing.")
    parser.add_argument("--budget", type=float, default=120.0, help="seconds of each sweep")
    parser.add_argument("--seeds", type=int, default=0, help="sweep one load so many times instead")
    parser.add_argument("--pool", action="append", choices=POOLS, help="one of the pools")
    parser.add_argument("--json", action="store_true", help="an object a line")
    asked = parser.parse_args()
    pools = asked.pool or list(POOLS)
    if asked.seeds:
        for row in repeated(pools[0], asked.budget, asked.seeds):
            print(json.dumps(row), flush=True)
        return
    goals = " | ".join(f"{name}, goal {goal:.0%}" for name, goal in GOALS.items())
    if not asked.json:
        print(f"| pool | load | sizes | {goals} |\n|---|---|---|---|---|---|")
    for row in validated(pools, asked.budget):
        if asked.json:
            print(json.dumps(row), flush=True)
            continue
        cells = [row["pool"], row["load"], str(row["sizes"]), *(shown(row, each) for each in GOALS)]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
