"""Durations as mergeable histograms: percentiles are read from merged counts, never averaged.

Buckets are logarithmic (each 2 % wider than the last), so any percentile is within 1 % of the
true one from 100 ns to over a day; count, sum, lowest and highest are exact. HdrHistogram and
DDSketch work alike; this one adds a whole array of durations in a few numpy calls.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

_FIRST = 1e-7  # seconds: the first bucket's lower bound
_GROWTH = 1.02
_LOG_GROWTH = math.log(_GROWTH)
BUCKETS = 1400  # the last begins at 1.1e5 s
MIDDLES: NDArray[np.floating[Any]] = _FIRST * _GROWTH ** (np.arange(BUCKETS) + 0.5)
CELL = np.dtype([("bucket", "<u2"), ("count", "<u4")])


class Summary(msgspec.Struct, frozen=True):
    """A histogram in six figures. Times are in seconds, and None if nothing was counted."""

    count: int
    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


class Durations(msgspec.Struct, array_like=True, frozen=True):
    """A histogram as it is sent and stored: its exact figures and the buckets that aren't empty."""

    count: int = 0
    total: float = 0.0
    low: float = 0.0
    high: float = 0.0
    cells: bytes = b""


def counts_between(durations: Durations, bounds: Sequence[float]) -> tuple[int, ...]:
    """Return how many durations are up to each of the rising `bounds`, in seconds, and not up to
    the one before, and last how many are above all of them.

    A bucket belongs where its middle is, so that a duration within 1 % of a bound may be counted on
    its other side, always on the same one.
    """
    cells = np.frombuffer(durations.cells, dtype=CELL)
    places = np.searchsorted(np.asarray(bounds), MIDDLES[cells["bucket"]])
    counts = np.zeros(len(bounds) + 1, dtype=np.int64)
    np.add.at(counts, places, cells["count"].astype(np.int64))
    return tuple(counts.tolist())


class Histogram:
    """Counts of durations in seconds. Not shared between threads."""

    __slots__ = ("_counts", "count", "high", "low", "total")

    def __init__(self) -> None:
        self.clear()

    @classmethod
    def of(cls, durations: Durations) -> Histogram:
        """Return a histogram with these counts. ValueError if they are of no histogram."""
        histogram = cls()
        cells = np.frombuffer(durations.cells, dtype=CELL)
        buckets = cells["bucket"].astype(np.int64)
        rising = bool((np.diff(buckets) > 0).all()) and (not len(buckets) or buckets[-1] < BUCKETS)
        if not rising or int(cells["count"].sum()) != durations.count:
            raise ValueError("the counts of a histogram contradict each other")
        histogram.merge(durations)
        return histogram

    def clear(self) -> None:
        """Set every count to zero."""
        self._counts: NDArray[np.int64] = np.zeros(BUCKETS, dtype=np.int64)
        self.count = 0
        self.total = 0.0
        self.low = math.inf
        self.high = 0.0

    def add(self, seconds: NDArray[np.float64]) -> None:
        """Count every duration of an array, in seconds."""
        if not len(seconds):
            return
        places = np.log(np.maximum(seconds, _FIRST) / _FIRST) / _LOG_GROWTH
        buckets = np.minimum(places.astype(np.int64), BUCKETS - 1)
        self._counts += np.bincount(buckets, minlength=BUCKETS)
        self.count += len(seconds)
        self.total += float(seconds.sum())
        self.low = min(self.low, float(seconds.min()))
        self.high = max(self.high, float(seconds.max()))

    def merge(self, other: Durations) -> None:
        """Add all the counts of `other`."""
        if not other.count:
            return
        cells = np.frombuffer(other.cells, dtype=CELL)
        self._counts[cells["bucket"]] += cells["count"]
        self.count += other.count
        self.total += other.total
        self.low = min(self.low, other.low)
        self.high = max(self.high, other.high)

    def pack(self) -> Durations:
        """Return this histogram as it is sent and stored."""
        if not self.count:
            return Durations()
        filled = np.flatnonzero(self._counts)
        cells = np.empty(len(filled), dtype=CELL)
        cells["bucket"], cells["count"] = filled, self._counts[filled]
        return Durations(self.count, self.total, self.low, self.high, cells.tobytes())

    def percentiles(self, *shares: float) -> list[float]:
        """Return the durations below which the given shares (0.95) lie; NaN if there are none."""
        if not self.count:
            return [math.nan] * len(shares)
        ranks = np.maximum(np.ceil(np.asarray(shares) * self.count), 1)
        places = np.searchsorted(np.cumsum(self._counts), ranks)
        return [min(max(float(value), self.low), self.high) for value in MIDDLES[places]]

    @property
    def mean(self) -> float:
        """The exact mean in seconds; NaN if nothing was counted."""
        return self.total / self.count if self.count else math.nan

    def summary(self) -> Summary:
        """Return the six figures of reports."""
        if not self.count:
            return Summary(0, None, None, None, None, None)
        p50, p95, p99 = self.percentiles(0.50, 0.95, 0.99)
        return Summary(self.count, self.mean, p50, p95, p99, self.high)
