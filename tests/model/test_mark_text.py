"""The text of marks in the user's words."""

from __future__ import annotations

import pytest

from poolviz.language import in_language
from poolviz.model.mark_text import WORDS, mark_in_words
from poolviz.model.sample import Mark, MarkKind
from tests.language.declared import declared_parameters

SPANISH = {
    "leak_every never → 120": "leak_every nunca → 120",
    "max_overflow no limit → 5": "max_overflow sin límite → 5",
    "hold_time 1.5 ms → 20 ms": "hold_time 1,5 ms → 20 ms",
    "rate 1,250.5 → 12,000": "rate 1250,5 → 12.000",
    "statement_spread 0.25× → 1×": "statement_spread 0,25× → 1×",
    "pool_pre_ping off → on": "pool_pre_ping desactivado → activado",
    "lock_table over": "lock_table terminado",
    "restart_server": "restart_server",
    "arrivals closed → open": "arrivals closed → open",
    "sql SELECT 1.5 → SELECT 2.5": "sql SELECT 1.5 → SELECT 2.5",
}


@pytest.mark.parametrize("text", SPANISH)
def test_values_are_in_the_users_words(text: str) -> None:
    assert mark_in_words(text) == text
    with in_language("es"):
        assert mark_in_words(text) == SPANISH[text]


def test_note_stays_as_it_was_written() -> None:
    note = Mark(t=1, kind=MarkKind.NOTE, text="deployed 1.5")
    with in_language("es"):
        assert note.words == "deployed 1.5"


def test_every_word_for_a_value_is_known() -> None:
    words = {
        word
        for _, parameters in declared_parameters()
        for parameter in parameters.values()
        for word in parameter.special.values()
    }
    assert {word for word in words if not word[0].isdigit()} <= WORDS
