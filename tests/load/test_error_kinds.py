"""Errors by kind: told apart by class, SQLSTATE and text, with the first and latest of each."""

from __future__ import annotations

import string
from collections import Counter
from time import perf_counter_ns
from uuid import uuid4

import asyncpg.exceptions
import psycopg.errors
import psycopg2.pool
import pymysql.err
import pytest
import sqlalchemy.exc
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi

from poolviz.load.error_kinds import OTHER, CountedKind, ErrorKinds
from poolviz.model.sample import ErrorCount


class Tried:
    """Errors as clients count them, and as the sampler takes them."""

    def __init__(self, *passwords: str) -> None:
        self.kinds = ErrorKinds(passwords)
        self.counted: Counter[CountedKind] = Counter()

    def count(self, *errors: BaseException, timeout: bool = False) -> list[CountedKind]:
        found = [self.kinds.kind(error, timeout=timeout) for error in errors]
        self.counted.update(found)
        return found

    def take(self, *, complete: bool = False) -> list[ErrorCount]:
        counts = self.kinds.counts(self.counted, 0, perf_counter_ns(), complete=complete)
        self.counted.clear()
        return counts


def test_two_texts_of_one_class_are_two_kinds() -> None:
    tried = Tried()
    one, two, again = tried.count(
        psycopg2.pool.PoolError("connection pool exhausted"),
        psycopg2.pool.PoolError("trying to put unkeyed connection"),
        psycopg2.pool.PoolError("connection pool exhausted"),
    )
    assert one is again is not two
    assert {one.name, two.name} == {"PoolError"}
    assert [
        (kind.name, kind.exception, kind.message) for kind in tried.kinds.first(0)
    ] == [
        ("PoolError", "psycopg2.pool.PoolError", "connection pool exhausted"),
        ("PoolError", "psycopg2.pool.PoolError", "trying to put unkeyed connection"),
    ]  # fmt: skip
    assert [(count.number, count.count) for count in tried.take()] == [
        (one.number, 2),
        (two.number, 1),
    ]


@pytest.mark.parametrize(
    "texts",
    [
        ("limit of size 5 overflow 10 reached", "limit of size 8 overflow -1 reached"),
        ('relation "a b" does not exist', 'relation "c" does not exist'),
        ("no such table: 'x'", "no such table: 'y.z'"),
        ("<conn at 0x7f3a91> is closed", "<conn at 0xbeef00> is closed"),
        (f"request {uuid4()} is refused", f"request {uuid4()} is refused"),
        ("10.0.0.1:5432 is gone", "[::1]:6432 is gone"),
        ("[Errno 111] ('127.0.0.1', 5432)", "[Errno 111] ('localhost', 5433)"),
    ],
)
def test_what_differs_between_two_errors_of_a_kind_is_not_compared(texts: tuple[str, str]) -> None:
    tried = Tried()
    one, two = tried.count(*map(ValueError, texts))
    assert one is two
    [first] = tried.kinds.first(0)
    assert first.message == texts[0]
    [count] = tried.take()
    assert (count.count, count.message) == (2, texts[1])


@given(
    st.lists(
        st.sampled_from(["pool", "can't", "user's", "(timeout)", "is", "closed:"]), min_size=1
    ),
    st.integers(0, 10**12),
    st.integers(0, 10**12),
    st.text(string.ascii_letters, max_size=5),
)
def test_a_number_makes_no_kind_and_a_word_does(
    words: list[str], one: int, two: int, other: str
) -> None:
    text = " ".join(words)
    tried = Tried()
    first, second, third = tried.count(
        ValueError(f"{text} {one}"), ValueError(f"{text} {two}"), ValueError(f"{text} x{other} 1")
    )
    assert first is second is not third


def test_a_number_in_a_language_without_spaces_hides_no_sentence() -> None:
    found = Tried().count(*map(ValueError, ("连接池已满5个", "连接池已满8个", "连接超时5秒")))
    assert [found.index(kind) for kind in found] == [0, 0, 2]


def test_an_sqlstate_and_mysqls_number_tell_kinds_apart() -> None:
    tried = Tried()
    errors = [
        psycopg.errors.AdminShutdown("terminating connection\nDETAIL: of process 5"),
        psycopg.errors.AdminShutdown("terminating connection"),
        psycopg.errors.CrashShutdown("terminating connection"),
        pymysql.err.OperationalError(1040, "no"),
        pymysql.err.OperationalError(1203, "no"),
    ]
    found = tried.count(*errors)
    assert [found.index(kind) for kind in found] == [0, 0, 2, 3, 4]
    assert [kind.sqlstate for kind in found] == ["57P01", "57P01", "57P02", None, None]


