"""How the load varies over time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.load.shapes import SHAPES, same_shape, shape_of, shape_parameters
from poolviz.model.parameters import Choice, Count, Numeric, Parameter, Parameters, Value

DECLARED = Parameters("setting", *shape_parameters())


def settings(**given: Value) -> dict[str, Value]:
    return DECLARED.complete(given)


def values(parameter: Parameter) -> st.SearchStrategy[Value]:
    if isinstance(parameter, Choice):
        return st.sampled_from(parameter.choices)
    assert isinstance(parameter, Numeric)
    if isinstance(parameter, Count):
        return st.integers(int(parameter.minimum), int(parameter.maximum))
    return st.floats(parameter.minimum, parameter.maximum)


def any_settings() -> st.SearchStrategy[dict[str, Value]]:
    return st.fixed_dictionaries({key: values(parameter) for key, parameter in DECLARED.items()})


@given(wanted=any_settings(), t=st.floats(0, 1e6))
def test_a_factor_is_never_negative_nor_above_the_highest(
    wanted: dict[str, Value], t: float
) -> None:
    shape = shape_of(DECLARED.complete(wanted))
    assert -1e-9 <= shape.factor(t) <= shape.highest + 1e-9
    if not shape.changes:
        assert shape.factor(t) == 1.0


@pytest.mark.parametrize(
    ("wanted", "factors"),
    [
        ({"shape": "constant"}, {0: 1, 100: 1}),
        ({"shape": "ramp", "ramp_from": 0.5, "ramp_time": 10}, {0: 0.5, 5: 0.75, 10: 1, 99: 1}),
        ({"shape": "ramp", "ramp_from": 3.0, "ramp_time": 10}, {0: 3, 5: 2, 10: 1}),
        ({"shape": "ramp", "ramp_time": 0}, {0: 1}),
        (
            {"shape": "steps", "step_count": 4, "step_time": 10},
            {0: 0.25, 9.9: 0.25, 10: 0.5, 29: 0.75, 30: 1, 400: 1},
        ),
        (
            {"shape": "sine", "sine_period": 20, "sine_depth": 0.5},
            {0: 1, 5: 1.5, 10: 1, 15: 0.5, 20: 1, 25: 1.5},
        ),
        (
            {"shape": "spike", "spike_at": 10, "spike_time": 5, "spike_factor": 4.0},
            {0: 1, 9.9: 1, 10: 4, 14.9: 4, 15: 1},
        ),
        (
            {"shape": "bursts", "burst_every": 10, "burst_time": 2, "burst_factor": 6.0},
            {0: 1, 9.9: 1, 10: 6, 11.9: 6, 12: 1, 20: 6, 22: 1, 1001: 6},
        ),
    ],
    ids=lambda value: str(value.get("shape")) if "shape" in value else "",
)
def test_a_shape_has_the_factors_of_its_settings(
    wanted: dict[str, Value], factors: dict[float, float]
) -> None:
    shape = shape_of(settings(**wanted))
    assert {t: shape.factor(t) for t in factors} == pytest.approx(factors)
    assert shape.highest >= max(factors.values()) - 1e-9


def test_each_setting_of_a_shape_depends_on_that_shape() -> None:
    choice, *others = shape_parameters()
    assert isinstance(choice, Choice)
    assert choice.choices == tuple(kind.name for kind in SHAPES)
    assert {parameter.key for parameter in others} == {
        parameter.key for kind in SHAPES for parameter in kind.parameters
    }
    for kind in SHAPES:
        assert all(p.only_when == ("shape", (kind.name,)) for p in kind.parameters)


def test_a_setting_of_another_shape_leaves_a_shape_the_same() -> None:
    sine = settings(shape="sine")
    assert same_shape(sine, settings(shape="sine", spike_at=3))
    assert not same_shape(sine, settings(shape="sine", sine_depth=0.1))
    assert not same_shape(sine, settings(shape="spike"))
