"""The classes of parameters: what each takes, how it is written, and what its schema says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from poolviz.load.faults import FAULT_PARAMETERS
from poolviz.load.settings import SETTINGS
from poolviz.model.errors import InputError, ParameterError
from poolviz.model.parameters import (
    Choice,
    Count,
    File,
    Number,
    Numeric,
    Parameter,
    Parameters,
    Seconds,
    Switch,
    Text,
    Value,
    parse_seconds,
    show_seconds,
    unknown_key,
)
from poolviz.pools.registry import POOLS

DECLARED = [
    *SETTINGS.values(),
    *FAULT_PARAMETERS.values(),
    *(parameter for pool in POOLS.values() for parameter in pool.limits.values()),
]
LIMITS = Parameters(
    "limit of a test",
    Count(key="low", default=2, help=""),
    Count(key="high", default=10, minimum=1, at_least="low", help=""),
)
ONE_OF_EACH: tuple[Parameter, ...] = (
    Count(key="count", default=5, help="", minimum=1, maximum=500, special={-1: "no limit"}),
    Count(key="open_count", default=5, help=""),
    Seconds(key="seconds", default=0.5, help="", maximum=3600, special={-1: "never"}),
    Number(key="number", default=1.5, help="", minimum=0.1, maximum=20, unit="×"),
    Switch(key="switch", default=False, help=""),
    Choice(key="choice", default="a", help="", choices=("a", "b c")),
    Text(key="text", default="", help=""),
    File(key="file", default="", help=""),
)
NUMERIC = [parameter for parameter in ONE_OF_EACH if isinstance(parameter, Numeric)]

# Anything that TOML or JSON can hold.
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.integers(-3, 503)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(-2, 25)
    | st.sampled_from(["a", "b c", "on", "", "5 parsecs"])
    | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)


def values_of(parameter: Parameter) -> st.SearchStrategy[Value]:
    """Values that a parameter takes, and that show all of their digits."""
    if isinstance(parameter, Switch):
        return st.booleans()
    if isinstance(parameter, Choice):
        return st.sampled_from(parameter.choices)
    if isinstance(parameter, Text):
        return st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
    assert isinstance(parameter, Numeric)
    special = [st.just(parameter.check(value)) for value in parameter.special]
    least, most = int(parameter.minimum) + 1, int(min(parameter.maximum, 2**63 - 1))
    if isinstance(parameter, Count):
        return st.one_of(st.integers(least, most), *special)
    return st.one_of(st.floats(least, most).map(lambda value: float(f"{value:.3g}")), *special)


@pytest.mark.parametrize("parameter", DECLARED, ids=lambda parameter: parameter.key)
def test_every_declaration_is_sound(parameter: Parameter) -> None:
    assert parameter.check(parameter.default) == parameter.default
    assert type(parameter.check(parameter.default)) is type(parameter.default)
    assert parameter.parse(str(parameter.default)) == parameter.default
    assert parameter.help.endswith(".")
    if isinstance(parameter, Numeric):
        low, high = parameter.slider
        assert parameter.minimum <= low < high <= parameter.maximum
    for value in parameter.special:
        assert parameter.check(value) == value
    nonsense = "non\0sense" if isinstance(parameter, Text) else "nonsense"
    for wrong in (None, [], {}, nonsense, float("nan"), float("inf"), 10**5000):
        with pytest.raises(ParameterError) as raised:
            parameter.check(wrong)
        assert raised.value.key == parameter.key
        assert str(raised.value) == f"{parameter.key} {raised.value.problem}"
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("parameter", ONE_OF_EACH, ids=lambda parameter: parameter.key)
@given(data=st.data())
def test_a_value_that_is_written_out_parses_as_the_same(parameter: Parameter, data: Any) -> None:
    value = data.draw(values_of(parameter))
    parsed = parameter.parse(str(value))
    assert parsed == parameter.check(value) == value
    assert type(parsed) is type(parameter.default)


@pytest.mark.parametrize("parameter", NUMERIC, ids=lambda parameter: parameter.key)
@given(data=st.data())
def test_a_number_that_is_shown_can_be_typed_back(parameter: Numeric, data: Any) -> None:
    value = data.draw(values_of(parameter))
    shown = parameter.show(value)
    assert parameter.parse_typed(f" {shown} ", shown) == pytest.approx(value)


@pytest.mark.parametrize("parameter", ONE_OF_EACH, ids=lambda parameter: parameter.key)
@given(value=ANYTHING)
def test_the_schema_accepts_what_check_accepts(parameter: Parameter, value: Any) -> None:
    # A schema can't bound what a text means, what a message can carry, or the characters of a text.
    assume(not (isinstance(parameter, Seconds) and isinstance(value, str)))
    assume(not (isinstance(value, (int, float)) and abs(value) >= 2**63))
    assume(not (isinstance(value, str) and "\0" in value))
    accepted = Draft202012Validator(parameter.json_schema()).is_valid(value)
    try:
        parameter.check(value)
    except ParameterError:
        assert not accepted
    else:
        assert accepted


@given(
    st.text() | st.from_regex(r"\s*[+-]?\d{1,4}(\.\d*)? ?(us|µs|ms|s|min|h|x)?\s*", fullmatch=True)
)
def test_the_schema_of_a_time_accepts_every_text_that_is_one(text: str) -> None:
    seconds = Seconds(key="time", default=1.0, help="")
    try:
        seconds.check(text)
    except ParameterError:
        return
    assert Draft202012Validator(seconds.json_schema()).is_valid(text) or text.strip()[0] == "-"


def test_each_class_declares_only_what_makes_sense_for_it() -> None:
    with pytest.raises(TypeError, match="choices"):
        Switch(key="x", default=False, help="", choices=("a",))  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="minimum"):
        Text(key="x", default="", help="", minimum=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unit"):
        Count(key="x", default=1, help="", unit="/s")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="choices"):
        Choice(key="x", default="a", help="")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("parameter", "typed", "shown", "value"),
    [
        (ONE_OF_EACH[0], "7", "5", 7),
        (ONE_OF_EACH[0], "No limit", "5", -1),
        (ONE_OF_EACH[2], "30", "20 ms", 0.03),
        (ONE_OF_EACH[2], "0,5", "1 h", 1800.0),
        (ONE_OF_EACH[2], "2min", "20 ms", 120.0),
        (ONE_OF_EACH[2], "-1", "20 ms", -1.0),
        (ONE_OF_EACH[2], "never", "20 ms", -1.0),
        (ONE_OF_EACH[3], "2,5 ×", "1×", 2.5),
        (ONE_OF_EACH[3], "2.5", "1×", 2.5),
    ],
)
def test_what_is_typed_means_what_people_mean(
    parameter: Numeric, typed: str, shown: str, value: float
) -> None:
    assert parameter.parse_typed(typed, shown) == pytest.approx(value)


def test_a_fault_is_phrased_with_its_amount_unless_it_has_none() -> None:
    assert ONE_OF_EACH[2].phrase(2.0) == "seconds 2 s"
    assert ONE_OF_EACH[4].phrase(True) == "switch"
    assert ONE_OF_EACH[4].phrase(False) == "switch off"


def test_only_the_key_of_a_switch_means_a_value() -> None:
    assert [p.key for p in ONE_OF_EACH if p.bare is not None] == ["switch"]


def test_the_path_of_a_file_is_taken_from_a_folder() -> None:
    folder, file = Path("/data").absolute(), ONE_OF_EACH[-1]
    assert file.in_folder("times.csv", folder) == str(folder / "times.csv")
    elsewhere = str(Path("/other/times.csv").absolute())
    for path in ("", "~/times.csv", elsewhere):
        assert file.in_folder(path, folder) == path
    assert all(p.in_folder("a", folder) == "a" for p in ONE_OF_EACH[:-1])


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


def test_one_given_limit_moves_the_default_of_the_other() -> None:
    assert LIMITS.complete({"high": 1}) == {"low": 1, "high": 1}
    assert LIMITS.complete({"low": 20}) == {"low": 20, "high": 20}
    with pytest.raises(ParameterError, match="low may be at most high") as raised:
        LIMITS.complete({"low": 5, "high": 4})
    assert raised.value.key == "low"


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(InputError) as raised:
        LIMITS.complete({"low": -1, "hihg": 3, "high": 2.5})
    assert len(raised.value.problems) == 3
    assert "perhaps high is meant" in raised.value.problems[1]


def test_an_unknown_key_is_answered_with_the_nearest_or_where_keys_are_listed() -> None:
    near = unknown_key("leak_evry", LIMITS, SETTINGS, FAULT_PARAMETERS)
    assert near.key == "leak_evry"
    assert near.problem == (
        "is no limit of a test, setting of the load or fault: perhaps leak_every is meant."
    )
    assert "poolviz schema --text" in str(unknown_key("qqqq", SETTINGS, FAULT_PARAMETERS))
    assert "known are low, high" in str(unknown_key("qqqq", LIMITS))


def test_changes_that_belong_together_are_checked_together() -> None:
    values = {"low": 2, "high": 3}
    assert LIMITS.changed(values, {"low": 5, "high": 6}) == {"low": 5, "high": 6}
    with pytest.raises(InputError):
        LIMITS.changed(values, {"low": 5})
    assert values == {"low": 2, "high": 3}
