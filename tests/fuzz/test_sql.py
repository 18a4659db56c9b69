"""Any text as an SQL script, as a condition, or as a time."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.load.sql_script import SqlScript
from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE
from poolviz.model.errors import InputError
from poolviz.sessions.thresholds import FIGURES, Threshold
from tests.fuzz.hostile import NUMBERS, WORDS
from tests.fuzz.promise import counted, fuzz, sentence_of

PIECES = st.one_of(
    WORDS,
    st.sampled_from(
        (
            *(
                "SELECT 1",
                ";",
                "'",
                '"',
                "`",
                "--",
                "/*",
                "*/",
                "#",
                "$$",
                "$a$",
                "E'",
                "\\'",
                "::",
            ),
            *(":client", ":n", ":random(1,9)", ":random(9,1)", ":random(", ":random(1)", ":x", "%"),
            *("%d", "%%", "[1:n]", "\n", ":random(1," + "9" * 5000 + ")", ":random(-5,+5)"),
        )
    ),
)


@fuzz(share=0.1)
@given(st.lists(PIECES, max_size=12).map("".join), st.sampled_from([POSTGRESQL, MYSQL, SQLITE]))
def test_a_script_is_split_or_refused(text: str, dialect: str) -> None:
    with counted("SQL scripts", text):
        try:
            script = SqlScript(text, dialect)
        except InputError as error:
            sentence_of(error)
        else:
            for statement in script.filled(random.Random(1), 3, 4):
                assert statement.strip()


@pytest.mark.parametrize("piece", ["'", '"', "$a$", "/*", "E'\\", ":random(", "--", ":x", "$", "`"])
@pytest.mark.parametrize("dialect", [POSTGRESQL, MYSQL, SQLITE])
def test_a_long_script_takes_no_longer_than_its_length(piece: str, dialect: str) -> None:
    text = f"SELECT {piece * (300_000 // len(piece))}"
    with counted("long SQL scripts", text), suppress(InputError):
        SqlScript(text, dialect)


@fuzz(share=0.06)
@given(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(tuple(FIGURES)) | WORDS,
        st.sampled_from((">", ">=", " < ", "==", "!=", ">>", "=", "", " and ")) | WORDS,
        NUMBERS | WORDS,
    )
)
def test_a_condition_is_parsed_or_refused(text: str) -> None:
    with counted("conditions", text):
        try:
            Threshold.parse(text)
        except InputError as error:
            sentence_of(error)
