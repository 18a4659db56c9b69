"""What connections complete together: the Universal Scalability Law, fitted to what was measured.

N. J. Gunther, Guerrilla Capacity Planning (2007), chapter 4: so many busy connections complete
`busy / seconds(busy)` operations a second, where an operation takes

    seconds(busy) = alone · (1 + contention · (busy − 1) + coherency · busy · (busy − 1))

Contention is what operations wait for one another, coherency what they make one another slower.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Usl:
    """A fitted law: seconds that an operation takes `alone`, and both coefficients, from 0 on."""

    alone: float
    contention: float
    coherency: float

    def seconds(self, busy: float) -> float:
        """Return how long an operation takes while so many are under way."""
        others = max(busy - 1, 0.0)
        return self.alone * (1 + self.contention * others + self.coherency * busy * others)

    def capacity(self, busy: float) -> float:
        """Return how many operations a second so many busy connections complete."""
        return busy / self.seconds(busy)

    @property
    def best(self) -> float:
        """How many busy connections complete the most; infinite if more always complete more."""
        if self.coherency <= 0:
            return math.inf
        return math.sqrt(max(1 - self.contention, 0.0) / self.coherency)


def fit(busy: Sequence[float], seconds: Sequence[float], weights: Sequence[float]) -> Usl:
    """Return the law that fits best: least squares of the relative deviations, with no coefficient
    below zero. `busy` are mean numbers of busy connections, `seconds` what an operation took then.
    ValueError without a point."""
    if not busy:
        raise ValueError("nothing was measured")
    used, took = np.asarray(busy), np.asarray(seconds)
    others = np.maximum(used - 1, 0.0)
    terms = np.column_stack([np.ones_like(used), others, used * others])
    scale = np.sqrt(np.asarray(weights)) / took  # so that deviations are relative
    best: tuple[float, list[float]] | None = None
    # The coefficients that aren't zero are among a few sets, of which the best is taken.
    for kept in itertools.chain.from_iterable(
        itertools.combinations((1, 2), count) for count in range(min(len(used), 3))
    ):
        columns = [0, *kept]
        found, *_ = np.linalg.lstsq(terms[:, columns] * scale[:, None], took * scale, rcond=None)
        if (found < 0).any() or found[0] <= 0:
            continue
        error = float((((terms[:, columns] @ found - took) * scale) ** 2).sum())
        if best is None or error < best[0] - 1e-12:
            values = [0.0, 0.0, 0.0]
            for column, value in zip(columns, found, strict=True):
                values[column] = float(value)
            best = error, values
    assert best is not None  # the mean of the times is always a fit
    alone, contention, coherency = best[1]
    return Usl(alone, contention / alone, coherency / alone)
