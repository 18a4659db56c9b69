"""The metrics of a connection pool under OpenTelemetry's names, made from the record of a run.

Names, units, instruments, attributes and descriptions are those of OpenTelemetry's semantic
conventions for database connection pools, as of version 1.43; `tests/upstream` compares them with
the published ones. https://opentelemetry.io/docs/specs/semconv/database/database-metrics/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TypeAlias

from poolviz.model.errors import InputError
from poolviz.model.histogram import Durations, counts_between
from poolviz.model.sample import PoolerView, Sample
from poolviz.pools.registry import is_built_in, pool_class
from poolviz.sessions.recorder import Recorder

# Upper bounds of buckets, in seconds: a wait of 0.1 ms is one for a lock, one of a minute a stall.
BOUNDS = tuple(
    float(f"{digit}e{power}") for power in range(-5, 2) for digit in (1, 2, 5)
)  # 10 µs to 50 s
POOL_NAME = "db.client.connection.pool.name"
POOLER = "pooler"  # the name of the pool that a pooler in between has
STATE = "db.client.connection.state"


class Instrument(StrEnum):
    """OpenTelemetry's kinds of metrics that are used here."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    UP_DOWN_COUNTER = "updowncounter"


@dataclass(frozen=True)
class Metric:
    """What one metric is called and means; `unit` is as UCUM writes it."""

    name: str
    instrument: Instrument
    unit: str
    description: str


_Gauge = partial(Metric, instrument=Instrument.UP_DOWN_COUNTER, unit="{connection}")
_Time = partial(Metric, instrument=Instrument.HISTOGRAM, unit="s")

COUNT = _Gauge(
    "db.client.connection.count",
    description="The number of connections that are currently in state described by the `state` "
    "attribute.",
)
IDLE_MAX = _Gauge(
    "db.client.connection.idle.max",
    description="The maximum number of idle open connections allowed.",
)
IDLE_MIN = _Gauge(
    "db.client.connection.idle.min",
    description="The minimum number of idle open connections allowed.",
)
MAX = _Gauge(
    "db.client.connection.max", description="The maximum number of open connections allowed."
)
PENDING = Metric(
    "db.client.connection.pending_requests",
    Instrument.UP_DOWN_COUNTER,
    "{request}",
    "The number of current pending requests for an open connection.",
)
TIMEOUTS = Metric(
    "db.client.connection.timeouts",
    Instrument.COUNTER,
    "{timeout}",
    "The number of connection timeouts that have occurred trying to obtain a connection from the "
    "pool.",
)
CREATE_TIME = _Time(
    "db.client.connection.create_time",
    description="The time it took to create a new connection.",
)
WAIT_TIME = _Time(
    "db.client.connection.wait_time",
    description="The time it took to obtain an open connection from the pool.",
)
USE_TIME = _Time(
    "db.client.connection.use_time",
    description="The time between borrowing a connection and returning it to the pool.",
)
METRICS = (
    *(COUNT, IDLE_MAX, IDLE_MIN, MAX, PENDING, TIMEOUTS),
    *(CREATE_TIME, WAIT_TIME, USE_TIME),
)


@dataclass(frozen=True)
class Buckets:
    """A histogram: its exact count, sum, lowest and highest, in seconds, and how many durations
    were up to each of `BOUNDS`, but not up to the one before; the last are above all bounds.

    A duration that is within 1 % of a bound may be counted on its other side.
    """

    count: int
    total: float
    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Point:
    """One value of a metric, since the run began or now, as its instrument is."""

    metric: Metric
    attributes: Mapping[str, str]
    value: int | Buckets


Points: TypeAlias = tuple[Point, ...]


def points(recorder: Recorder) -> Points:
    """Return all metrics of the run that is recorded, as they are now; none before it began.

    A pool without a limit has no `max`. `idle.max` is there for pools that close what is idle
    beyond it, and `idle.min` for those that do so after a time and keep as many open. A pooler in
    between is a second pool: its connections to the server, and the clients that wait for one.
    """
    reading = recorder.reading()
    if recorder.began is None or reading is None:
        return ()
    pool = recorder.began.scenario.pool
    said = recorder.pooler
    return tuple(_points(pool, reading.last, reading.timeouts, said)) + tuple(
        Point(metric, {POOL_NAME: pool}, _buckets(durations))
        for metric, durations in (
            (CREATE_TIME, reading.create),
            (WAIT_TIME, reading.wait),
            (USE_TIME, reading.use),
        )
    )


def _points(pool: str, last: Sample, timeouts: int, pooler: PoolerView | None) -> Iterator[Point]:
    name, between = {POOL_NAME: pool}, {POOL_NAME: POOLER}
    yield Point(COUNT, name | {STATE: "idle"}, last.idle.last)
    yield Point(COUNT, name | {STATE: "used"}, last.used.last)
    if pooler is not None:
        yield Point(COUNT, between | {STATE: "idle"}, pooler.sv_idle)
        yield Point(COUNT, between | {STATE: "used"}, pooler.sv_active)
    idle = _idle_limit(pool, last)
    if idle is not None:
        yield Point(idle[0], name, idle[1])
    if last.capacity is not None:
        yield Point(MAX, name, last.capacity)
    yield Point(PENDING, name, last.pending.last)
    if pooler is not None:
        yield Point(PENDING, between, pooler.cl_waiting)
    yield Point(TIMEOUTS, name, timeouts)


def _idle_limit(pool: str, last: Sample) -> tuple[Metric, int] | None:
    """Return what a pool's limits say of idle connections; None for a pool of the user's own, whose
    limits may mean anything."""
    if not is_built_in(pool):
        return None
    try:
        known = pool_class(pool)
    except InputError:
        return None
    return (IDLE_MIN if known.lingers else IDLE_MAX), known.kept(last.limits)


def _buckets(durations: Durations) -> Buckets:
    return Buckets(
        durations.count,
        durations.total,
        durations.low,
        durations.high,
        counts_between(durations, BOUNDS),
    )
