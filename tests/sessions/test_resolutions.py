"""A run at several resolutions says the same at each of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from poolviz.model.sample import TICK, ServerView
from poolviz.sessions.resolutions import LEVELS, RESOLUTIONS, Resolutions, View
from tests.sessions.builders import Tick, samples, ticks

counts = st.lists(st.integers(0, 30), min_size=3, max_size=3)
times = st.lists(st.floats(1e-6, 60.0), max_size=6)


@st.composite
def runs(draw: st.DrawFn, shortest: float = 0.001) -> list[Tick]:
    return [
        Tick(
            span=draw(st.floats(shortest, 0.4)),
            used=draw(counts),
            idle=draw(counts),
            pending=draw(counts),
            waits=draw(times),
            operations=draw(st.integers(0, 1000)),
            timeouts=draw(st.integers(0, 3)),
            errors=draw(
                st.dictionaries(st.sampled_from(["PoolError", "Other"]), st.integers(1, 9))
            ),
            capacity=draw(st.none() | st.integers(1, 60)),
        )
        for _ in range(draw(st.integers(1, 40)))
    ]


def filled(run: list[Tick], room: int = 24_000) -> Resolutions:
    resolutions = Resolutions(room)
    for sample in samples(run):
        resolutions.add(sample)
    return resolutions


def resolutions(resolutions: Resolutions) -> list[View]:
    """Everything, at each resolution that the number of points can lead to."""
    everything = resolutions.view(0.0, math.inf, 10**9)
    seconds = float(everything.t[-1])
    points = [math.ceil(seconds / (TICK * 4**level)) for level in range(RESOLUTIONS)]
    return [everything, *(resolutions.view(0.0, math.inf, count) for count in points)]


@settings(max_examples=20, deadline=None)
@given(runs())
def test_every_resolution_agrees_on_a_run(run: list[Tick]) -> None:
    seconds = sum(tick.span for tick in run)
    for view in resolutions(filled(run)):
        spans = np.diff(view.t, prepend=0.0)
        assert view.t[-1] == pytest.approx(seconds)
        assert (spans > 0).all()
        for name in LEVELS:
            band = view.levels[name]
            assert (band.low <= band.mean + 1e-9).all()
            assert (band.mean <= band.high + 1e-9).all()
        open_, used, idle = (view.levels[name] for name in ("open", "used", "idle"))
        assert_allclose(open_.mean, used.mean + idle.mean, atol=1e-9)
        for rate, total in {
            "throughput": sum(tick.operations for tick in run),
            "timeouts": sum(tick.timeouts for tick in run),
            "errors": sum(sum(tick.errors.values()) for tick in run),
        }.items():
            assert view.lines[rate] @ spans == pytest.approx(total, abs=1e-6)
        area = sum(float(np.mean(tick.used)) * tick.span for tick in run)
        assert used.mean @ spans == pytest.approx(area)


@settings(max_examples=20, deadline=None)
@given(runs())
def test_a_bins_percentiles_are_those_of_all_durations_in_it(run: list[Tick]) -> None:
    taken = list(samples(run))
    for view in resolutions(filled(run)):
        begin = 0.0
        for place, end in enumerate(view.t):
            inside = [
                wait
                for sample, tick in zip(taken, run, strict=True)
                if begin < sample.t <= end
                for wait in tick.waits
            ]
            begin = end
            for share, name in ((50, "wait_p50"), (95, "wait_p95"), (99, "wait_p99")):
                shown = view.lines[name][place]
                if not inside:
                    assert math.isnan(shown)
                    continue
                true = float(np.percentile(inside, share, method="inverted_cdf"))
                assert shown == pytest.approx(true, rel=0.0101)


@settings(max_examples=15, deadline=None)
@given(runs(shortest=0.025), st.integers(3, 20))
def test_a_resolution_that_dropped_bins_shows_an_unbroken_stretch_up_to_now(
    run: list[Tick], room: int
) -> None:
    resolutions = filled(run, room)
    ends = [sample.t for sample in samples(run)]
    for start in (0.0, ends[-1] / 2, ends[-1] - 0.1):
        view = resolutions.view(start, ends[-1], 10**9)
        merged = round(view.bin / TICK)
        bins = [ends[min(first + merged, len(ends)) - 1] for first in range(0, len(ends), merged)]
        assert view.t.tolist() == bins[-len(view.t) :]
        assert view.t[0] <= start or view.t[0] == bins[0]


def test_a_spike_between_two_ticks_shows_at_every_resolution() -> None:
    run = [Tick() for _ in range(1100)]
    run[517] = Tick(used=(2, 40, 2), idle=(3, 0, 3), pending=(0, 9, 0))
    for view in resolutions(filled(run)):
        assert view.levels["used"].high.max() == 40
        assert view.levels["pending"].high.max() == 9
        assert view.levels["idle"].low.min() == 0


def test_a_bin_keeps_its_place_and_figures_while_the_run_goes_on() -> None:
    resolutions = Resolutions()
    run = list(samples(ticks(400)))
    for sample in run[:300]:
        resolutions.add(sample)
    before = resolutions.view(2.0, 10.0, 50)
    for sample in run[300:]:
        resolutions.add(sample)
    after = resolutions.view(2.0, 10.0, 50)
    assert before.bin == after.bin == TICK * 4
    assert_array_equal(before.t, after.t)
    assert_array_equal(before.levels["used"].mean, after.levels["used"].mean)
    assert_array_equal(before.lines["wait_p99"], after.lines["wait_p99"])


def test_bins_are_aligned_to_the_number_of_the_sample() -> None:
    view = filled([Tick(operations=index) for index in range(11)]).view(0, 99, 3)
    assert_allclose(view.t, [0.2, 0.4, 0.55])
    assert_allclose(view.lines["throughput"], [6 / 0.2, 22 / 0.2, 27 / 0.15])


def test_the_resolution_is_the_finest_that_the_points_allow() -> None:
    resolutions = filled([Tick() for _ in range(2000)])  # 100 s
    assert resolutions.view(0, 100, 2000).bin == pytest.approx(0.05)
    assert resolutions.view(0, 100, 1000).bin == pytest.approx(0.2)
    assert resolutions.view(0, 100, 400).bin == pytest.approx(0.8)
    assert resolutions.view(90, 100, 400).bin == pytest.approx(0.05)
    assert resolutions.view(0, 1e9, 2000).bin == pytest.approx(0.05), "only what is recorded counts"
    assert len(resolutions.view(0, 100, 1).t) == 2, "the coarsest is the best there is"


def test_a_window_that_scrolls_with_the_run_keeps_its_resolution() -> None:
    resolutions = Resolutions()
    seen = set()
    for sample in samples(ticks(2500)):
        resolutions.add(sample)
        if sample.t > 60:
            seen.add(resolutions.view(sample.t - 60, sample.t, 1200).bin)
    assert seen == {TICK}


def test_a_stretch_comes_with_one_bin_at_each_side() -> None:
    resolutions = filled([Tick() for _ in range(200)])
    assert_allclose(resolutions.view(2.01, 2.26, 100).t, [2.0, 2.05, 2.1, 2.15, 2.2, 2.25, 2.3])
    assert resolutions.view(20.0, 30.0, 100).t[0] == pytest.approx(10.0), (
        "the last before the stretch"
    )


def test_what_the_finest_level_dropped_a_coarser_one_still_has() -> None:
    resolutions = Resolutions(room=100)
    for sample in samples(ticks(1000)):
        resolutions.add(sample)
    assert resolutions.view(47.0, 50.0, 1000).bin == pytest.approx(0.05)
    early = resolutions.view(5.0, 8.0, 1000)
    assert early.bin > 0.2
    assert early.t[0] < 5.0
    assert early.t[-1] > 8.0


def test_the_coarsest_level_drops_nothing() -> None:
    resolutions = Resolutions(room=4)
    for sample in samples(Tick(operations=1) for _ in range(12_000)):
        resolutions.add(sample)
    view = resolutions.view(0.0, 1e9, 10**9)
    assert view.bin == pytest.approx(TICK * 4**5)
    assert view.lines["throughput"] @ np.diff(view.t, prepend=0.0) == pytest.approx(12_000)


def test_rates_are_divided_by_the_time_that_was_measured() -> None:
    view = filled([Tick(operations=10), Tick(span=0.2, operations=10, missed=3)]).view(0, 1, 10)
    assert_allclose(view.lines["throughput"], [200, 50])


def test_a_sample_that_a_change_cut_short_joins_the_bin_before_it() -> None:
    cut = Tick(span=0.001, used=(7,), idle=(0,), operations=2, waits=[0.5])
    run = [Tick(operations=10, waits=[0.1]), cut, Tick(span=0.049, operations=9)]
    view = filled(run).view(0, 1, 10)
    assert_allclose(view.t, [0.051, 0.1])
    assert_allclose(view.lines["throughput"], [12 / 0.051, 9 / 0.049])
    assert_allclose(view.lines["wait_p99"], [0.5, math.nan], rtol=0.01)
    assert view.levels["used"].high[0] == 7
    assert view.levels["used"].mean[0] == pytest.approx((2 * 0.05 + 7 * 0.001) / 0.051)


def test_the_budget_is_what_the_server_leaves_at_the_end_of_each_bin() -> None:
    views = [ServerView(active=4, idle=6, others=n, free=87 - n) for n in (0, 40)]
    ticks = [Tick(server=view) for view in views for _ in range(64)]
    unknown = Tick(server=ServerView(active=10))  # as in older sessions, or without a limit
    budgets = filled([*ticks, *[unknown] * 64]).view(0.0, 99.0, 12).lines["server_budget"]
    assert_array_equal(budgets, [97.0] * 4 + [57.0] * 4 + [math.nan] * 4)


def test_the_servers_view_holds_for_a_second_and_a_half() -> None:
    spoke = Tick(server=ServerView(active=3, idle=2, other=1))
    run = [Tick(), spoke, *(Tick() for _ in range(60))]
    view = filled(run).view(0, 99, 1000)
    known = view.t[~np.isnan(view.lines["server_total"])]
    assert known[0] == pytest.approx(0.1)
    assert 1.55 <= known[-1] <= 1.6 + 1e-9
    assert set(view.lines["server_total"][1:20]) == {6.0}
    assert set(view.lines["server_active"][1:20]) == {3.0}


def test_no_capacity_is_not_a_number() -> None:
    view = filled([Tick(capacity=None), Tick(capacity=8)]).view(0, 1, 10)
    assert_array_equal(view.lines["capacity"], [math.nan, 8.0])


def test_before_the_first_sample_a_view_is_empty() -> None:
    view = Resolutions().view(0.0, 60.0, 1000)
    assert len(view.t) == 0
    assert len(view.levels["open"].mean) == 0
    assert len(view.lines["wait_p95"]) == 0
