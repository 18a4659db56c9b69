"""Statistics, against scipy, against their definitions, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from poolviz.sessions.statistics import (
    correlation,
    interval,
    resamplings,
    settled_from,
    student,
    widened,
    widening,
)

series = st.lists(st.floats(0, 1e6), min_size=2, max_size=60).map(np.array)


def following(count: int, follows: float, random: np.random.Generator) -> NDArray[np.float64]:
    """Values around 100 of which each says something of the next."""
    values = np.zeros(count + 50)
    for index, noise in enumerate(random.normal(size=count + 49), 1):
        values[index] = follows * values[index - 1] + noise
    return 100 + values[50:]


def holds(values: NDArray[np.float64], seed: int, true: float = 100.0) -> bool:
    strata = (len(values),)
    drawn = resamplings(strata, (seed,)) @ values / len(values)
    mean = float(values.mean())
    found = interval(mean, widened(mean, drawn, widening(values, strata)))
    assert found.low is not None and found.high is not None
    return found.low <= true <= found.high


@pytest.mark.parametrize("freedom", [4, 5, 9, 19, 29, 200])
def test_students_quantile_is_that_of_scipy(freedom: int) -> None:
    assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.005)


@given(series)
def test_mser_leaves_out_as_little_as_makes_the_standard_error_small(values: NDArray) -> None:
    errors = [
        np.square(values[first:] - values[first:].mean()).sum() / (len(values) - first) ** 2
        for first in range(len(values) // 2 + 1)
    ]
    found = settled_from(values)
    assert 0 <= found <= len(values) // 2
    slack = 1e-6 * (1 + max(errors))
    assert errors[found] <= 1.25 * min(errors) + slack
    assert all(error > 1.25 * min(errors) - slack for error in errors[:found])


def test_what_has_not_settled_is_left_out() -> None:
    noise = np.random.default_rng(1).normal(0, 1, 60)
    values = 100 + noise
    values[:9] += np.linspace(80, 10, 9)
    assert 7 <= settled_from(values) <= 12


def test_of_what_never_settles_half_is_left_at_least() -> None:
    assert 20 <= settled_from(np.arange(60.0)) <= 30
    assert settled_from(np.full(60, 3.0)) == 0
    assert settled_from(np.array([1.0])) == 0


def test_a_bootstrap_has_the_interval_of_scipys() -> None:
    values = np.random.default_rng(3).exponential(10, 30)
    drawn = resamplings((30,), (1,)) @ values / 30
    ours = interval(float(values.mean()), drawn)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=4000, rng=np.random.default_rng(4)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.08 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.08 * width)


def test_a_few_batches_have_students_interval() -> None:
    values = np.random.default_rng(8).normal(100, 5, 6)
    values = values[np.argsort([0, 3, 1, 4, 2, 5])]
    factor = widening(values, (6,)) / math.sqrt(
        (1 + correlation(values, (6,))) / (1 - correlation(values, (6,)))
    )
    assert factor == pytest.approx(math.sqrt(6 / 5) * stats.t.ppf(0.975, 5) / 1.96, rel=0.005)


def test_one_seed_gives_one_result_and_every_replicate_is_of_as_many_batches() -> None:
    first, second = resamplings((4, 7), (1, 2)), resamplings((4, 7), (1, 2))
    assert (first == second).all()
    assert (first[:, :4].sum(axis=1) == 4).all() and (first[:, 4:].sum(axis=1) == 7).all()
    assert (first != resamplings((4, 7), (1, 3))).any()


def test_neighbours_that_follow_one_another_are_seen_and_not_over_the_border_of_strata() -> None:
    random = np.random.default_rng(5)
    values = following(2000, 0.6, random)
    assert correlation(values, (2000,)) == pytest.approx(0.6, abs=0.06)
    assert correlation(random.normal(size=2000), (2000,)) < 0.06
    steps = np.concatenate((random.normal(0, 1, 1000), random.normal(500, 1, 1000)))
    assert correlation(steps, (2000,)) == 0.9
    assert correlation(steps, (1000, 1000)) < 0.06


@pytest.mark.parametrize(
    ("count", "follows", "least"),
    [(30, 0.0, 0.92), (6, 0.0, 0.92), (30, 0.3, 0.89), (30, 0.6, 0.85)],
)
def test_intervals_hold_the_true_figure_as_often_as_they_say(
    count: int, follows: float, least: float
) -> None:
    random = np.random.default_rng(7)
    held = sum(holds(following(count, follows, random), seed) for seed in range(300))
    assert held / 300 >= least


figures = st.just(0.0) | st.floats(1e-9, 1e9)


@given(figures, st.lists(figures, min_size=2, max_size=50).map(np.array))
def test_an_interval_has_its_figure_and_nothing_negative(value: float, drawn: NDArray) -> None:
    found = interval(value, widened(value, drawn, 1.5))
    assert found.low is not None and found.high is not None
    assert 0 <= found.low <= value <= found.high
