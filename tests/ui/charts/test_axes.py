"""Ticks, ranges and places on the axes, for any numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.ui.charts.axes import (
    CalmRange,
    Frame,
    ago,
    bridged,
    clock,
    decades,
    lasting,
    nice_step,
    nice_top,
    plain,
    spread,
    steps,
    ticks_up,
    time_ticks,
    with_room,
)
from poolviz.ui.settings import AUTOMATIC, MILLISECONDS, PER_MINUTE, PER_SECOND, SECONDS
from poolviz.ui.style.units import rate, rate_unit, time_axis_unit, time_with_unit, use_units

heights = st.lists(st.floats(-500, 500), min_size=1, max_size=12)
positive = st.floats(1e-6, 1e7)


@given(heights, st.floats(1, 20))
def test_names_are_spread_without_overlap_in_their_order(wanted: list[float], gap: float) -> None:
    found = spread(wanted, gap, -1000, 1000)
    ranked = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for upper, lower in pairwise(ranked):
        assert found[lower] - found[upper] >= gap - 1e-6


@given(heights, st.floats(1, 20))
def test_names_stay_inside_where_there_is_room(wanted: list[float], gap: float) -> None:
    found = spread(wanted, gap, 0, 300)
    assert min(found) >= -1e-6
    assert max(found) <= 300 + 1e-6


def test_short_gaps_are_bridged_and_long_ones_and_the_ends_stay() -> None:
    nan = math.nan
    times = np.array([0.0, 1, 2, 3, 4, 5, 30, 31, 32])
    values = np.array([nan, 1, nan, nan, 4, nan, nan, 2, nan])
    found = bridged(times, values, 10)
    assert found[2:4].tolist() == [2, 3]
    assert np.isnan(found[[0, 5, 6, 8]]).all()
    assert found[[1, 4, 7]].tolist() == [1, 4, 2]
    assert np.isnan(bridged(times[:2], values[:2], 10)[0])


def test_names_that_have_room_stay_where_they_are_wanted() -> None:
    assert spread([50, 10, 90], 13, 0, 100) == [50, 10, 90]


def test_names_that_collide_part_evenly() -> None:
    assert spread([50, 50], 10, 0, 100) == [45, 55]


@given(positive, st.integers(1, 6), st.floats(1, 400))
def test_numbers_on_a_low_axis_leave_each_other_room(top: float, most: int, height: float) -> None:
    ticks = ticks_up(top, most)
    kept = with_room(ticks, lambda at: height * (1 - at / top), 12)
    assert kept[0].at == 0
    places = sorted(height * (1 - tick.at / top) for tick in kept)
    assert all(below - above >= 12 - 1e-6 for above, below in pairwise(places))
    if height / len(ticks) >= 12 * (1 + 1e-6):
        assert kept == ticks


@given(positive, st.integers(1, 12))
def test_a_step_never_makes_more_ticks_than_asked_for(span: float, most: int) -> None:
    step = nice_step(span, most)
    assert span / step <= most * (1 + 1e-6)
    assert round(step / 10 ** math.floor(math.log10(step) + 1e-9), 6) in (1, 2, 5, 10)


@given(positive)
def test_a_top_is_at_or_a_little_above_what_is_needed(need: float) -> None:
    assert need * (1 - 1e-6) <= nice_top(need) <= need * 1.5


def test_counts_have_ticks_at_whole_numbers_only() -> None:
    assert [tick.text for tick in ticks_up(3, 6, whole=True)] == ["0", "1", "2", "3"]


@given(st.lists(st.tuples(st.floats(-100, 0), st.floats(1, 100)), min_size=1, max_size=40))
def test_a_calm_range_always_holds_what_it_was_given(wanted: list[tuple[float, float]]) -> None:
    calm = CalmRange(-1, 1)
    for index, (low, high) in enumerate(wanted):
        calm.fit(low, high, index * 0.5, calm=True)
        assert calm.low <= low
        assert calm.high >= high


def test_a_calm_range_shrinks_only_after_a_rest() -> None:
    calm = CalmRange(0, 1)
    calm.fit(0, 100, 1.0, calm=True)
    for t in (2.0, 3.0, 3.9):
        calm.fit(0, 10, t, calm=True)
        assert calm.high == 100
    calm.fit(0, 10, 4.0, calm=True)
    assert calm.high == 10


def test_a_spike_starts_the_rest_anew() -> None:
    calm = CalmRange(0, 100)
    calm.fit(0, 10, 1.0, calm=True)
    calm.fit(0, 100, 2.9, calm=True)
    calm.fit(0, 10, 3.1, calm=True)
    assert calm.high == 100


def test_panning_sets_the_range_at_once() -> None:
    calm = CalmRange(0, 100)
    calm.fit(0, 10, 1.0, calm=False)
    assert calm.high == 10


@given(
    st.lists(st.sampled_from([math.nan, 1.0, 2.0, 5.0]), min_size=2, max_size=60),
)
def test_steps_hold_each_value_until_the_next(values: list[float]) -> None:
    x = np.arange(len(values), dtype=np.float64)
    corners, heights = steps(x, np.array(values))
    assert len(corners) <= 2 * len(values)
    assert np.all(np.diff(corners) >= 0)
    for place in range(len(values) - 1):
        between = np.searchsorted(corners, place + 0.5) - 1
        expected = values[place]
        for found in (heights[between], heights[between + 1]):
            assert found == expected or (math.isnan(found) and math.isnan(expected))


def test_a_constant_limit_is_one_segment_however_long() -> None:
    corners, heights = steps(np.linspace(-60, 0, 1200), np.full(1200, 10.0))
    assert list(corners) == [-60, 0]
    assert list(heights) == [10, 10]


@given(st.floats(0.5, 20_000), st.floats(0, 50_000), st.booleans(), st.integers(2, 12))
def test_time_ticks_lie_inside_and_are_few(span: float, end: float, live: bool, most: int) -> None:
    ticks = time_ticks(Frame(end - span, end, live), most)
    assert len(ticks) <= most + 1
    assert all(-span - 1e-6 <= tick.at <= 1e-6 for tick in ticks)
    assert len({tick.text for tick in ticks}) == len(ticks)


def test_the_last_minute_counts_back_from_now() -> None:
    ticks = time_ticks(Frame(40, 100, live=True), most=8)
    assert [tick.text for tick in ticks] == [
        "−60 s", "−50 s", "−40 s", "−30 s", "−20 s", "−10 s", "now",
    ]  # fmt: skip


def test_the_past_is_told_by_the_clock() -> None:
    ticks = time_ticks(Frame(3590, 3620, live=False), most=4)
    assert [tick.text for tick in ticks] == ["59:50", "1:00:00", "1:00:10", "1:00:20"]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (ago(0), "now"),
        (ago(180, 60), "−3 min"),
        (clock(7), "0:07"),
        (clock(59.97, 0.1), "1:00.0"),
        (lasting(192.4), "3 min 12 s"),
        (lasting(3 * 3600 + 240), "3 h 4 min"),
        (time_with_unit(0.00015), "0.15 ms"),
        (time_with_unit(0.0384), "38.4 ms"),
        (time_with_unit(1.2), "1.20 s"),
        (plain(0.5), "0.5"),
        (plain(25_000), "25k"),
        (plain(1000), "1000"),
    ],
)
def test_figures_are_written_as_people_write_them(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.fixture
def usual_units() -> Iterator[None]:
    yield
    use_units(AUTOMATIC, PER_SECOND)


@pytest.mark.usefixtures("usual_units")
def test_times_and_rates_are_shown_in_the_units_that_are_chosen() -> None:
    use_units(SECONDS, PER_MINUTE)
    assert [time_with_unit(wait) for wait in (0.00015, 0.0384, 1.2)] == [
        *("0.00015 s", "0.0384 s", "1.20 s")
    ]
    assert [tick.text for tick in decades(-1, 4)] == ["0.0001", "0.001", "0.01", "0.1", "1", "10"]
    assert (time_axis_unit(), rate(7), rate_unit()) == ("s, log", 420, "ops/min")
    use_units(MILLISECONDS, PER_SECOND)
    assert [time_with_unit(wait) for wait in (0.0384, 1.2)] == ["38.4 ms", "1,200 ms"]
    assert [tick.text for tick in decades(2, 4)] == ["100", "1,000", "10,000"]
    assert (time_axis_unit(), rate(7), rate_unit()) == ("ms, log", 7, "ops/s")


def test_decades_of_milliseconds_become_seconds() -> None:
    assert [tick.text for tick in decades(-1, 4)] == ["0.1", "1", "10", "100", "1 s", "10 s"]
