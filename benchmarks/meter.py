"""What metering costs: operations of a metered run over those of a bare loop on the same pool.

Both run `SELECT 1` as the library's manual has it, with the same number of threads or tasks, each
with a connection if the pool has that many, against the same server: the embedded one, or for
MySQL's pools a MariaDB that is started as in the tests.

Machines are noisy, and a process falls into habits that last: how its threads pass the
interpreter's lock around, where its memory lies. So bare loops and metered runs take turns in one
process, in slices of less than a second, each with a pool, threads and connections of its own, and
nothing of a run is left while a bare loop runs. A metered slice is a whole run, as the engine's
process has it: the sampler, reports packed as for the pipe, the server's view and the load monitor.
A round is one metered slice and two bare ones in random order. The result is the median of the
rounds' ratios, with its 95 % interval by resampling the rounds; that of one bare slice over the
other says how much of it is noise.

Beside operations a second stand those of a core of its own, by processor time, in which others that
share the core take little part: of each second poolviz's own threads (sampler, reporter, monitors)
have what they used of a second of the slice, and clients the rest, at the processor time that they
used for an operation. On a core that nobody shares both are the same. The goal is for the figure by
processor time, of every pool whose clients are threads; those of asyncio are shown. The exit status
is 1 if a pool is under the goal.

A bare loop calls the library alone, on the pool object that poolviz measures: the library's class
with what changing its limits needs.

If the system allows it, what is measured has one core for itself and the servers have the others.
Otherwise the comparison is mostly chance: threads that pass the interpreter's lock from core to
core, and cores that wake each other, make the same bare loop up to three times faster or slower.

    uv run python benchmarks/meter.py [POOL…] [--uses] [--dsn URL] [--minutes N] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from bare_loops import WARM_UP, Speed, Subject, bare, clients_of, limits_of

from poolviz.engine.engine import Engine
from poolviz.engine.sample_maker import SampleMaker
from poolviz.load.settings import settings_for
from poolviz.model.dialect import POSTGRESQL, dialect_of
from poolviz.model.errors import PoolvizError
from poolviz.model.messages import (
    EventsTaken,
    Report,
    RunEnded,
    SampleTaken,
    StartRun,
    pack,
    unpack_report,
)
from poolviz.model.scenario import Scenario
from poolviz.pools.base import ThreadPool
from poolviz.pools.registry import POOLS, check_server, pool_class
from poolviz.servers.dispatch import reach
from poolviz.servers.embedded.server import EmbeddedServer

GOAL = 0.9
RESAMPLED = 2000  # times, for an interval
FEWEST = 5  # rounds, however little time there is
START = 1.5  # seconds that the process of one pool takes to begin
LOAD = {"statement": "select_1", "hold_time": 0, "think_time": 0}
RATIOS = ("per_s", "per_core_s")
# The threads that a bare loop doesn't have.
OWN = ("control", "reporter", "watchdog", "sampler", "load monitor", "server monitor")


def core_for_the_measured() -> int | None:
    """Return a core for what is measured, and keep this process and the servers that it starts off
    it. None if there is only one, or the system can't do this."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    core, *others = sorted(os.sched_getaffinity(0))
    if not others:
        return None
    os.sched_setaffinity(0, others)
    return core


def metered(what: Subject, conninfo: str, seconds: float) -> Speed:
    """Return the speed of the same load, run and measured by poolviz."""
    kind = pool_class(what.pool)
    scenario = Scenario(
        pool=what.pool,
        limits=limits_of(kind),
        load=settings_for(kind).complete({**LOAD, "clients": clients_of(kind), "use": what.use}),
        duration=WARM_UP + seconds,
    )
    packed: list[bytes] = []
    used: list[tuple[float, float]] = []  # by the process, and by own threads
    clocks: list[int] = []
    ended: list[RunEnded] = []

    def on_report(report: Report) -> None:
        message = pack(report)
        if isinstance(report, EventsTaken) and not report.sample.ending:
            if not clocks:
                clocks.extend(own_clocks())
            packed.append(message)
            used.append((process_time(), seconds_of(clocks)))
        elif isinstance(report, RunEnded):
            ended.append(report)

    start = StartRun(scenario, conninfo, "poolviz benchmark")
    Engine(start, on_report, counts=False).wait()
    maker = SampleMaker(users=False)
    made = (each for message in packed for each in maker.reports(unpack_report(message)))
    samples = [report.sample for report in made if isinstance(report, SampleTaken)]
    errors = sum((Counter(sample.errors) for sample in samples), Counter[str]())
    if ended[0].failure or errors:
        sys.exit(f"{what.pool}: {ended[0].failure or dict(errors)}")
    first = next(n for n, sample in enumerate(samples) if sample.t >= WARM_UP)
    count = sum(sample.operations for sample in samples[first + 1 :])
    taken = samples[-1].t - samples[first].t
    by_all, by_own = (last - begun for begun, last in zip(used[first], used[-1], strict=True))
    own = by_own / taken
    return Speed(count / taken, (1 - own) * count / (by_all - by_own), own)


