"""Plausible runs, in the structures that the engine sends, from a seeded generator."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from poolviz.model.histogram import Durations, Histogram
from poolviz.model.messages import MarkAdded, Report, RunEnded, RunStarted, SampleTaken
from poolviz.model.parameters import Value
from poolviz.model.sample import (
    Level,
    Mark,
    MarkKind,
    PoolerView,
    ReportedCounts,
    Sample,
    ServerView,
)
from poolviz.model.scenario import Scenario
from poolviz.sessions.recorder import Recorder

STARTED = 1_778_509_865.25  # 2026-05-11T14:31:05.25Z
LIMITS: dict[str, Value] = {
    "pool_size": 5,
    "max_overflow": 10,
    "pool_timeout": 30.0,
    "pool_pre_ping": False,
}
LOAD: dict[str, Value] = {"clients": 40, "statement_time": 0.004, "on_exhausted": "fail"}
ENVIRONMENT = {
    "server": "PostgreSQL 18.6",
    "python": "3.11.7",
    "dsn": "postgresql://ann@db:5432/app",
}


def began(**changes: object) -> RunStarted:
    scenario = Scenario(pool="sqlalchemy.QueuePool", limits=LIMITS, load=LOAD, duration=20.0)
    return msgspec.structs.replace(RunStarted(STARTED, scenario, ENVIRONMENT), **changes)


def ended(open_at_end: int = 0, failure: str = "") -> RunEnded:
    return RunEnded(open_at_end, failure)


def durations(*seconds: float) -> Durations:
    histogram = Histogram()
    histogram.add(np.array(seconds, dtype=np.float64))
    return histogram.pack()


def level(values: Sequence[int]) -> Level:
    """A count that spent the same time at each of `values`."""
    return Level(values[-1], min(values), max(values), float(np.mean(values)))


@dataclass
class Tick:
    """What happens in one tick. Counts spend the same time at each of their values."""

    span: float = 0.05
    used: Sequence[int] = (2,)
    idle: Sequence[int] = (3,)
    pending: Sequence[int] = (0,)
    retrying: Sequence[int] = (0,)
    backlog: Sequence[int] = (0,)
    kept: int = 5
    waits: Sequence[float] = ()
    uses: Sequence[float] = ()
    creates: Sequence[float] = ()
    retries: Sequence[float] = ()
    operations: int = 0
    timeouts: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    opened: int = 0
    closed: int = 0
    capacity: int | None = 15
    per_client: dict[int, int] = field(default_factory=dict)
    server: ServerView | None = None
    pooler: PoolerView | None = None
    missed: int = 0
    clients: int = 0
    segment: int = 0
    limits: dict[str, Value] = field(default_factory=lambda: LIMITS)
    load: dict[str, Value] = field(default_factory=lambda: LOAD)


def samples(ticks: Iterable[Tick]) -> Iterator[Sample]:
    """Samples of these ticks, one after the other."""
    t = 0.0
    for index, tick in enumerate(ticks):
        t += tick.span
        both = [used + idle for used, idle in zip(tick.used, tick.idle, strict=True)]
        yield Sample(
            index=index,
            t=t,
            span=tick.span,
            segment=tick.segment,
            open=level(both),
            used=level(tick.used),
            idle=level(tick.idle),
            overflow=level([max(count - tick.kept, 0) for count in both]),
            pending=level(tick.pending),
            retrying=level(tick.retrying),
            backlog=level(tick.backlog),
            clients=tick.clients,
            operations=tick.operations,
            timeouts=tick.timeouts,
            errors=tick.errors,
            opened=tick.opened,
            closed=tick.closed,
            wait=durations(*tick.waits),
            use=durations(*tick.uses),
            create=durations(*tick.creates),
            retry=durations(*tick.retries),
            limits=tick.limits,
            load=tick.load,
            capacity=tick.capacity,
            per_client=tick.per_client,
            reported_counts=ReportedCounts(both[-1], tick.used[-1], tick.pending[-1]),
            server=tick.server,
            pooler=tick.pooler,
            missed=tick.missed,
            cpu=0.25,
            lag=0.0002,
        )


def ticks(count: int, seed: int = 1, clients: int = 40) -> Iterator[Tick]:
    """A busy run: varying counts, some 25 operations a tick, the server seen once a second, and a
    pooler twice."""
    draw = np.random.default_rng(seed)
    for index in range(count):
        used = draw.integers(0, 10, 4).tolist()
        operations = int(draw.poisson(25))
        waits: NDArray[np.float64] = draw.exponential(0.01, operations)
        server = ServerView(active=used[-1], idle=2) if index % 20 == 19 else None
        pooler = PoolerView(used[-1], used[0], used[-1], 1, 0, used[0] * 0.25, index, index * 0.5)
        yield Tick(
            span=float(draw.normal(0.05, 0.001)),
            used=used,
            idle=draw.integers(0, 5, 4).tolist(),
            pending=draw.integers(0, 8, 4).tolist(),
            waits=waits,  # type: ignore[arg-type]
            uses=draw.exponential(0.004, operations),  # type: ignore[arg-type]
            creates=(0.002,) if index % 40 == 0 else (),
            operations=operations,
            opened=1 if index % 40 == 0 else 0,
            per_client={int(client): 1 for client in draw.integers(0, clients, operations)},
            server=server,
            pooler=pooler if index % 10 == 9 else None,
        )


def far_apart(run: Iterable[Sample]) -> Iterator[Sample]:
    """The greatest times and counts that a session may have."""
    for number, sample in enumerate(run):
        count = 10**15 * (number % 2)
        yield msgspec.structs.replace(
            sample,
            index=10**14 + number,
            t=number * 3e7,
            span=0.0,
            segment=number * 10**13,
            operations=10**15,
            open=Level(count, -(10**15), count, float(count)),
        )


def change(t: float, key: str = "pool_size", old: Value = 5, new: Value = 8) -> Mark:
    return Mark(t=t, kind=MarkKind.CHANGE, text=f"{key} {old} → {new}", key=key, old=old, new=new)


def reports(run: Iterable[Sample], *marks: Mark) -> Iterator[Report]:
    """A whole run as the engine reports it."""
    yield began()
    yield from (SampleTaken(sample) for sample in run)
    yield from (MarkAdded(mark) for mark in marks)
    yield ended()


def record(recorder: Recorder, run: Iterable[Report]) -> Recorder:
    """Record every report, and return the recorder."""
    for report in run:
        recorder.add(report)
    return recorder


def digest(run: Iterable[Sample]) -> str:
    """A digest of all samples, equal in every process."""
    total = hashlib.sha256()
    for sample in run:
        total.update(msgspec.msgpack.encode(sample))
    return total.hexdigest()


def wait_until(true: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until a condition is true; AssertionError if it isn't in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"still not true after {seconds} s"
        time.sleep(0.005)
