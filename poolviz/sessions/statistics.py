"""Statistics of a series of figures that follow one another in time, and so aren't independent.

Where a series has settled is found by MSER (White 1997; on means of five, MSER-5: White, Cobb and
Spratt 2000). Intervals are those of a bootstrap over batches, widened for what few batches leave
out (Hesterberg 2015) and for what one batch says of the next. Slow changes that noise hides in
short batches show in longer ones: of the intervals that batches of several lengths make the widest
counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

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
    return np.concatenate([_drawn(size, random) for size in strata], axis=1, dtype=np.float64)


def _drawn(size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return how often each of `size` batches is among `size` that are drawn, in each replicate."""
    picked = random.integers(size, size=(REPLICATES, size))
    places = picked + size * np.arange(REPLICATES)[:, np.newaxis]
    return np.bincount(places.ravel(), minlength=REPLICATES * size).reshape(REPLICATES, size)


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
    return _widening(_sums(values, strata), len(values) - len(strata))


def widest(levels: Sequence[tuple[Numbers, Sequence[int]]]) -> float:
    """Return by what factor to widen a bootstrap over the batches of the first of `levels`, so that
    its intervals are as wide as batches of any level make them. Each has the values of batches and
    their strata; those of further ones are longer."""
    found, shortest = 0.0, 0.0
    for number, (values, strata) in enumerate(levels):
        sums = _sums(values, strata)
        factor = _widening(sums, len(values) - len(strata))
        if not number:
            found, shortest = factor, sums.error
        elif 0 < shortest < math.inf:
            found = max(found, factor * sums.error / shortest)
    return found


def correlation(values: Numbers, strata: Sequence[int]) -> float:
    """Return how much one value says of the next, from 0 to 0.9. Small series show less than there
    is, which is corrected (Kendall 1954). Values that are NaN are left out."""
    return _sums(values, strata).correlation


class _Sums(NamedTuple):
    """Of `values` values of which `known` aren't NaN, by how much they and their neighbours are
    off the means of their strata: the sums of squares and of products."""

    values: int
    known: int
    squares: float
    products: float

    @property
    def error(self) -> float:
        """The standard error of the mean of values that say nothing of each other."""
        return math.sqrt(self.squares) / self.known if self.known else 0.0

    @property
    def correlation(self) -> float:
        if self.squares <= 0 or not math.isfinite(self.squares):
            return 0.0
        found = self.products / self.squares
        return min(max(found + (1 + 4 * found) / self.values, 0.0), _STRONGEST)


def _sums(values: Numbers, strata: Sequence[int]) -> _Sums:
    known, squares, products, first = 0, 0.0, 0.0, 0
    for count in strata:
        part = values[first : first + count]
        first += count
        each = part[np.isfinite(part)]
        if len(each) > 1:
            centred = each - each.mean()
            products += float(centred[1:] @ centred[:-1])
            squares += float(centred @ centred)
        known += len(each)
    return _Sums(len(values), known, squares, products)


def _widening(sums: _Sums, freedom: int) -> float:
    few = math.sqrt(sums.values / freedom) * student(freedom) / _NORMAL
    follow = sums.correlation
    return few * math.sqrt((1 + follow) / (1 - follow))


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
