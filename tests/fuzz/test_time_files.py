"""Any bytes as a file of times."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.hostile import WORDS
from tests.fuzz.promise import INPUTS, command, counted, folder, fuzz, keeps_the_promise

pytestmark = pytest.mark.usefixtures("no_runs")

_LARGE = 20_000_000 if INPUTS else 4_000_000  # bytes
_CELLS = st.one_of(
    st.sampled_from(
        (
            *("1", "0.5", "50ms", "nan", "inf", "-1", "1e400", "1e-400", "3601", "time", "#", "-0"),
            *("2024-01-01T00:00:00Z", "0001-01-01", "9999-12-31T23:59:59+14:00", "2024-13-01"),
            *("2024-01-01 00:00:00 UTC", "24:00", '"', '"1', "1\0", "\r", "\x1a", "\ufeff1"),
        )
    ),
    WORDS,
)
_LINES = st.lists(_CELLS, max_size=8)
FILES = st.one_of(
    st.builds(
        lambda cells, end: end.join(cells).encode("utf-8", "surrogatepass"),
        _LINES,
        st.sampled_from(("\n", "\r\n", "\r", ",", ";", "\t", "\n\n")),
    ),
    st.binary(max_size=40),
)
SETTINGS = st.sampled_from(
    (
        ("hold_distribution=file", "hold_file=times"),
        ("think_distribution=file", "think_file=times"),
        ("arrivals=open", "spacing=replay", "replay_file=times"),
        ("arrivals=open", "spacing=replay", "replay_file=times", "replay_repeats=on"),
    )
)


@fuzz(share=0.1)
@given(FILES, SETTINGS)
def test_any_bytes_are_times_or_refused(data: bytes, load: tuple[str, ...]) -> None:
    with folder(), counted("time files", data):
        Path("times").write_bytes(data)
        options = [part for setting in load for part in ("--load", setting)]
        outcome = command("run", "--dsn", "host=/nonexistent", *options)
    keeps_the_promise(outcome)
    assert outcome.status in (2, 3)


@pytest.mark.parametrize("line", ["1\n", "\n", '"\n', "1 ", "x\n", "2024-01-01T00:00:00Z\n", "#\n"])
def test_a_large_file_takes_no_long(line: str) -> None:
    with folder(), counted("large time files", line):
        Path("times").write_text(line * (_LARGE // len(line)))
        outcome = command(
            *("run", "--dsn", "host=/nonexistent", "--load", "hold_distribution=file"),
            *("--load", "hold_file=times"),
        )
    keeps_the_promise(outcome)
    assert outcome.status in (2, 3)
