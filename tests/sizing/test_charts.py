"""What the charts of a sizing show."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.sizing.charts import Kind, SizeChart, size_charts
from tests.sizing.sizings import concluded, grid, sizing
from tests.sizing.test_advice import SIZES, point


def charts(found: tuple[SizeChart, ...]) -> dict[str, SizeChart]:
    return {each.name: each for each in found}


def test_every_point_is_a_dot_with_its_interval() -> None:
    found = sizing()
    drawn = charts(size_charts(found))
    assert list(drawn) == ["throughput", "wait", "server"]
    dots = list(drawn["throughput"].dots)
    assert [dot.x for dot in dots] == list(SIZES)
    for dot in dots:
        rate = found.points[dot.point].throughput_per_s
        assert (dot.y, dot.low, dot.high) == (rate.value, rate.low, rate.high)
    assert [dot.y for dot in drawn["wait"].dots] == [each.wait_p95_s.value for each in found.points]


def test_the_models_curve_goes_through_what_it_was_made_of() -> None:
    drawn = charts(size_charts(sizing()))["throughput"]
    measured_curve, model = drawn.curves
    said = dict(zip(model.x, model.y, strict=True))
    assert model.dashed
    for dot in measured_curve.dots:
        assert said[dot.x] == pytest.approx(dot.y, rel=0.03)


def test_what_if_is_a_further_curve() -> None:
    found = sizing()
    drawn = size_charts(found, found.model.with_load(clients=2))
    before = size_charts(found)
    assert len(drawn[0].curves) == len(before[0].curves) + 1
    assert drawn[0].curves[-1].y[-1] > 1.2 * before[0].curves[-1].y[-1]


def test_recommendation_rules_bound_and_target_are_lines() -> None:
    found = sizing("wait_p99 < 30ms", load={**sizing().load, "checkouts": 2, "clients": 3})
    drawn = charts(size_charts(found))
    lines = {each.kind: each for each in drawn["throughput"].verticals}
    assert lines[Kind.RECOMMENDED].x == found.recommendation.sizes[0]  # type: ignore[index]
    assert lines[Kind.RECOMMENDED].low == found.recommendation.low
    assert lines[Kind.BOUND].x == 4
    rules = [each for each in drawn["wait"].verticals if each.kind is Kind.RULE]
    assert [(each.name, each.x) for each in rules] == [
        ("HikariCP: 2 × cores + 1 disk", 5.0),
        ("All", 900.0),
    ]
    assert [level.y for level in drawn["wait"].levels] == [0.03]
    assert not drawn["throughput"].levels
    # The figure that the target asks for is drawn beside p95.
    assert {"p95", "p99"} <= {curve.name for curve in drawn["wait"].curves}


def test_rules_stand_at_the_size_that_gives_as_many_connections() -> None:
    points = [point(size, sizes=(size - 2,)) for size in SIZES if size > 2]
    rules = [each.x for each in size_charts(concluded(points))[0].verticals[1:]]
    assert rules == [3.0, 898.0]


@pytest.mark.parametrize("values", [1, 3, 30])
def test_a_second_limit_makes_a_curve_for_each_of_its_values(values: int) -> None:
    found = grid(values)
    throughput = size_charts(found)[0]
    assert len(throughput.curves) == min(values, 8)
    assert throughput.curves[0].name == "max_overflow 0"
    assert throughput.curves[-1].name == f"max_overflow {values - 1}"
    recommended = found.recommendation.sizes
    assert recommended is not None
    assert f"max_overflow {recommended[1]}" in {each.name for each in throughput.curves}


def test_what_was_not_measured_is_left_out() -> None:
    points = [point(size, server=None) for size in SIZES]
    assert [each.name for each in size_charts(concluded(points))] == ["throughput", "wait"]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12, unique=True))
def test_any_sizes_can_be_drawn(sizes: list[int]) -> None:
    points = [point(size) for size in sorted(sizes)]
    for chart in size_charts(concluded(points)):
        for curve in chart.curves:
            assert len(curve.x) == len(curve.y) > 0
            assert not any(math.isinf(each) for each in curve.y)
