"""All samples of a session as columns, for analysis: a row for each sample, a column for each
figure.

Times are in seconds. A figure that was not measured, or for which nothing was counted, is NaN.
Percentiles are those of one sample: don't average them, take them from `summary()`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from poolviz.model.histogram import Durations, Histogram
from poolviz.model.sample import Sample
from poolviz.sessions.resolutions import LEVELS

Columns: TypeAlias = "dict[str, NDArray[np.float64] | NDArray[np.int64]]"

_TIMES = ("wait", "use", "create", "retry")
_REPORTED = ("open", "used", "pending")
_SERVER = ("active", "idle", "idle_in_transaction", "other", "total")
_NONE = math.nan


def columns(samples: Iterable[Sample]) -> Columns:
    """Return every figure of the samples by its name, in the order of their times.

    A count such as `used` is that at the end of a sample, with `used_low`, `used_high` and the
    time-weighted `used_mean` within it.
    """
    rows = [tuple(_figures(sample)) for sample in samples]
    names = [name for name, _ in rows[0]] if rows else []
    values = zip(*([value for _, value in row] for row in rows), strict=True)
    return {name: np.array(column) for name, column in zip(names, values, strict=True)}


def _figures(sample: Sample) -> Iterator[tuple[str, float]]:
    yield "t_s", sample.t
    yield "span_s", sample.span
    yield "segment", sample.segment
    yield "clients", sample.clients
    for name in LEVELS:
        level = getattr(sample, name)
        yield name, level.last
        yield f"{name}_low", level.low
        yield f"{name}_high", level.high
        yield f"{name}_mean", level.mean
    yield "capacity", _NONE if sample.capacity is None else float(sample.capacity)
    yield "opened", sample.opened
    yield "closed", sample.closed
    yield "operations", sample.operations
    yield "throughput_per_s", sample.operations / sample.span if sample.span else _NONE
    yield "timeouts", sample.timeouts
    yield "errors", sum(sample.errors.values())
    for name in _TIMES:
        yield from _durations(f"{name}_time", getattr(sample, name))
    for name in _REPORTED:
        count = getattr(sample.reported_counts, name)
        yield f"reported_{name}", _NONE if count is None else float(count)
    for name in _SERVER:
        view = sample.server
        yield f"server_{name}", _NONE if view is None else float(getattr(view, name))
    yield "load_generator_cpu", sample.cpu
    yield "load_generator_lag_p99_s", sample.lag
    yield "load_generator_strained", int(sample.overloaded)
    yield "ending", int(sample.ending)


def _durations(name: str, durations: Durations) -> Iterator[tuple[str, float]]:
    p50 = p95 = p99 = mean = highest = _NONE
    if durations.count:
        histogram = Histogram()
        histogram.merge(durations)
        p50, p95, p99 = histogram.percentiles(0.50, 0.95, 0.99)
        mean, highest = histogram.mean, durations.high
    yield f"{name}_count", durations.count
    yield f"{name}_mean_s", mean
    yield f"{name}_p50_s", p50
    yield f"{name}_p95_s", p95
    yield f"{name}_p99_s", p99
    yield f"{name}_max_s", highest
