"""What makes the command that runs the libraries' tests fail."""

from __future__ import annotations

from tests.library_tests.verdict import Outcomes, judge

PASSED, SKIPPED, FAILED = ("passed", ""), ("skipped", ""), ("failed", "AssertionError")
OURS: Outcomes = {"t::good": PASSED, "t::off": SKIPPED, "t::bad[1]": FAILED, "t::bad[2]": FAILED}


def test_only_what_fails_with_our_class_alone_and_again_is_broken() -> None:
    verdict = judge(OURS, {"t::bad[1]": FAILED, "t::bad[2]": PASSED}, {"t::bad[1]": PASSED}, {})
    assert (verdict.passed, verdict.skipped) == (["t::good"], ["t::off"])
    assert verdict.failed == {"t::bad[1]": "AssertionError"}
    assert list(verdict.unsteady) == ["t::bad[2]"]


def test_what_fails_with_the_librarys_own_class_is_not_ours() -> None:
    verdict = judge(OURS, {}, {"t::bad[1]": FAILED, "t::bad[2]": FAILED}, {"bad[1]": "a lock"})
    assert list(verdict.upstream) == ["t::bad[1]", "t::bad[2]"]
    assert (verdict.failed, verdict.listed) == ({}, {})


def test_what_is_listed_may_fail_and_may_do_nothing_else() -> None:
    listed = {"::bad[1]": "a lock", "::bad[2]": "a lock"}
    assert judge(OURS, {}, {}, listed).failed == {}
    verdict = judge(OURS | {"t::bad[2]": PASSED}, {}, {}, listed | {"::gone": "a lock"})
    assert list(verdict.listed) == ["t::bad[1]"]
    assert list(verdict.failed) == ["t::bad[2]", "::gone"]
