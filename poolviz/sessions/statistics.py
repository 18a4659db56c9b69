"""Statistics of a series of figures that follow one another in time, and so aren't independent.

Where a series has settled is found by MSER (White 1997; on means of five, MSER-5: White, Cobb and
Spratt 2000). Intervals are those of a bootstrap over batches, widened for what few batches leave
out (Hesterberg 2015) and for what one batch says of the next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import msgspec
import numpy as np

from poolviz.sessions.bins import Numbers

CONFIDENCE = 0.95
REPLICATES = 1000  # of a bootstrap
_TAIL = (1 - CONFIDENCE) / 2
_NORMAL = NormalDist().inv_cdf(1 - _TAIL)
_AS_SMALL = 1.25  # a squared standard error over another
_STRONGEST = 0.9  # a correlation of neighbours that is taken into account


class Interval(msgspec.Struct, frozen=True):
    """A figure and the interval that has the true one with 95 % confidence. All None if too little
    was counted for it; `low` and `high` alone if there are too few samples for an interval."""

    value: float | None
    low: float | None
    high: float | None


NOT_KNOWN = Interval(None, None, None)


def settled_from(values: Numbers) -> int:
    """Return from which of `values` on the series has settled, by MSER: leaving out those before it
    makes the standard error of the mean as small as can be, or 12 % larger at most, since chance
    alone makes that of one or the other smallest. At most half of them are left out."""
    count = len(values)
    if count < 2:
        return 0
    centred = values - values.mean()  # so that nothing is lost to rounding
    left = np.arange(count, 0, -1, dtype=np.float64)
    sums = np.cumsum(centred[::-1])[::-1]
    squares = np.cumsum(centred[::-1] ** 2)[::-1]
    spread = np.maximum(squares - sums**2 / left, 0.0)
    errors = spread[: count // 2 + 1] / left[: count // 2 + 1] ** 2
    return int(np.argmax(errors <= _AS_SMALL * errors.min()))


def resamplings(strata: Sequence[int], seed: Sequence[int]) -> Numbers:
    """Return a row for each replicate of a bootstrap: how often it has each batch. `strata` are
    the numbers of batches that are drawn from by themselves; one `seed` always gives the same."""
    random = np.random.default_rng(list(seed))
    drawn = [random.multinomial(size, np.full(size, 1 / size), REPLICATES) for size in strata]
    return np.concatenate(drawn, axis=1).astype(np.float64)


def blurs(seed: Sequence[int]) -> Numbers:
    """Return a factor for each replicate of a percentile: where it lies in its bucket isn't known,
    and a bucket is 2 % wide."""
    return np.exp(np.random.default_rng(list(seed)).uniform(-0.01, 0.01, REPLICATES))


def student(freedom: int) -> float:
    """Return the quantile of Student's t that 95 % intervals have, within 0.5 % from four degrees
    of freedom on (Abramowitz and Stegun 26.7.5)."""
    z = _NORMAL
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, 1))


def widening(values: Numbers, strata: Sequence[int]) -> float:
    """Return by what factor to widen a bootstrap over batches that have these `values`: for being
    few, and for following one another (as a first-order autoregression would)."""
    count, freedom = len(values), len(values) - len(strata)
    few = math.sqrt(count / freedom) * student(freedom) / _NORMAL
    follow = correlation(values, strata)
    return few * math.sqrt((1 + follow) / (1 - follow))


def correlation(values: Numbers, strata: Sequence[int]) -> float:
    """Return how much one value says of the next, from 0 to 0.9. Small series show less than there
    is, which is corrected (Kendall 1954). Values that are NaN are left out."""
    products = squares = 0.0
    for part in np.split(values, np.cumsum(strata)[:-1]):
        known = part[np.isfinite(part)]
        if len(known) > 1:
            centred = known - known.mean()
            products += float(centred[1:] @ centred[:-1])
            squares += float(centred @ centred)
    if squares <= 0 or not math.isfinite(squares):
        return 0.0
    found = products / squares
    return min(max(found + (1 + 4 * found) / len(values), 0.0), _STRONGEST)


def widened(value: float, replicates: Numbers, factor: float) -> Numbers:
    """Return the replicates of a figure that can't be negative, `factor` times as far from it: in
    proportion, where all are above zero."""
    if value > 0 and (replicates > 0).all():
        with np.errstate(over="ignore"):
            scaled: Numbers = value * np.exp(factor * np.log(replicates / value))
        return scaled
    return np.maximum(value + factor * (replicates - value), 0.0)


def interval(value: float, replicates: Numbers) -> Interval:
    """Return the interval that the replicates of a figure make, which has the figure in it."""
    low, high = np.quantile(replicates, (_TAIL, 1 - _TAIL))
    return Interval(value, min(float(low), value), max(float(high), value))
