"""The estimate of another machine's clock, against clocks whose difference is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.runs.fleet.clock import DRIFT, ClockEstimate, Reading

SECONDS = st.floats(0, 2, allow_nan=False)
trips = st.lists(st.tuples(SECONDS, SECONDS, SECONDS), min_size=1, max_size=40)
TINY = 1e-6  # what floats of this size leave out


@given(
    trips=trips,
    steady=st.floats(-1e6, 1e6),
    wall=st.floats(-1e6, 1e6),
    drift=st.floats(-DRIFT, DRIFT),
)
def test_the_true_difference_is_within_the_bound(
    trips: list[tuple[float, float, float]], steady: float, wall: float, drift: float
) -> None:
    """Whatever the ways there and back take, and however clocks drift within what they may."""
    estimate = ClockEstimate()
    now = 1000.0

    def theirs(at: float) -> Reading:
        drifted = drift * (at - 1000.0)
        return Reading(at + steady + drifted, at + wall + drifted)

    for pause, there, back in trips:
        sent = now + pause
        read, now = sent + there, sent + there + back
        estimate.add(Reading(sent, sent), theirs(read), Reading(now, now))
    slack = TINY + DRIFT * 2  # a clock drifts within the round trip too
    ahead, bound = estimate.steady()
    assert abs(theirs(now).steady - now - ahead) <= bound + slack
    ahead, bound = estimate.wall()
    assert abs(theirs(now).wall - now - ahead) <= bound + slack
    assert estimate.in_our_wall_time(theirs(now).wall) == pytest.approx(now, abs=bound + slack)


def test_the_shortest_round_trip_counts_and_its_half_is_the_bound() -> None:
    estimate = ClockEstimate()
    for sent, there, back in ((0.0, 0.5, 0.1), (1.0, 0.01, 0.01), (2.0, 0.05, 0.7)):
        theirs = Reading(sent + there + 3.0, sent + there + 5.0)
        estimate.add(Reading(sent, sent), theirs, Reading(sent + there + back, sent + there + back))
    ahead, bound = estimate.steady()
    assert ahead == pytest.approx(3.0)
    assert bound == pytest.approx(0.01, abs=DRIFT * 3)
    assert estimate.wall().ahead == pytest.approx(5.0)


def test_a_wall_clock_that_is_set_meanwhile_is_followed_and_the_steady_one_stays() -> None:
    estimate = ClockEstimate()
    for sent, wall in ((0.0, 3.0), (1.0, 3.0), (2.0, 0.0)):
        theirs = Reading(sent + 0.01, sent + 0.01 + wall)
        estimate.add(Reading(sent, sent), theirs, Reading(sent + 0.02, sent + 0.02))
    assert estimate.wall().ahead == pytest.approx(0.0, abs=1e-9)
    assert estimate.steady().ahead == pytest.approx(0.0, abs=1e-9)


def test_old_round_trips_are_forgotten() -> None:
    estimate = ClockEstimate()
    for sent, half in ((0.0, 0.001), (100.0, 0.02)):
        theirs = Reading(sent + half, sent + half)
        estimate.add(Reading(sent, sent), theirs, Reading(sent + 2 * half, sent + 2 * half))
    assert estimate.steady().bound == pytest.approx(0.02)
