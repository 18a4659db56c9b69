"""What metering costs: operations of a metered run over those of a bare loop on the same pool.

Both run `SELECT 1` as the library's manual has it, with the same number of threads or tasks, each
with a connection if the pool has that many, against the same server: the embedded one, or for
MySQL's pools a MariaDB that is started as in the tests. They take turns, each in a process of its
own, and the result is the median of the ratios of neighbours, since machines are noisy and speeds
drift.

If the system allows it, what is measured has one core for itself and the servers have the others.
Otherwise the comparison is mostly chance: threads that pass the interpreter's lock from core to
core, and cores that wake each other, make the same bare loop up to three times faster or slower
from run to run.

Beside it stands the ratio by processor time: what a bare loop's process uses for an operation over
what a metered one's does, sampler and all. Time that others have the core for isn't in it, but on a
busy machine it too scatters: with caches and cores shared, from 0.72 to 0.94 for one pool.

    uv run python benchmarks/meter.py [POOL…] [--uses] [--dsn URL] [--check] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import threading
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
from poolviz.load.settings import settings_for
from poolviz.model.dialect import POSTGRESQL, dialect_of
from poolviz.model.errors import PoolvizError
from poolviz.model.messages import Report, RunEnded, SampleTaken, StartRun
from poolviz.model.parameters import Value
from poolviz.model.scenario import Scenario
from poolviz.model.use import use_of
from poolviz.pools.base import Pool, TaskPool, ThreadPool
from poolviz.pools.registry import POOLS, check_server, pool_class
from poolviz.servers.dispatch import reach
from poolviz.servers.embedded.server import EmbeddedServer

GOAL = 0.9
STATEMENT = "SELECT 1"
CLIENTS = 8
# A connection for each client, whatever a library calls the limits that say so.
SIZES = {
    **dict.fromkeys(("minconn", "maxconn", "pool_size", "min_size", "max_size"), CLIENTS),
    **dict.fromkeys(("minsize", "maxsize", "mincached", "maxcached", "maxconnections"), CLIENTS),
    "max_overflow": 0,
}
LOAD = {"statement": "select_1", "hold_time": 0, "think_time": 0}


class Subject(NamedTuple):
    """What is measured: a pool's id, and the name of one of its uses."""

    pool: str
    use: str


class Speed(NamedTuple):
    """Operations a second, and those for each second of the process's processor time."""

    per_s: float
    per_cpu_s: float


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


def bare(pool_id: str, use: str, conninfo: str, seconds: float) -> Speed:
    """Return the speed of a loop that does nothing else."""
    kind = pool_class(pool_id)
    if issubclass(kind, TaskPool):
        return asyncio.run(bare_tasks(kind, conninfo, use, seconds))
    assert issubclass(kind, ThreadPool)
    return bare_threads(kind, conninfo, use, seconds)


def bare_threads(kind: type[ThreadPool], conninfo: str, use: str, seconds: float) -> Speed:
    pool = kind(conninfo, _NoCounter(), limits_of(kind))
    clients = clients_of(kind)
    done = threading.Event()
    operation = thread_operation(pool, use)

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
    pool.close()
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

    def acquire_and_release() -> None:
        connection = pool.acquire()
        pool.execute(connection, STATEMENT)
        if commits:
            connection.commit()
        pool.release(connection)

    if pool.library == "SQLAlchemy":
        engine = {"connection": connection_of_engine, "session": session}
        return {**engine, "raw_connection": raw_connection}.get(use, acquire_and_release)
    if pool.library == "psycopg-pool" and use == "connection":
        return connection_of_psycopg
    return acquire_and_release