def own_clocks() -> list[int]:
    """Return the clocks of the processor time that poolviz's own threads use."""
    if sys.platform == "win32" or not hasattr(time, "pthread_getcpuclockid"):
        return []  # their time counts as that of clients
    own = [thread for thread in threading.enumerate() if thread.name in OWN]
    return [time.pthread_getcpuclockid(thread.ident) for thread in own if thread.ident is not None]


def seconds_of(clocks: list[int]) -> float:
    return 0.0 if sys.platform == "win32" else sum(map(time.clock_gettime, clocks))


def alternate(what: Subject, conninfo: str, limit: float, seconds: float) -> dict[str, object]:
    """Return the ratios of as many rounds as `limit` seconds have room for, and the figures behind
    them."""
    slices = {"bare": bare, "metered": metered, "bare again": bare}
    order = list(slices)
    speeds: list[dict[str, Speed]] = []
    until = perf_counter() + limit
    while len(speeds) <= FEWEST or perf_counter() < until:
        random.shuffle(order)
        speeds.append({name: slices[name](what, conninfo, seconds) for name in order})
    del speeds[0]  # with what is done once: imports, the first pages of everything
    threads = issubclass(pool_class(what.pool), ThreadPool)
    result: dict[str, object] = {**what._asdict(), "threads": threads, "rounds": len(speeds)}
    for field in RATIOS:
        one, metered_, other = ([getattr(s[name], field) for s in speeds] for name in slices)
        # Both bare slices are in the ratio, which makes it less noisy than either.
        ratios = [2 * m / (a + b) for a, m, b in zip(one, metered_, other, strict=True)]
        noise = [b / a for a, b in zip(one, other, strict=True)]
        result[field] = {
            "bare": round(statistics.median(one + other)),
            "metered": round(statistics.median(metered_)),
            "ratio": median_with_interval(ratios),
            "bare_over_bare": median_with_interval(noise),
        }
    result["own_ms_per_s"] = round(statistics.median(s["metered"].own for s in speeds) * 1e3, 1)
    return result


def median_with_interval(ratios: list[float]) -> list[float]:
    """Return the median, and where it lies by resampling: the ends of its 95 % interval."""
    chosen = random.Random(1)
    medians = sorted(
        statistics.median(chosen.choices(ratios, k=len(ratios))) for _ in range(RESAMPLED)
    )
    ends = (medians[int(RESAMPLED * part)] for part in (0.025, 0.975))
    return [round(ratio, 3) for ratio in (statistics.median(ratios), *ends)]


