"""Counts of a merged histogram between bounds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from poolviz.model.histogram import Durations, Histogram, counts_between

BOUNDS = (1e-5, 1e-3, 0.05, 1.0, 60.0)
TIMES = st.lists(st.floats(0, 1e5), max_size=200)


def packed(seconds: list[float]) -> Durations:
    histogram = Histogram()
    histogram.add(np.array(seconds, dtype=np.float64))
    return histogram.pack()


def apart(seconds: list[float]) -> list[float]:
    """Those that are 1.1 % from every bound, where their side is certain."""
    return [time for time in seconds if all(abs(time / bound - 1) > 0.011 for bound in BOUNDS)]


@given(TIMES)
def test_durations_are_counted_between_the_bounds_that_they_are_between(
    seconds: list[float],
) -> None:
    times = apart(seconds)
    exact = np.histogram(times, [-1.0, *BOUNDS, np.inf])[0]
    assert counts_between(packed(times), BOUNDS) == tuple(exact)


@given(TIMES, TIMES)
def test_no_count_up_to_a_bound_ever_falls(before: list[float], after: list[float]) -> None:
    merged = Histogram()
    merged.merge(packed(before))
    first = np.cumsum(counts_between(merged.pack(), BOUNDS))
    merged.merge(packed(after))
    second = np.cumsum(counts_between(merged.pack(), BOUNDS))
    assert (second >= first).all()
    assert second[-1] == merged.count == len(before) + len(after)
