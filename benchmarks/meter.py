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
used for an operation. `--check` takes this figure. On a core that nobody shares both are the same.

A bare loop calls the library alone, on the pool object that poolviz measures: the library's class
with what changing its limits needs.

If the system allows it, what is measured has one core for itself and the servers have the others.
Otherwise the comparison is mostly chance: threads that pass the interpreter's lock from core to
core, and cores that wake each other, make the same bare loop up to three times faster or slower.

    uv run python benchmarks/meter.py [POOL…] [--uses] [--dsn URL] [--check] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

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
from poolviz.model.parameters import Value
from poolviz.model.scenario import Scenario
from poolviz.model.use import use_of
from poolviz.pools.base import Pool, TaskPool, ThreadPool
from poolviz.pools.registry import POOLS, check_server, pool_class
from poolviz.servers.dispatch import reach
from poolviz.servers.embedded.server import EmbeddedServer

GOAL = 0.9
RESAMPLED = 2000  # times, for an interval
STATEMENT = "SELECT 1"
CLIENTS = 8
# A connection for each client, whatever a library calls the limits that say so.
SIZES = {
    **dict.fromkeys(("minconn", "maxconn", "pool_size", "min_size", "max_size"), CLIENTS),
    **dict.fromkeys(("minsize", "maxsize", "mincached", "maxcached", "maxconnections"), CLIENTS),
    "max_overflow": 0,
}
WARM_UP = 0.1  # seconds of each slice that aren't counted
LOAD = {"statement": "select_1", "hold_time": 0, "think_time": 0}


class Subject(NamedTuple):
    """What is measured: a pool's id, and the name of one of its uses."""

    pool: str
    use: str


class Speed(NamedTuple):
    """Operations a second, those of a core of its own by processor time, and for which share of a
    second poolviz's own threads used the core."""

    per_s: float
    per_core_s: float
    own: float = 0.0


RATIOS = ("per_s", "per_core_s")
# The threads that a bare loop doesn't have.
OWN = ("control", "reporter", "watchdog", "sampler", "load monitor", "server monitor")


class _NoCounter:
    def check(self, since: float) -> float:  # noqa: ARG002
        return 0.0

    def opened(self, seconds: float) -> None:
        """Nothing is counted."""

    def closed(self) -> None:
        """Nothing is counted."""


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


def limits_of(kind: type[Pool]) -> dict[str, Value]:
    return kind.limits.complete({key: SIZES[key] for key in kind.limits if key in SIZES})


def clients_of(kind: type[Pool]) -> int:
    return 1 if kind.one_client else CLIENTS


def bare(what: Subject, conninfo: str, seconds: float) -> Speed:
    """Return the speed of a loop that does nothing else."""
    kind = pool_class(what.pool)
    if issubclass(kind, TaskPool):
        return asyncio.run(bare_tasks(kind, conninfo, what.use, seconds))
    assert issubclass(kind, ThreadPool)
    pool = kind(conninfo, _NoCounter(), limits_of(kind))
    operation = thread_operation(pool, what.use)
    try:
        bare_threads(operation, clients_of(kind), WARM_UP)
        return bare_threads(operation, clients_of(kind), seconds)
    finally:
        pool.close()


def bare_threads(operation: Callable[[], None], clients: int, seconds: float) -> Speed:
    done = threading.Event()

    def operate() -> int:
        count = 0
        try:
            while not done.is_set():
                operation()
                count += 1
        finally:
            done.set()  # an error ends all of them
        return count

    with ThreadPoolExecutor(clients) as threads:
        began, used = perf_counter(), process_time()
        counts = [threads.submit(operate) for _ in range(clients)]
        done.wait(seconds)
        done.set()
    taken, used = perf_counter() - began, process_time() - used
    count = sum(count.result() for count in counts)
    return Speed(count / taken, count / used)


def thread_operation(pool: Any, use: str) -> Callable[[], None]:
    """Return one operation as the library's manual writes it."""
    commits = use_of({"use": use}, pool.uses).ends == "commit"

    def connection_of_engine() -> None:
        with pool.engine.connect() as connection:
            connection.exec_driver_sql(STATEMENT).all()

    def session() -> None:
        with Session(pool.engine) as opened:
            opened.execute(text(STATEMENT)).all()

    def raw_connection() -> None:
        connection = pool.engine.raw_connection()
        fetched(connection)
        connection.close()

    def connection_of_psycopg() -> None:
        with pool._pool.connection() as connection:
            fetched(connection)

    def getconn() -> None:
        connection = pool._pool.getconn()
        fetched(connection)
        if commits:
            connection.commit()
        pool._pool.putconn(connection)

    def pool_connection() -> None:
        connection = pool.engine.pool.connect()
        fetched(connection)
        connection.close()

    def dbutils_connection() -> None:
        connection = pool._pool.connection()
        fetched(connection)
        connection.close()

    if pool.library == "SQLAlchemy":
        engine = {"connection": connection_of_engine, "session": session}
        return {**engine, "raw_connection": raw_connection}.get(use, pool_connection)
    if pool.library == "DBUtils":
        return dbutils_connection
    return connection_of_psycopg if use == "connection" else getconn


