"""Times that are drawn from a distribution: their mean, their spread, and files of them."""

from __future__ import annotations

import math
import os
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.load.distributions import DISTRIBUTIONS, draw_of, measured_times, time_parameters
from poolviz.model.errors import InputError
from poolviz.model.parameters import Parameters, Value

DECLARED = Parameters(
    "setting",
    *time_parameters("hold", 0.004, "How long.", maximum=3600, slider=(0, 1)),
)
DRAWN = [kind.name for kind in DISTRIBUTIONS if kind.uses_mean]
SPREAD = [kind.name for kind in DISTRIBUTIONS if kind.uses_spread]


def settings(**given: Value) -> dict[str, Value]:
    return DECLARED.complete({f"hold_{key}": value for key, value in given.items()})


def drawn(count: int, seed: int = 1, **given: Value) -> np.ndarray:
    draw, rng = draw_of("hold", settings(**given)), random.Random(seed)
    assert draw is not None
    return np.array([draw(rng) for _ in range(count)])


def written(folder: Path, text: str | bytes) -> str:
    path = folder / "times.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


@given(
    name=st.sampled_from(DRAWN),
    mean=st.floats(1e-6, 3600),
    spread=st.floats(0, 10),
    seed=st.integers(0, 1000),
)
def test_every_drawn_time_is_finite_and_not_negative(
    name: str, mean: float, spread: float, seed: int
) -> None:
    times = drawn(20, seed, time=mean, spread=spread, distribution=name)
    assert all(math.isfinite(time) and time >= 0 for time in times)


@given(name=st.sampled_from(DRAWN), seed=st.integers(0, 1000))
def test_a_seed_repeats_its_draws(name: str, seed: int) -> None:
    first, again = (drawn(5, seed, distribution=name) for _ in range(2))
    assert list(first) == list(again)


@pytest.mark.parametrize("name", DRAWN)
def test_the_mean_is_the_one_that_was_set(name: str) -> None:
    assert drawn(100_000, time=0.02, distribution=name).mean() == pytest.approx(0.02, rel=0.02)


@pytest.mark.parametrize("spread", [0.1, 0.5])
@pytest.mark.parametrize("name", SPREAD)
def test_the_spread_is_the_one_that_was_set(name: str, spread: float) -> None:
    times = drawn(200_000, time=0.02, spread=spread, distribution=name)
    assert times.std() / times.mean() == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize("name", SPREAD)
def test_without_a_spread_every_time_is_the_mean(name: str) -> None:
    assert drawn(100, time=0.02, spread=0.0, distribution=name) == pytest.approx(0.02)


def test_exponential_times_spread_as_much_as_their_mean_and_constant_ones_not_at_all() -> None:
    exponential = drawn(100_000, time=0.02)
    assert exponential.std() == pytest.approx(0.02, rel=0.03)
    assert set(drawn(100, time=0.02, distribution="constant")) == {0.02}


def test_uniform_times_never_fall_below_zero_however_large_the_spread() -> None:
    times = drawn(100_000, time=0.02, spread=10.0, distribution="uniform")
    assert times.min() >= 0
    assert times.max() <= 0.04
    assert times.mean() == pytest.approx(0.02, rel=0.02)


def test_a_pareto_time_is_never_below_its_least_and_sometimes_far_above() -> None:
    times = drawn(100_000, time=0.02, spread=2.0, distribution="pareto")
    assert times.min() > 0.01
    assert times.max() > 0.4


@pytest.mark.parametrize("name", DRAWN)
def test_a_mean_of_zero_needs_no_draw(name: str) -> None:
    assert draw_of("hold", settings(time=0, distribution=name)) is None


def test_measured_times_are_equally_likely_whatever_the_mean_is(tmp_path: Path) -> None:
    file = written(tmp_path, "0.01\n20ms\n0.03\n")
    times = drawn(30_000, time=0, distribution="file", file=file)
    values, counts = np.unique(times, return_counts=True)
    assert values == pytest.approx([0.01, 0.02, 0.03])
    assert counts == pytest.approx([10_000] * 3, rel=0.1)


