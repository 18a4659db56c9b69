"""The gaps between requests, in each spacing's own units."""

from __future__ import annotations

import math
import random
from pathlib import Path
from statistics import fmean

import pytest

from poolviz.load.spacings import SPACINGS, Spacing, arrival_parameters, same_stream, spacing_class
from poolviz.model.errors import InputError
from poolviz.model.parameters import Choice, Parameters, Value

DECLARED = Parameters("setting", *arrival_parameters())


def settings(**given: Value) -> dict[str, Value]:
    return DECLARED.complete(given)


def recording(folder: Path, text: str) -> str:
    path = folder / "recorded.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture(params=SPACINGS, ids=lambda spacing: spacing.name)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Spacing:
    """A spacing of each class, with settings under which it never ends."""
    file = recording(tmp_path, "0\n1\n4\n")
    given = settings(spacing=request.param.name, replay_file=file, replay_repeats=True)
    assert spacing_class(given) is request.param
    return request.param(given, random.Random(1))  # type: ignore[no-any-return]


def test_gaps_are_never_negative_and_time_goes_on(made: Spacing) -> None:
    gaps = [made.gap() for _ in range(5000)]
    assert min(gaps) >= 0
    assert 0 < sum(gaps) < math.inf


def test_a_gap_is_one_unit_on_average_where_the_rate_counts_them(made: Spacing) -> None:
    if made.rate_key != "rate":
        pytest.skip("its units are seconds of a recording")
    assert fmean(made.gap() for _ in range(20_000)) == pytest.approx(1, rel=0.03)


def test_a_recording_ends_unless_it_repeats(tmp_path: Path) -> None:
    given = settings(spacing="replay", replay_file=recording(tmp_path, "1\n4\n0\n"))
    replay = spacing_class(given)(given, random.Random(1))
    assert [replay.gap() for _ in range(5)] == [0, 1, 3, math.inf, math.inf]


def test_another_rate_is_the_same_stream_and_another_setting_is_not(tmp_path: Path) -> None:
    file = recording(tmp_path, "0\n1\n")
    replay = settings(spacing="replay", replay_file=file)
    assert same_stream(settings(rate=3), settings(rate=4, replay_speed=2))
    assert same_stream(replay, replay | {"replay_speed": 9.0})
    assert not same_stream(replay, replay | {"replay_repeats": True})
    assert not same_stream(settings(), settings(spacing="constant"))


def test_each_setting_depends_on_the_spacing_that_uses_it() -> None:
    spacing = DECLARED["spacing"]
    assert isinstance(spacing, Choice)
    assert spacing.only_when == ("arrivals", ("open",))
    assert spacing.choices == tuple(each.name for each in SPACINGS)
    rated = tuple(each.name for each in SPACINGS if each.rate_key == "rate")
    assert DECLARED["rate"].only_when == ("spacing", rated)
    assert {"poisson", "constant"} <= {*rated}
    for each in SPACINGS:
        assert all(own.only_when == ("spacing", (each.name,)) for own in each.parameters)
        assert each.rate_key in DECLARED


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("time\nlater\n", 2, "'later'"),
        ("0.5\n10:30\n", 2, "'10:30'"),
        ("0.5\n2024-13-01 10:00\n", 2, "'2024-13-01 10:00'"),
        ("1e999\n", 1, "'1e999'"),
    ],
)
def test_a_wrong_line_of_a_recording_is_named(
    tmp_path: Path, text: str, line: int, found: str
) -> None:
    given = settings(spacing="replay", replay_file=recording(tmp_path, text))
    with pytest.raises(InputError) as caught:
        spacing_class(given)(given, random.Random(1))
    assert str(caught.value) == (
        f"{given['replay_file']}, line {line} is {found}: it takes a time in seconds, or a date "
        "with a time of day."
    )
