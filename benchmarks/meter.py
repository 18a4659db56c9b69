"""What metering costs: operations of a metered run over those of a bare loop on the same pool.

Both run the same statement with as many threads, against the same embedded server, in turns
(bare, metered, bare, …), each in a process of its own; the median of the ratios of neighbours
counts, since machines are noisy and speeds drift.

    uv run python benchmarks/meter.py [--check] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
from time import perf_counter

from poolviz.engine.engine import Engine
from poolviz.load.settings import SETTINGS
from poolviz.model.messages import Begin, Ended, Report, Ticked
from poolviz.model.scenario import Scenario
from poolviz.pools import POOLS, pool_class
from poolviz.servers.embedded import EmbeddedServer

GOAL = 0.9
CLIENTS = 8
LIMITS: dict[str, dict[str, int]] = {
    "psycopg2.ThreadedConnectionPool": {"minconn": CLIENTS, "maxconn": CLIENTS},
    "sqlalchemy.QueuePool": {"pool_size": CLIENTS, "max_overflow": 0},
}


class _NoDoor:
    def opened(self, seconds: float) -> None:
        """Nothing is counted."""

    def closed(self) -> None:
        """Nothing is counted."""


def bare(pool_id: str, conninfo: str, seconds: float) -> float:
    """Operations a second of a loop that does nothing but operate."""
    kind = pool_class(pool_id)
    pool = kind(conninfo, _NoDoor(), kind.limits.complete(LIMITS[pool_id]))
    done = threading.Event()
    counts = [0] * CLIENTS

    def operate(number: int) -> None:
        count = 0
        while not done.is_set():
            connection = pool.acquire()
            cursor = connection.cursor()
            cursor.execute("SELECT 1")
            cursor.fetchall()
            cursor.close()
            pool.release(connection)
            count += 1
        counts[number] = count

    threads = [threading.Thread(target=operate, args=(number,)) for number in range(CLIENTS)]
    began = perf_counter()
    for thread in threads:
        thread.start()
    done.wait(seconds)
    done.set()
    for thread in threads:
        thread.join()
    taken = perf_counter() - began
    pool.close()
    return sum(counts) / taken


def metered(pool_id: str, conninfo: str, seconds: float) -> float:
    """Operations a second of the same as poolviz runs and measures it."""
    kind = pool_class(pool_id)
    still = {"clients": CLIENTS, "statement_time": 0, "hold_time": 0, "think_time": 0}
    scenario = Scenario(
        pool=pool_id,
        limits=kind.limits.complete(LIMITS[pool_id]),
        load=SETTINGS.complete(still),
        duration=seconds,
    )
    operations, spans, ended = [], [], threading.Event()

    def take(report: Report) -> None:
        if isinstance(report, Ticked):
            operations.append(report.sample.operations)
            spans.append(report.sample.span)
        elif isinstance(report, Ended):
            ended.set()

    Engine(Begin(scenario, conninfo, "poolviz benchmark"), take)
    ended.wait()
    return sum(operations) / sum(spans)


def measure(pool_id: str, conninfo: str, pairs: int, seconds: float) -> dict[str, object]:
    """The median ratio of `pairs` neighbours, and the figures behind it."""
    figures = []
    for _ in range(pairs):
        pair = [
            float(
                subprocess.run(
                    [sys.executable, __file__, "--one", way, pool_id, conninfo, str(seconds)],
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
            )
            for way in ("bare", "metered")
        ]
        figures.append(pair)
    ratios = [run / loop for loop, run in figures]
    return {
        "pool": pool_id,
        "bare_per_s": round(statistics.median(loop for loop, _ in figures)),
        "metered_per_s": round(statistics.median(run for _, run in figures)),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help="fail under the goal")
    parser.add_argument("--quick", action="store_true", help="three short pairs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.one:
        way, pool_id, conninfo, seconds = options.one
        print((bare if way == "bare" else metered)(pool_id, conninfo, float(seconds)))
        return 0
    pairs, seconds = (3, 2.0) if options.quick else (9, 4.0)
    with EmbeddedServer.start() as server:
        results = [measure(pool, server.conninfo, pairs, seconds) for pool in POOLS]
    if options.json:
        print(json.dumps(results))
    else:
        for result in results:
            print(
                f"{result['pool']:<36} bare {result['bare_per_s']:>7,}/s   "
                f"metered {result['metered_per_s']:>7,}/s   ratio {result['ratio']} "
                f"{result['ratios']}"
            )
    return int(options.check and any(float(str(r["ratio"])) < GOAL for r in results))


if __name__ == "__main__":
    sys.exit(main())