def fetched(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(STATEMENT)
    cursor.fetchall()
    cursor.close()


async def bare_tasks(kind: type[TaskPool], conninfo: str, use: str, seconds: float) -> Speed:
    pool = kind(conninfo, _NoCounter(), limits_of(kind))
    await pool.open()
    until = perf_counter() + seconds
    operation = task_operation(pool, use)

    async def operate() -> int:
        count = 0
        while perf_counter() < until:
            await operation()
            count += 1
        return count

    began, used = perf_counter(), process_time()
    counts = await asyncio.gather(*(operate() for _ in range(clients_of(kind))))
    taken, used = perf_counter() - began, process_time() - used
    await pool.close()
    return Speed(sum(counts) / taken, sum(counts) / used)


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


def metered(pool_id: str, use: str, conninfo: str, seconds: float) -> Speed:
    """Return the speed of the same load, run and measured by poolviz."""
    kind = pool_class(pool_id)
    scenario = Scenario(
        pool=pool_id,
        limits=limits_of(kind),
        load=settings_for(kind).complete({**LOAD, "clients": clients_of(kind), "use": use}),
        duration=seconds,
    )
    operations, spans, used, errors = [], [], [], Counter[str]()
    ended: list[RunEnded] = []
    over = threading.Event()

    def on_report(report: Report) -> None:
        if isinstance(report, SampleTaken) and not report.sample.ending:
            used.append(process_time())
            operations.append(report.sample.operations)
            spans.append(report.sample.span)
            errors.update(report.sample.errors)
        elif isinstance(report, RunEnded):
            ended.append(report)
            over.set()

    Engine(StartRun(scenario, conninfo, "poolviz benchmark"), on_report)
    over.wait()
    if ended[0].failure or errors:
        sys.exit(f"{pool_id}: {ended[0].failure or dict(errors)}")
    # The first sample has the start of the run in it, whose processor time isn't the load's.
    rest = sum(operations[1:])
    return Speed(rest / sum(spans[1:]), rest / (used[-1] - used[0]))


def measure(
    what: Subject, conninfo: str, pairs: int, seconds: float, core: int | None
) -> dict[str, object]:
    """Return the median ratio of `pairs` neighbours, and the figures behind it."""
    figures = []
    for number in range(pairs):
        # They take turns at being first, so that a drift favours neither.
        order = ("bare", "metered") if number % 2 == 0 else ("metered", "bare")
        figures.append({way: measured(way, what, conninfo, seconds, core) for way in order})
    ratios = [pair["metered"].per_s / pair["bare"].per_s for pair in figures]
    by_cpu = [pair["metered"].per_cpu_s / pair["bare"].per_cpu_s for pair in figures]
    return {
        **what._asdict(),
        "bare_per_s": round(statistics.median(pair["bare"].per_s for pair in figures)),
        "metered_per_s": round(statistics.median(pair["metered"].per_s for pair in figures)),
        "ratio": round(statistics.median(ratios), 3),
        "cpu_ratio": round(statistics.median(by_cpu), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "cpu_ratios": [round(ratio, 3) for ratio in by_cpu],
    }


def measured(way: str, what: Subject, conninfo: str, seconds: float, core: int | None) -> Speed:
    """Return the speed, measured in a process of its own. It reads how to connect from
    its standard input."""
    done = subprocess.run(
        [
            *(sys.executable, __file__, "--one", way, *what, str(seconds)),
            *(() if core is None else ("--core", str(core))),
        ],
        input=conninfo,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{what.pool} could not be measured ({way}).")
    return Speed(*json.loads(done.stdout))


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


def show(result: dict[str, object]) -> None:
    print(
        f"{result['pool']:<36} {result['use']:<14} {result['bare_per_s']:>8,} "
        f"{result['metered_per_s']:>10,} {result['ratio']:>7.3f} {result['cpu_ratio']:>7.3f}  "
        f"{result['ratios']}, of processor time {result['cpu_ratios']}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    parser.add_argument("pools", nargs="*", help="ids; every pool that can run if none is named")
    parser.add_argument("--uses", action="store_true", help="each use, not the usual one alone")
    parser.add_argument("--dsn", help="a server to measure on, in place of those started here")
    parser.add_argument("--check", action="store_true", help="fail under the goal")
    parser.add_argument("--quick", action="store_true", help="three short pairs")
    parser.add_argument("--pairs", type=int, help="how many pairs")
    parser.add_argument("--seconds", type=float, help="how long each of a pair runs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.one:
        way, pool_id, use, seconds = options.one
        if options.core is not None:
            os.sched_setaffinity(0, [options.core])
        speed = (bare if way == "bare" else metered)(pool_id, use, sys.stdin.read(), float(seconds))
        print(json.dumps(speed))
        return 0
    pairs = options.pairs or (3 if options.quick else 9)
    seconds = options.seconds or (2.0 if options.quick else 4.0)
    results = []
    core = core_for_the_measured()
    with ExitStack() as stack:
        servers = Servers(stack, options.dsn)
        if not options.json:
            print(
                f"{'operations a second':<36} {'use':<14} {'bare':>8} {'metered':>10} {'ratio':>7} "
                f"{'by CPU':>7}"
            )
        for pool_id in options.pools or servers.pools():
            conninfo = servers.conninfo(pool_id)
            uses = [use.name for use in pool_class(pool_id).uses]
            for use in uses if options.uses else uses[:1]:
                results.append(measure(Subject(pool_id, use), conninfo, pairs, seconds, core))
                if not options.json:
                    show(results[-1])
    if options.json:
        print(json.dumps(results))
    return int(options.check and any(float(str(r["ratio"])) < GOAL for r in results))


if __name__ == "__main__":
    sys.exit(main())
