"""What is recommended, of points whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.sessions.statistics import Interval
from poolviz.sizing.advice import Bottleneck, Verdict, bottleneck, nested_bound, recommend, smooth
from poolviz.sizing.model import fitted
from poolviz.sizing.points import MeasuredPoint, Point, ServerShare
from poolviz.sizing.queueing import closed
from poolviz.sizing.target import Aim
from poolviz.sizing.usl import Usl

LOAD: dict[str, Any] = {
    "clients": 24,
    "checkouts": 1,
    "arrivals": "closed",
    "rate": 100.0,
    "shape": "constant",
}
SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24)
LAW = Usl(0.02, 0.0, 0.0)
THINK = 0.04


def point(size: int, law: Usl = LAW, spread: float = 0.01, **changes: Any) -> Point:
    """A point of 24 clients that think 40 ms, as the model has it."""
    said = closed(LOAD["clients"], THINK, size, law.capacity)
    rate, wait = said.throughput, said.wait_mean

    def around(value: float) -> Interval:
        return Interval(value, value * (1 - spread), value * (1 + spread))

    fields: dict[str, Any] = {
        "sizes": (size,),
        "connections": size,
        "visits": [(0.0, 10.0)],
        "seconds": 10.0,
        "operations": round(rate * 10),
        "throughput_per_s": around(rate),
        "wait_mean_s": around(wait),
        "wait_p50_s": around(wait),
        "wait_p95_s": around(said.wait_p95),
        "wait_p99_s": around(said.wait_p95),
        "use_mean_s": said.used / rate,
        "used_mean": said.used,
        "pending_mean": said.pending,
        "open_mean": float(size),
        "timeouts": 0,
        "errors": 0,
        "overloaded_share": 0.0,
        "generator_cpu": 0.2,
        "server": server(running=said.used),
    }
    return Point(**{**fields, **changes})


def server(cpu: float = 0.3, **counts: float) -> ServerShare:
    states = dict.fromkeys(
        ("running", "locked", "reading", "sleeping", "other", "in_transaction"), 0.0
    )
    return ServerShare(**{**states, **counts}, cpu=cpu)


def measured(points: list[Point]) -> list[MeasuredPoint]:
    """Points with a bootstrap that is as wide as their intervals."""
    random = np.random.default_rng(1)
    found = []
    for each in points:
        rate = each.throughput_per_s
        assert rate.value is not None and rate.high is not None
        rows = random.normal(rate.value, (rate.high - rate.value) / 2, 1000)
        found.append(MeasuredPoint(each, {"throughput_per_s": rows}))
    return found


def test_the_smallest_size_with_nearly_the_best_throughput_is_recommended() -> None:
    points = [point(size) for size in SIZES]
    found = recommend(measured(points), Aim().met_by)
    best = max(each.throughput_per_s.value or 0 for each in points)
    enough = [each for each in points if (each.throughput_per_s.value or 0) >= 0.95 * best]
    assert found.verdict is Verdict.RECOMMENDED
    assert found.sizes == enough[0].sizes
    assert found.low is not None and found.high is not None
    assert found.low <= enough[0].sizes[0] <= found.high


def test_a_target_makes_the_size_larger_or_is_said_to_be_missed() -> None:
    points = measured([point(size) for size in SIZES])
    plain = recommend(points, Aim().met_by)
    strict = recommend(points, Aim.parse("wait_mean < 1us").met_by)
    assert plain.sizes is not None and strict.sizes is not None
    assert strict.sizes > plain.sizes
    never = recommend(points, Aim.parse("throughput > 1000000").met_by)
    assert never.verdict is Verdict.TARGET_MISSED
    assert never.sizes is None


def test_sizes_at_which_operations_fail_are_not_recommended() -> None:
    points = [point(size, errors=50 if size < 12 else 0) for size in SIZES]
    found = recommend(measured(points), Aim().met_by)
    assert found.sizes == (12,)


def test_a_throughput_that_is_hardly_known_is_too_noisy() -> None:
    points = [point(size, spread=0.4) for size in SIZES]
    assert recommend(measured(points), Aim().met_by).verdict is Verdict.TOO_NOISY


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"overloaded_share": 0.5}, Bottleneck.GENERATOR),
        ({"generator_cpu": 0.99, "server": server(running=1.0)}, Bottleneck.GENERATOR),
        ({"server": server(running=4.0, locked=6.0)}, Bottleneck.LOCKS),
        ({"server": server(running=8.0, cpu=0.97)}, Bottleneck.CPU),
        ({"server": server(running=1.0)}, Bottleneck.HOLD),
        ({"server": server(running=1.0, cpu=0.99)}, Bottleneck.HOLD),  # by another program
    ],
)
def test_what_limits_the_throughput_is_named(changes: dict[str, Any], named: Bottleneck) -> None:
    points = [point(size, **changes) for size in SIZES]
    assert bottleneck(points, points[5]) is named


def test_a_pool_that_is_full_at_every_size_is_what_limits() -> None:
    points = [point(size) for size in SIZES[:4]]
    assert bottleneck(points, points[-1]) is Bottleneck.POOL
    points = [point(size) for size in SIZES]
    assert bottleneck(points, points[5]) is Bottleneck.CLIENTS


@given(st.lists(st.floats(0.0, 1e5), min_size=1, max_size=12))
def test_smoothed_rates_rise_to_the_best_and_fall_after_it(rates: list[float]) -> None:
    found = smooth(rates)
    peak = rates.index(max(rates))
    assert len(found) == len(rates)
    assert found[: peak + 1] == sorted(found[: peak + 1])
    assert found[peak:] == sorted(found[peak:], reverse=True)


@pytest.mark.parametrize("law", [LAW, Usl(0.01, 0.05, 0.0), Usl(0.01, 0.02, 0.002)])
def test_a_model_predicts_sizes_that_it_did_not_see(law: Usl) -> None:
    points = [point(size, law) for size in SIZES]
    model = fitted(points[::2], LOAD)
    for each in points[1::2]:
        said = model.at(each.connections)
        assert said.throughput == pytest.approx(each.throughput_per_s.value, rel=0.05)
        if each.utilisation <= 0.8 and (each.wait_mean_s.value or 0) > 1e-3:
            assert said.wait_mean == pytest.approx(each.wait_mean_s.value, rel=0.1)


def test_what_if_answers_from_the_model() -> None:
    model = fitted([point(size) for size in SIZES], LOAD)
    twice = model.with_load(clients=2.0)
    assert twice.clients == 48
    assert twice.at(24).throughput > 1.5 * model.at(24).throughput
    assert model.with_load(use=0.5).at(4).throughput > 1.5 * model.at(4).throughput


def test_clients_that_hold_several_need_one_more_than_all_but_one_of_each() -> None:
    assert nested_bound({"clients": 10, "checkouts": 2}) == 11
    assert nested_bound({"clients": 10, "checkouts": 1}) == 1
