"""What a parameter takes, how it is written, and what may stand beside what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.load.settings import SETTINGS
from poolviz.model.errors import InputError
from poolviz.model.parameters import (
    Kind,
    Parameter,
    Parameters,
    parse_seconds,
    show_seconds,
)
from poolviz.pools.registry import POOLS

ALL = [
    *SETTINGS.values(),
    *(parameter for pool in POOLS.values() for parameter in pool.limits.values()),
]
LIMITS = Parameters(
    "limit of a test",
    Parameter(key="low", kind=Kind.COUNT, default=2, help=""),
    Parameter(key="high", kind=Kind.COUNT, default=10, minimum=1, at_least="low", help=""),
)


@pytest.mark.parametrize("parameter", ALL, ids=lambda parameter: parameter.key)
def test_every_declaration_is_sound(parameter: Parameter) -> None:
    assert parameter.check(parameter.default) == parameter.default
    assert parameter.help.endswith(".")
    assert parameter.minimum <= parameter.slider[0] < parameter.slider[1] <= parameter.maximum or (
        parameter.kind in (Kind.SWITCH, Kind.CHOICE)
    )
    if parameter.kind is not Kind.CHOICE:
        assert parameter.parse(str(parameter.default)) == parameter.default
    for value in parameter.special:
        assert parameter.check(value) == value
    nonsense = "non\0sense" if parameter.kind in (Kind.TEXT, Kind.FILE) else "nonsense"
    for wrong in (None, [], {}, nonsense, float("nan"), float("inf")):
        with pytest.raises(InputError) as told:
            parameter.check(wrong)
        assert parameter.key in str(told.value)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3), ("0.5", 0.5), ("50ms", 0.05), ("2min", 120), ("1 h", 3600), ("250us", 0.00025)],
)
def test_times_are_read_with_their_units(text: str, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


@given(st.floats(1e-6, 1e6))
def test_a_time_that_is_shown_reads_back_as_the_same(seconds: float) -> None:
    assert parse_seconds(show_seconds(seconds)) == pytest.approx(seconds, rel=1e-3)


@pytest.mark.parametrize("text", ["", "x", "3 parsecs", "1.2.3", "ms", "--1"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        parse_seconds(text)


def test_one_given_limit_moves_the_other_ones_default() -> None:
    assert LIMITS.complete({"high": 1}) == {"low": 1, "high": 1}
    assert LIMITS.complete({"low": 20}) == {"low": 20, "high": 20}
    with pytest.raises(InputError, match="low may be at most high"):
        LIMITS.complete({"low": 5, "high": 4})


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InputError) as told:
        LIMITS.complete({"low": -1, "hihg": 3, "high": 2.5})
    assert len(told.value.problems) == 3
    assert "perhaps high is meant" in told.value.problems[1]


def test_changes_that_belong_together_are_checked_together() -> None:
    values = {"low": 2, "high": 3}
    assert LIMITS.changed(values, {"low": 5, "high": 6}) == {"low": 5, "high": 6}
    with pytest.raises(InputError):
        LIMITS.changed(values, {"low": 5})
    assert values == {"low": 2, "high": 3}
