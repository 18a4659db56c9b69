"""Texts in the language in use, filled in."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.language import current_language, day, in_language, number, tr, trn, use_language
from poolviz.language.notation import from_notation, in_notation


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    use_language("en")
    yield
    use_language("en")


def test_values_are_filled_in_by_name() -> None:
    assert tr("{a} of {b:,}", b=12345, a="x{y}") == "x{y} of 12,345"
    assert tr("{not a value}") == "{not a value}"
    assert tr("") == ""


def test_plural_form_goes_with_the_number() -> None:
    assert [trn("{n} row", "{n} rows", n) for n in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]


def test_unknown_texts_stay_english_in_spanish() -> None:
    with in_language("es"):
        assert tr("no such text {n:.1f}", n=0.5) == "no such text 0,5"
        assert tr("") == ""
        assert current_language() == "es"
    assert current_language() == "en"


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        ("1,234", "1234"),
        ("12,345", "12.345"),
        ("1,234,567.8", "1.234.567,8"),
        ("0.5", "0,5"),
        ("97%", "97\N{NO-BREAK SPACE}%"),
        ("12345", "12345"),
        ("-3.25", "-3,25"),
        ("nan", "nan"),
    ],
)
def test_numbers_are_written_as_spaniards_do(english: str, spanish: str) -> None:
    assert in_notation(english, "es") == spanish
    assert in_notation(english, "en") == english


@given(st.floats(-1e9, 1e9).map(lambda x: round(x, 3)))
def test_what_is_written_can_be_typed(value: float) -> None:
    for specification in (",.3f", ".3f"):
        text = in_notation(format(value, specification), "es")
        assert float(from_notation(text, "es")) == value


def test_a_point_is_taken_too() -> None:
    assert [from_notation(text, "es") for text in ("0.5", "0,5", "1.234.567", "x, y, z")] == [
        "0.5",
        "0.5",
        "1234567",
        "x, y, z",
    ]


def test_dates_have_the_months_name() -> None:
    assert day(date(2026, 11, 28)) == "28 Nov 2026"
    with in_language("es"):
        assert day(date(2026, 1, 2)) == "2 ene 2026"
        assert number(1234567) == "1.234.567"


def test_threads_may_read_while_the_language_changes() -> None:
    mistakes: list[object] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            text = tr("{n:.1f}", n=1.5)
            if text not in ("1.5", "1,5"):
                mistakes.append(text)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(50):
        use_language(("en", "es")[turn % 2])
    ended.set()
    for thread in threads:
        thread.join()
    assert not mistakes


def test_english_loads_no_catalogue() -> None:
    code = (
        "import sys; from poolviz.language import tr; tr('Start'); print('gettext' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