def fetched(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(STATEMENT)
    cursor.fetchall()
    cursor.close()


async def bare_tasks(kind: type[TaskPool], conninfo: str, use: str, seconds: float) -> Speed:
    pool = kind(conninfo, _NoCounter(), limits_of(kind))
    await pool.open()
    operation = task_operation(pool, use)

    async def operate(until: float) -> int:
        count = 0
        while perf_counter() < until:
            await operation()
            count += 1
        return count

    async def speed(seconds: float) -> Speed:
        began, used = perf_counter(), process_time()
        clients = (operate(began + seconds) for _ in range(clients_of(kind)))
        count = sum(await asyncio.gather(*clients))
        return Speed(count / (perf_counter() - began), count / (process_time() - used))

    try:
        await speed(WARM_UP)
        return await speed(seconds)
    finally:
        await pool.close()


def task_operation(pool: Any, use: str) -> Callable[[], Awaitable[None]]:
    """Return one operation as the library's manual writes it."""

    async def connection_of_engine() -> None:
        async with pool.engine.connect() as connection:
            (await connection.exec_driver_sql(STATEMENT)).all()

    async def session() -> None:
        async with AsyncSession(pool.engine) as opened:
            (await opened.execute(text(STATEMENT))).all()

    async def connection_of_psycopg() -> None:
        async with pool._pool.connection() as connection:
            cursor = connection.cursor()
            await cursor.execute(STATEMENT)
            await cursor.fetchall()
            await cursor.close()

    async def acquire_and_release() -> None:
        connection = await pool.acquire()
        await pool.execute(connection, STATEMENT)
        await pool.release(connection)

    if pool.library == "SQLAlchemy":
        engine = {"connection": connection_of_engine, "session": session}
        return engine.get(use, acquire_and_release)
    if pool.library == "psycopg-pool" and use == "connection":
        return connection_of_psycopg
    return acquire_and_release


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


def alternate(what: Subject, conninfo: str, rounds: int, seconds: float) -> dict[str, object]:
    """Return the ratios of so many rounds, and the figures behind them."""
    slices = {"bare": bare, "metered": metered, "bare again": bare}
    order = list(slices)
    speeds: list[dict[str, Speed]] = []
    for _ in range(1 + rounds):
        random.shuffle(order)
        speeds.append({name: slices[name](what, conninfo, seconds) for name in order})
    del speeds[0]  # with what is done once: imports, the first pages of everything
    result: dict[str, object] = {**what._asdict(), "rounds": rounds, "seconds": seconds}
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
    what: Subject, conninfo: str, rounds: int, seconds: float, core: int | None
) -> dict[str, Any]:
    """Return what `alternate` does, from a process on that core, which reads how to connect from
    its standard input."""
    done = subprocess.run(
        [
            *(sys.executable, __file__, "--one", *what),
            *("--rounds", str(rounds), "--seconds", str(seconds)),
            *(() if core is None else ("--core", str(core))),
        ],
        input=conninfo,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{what.pool} could not be measured.")
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
        """Return how a pool connects: to the server that was named, or to one started here."""
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
        sys.exit(f"{lack.partition(',')[0]}, or give --dsn mysql://user@host/database.")
    with mysql_server.mariadb() as url:
        yield url


def show(result: dict[str, Any]) -> None:
    for field, of in (("per_s", "second"), ("per_core_s", "core's second")):
        figures = result[field]
        ratio, noise = (
            "{:.3f} ({:.3f} to {:.3f})".format(*figures[name])
            for name in ("ratio", "bare_over_bare")
        )
        print(
            f"{result['pool']:<36} {result['use']:<14} {of:<13} {figures['bare']:>8,} "
            f"{figures['metered']:>8,}  {ratio}  {noise}",
            flush=True,
        )
    print(f"{'':<36} own threads: {result['own_ms_per_s']} ms of each second", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    parser.add_argument("pools", nargs="*", help="ids; every pool that can run if none is named")
    parser.add_argument("--uses", action="store_true", help="each use, not the usual one alone")
    parser.add_argument("--dsn", help="a server to measure on, in place of those started here")
    parser.add_argument("--check", action="store_true", help="fail under the goal")
    parser.add_argument("--quick", action="store_true", help="ten rounds")
    parser.add_argument("--rounds", type=int, default=60, help="how many rounds")
    parser.add_argument("--seconds", type=float, default=0.4, help="how long each slice runs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.one:
        if options.core is not None:
            os.sched_setaffinity(0, [options.core])
        what = Subject(*options.one)
        print(json.dumps(alternate(what, sys.stdin.read(), options.rounds, options.seconds)))
        return 0
    rounds = 10 if options.quick else options.rounds
    results: list[dict[str, Any]] = []
    core = core_for_the_measured()
    with ExitStack() as stack:
        servers = Servers(stack, options.dsn)
        if not options.json:
            print(
                f"{'operations of':<36} {'in use':<14} {'for each':<13} {'bare':>8} "
                f"{'metered':>8}  {'metered over bare':<22}  bare over bare"
            )
        for pool_id in options.pools or servers.pools():
            conninfo = servers.conninfo(pool_id)
            uses = [use.name for use in pool_class(pool_id).uses]
            for use in uses if options.uses else uses[:1]:
                results.append(
                    measure(Subject(pool_id, use), conninfo, rounds, options.seconds, core)
                )
                if not options.json:
                    show(results[-1])
    if options.json:
        print(json.dumps(results))
    return int(options.check and any(r["per_core_s"]["ratio"][0] < GOAL for r in results))


if __name__ == "__main__":
    sys.exit(main())