def measure(
    what: Subject, conninfo: str, limit: float, seconds: float, core: int | None
) -> dict[str, Any]:
    """Return what `alternate` does, from a process on that core, which reads how to connect from
    its standard input."""
    done = subprocess.run(
        [
            *(sys.executable, __file__, "--one", *what),
            *("--limit", str(limit), "--seconds", str(seconds)),
            *(() if core is None else ("--core", str(core))),
        ],
        input=conninfo,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LookupError("what it has printed says why.")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


class Servers:
    """The servers to measure on, each started when it is first needed."""

    def __init__(self, stack: ExitStack, dsn: str | None) -> None:
        self._stack, self._dsn = stack, dsn
        self._started: dict[str, str] = {}

    def pools(self) -> list[str]:
        """Return the ids of all pools that can be measured on them."""
        dialect = None if self._dsn is None else dialect_of(self._dsn)
        return [id for id, kind in POOLS.items() if dialect is None or dialect in kind.servers]

    def conninfo(self, pool_id: str) -> str:
        """Return how a pool connects: to the server that was named, or to one started here.

        Raises LookupError, with a sentence, if that server can't be started.
        """
        try:
            kind = pool_class(pool_id)
            if self._dsn is not None:
                check_server(kind, self._dsn)
                return reach(self._dsn).conninfo
        except PoolvizError as error:
            sys.exit(str(error))
        dialect = POSTGRESQL if POSTGRESQL in kind.servers else kind.servers[0]
        if dialect not in self._started:
            start = embedded if dialect == POSTGRESQL else mariadb
            self._started[dialect] = self._stack.enter_context(start())
        return self._started[dialect]


@contextmanager
def embedded() -> Iterator[str]:
    with EmbeddedServer.start() as server:
        yield server.conninfo


@contextmanager
def mariadb() -> Iterator[str]:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.servers import mysql_server  # noqa: PLC0415 - it needs pytest

    if lack := mysql_server.lacking():
        raise LookupError(f"{lack.partition(',')[0]}, or give --dsn mysql://user@host/database.")
    with mysql_server.mariadb() as url:
        yield url


def under(result: dict[str, Any]) -> bool:
    """Return whether a pool is under the goal, which asyncio's have none of."""
    return bool(result["threads"] and result["per_core_s"]["ratio"][0] < GOAL)


def show(result: dict[str, Any]) -> None:
    by_time, by_core = (result[field] for field in RATIOS)
    ratio, noise = (
        "{:.3f} ({:.3f} to {:.3f})".format(*by_core[name]) for name in ("ratio", "bare_over_bare")
    )
    verdict = "under the goal" if under(result) else "" if result["threads"] else "asyncio: no goal"
    print(
        f"{result['pool']:<34} {result['use']:<11} {by_core['bare']:>7,} {by_core['metered']:>8,} "
        f" {ratio}  {by_time['ratio'][0]:>8.3f}  {noise}  {result['own_ms_per_s']:>4} "
        f"{result['rounds']:>6}  {verdict}".rstrip(),
        flush=True,
    )


HEADING = (
    f"{'operations of a core of its own':<46} {'bare':>7} {'metered':>8}  "
    f"{'metered over bare':<22} {'by clock':>9}  {'bare over bare':<22} {'own ms':>5} {'rounds':>6}"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--limit", type=float, help=argparse.SUPPRESS)
    parser.add_argument("pools", nargs="*", help="ids; every pool that can run if none is named")
    parser.add_argument("--uses", action="store_true", help="each use, not the usual one alone")
    parser.add_argument("--dsn", help="a server to measure on, in place of those started here")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long it takes, in all")
    parser.add_argument("--seconds", type=float, default=0.3, help="how long each slice runs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.one:
        if options.core is not None:
            os.sched_setaffinity(0, [options.core])
        what = Subject(*options.one)
        print(json.dumps(alternate(what, sys.stdin.read(), options.limit, options.seconds)))
        return 0
    results: list[dict[str, Any]] = []
    failed = False
    core = core_for_the_measured()
    with ExitStack() as stack:
        servers = Servers(stack, options.dsn)
        subjects = [
            Subject(pool_id, use.name)
            for pool_id in options.pools or servers.pools()
            for use in pool_class(pool_id).uses[: None if options.uses else 1]
        ]
        limit = options.minutes * 60 / len(subjects) - START
        if not options.json:
            print(HEADING)
        for what in subjects:
            try:
                conninfo = servers.conninfo(what.pool)
                results.append(measure(what, conninfo, limit, options.seconds, core))
            except LookupError as error:
                print(f"{what.pool} isn't measured: {error}", file=sys.stderr)
                failed = failed or issubclass(pool_class(what.pool), ThreadPool)
                continue
            if not options.json:
                show(results[-1])
    if options.json:
        print(json.dumps(results))
    elif threads := [r["per_core_s"]["ratio"][0] for r in results if r["threads"]]:
        print(f"Least of threads: {min(threads):.3f}; the goal is {GOAL}.")
    return int(failed or any(map(under, results)))


if __name__ == "__main__":
    sys.exit(main())
