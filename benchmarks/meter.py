"""What metering costs: operations of a metered run over those of a bare loop on the same pool.

Both run the same statement with as many threads or tasks, against the same embedded server, in
turns (bare, metered, bare, …), each in a process of its own; the median of the ratios of
neighbours counts, since machines are noisy and speeds drift.

    uv run python benchmarks/meter.py [POOL…] [--check] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import threading
from time import perf_counter

from poolviz.engine.engine import Engine
from poolviz.load.settings import SETTINGS
from poolviz.model.dialect import POSTGRESQL
from poolviz.model.messages import Begin, Ended, Report, Ticked
from poolviz.model.parameters import Value
from poolviz.model.scenario import Scenario
from poolviz.pools import POOLS, pool_class
from poolviz.pools.base import Pool, TaskPool, ThreadPool
from poolviz.servers.embedded import EmbeddedServer

GOAL = 0.9
CLIENTS = 8
# A connection for each client, whatever a library calls the limits that say so.
SIZES = {
    **dict.fromkeys(("minconn", "maxconn", "pool_size", "min_size", "max_size"), CLIENTS),
    **dict.fromkeys(("minsize", "maxsize", "mincached", "maxcached", "maxconnections"), CLIENTS),
    "max_overflow": 0,
}


class _NoDoor:
    def opened(self, seconds: float) -> None:
        """Nothing is counted."""

    def closed(self) -> None:
        """Nothing is counted."""


def limits_of(kind: type[Pool]) -> dict[str, Value]:
    return kind.limits.complete({key: SIZES[key] for key in kind.limits if key in SIZES})


def clients_of(kind: type[Pool]) -> int:
    return 1 if kind.one_client else CLIENTS


def bare(pool_id: str, conninfo: str, seconds: float) -> float:
    """Operations a second of a loop that does nothing but operate."""
    kind = pool_class(pool_id)
    if issubclass(kind, TaskPool):
        return asyncio.run(bare_tasks(kind, conninfo, seconds))
    assert issubclass(kind, ThreadPool)
    return bare_threads(kind, conninfo, seconds)


def bare_threads(kind: type[ThreadPool], conninfo: str, seconds: float) -> float:
    pool = kind(conninfo, _NoDoor(), limits_of(kind))
    done = threading.Event()
    counts = [0] * clients_of(kind)

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

    threads = [threading.Thread(target=operate, args=(n,)) for n in range(len(counts))]
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


async def bare_tasks(kind: type[TaskPool], conninfo: str, seconds: float) -> float:
    pool = kind(conninfo, _NoDoor(), limits_of(kind))
    await pool.open()
    until = perf_counter() + seconds

    async def operate() -> int:
        count = 0
        while perf_counter() < until:
            connection = await pool.acquire()
            await pool.execute(connection, "SELECT 1")
            await pool.release(connection)
            count += 1
        return count

    began = perf_counter()
    counts = await asyncio.gather(*(operate() for _ in range(clients_of(kind))))
    taken = perf_counter() - began
    await pool.close()
    return sum(counts) / taken


def metered(pool_id: str, conninfo: str, seconds: float) -> float:
    """Operations a second of the same as poolviz runs and measures it."""
    kind = pool_class(pool_id)
    still = {"clients": clients_of(kind), "statement_time": 0, "hold_time": 0, "think_time": 0}
    scenario = Scenario(
        pool=pool_id,
        limits=limits_of(kind),
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
    parser.add_argument("pools", nargs="*", help="ids; every pool for PostgreSQL if none is named")
    parser.add_argument("--check", action="store_true", help="fail under the goal")
    parser.add_argument("--quick", action="store_true", help="three short pairs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.one:
        way, pool_id, conninfo, seconds = options.one
        print((bare if way == "bare" else metered)(pool_id, conninfo, float(seconds)))
        return 0
    pools = options.pools or [id for id, kind in POOLS.items() if POSTGRESQL in kind.servers]
    pairs, seconds = (3, 2.0) if options.quick else (9, 4.0)
    with EmbeddedServer.start() as server:
        results = [measure(pool, server.conninfo, pairs, seconds) for pool in pools]
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
