"""Exceptions as text: short, in one line, without passwords, and never another exception."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.model.error_text import MOST, message_of, name_of, sentence_part, unwrapped


class Hostile(Exception):
    """Raises when it is printed."""

    def __str__(self) -> str:
        raise SystemExit(7)


class _Meta(type):
    def __getattribute__(cls, name: str) -> object:
        raise RuntimeError(name)


@given(st.text())
def test_any_message_is_one_short_line_that_can_be_stored(text: str) -> None:
    shown = message_of(ValueError(text))
    assert len(shown) <= MOST
    assert "\n" not in shown
    assert shown == "" or shown.isprintable()
    shown.encode()


def test_a_message_of_megabytes_is_cut() -> None:
    assert len(message_of(ValueError("x" * 10_000_000))) == MOST


def test_an_exception_that_cannot_be_printed_has_a_name_and_a_reason() -> None:
    assert sentence_part(Hostile()) == "Hostile: its message can't be read: SystemExit"


def test_a_class_that_hides_its_name_has_one() -> None:
    odd = _Meta("Odd", (Exception,), {})
    error = BaseException.__new__(odd)
    assert name_of(error) == "Odd"


@pytest.mark.parametrize(
    "text",
    [
        "no way to postgresql://me:s3cret-word@host/db",
        "connect(password='s3cret-word') failed",
        "the word is s3cret-word, they say",
        "s3cret-word" + "x" * 400,
    ],
)
def test_no_password_is_in_a_message(text: str) -> None:
    assert "s3cret" not in message_of(ValueError(text), ("s3cret-word",))


def test_what_python_put_in_place_of_an_exception_is_named_by_it() -> None:
    async def leaks() -> None:
        raise StopIteration("nothing left")

    with pytest.raises(RuntimeError) as raised:
        leaks().send(None)
    assert sentence_part(unwrapped(raised.value)) == "StopIteration: nothing left"
    group = ExceptionGroup("some", [ExceptionGroup("inner", [KeyError("a")])])
    assert name_of(unwrapped(group)) == "KeyError"
    both = ExceptionGroup("some", [KeyError("a"), ValueError("b")])
    assert name_of(unwrapped(both)) == "ExceptionGroup"
    own = RuntimeError("mine")
    assert unwrapped(own) is own