@pytest.mark.parametrize(
    "text",
    [
        "0.01\n0.5",
        "# measured\n\n10 ms  # the first\n500ms\n",
        "\ufeffhold time,client\r\n0.01,1\r\n0.5,2\r\n",
        '# with "a, mark\nseconds;what\n0.01;a,b\n0.5;"two\nlines"\n',
        "0.01\tfast\n0.5\tslow\n",
    ],
    ids=["plain", "comments and units", "csv of a spreadsheet", "semicolons", "tabs"],
)
def test_measured_times_are_read_from_many_kinds_of_files(tmp_path: Path, text: str) -> None:
    assert list(measured_times(written(tmp_path, text))) == [0.01, 0.5]


@given(times=st.lists(st.floats(0, 3600), min_size=1, max_size=50))
def test_measured_times_are_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, times: list[float]
) -> None:
    file = written(tmp_path_factory.mktemp("times"), "\n".join(map(repr, times)))
    assert list(measured_times(file)) == pytest.approx(times, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("0.1\n0.2\nsoon\n", 3, "'soon'"),
        ("time\nsoon\n", 2, "'soon'"),
        ("-0.1\n", 1, "'-0.1'"),
        ("0.1\n# fine\n2h\n", 3, "'2h'"),
        ("1e999\n", 1, "'1e999'"),
        ('0.1,"two\nlines"\n0.2 parsecs\n', 3, "'0.2 parsecs'"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, line: int, found: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        measured_times(file)
    assert str(caught.value) == (
        f"{file}, line {line} is {found}: it takes a time from 0 s to 1 h."
    )


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "hold_time\n"])
def test_a_file_without_a_time_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="is empty: each line takes a time"):
        measured_times(written(tmp_path, text))


@pytest.mark.parametrize("content", [b"\xff\xfe0\x00", b"\x89PNG\r\n\x1a\n" + bytes(range(256))])
def test_a_file_that_is_not_text_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError, match=r"times\.csv"):
        measured_times(written(tmp_path, content))


def test_a_file_that_is_missing_or_not_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv can't be read: No such file or directory"):
        measured_times(str(tmp_path / "nowhere.csv"))
    with pytest.raises(InputError, match="is not a file: name a file"):
        measured_times(str(tmp_path))
    with pytest.raises(InputError, match="can't be read"):
        measured_times("~nobody-of-that-name/times.csv")


def test_a_file_has_to_be_named_if_times_come_from_one() -> None:
    with pytest.raises(InputError, match="hold_file is empty: hold_distribution is file"):
        draw_of("hold", settings(distribution="file"))


def test_a_file_of_zeros_needs_no_draw(tmp_path: Path) -> None:
    wanted = settings(distribution="file", file=written(tmp_path, "0\n0s\n"))
    assert draw_of("hold", wanted) is None


def test_a_file_that_was_written_again_is_read_again(tmp_path: Path) -> None:
    file = written(tmp_path, "0.25\n")
    assert list(measured_times(file)) == [0.25]
    assert measured_times(file) is measured_times(file)
    later = Path(file).stat().st_mtime_ns + 10**9
    written(tmp_path, "0.75\n")
    os.utime(file, ns=(later, later))
    assert list(measured_times(file)) == [0.75]


def test_each_setting_of_a_time_depends_on_the_distribution_that_uses_it() -> None:
    declared = {
        parameter.key: parameter
        for parameter in time_parameters(
            "statement",
            0.004,
            "How long.",
            maximum=3600,
            slider=(0, 1),
            only_when=("statement", ("sleep",)),
        )
    }
    assert declared["statement_distribution"].only_when == ("statement", ("sleep",))
    for key, used in (
        ("statement_time", {kind.name for kind in DISTRIBUTIONS if kind.uses_mean}),
        ("statement_spread", {"uniform", "lognormal", "pareto"}),
        ("statement_file", {"file"}),
    ):
        depends = declared[key].only_when
        assert depends is not None
        assert (depends[0], set(depends[1])) == ("statement_distribution", used)
    assert declared["statement_distribution"].choices == tuple(k.name for k in DISTRIBUTIONS)
