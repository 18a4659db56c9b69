"""Errors by kind: the first of each is kept with its message, and the others are counted only."""

from __future__ import annotations

from time import perf_counter_ns

from poolviz.load.error_kinds import OTHER, ErrorKinds


class Counted(Exception):
    """Counts how often its message is made."""

    made = 0

    def __str__(self) -> str:
        type(self).made += 1
        return "expensive"


def test_only_the_first_of_a_kind_has_its_message_made() -> None:
    kinds = ErrorKinds()
    Counted.made = 0
    before = perf_counter_ns()
    assert {kinds.name(Counted()) for _ in range(100)} == {"Counted"}
    [(name, timeout, moment, message)] = kinds.take()
    assert (name, timeout, message) == ("Counted", False, "expensive")
    assert before < moment < perf_counter_ns()
    assert Counted.made == 1
    assert kinds.take() == []


def test_each_segment_has_a_first_of_its_own() -> None:
    kinds = ErrorKinds()
    kinds.name(ValueError("one"))
    kinds.take()
    kinds.forget()
    kinds.name(ValueError("two"))
    assert [message for *_, message in kinds.take()] == ["two"]


def test_a_timeout_and_an_error_of_one_class_are_two_kinds() -> None:
    kinds = ErrorKinds()
    kinds.name(TimeoutError("no connection is free"), timeout=True)
    kinds.name(TimeoutError("no answer"))
    assert [(timeout, message) for _, timeout, _, message in kinds.take()] == [
        (True, "no connection is free"),
        (False, "no answer"),
    ]


def test_a_class_for_each_error_does_not_fill_the_record() -> None:
    kinds = ErrorKinds()
    names = [kinds.name(type(f"Error{number}", (Exception,), {})()) for number in range(1_000)]
    assert len(set(names)) == 101
    assert names[-1] == OTHER
    assert len(kinds.take()) == 101
