"""Differences of generated series that follow one another: few false alarms, and none missed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from poolviz.sessions.batches import Steps
from poolviz.sessions.differences import Measured, Outcome, differences

STEPS, STEP = 120, 0.5  # of a minute
MEAN, SPREAD = 100.0, 0.2  # operations in a step


def autoregressive(slow: float, share: float, random: np.random.Generator) -> NDArray[np.float64]:
    """Figures of mean 0 and variance 1, of which `share` follows itself over about `slow` steps and
    the rest is noise: how a machine is that others use too."""
    follows = math.exp(-1 / slow)
    found = np.zeros(STEPS)
    found[0] = random.normal()
    for step, noise in enumerate(random.normal(size=STEPS - 1), 1):
        found[step] = follows * found[step - 1] + math.sqrt(1 - follows**2) * noise
    return math.sqrt(share) * found + math.sqrt(1 - share) * random.normal(size=STEPS)


def measured(values: NDArray[np.float64], run: int) -> Measured:
    """A run whose throughput is `values`; it has no waits."""
    names = (
        *("seconds", "operations", "timeouts", "waits", "wait_total", "uses", "use_total"),
        *("used", "open", "pending", "errors"),
    )
    sums = {name: np.zeros(STEPS) for name in names}
    sums |= {"seconds": np.full(STEPS, STEP), "operations": values}
    begins = STEP * np.arange(STEPS)
    buckets, cells = np.array([], np.int64), np.zeros((STEPS, 0))
    steps = Steps(begins, begins + STEP, sums, buckets, cells)
    return Measured(steps.batches(), 0.0, STEPS * STEP, 0.0, (run, 0))


def clear(pairs: int, slow: float, share: float, change: float) -> float:
    """Which share of pairs of runs, of which the second one is as much quicker, is said to
    differ."""
    random, found = np.random.default_rng(11), 0
    for _ in range(pairs):
        first, second = (
            measured(MEAN * more * (1 + SPREAD * autoregressive(slow, share, random)), run)
            for run, more in enumerate((1.0, 1.0 + change))
        )
        outcomes = {each.figure: each.outcome for each in differences(first, second)}
        found += outcomes["throughput_per_s"] is Outcome.CLEAR
    return found / pairs


@pytest.mark.parametrize("pairs", [200, pytest.param(1000, marks=pytest.mark.on_demand)])
@pytest.mark.parametrize(("slow", "share"), [(0.1, 1.0), (16, 0.2), (30, 0.5), (30, 1.0)], ids=str)
def test_runs_that_are_alike_are_seldom_said_to_differ(
    pairs: int, slow: float, share: float
) -> None:
    """At 5 % of independent runs, and twice that where what changes takes a quarter of a run."""
    assert clear(pairs, slow, share, 0.0) <= 0.10


@pytest.mark.parametrize(
    ("slow", "share", "change"), [(0.1, 1.0, 0.12), (16, 0.2, 0.5), (30, 0.5, 1.0)], ids=str
)
def test_runs_that_differ_are_found_to(slow: float, share: float, change: float) -> None:
    assert clear(40, slow, share, change) >= 0.85