def test_sqlalchemys_wrappers_are_the_drivers_own_errors() -> None:
    tried = Tried()
    driver = asyncpg.exceptions.TooManyConnectionsError("sorry, too many clients already")
    adapted = AsyncAdapt_asyncpg_dbapi.Error(f"{type(driver)}: {driver}", driver)
    adapted.__cause__ = driver
    wrapped = sqlalchemy.exc.DBAPIError("SELECT 1", {}, adapted)
    kinds = tried.count(wrapped, driver)
    assert kinds[0] is kinds[1]
    [first] = tried.kinds.first(0)
    assert (first.name, first.sqlstate) == ("TooManyConnectionsError", "53300")
    assert first.message == "sorry, too many clients already"
    [own] = tried.count(sqlalchemy.exc.TimeoutError("QueuePool limit of size 5"))
    assert own.exception == "sqlalchemy.exc.TimeoutError"


def test_first_and_latest_have_their_times() -> None:
    tried = Tried()
    before = perf_counter_ns()
    tried.count(ValueError("try 1"))
    between = perf_counter_ns()
    tried.count(ValueError("try 2"))
    [first], [count] = tried.kinds.first(0), tried.take()
    assert before * 1e-9 <= first.first <= between * 1e-9 <= count.last <= perf_counter_ns() * 1e-9
    assert (first.message, count.message) == ("try 1", "try 2")


def test_a_latest_message_is_not_told_again_and_not_twice_within_a_second() -> None:
    tried = Tried()
    tried.count(ValueError("try 1"))
    assert [count.message for count in tried.take()] == ["try 1"]
    tried.count(ValueError("try 1"))
    assert [count.message for count in tried.take()] == [None]
    tried.count(ValueError("try 2"))
    assert [(count.count, count.message) for count in tried.take()] == [(1, None)]
    assert tried.take() == []
    # The end of a segment or of the run tells what was kept back.
    assert [(count.count, count.message) for count in tried.take(complete=True)] == [(0, "try 2")]
    assert tried.take(complete=True) == []


def test_many_kinds_tell_no_more_messages_a_second_than_a_few() -> None:
    tried = Tried()
    words = [f"{a}{b}" for a in "abcdefghij" for b in string.ascii_letters]
    classes = [type(word, (Exception,), {}) for word in words[:80]]
    messages = 0
    began = perf_counter_ns()
    for number in range(20):
        tried.count(*(each(f"try {number}") for each in classes))
        messages += sum(count.message is not None for count in tried.take())
    assert len(classes) == 80
    assert messages <= 80 * (1 + (perf_counter_ns() - began) / 8e9)


def test_each_segment_has_a_first_of_its_own() -> None:
    tried = Tried()
    [one] = tried.count(ValueError("number 1"))
    tried.kinds.first(0)
    tried.kinds.forget()
    [two] = tried.count(ValueError("number 2"))
    assert one is two
    assert [kind.message for kind in tried.kinds.first(0)] == ["number 2"]


def test_a_timeout_and_an_error_of_one_class_are_two_kinds() -> None:
    tried = Tried()
    tried.count(TimeoutError("no answer"), timeout=True)
    tried.count(TimeoutError("no answer"))
    assert [kind.timeout for kind in tried.kinds.first(0)] == [True, False]


def test_a_class_for_each_error_does_not_fill_the_record() -> None:
    tried = Tried()
    found = tried.count(*(type(f"Error{n}", (Exception,), {})() for n in range(1_000)))
    assert len(set(found)) == 101
    assert found[-1].name == OTHER
    assert len(tried.kinds.first(0)) == 101


def test_a_text_for_each_error_does_not_fill_the_record() -> None:
    tried = Tried()
    words = (f"{a}{b}" for a in string.ascii_letters for b in string.ascii_letters)
    found = tried.count(*(ValueError(word) for word in words))
    assert {kind.name for kind in found} == {"ValueError"}
    assert len(set(found)) == 21
    last = found[-1]
    assert (last.exception, last.latest[1]) == ("", "ZZ")
    [count] = [count for count in tried.take() if count.number == last.number]
    assert (count.count, count.message) == (len(found) - 20, "ZZ")


def test_no_password_is_in_a_message() -> None:
    tried = Tried("hidden-word")
    tried.count(ValueError("first: hidden-word"))
    tried.count(ValueError("first: password=another-word"))
    messages = [kind.message for kind in tried.kinds.first(0)]
    messages += [count.message or "" for count in tried.take(complete=True)]
    assert len(messages) == 4
    assert not any("-word" in message for message in messages)


class Hostile(Exception):
    """Raises wherever it is looked at."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    @property
    def sqlstate(self) -> str:
        raise SystemExit

    @property
    def args(self) -> tuple[object, ...]:  # type: ignore[override]
        raise KeyboardInterrupt


def test_an_error_that_fails_when_it_is_looked_at_is_counted() -> None:
    tried = Tried()
    one, two = tried.count(Hostile("a"), Hostile("b"))
    assert one is two
    [first] = tried.kinds.first(0)
    assert first.message == "its message can't be read: RuntimeError"


def test_an_old_text_is_found_again_after_many_others() -> None:
    tried = Tried()
    found = tried.count(*(ValueError(f"request {number}") for number in range(3_000)))
    assert len(set(found)) == 1
