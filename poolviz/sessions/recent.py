"""The figures of the last seconds of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from poolviz.model.histogram import Histogram
from poolviz.model.sample import Sample

LONGEST = 60.0  # seconds that are kept


@dataclass(frozen=True)
class Recent:
    """The figures of the last seconds. Times in seconds; NaN if nothing was counted."""

    span: float
    operations: int
    throughput: float
    timeouts: int
    errors: int
    wait_p50: float
    wait_p95: float
    wait_p99: float
    used_mean: float
    used_max: int
    open_max: int
    pending_max: int
    retrying_max: int


def recent_figures(samples: Sequence[Sample]) -> Recent:
    """Return the figures of samples that follow one another, in either order."""
    waits = Histogram()
    for sample in samples:
        waits.merge(sample.wait)
    p50, p95, p99 = waits.percentiles(0.50, 0.95, 0.99)
    span = sum(sample.span for sample in samples)
    operations = sum(sample.operations for sample in samples)
    used = sum(sample.used.mean * sample.span for sample in samples)
    return Recent(
        span=span,
        operations=operations,
        throughput=operations / span if span else math.nan,
        timeouts=sum(sample.timeouts for sample in samples),
        errors=sum(sum(sample.errors.values()) for sample in samples),
        wait_p50=p50,
        wait_p95=p95,
        wait_p99=p99,
        used_mean=used / span if span else math.nan,
        used_max=max((sample.used.high for sample in samples), default=0),
        open_max=max((sample.open.high for sample in samples), default=0),
        pending_max=max((sample.pending.high for sample in samples), default=0),
        retrying_max=max((sample.retrying.high for sample in samples), default=0),
    )
