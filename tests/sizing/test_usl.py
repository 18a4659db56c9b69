"""The law is found again in times that follow it, and fits those of other laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.sizing.usl import Usl, fit

BUSY = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0]


@given(alone=st.floats(1e-4, 1.0), contention=st.floats(0.0, 0.9), coherency=st.floats(0.0, 0.05))
def test_a_law_is_found_in_the_times_that_it_gives(
    alone: float, contention: float, coherency: float
) -> None:
    law = Usl(alone, contention, coherency)
    found = fit(BUSY, [law.seconds(each) for each in BUSY], [1.0] * len(BUSY))
    for busy in (1, 5, 10, 20):
        assert found.capacity(busy) == pytest.approx(law.capacity(busy), rel=1e-3)


@given(st.lists(st.floats(1e-4, 10.0), min_size=1, max_size=8))
def test_no_coefficient_is_negative_whatever_was_measured(seconds: list[float]) -> None:
    found = fit(BUSY[: len(seconds)], seconds, [1.0] * len(seconds))
    assert found.alone > 0
    assert found.contention >= 0
    assert found.coherency >= 0


def test_the_best_size_is_where_coherency_takes_over() -> None:
    law = Usl(0.01, 0.1, 0.009)
    assert law.best == pytest.approx(10.0)
    rates = [law.capacity(busy) for busy in (9.0, 10.0, 11.0)]
    assert max(rates) == rates[1]


def test_without_a_point_there_is_no_law() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        fit([], [], [])
