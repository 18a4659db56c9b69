"""How the times of a load vary: those of operations as measured, the others as the load says."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np

from poolviz.load.distributions import ConstantTime, Exponential, draw_of
from poolviz.load.spacings import ConstantSpacing
from poolviz.model.errors import PoolvizError
from poolviz.model.histogram import MIDDLES
from poolviz.model.parameters import Value
from poolviz.sessions.bins import Numbers
from poolviz.sizing.simulation import CONSTANT, EXPONENTIAL, Times

_DRAWS = 8192
_SLICES = 256  # of equal probability, each of which counts by its mean
_STEP = 0.02  # of the logarithm, within which times count as the same
_LONGEST = 200.0  # times the mean


def times_measured(counts: Sequence[Numbers]) -> Times:
    """Return how the times vary that were counted at each size in the buckets of a histogram, as
    multiples of the mean there; exponential ones if none were."""
    values, weights = [], []
    for each in counts:
        total = float(each.sum())
        if total > 0:
            filled = np.flatnonzero(each)
            mean = float(MIDDLES[filled] @ each[filled]) / total
            values.append(np.minimum(MIDDLES[filled] / mean, _LONGEST))
            weights.append(each[filled])
    if not values:
        return EXPONENTIAL
    ratios, often = np.concatenate(values), np.concatenate(weights).astype(np.float64)
    steps = np.round(np.log(ratios) / _STEP).astype(np.int64)
    steps -= steps.min()
    shares, sums = np.bincount(steps, often), np.bincount(steps, often * ratios)
    some = shares > 0
    return _of_mean_one(sums[some] / shares[some], shares[some] / shares.sum())


def think_times_of(load: Mapping[str, Value]) -> Times:
    """Return how the times vary that the load's clients think; as exponential ones do where that
    isn't known, as of a file of times that isn't here."""
    kind = load.get("think_distribution", Exponential.name)
    if kind == Exponential.name:
        return EXPONENTIAL
    if kind == ConstantTime.name:
        return CONSTANT
    try:
        draw = draw_of("think", load)
    except (PoolvizError, LookupError, TypeError, ValueError):
        return EXPONENTIAL
    if draw is None:
        return CONSTANT
    chance = random.Random(1)
    drawn = np.sort([draw(chance) for _ in range(_DRAWS)]).reshape(_SLICES, -1)
    return _of_mean_one(drawn.mean(axis=1), np.full(_SLICES, 1 / _SLICES))


def gaps_of(load: Mapping[str, Value]) -> Times:
    """Return how the gaps between the requests of an open load vary; as exponential ones do where
    that isn't known."""
    return CONSTANT if load.get("spacing") == ConstantSpacing.name else EXPONENTIAL


def _of_mean_one(values: Numbers, shares: Numbers) -> Times:
    mean = float(values @ shares)
    if mean <= 0:
        return CONSTANT
    return Times(tuple((values / mean).tolist()), tuple(shares.tolist()))
