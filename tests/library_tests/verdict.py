"""What the outcomes of a library's tests say of our class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Outcomes = Mapping[str, tuple[str, str]]  # test → "passed", "skipped" or "failed", and why


@dataclass
class Verdict:
    """The tests of one library by what they say; all but the first two with what was raised."""

    passed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    listed: dict[str, str] = field(default_factory=dict)  # can't pass, with the reason
    upstream: dict[str, str] = field(default_factory=dict)  # fails with the library's class too
    unsteady: dict[str, str] = field(default_factory=dict)  # failed, and passed when run again
    broken: dict[str, str] = field(default_factory=dict)  # fails with our class alone
    stale: dict[str, str] = field(default_factory=dict)  # listed, and passes or isn't there

    @property
    def failed(self) -> dict[str, str]:
        """What makes the command fail."""
        return self.broken | self.stale


def reason(test: str, cannot_pass: Mapping[str, str]) -> str:
    """Return why a test can't pass; "" if it isn't listed."""
    return next((why for end, why in cannot_pass.items() if test.endswith(end)), "")


def judge(
    ours: Outcomes, again: Outcomes, upstream: Outcomes, cannot_pass: Mapping[str, str]
) -> Verdict:
    """Sort the tests.

    `ours` are the outcomes with our class; `again` and `upstream` those of what failed there, with
    our class once more and with the library's.
    """
    verdict = Verdict()
    for test, (outcome, said) in ours.items():
        why = reason(test, cannot_pass)
        if outcome == "skipped":
            verdict.skipped.append(test)
        elif outcome == "passed" and why:
            verdict.stale[test] = "It passes: remove it from the list of what can't pass."
        elif outcome == "passed":
            verdict.passed.append(test)
        elif upstream.get(test, ("passed", ""))[0] == "failed":
            verdict.upstream[test] = said
        elif why:
            verdict.listed[test] = why
        elif again.get(test, ("failed", ""))[0] == "passed":
            verdict.unsteady[test] = said
        else:
            verdict.broken[test] = said
    for end in cannot_pass:
        if not any(test.endswith(end) for test in ours):
            verdict.stale[end] = "There is no such test: remove it from the list."
    return verdict
