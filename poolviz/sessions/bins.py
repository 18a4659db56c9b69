"""Bins: what charts draw of a stretch of a run, each a column of figures.

A bin is made of one sample or of successive bins. Counts have their lowest, highest and mean value
in it, rates and means are weighted by time, and percentiles are those of merged histograms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from poolviz.model.sample import TICK, Level, Sample, ServerView

LEVELS = ("open", "used", "idle", "overflow", "pending", "retrying", "backlog")
RATES = ("throughput", "timeouts", "errors")
AGES = ("oldest_age", "mean_age")
PERCENTILES = {"wait_p50": 0.50, "wait_p95": 0.95, "wait_p99": 0.99}
RESOLUTIONS = 6  # levels of bins
BITS = 2  # a bin is made of 1 << BITS bins of the level below
SERVER_KEPT = 1.5  # seconds for which the server's last view is carried forward

Numbers: TypeAlias = NDArray[np.float64]


def _rows(first: int, count: int) -> slice:
    return slice(first, first + count)


# The rows of a table of bins, in groups that are merged in the same way.
T, SPAN, CAPACITY = 0, 1, 2  # the capacity at the end
MEANS = _rows(3, len(LEVELS) + len(RATES))  # weighted by span, which is the divisor of a rate
SERVER = _rows(MEANS.stop, 2)  # weighted by span, if known
LOWS = _rows(SERVER.stop, len(LEVELS))
HIGHS = _rows(LOWS.stop, len(LEVELS))
WAITS = _rows(HIGHS.stop, len(PERCENTILES))
HEIGHT_BEFORE_AGES = WAITS.stop  # of the bins in older sessions
OLDEST, MEAN_AGE = WAITS.stop, WAITS.stop + 1  # the highest; weighted by span; NaN: unknown
BUDGET = MEAN_AGE + 1  # that the server leaves, at the end; NaN: unknown
HEIGHT = BUDGET + 1
_WEIGHTED_IF_KNOWN = [*range(SERVER.start, SERVER.stop), MEAN_AGE]


class ServerSeen:
    """When the server was last seen, its active and all backends then, and its budget: seconds and
    counts."""

    def __init__(
        self,
        t: float = -math.inf,
        active: float = math.nan,
        total: float = math.nan,
        budget: float = math.nan,
    ) -> None:
        self.t, self.active, self.total, self.budget = t, active, total, budget

    def see(self, t: float, view: ServerView) -> None:
        """Take a view of the server."""
        self.t, self.active, self.total = t, view.active, view.total
        self.budget = math.nan if view.budget is None else view.budget

    def at(self, sample: Sample) -> tuple[float, float, float]:
        """Return the server's view at the end of the next sample, active, all and budget; NaN if it
        is too old."""
        if sample.server is not None:
            self.see(sample.t, sample.server)
        elif sample.t - self.t > SERVER_KEPT:
            self.t = -math.inf
            self.active = self.total = self.budget = math.nan
        return self.active, self.total, self.budget


def bin_of(sample: Sample, seen: ServerSeen) -> Numbers:
    """Return a sample as a bin of its own, of which the percentiles are yet to be set."""
    counts: tuple[Level, ...] = tuple(getattr(sample, name) for name in LEVELS)
    span = sample.span or TICK
    active, total, budget = seen.at(sample)
    return np.array(
        (
            sample.t,
            span,
            math.nan if sample.capacity is None else sample.capacity,
            *[count.mean for count in counts],
            sample.operations / span,
            sample.timeouts / span,
            sum(sample.errors.values()) / span,
            *(active, total),
            *[count.low for count in counts],
            *[count.high for count in counts],
            *[math.nan] * len(PERCENTILES),
            *[age if age >= 0 else math.nan for age in (sample.oldest_age, sample.mean_age)],
            budget,
        )
    )


def merged(bins: Numbers, begins: Sequence[int] | NDArray[np.int64]) -> Numbers:
    """Return successive bins merged, without their percentiles: each from one of `begins` to before
    the next."""
    starts = np.asarray(begins)
    ends = np.append(starts[1:], bins.shape[1]) - 1
    merged: Numbers = bins[:, ends].copy()  # the end, and the capacity and budget then
    spans = bins[SPAN]
    merged[SPAN] = np.add.reduceat(spans, starts)
    merged[MEANS] = np.add.reduceat(bins[MEANS] * spans, starts, axis=1) / merged[SPAN]
    merged[LOWS] = np.minimum.reduceat(bins[LOWS], starts, axis=1)
    merged[HIGHS] = np.maximum.reduceat(bins[HIGHS], starts, axis=1)
    weighted = bins[_WEIGHTED_IF_KNOWN]
    known = np.where(np.isnan(weighted), 0.0, spans)
    weights = np.add.reduceat(known, starts, axis=1)
    areas = np.add.reduceat(np.nan_to_num(weighted) * known, starts, axis=1)
    with np.errstate(invalid="ignore"):
        merged[_WEIGHTED_IF_KNOWN] = np.where(weights > 0, areas / weights, math.nan)
    merged[OLDEST] = np.fmax.reduceat(bins[OLDEST], starts)
    alone = starts == ends
    merged[:, alone] = bins[:, starts[alone]]  # not rounded once more
    return merged
