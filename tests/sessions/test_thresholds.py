"""`--fail-if`: the conditions it accepts, and when they fail a run."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from poolviz.model.errors import InputError
from poolviz.model.sample import Mark, MarkKind
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.summary import RunSummary, SummaryBuilder
from poolviz.sessions.thresholds import FIGURES, Outcome, Threshold, help_text, verdicts
from tests.sessions.builders import Tick, began, change, record, reports, samples


@pytest.fixture(scope="module")
def summary() -> RunSummary:
    """One second: 40 operations, 20 timeouts, 60 errors, waits of 61 ms, 3 connections used."""
    builder = SummaryBuilder()
    tick = Tick(
        used=(3, 3),
        idle=(1, 1),
        pending=(2, 6),
        waits=[0.061],
        operations=2,
        timeouts=1,
        errors={"A": 1, "B": 2},
    )
    for sample in samples([tick] * 20):
        builder.add(sample)
    return builder.summary(None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wait_p95 > 50ms", "'wait_p95 > 50 ms' is true: wait_p95 was 61 ms."),
        ("wait_p95>0.05", "'wait_p95 > 50 ms' is true: wait_p95 was 61 ms."),
        ("wait_max >= 0.061s", "'wait_max >= 61 ms' is true: wait_max was 61 ms."),
        ("  throughput < 100 ", "'throughput < 100' is true: throughput was 40."),
        ("timeouts != 0", "'timeouts != 0' is true: timeouts was 20."),
        ("errors == 60", "'errors == 60' is true: errors was 60."),
        ("pending_max > 5", "'pending_max > 5' is true: pending_max was 6."),
        ("open_at_end > 0", "'open_at_end > 0' is true: open_at_end was 4."),
        ("open_mean > 0", "'open_mean > 0' is true: open_mean was 4."),
        (
            "open_after_close > 0",
            "'open_after_close > 0' can't be checked: nothing was counted for open_after_close.",
        ),
        ("used_mean <= 3.5", "'used_mean <= 3.5' is true: used_mean was 3."),
        ("use_p99 > 1s", "'use_p99 > 1 s' can't be checked: nothing was counted for use_p99."),
    ],
)
def test_a_threshold_that_is_crossed_says_the_measured_figure(
    summary: RunSummary, text: str, said: str
) -> None:
    verdict = Threshold.parse(text).verdict(summary)
    assert verdict.sentence == said
    assert not verdict.passed
    assert verdict.outcome == (Outcome.CROSSED if " is true: " in said else Outcome.NOT_MEASURED)


@pytest.mark.parametrize(
    "text",
    ["wait_p95 > 70ms", "throughput < 30", "operations != 40", "used_max > 3", "wait_mean > 1min"],
)
def test_a_threshold_that_holds_says_so(summary: RunSummary, text: str) -> None:
    verdict = Threshold.parse(text).verdict(summary)
    assert verdict.passed
    assert f"' is not true: {verdict.figure} was " in verdict.sentence


def test_every_figure_can_be_compared_with_a_value(summary: RunSummary) -> None:
    for figure in FIGURES:
        verdict = Threshold.parse(f"{figure} > 1e9").verdict(summary)
        assert verdict.passed or "can't be checked" in verdict.sentence


def three_segments() -> tuple[RunSummary, tuple[Mark, ...]]:
    """Waits of 10, 480 and 12 ms: from 1 to 2 s the table is locked and max_overflow is 0. Then
    come one tick that is shorter than a sample, and a second in which nobody gets a connection."""
    ticks = [
        Tick(span=0.03 if segment == 3 else 0.05, waits=[wait] if wait else (), segment=segment)
        for segment, wait in enumerate((0.01, 0.48, 0.012, 0.0, 0.0))
        for _ in range(1 if segment == 3 else 20)
    ]
    taken = list(samples(ticks))
    for index in range(20, 40):
        taken[index] = msgspec.structs.replace(taken[index], faults={"lock_table": 1.0})
    marks = (
        Mark(t=taken[19].t, kind=MarkKind.FAULT, text="lock_table 1 s", key="lock_table"),
        Mark(t=taken[39].t, kind=MarkKind.FAULT, text="lock_table over", key="lock_table"),
        change(taken[19].t, "max_overflow", 5, 0),
        change(taken[39].t, "max_overflow", 0, 5),
        change(taken[60].t, "clients", 2, 9),
    )
    builder = SummaryBuilder()
    for sample in taken:
        builder.add(sample)
    return builder.summary(None, None, marks=marks), marks


@pytest.mark.parametrize(
    ("text", "outcome", "segment", "said"),
    [
        ("wait_p95 > 50ms in segment 1", "passed", 1, "was 10 ms in segment 1 (0.0 to 1.0 s)."),
        (
            "wait_p95 > 50ms in segment 2",
            "crossed",
            2,
            "was 480 ms in segment 2 (1.0 to 2.0 s, lock_table 1 s, max_overflow 5 → 0).",
        ),
        ("wait_p95 > 50ms in any segment", "crossed", 2, "was 480 ms in segment 2 (1.0 to 2.0 s, "),
        (
            "wait_p95 > 5ms in any segment",
            "crossed",
            2,
            "max_overflow 5 → 0); it is true in segments 1, 3 too.",
        ),
        (
            "wait_p95 > 1s in any segment",
            "not_measured",
            5,
            "nothing was counted for wait_p95 in segment 5 (3.0 to 4.0 s, clients 2 → 9).",
        ),
        ("wait_p95 > 50ms in every segment", "passed", 3, "was 12 ms in segment 3 "),
        ("wait_p95 > 5ms in every segment", "not_measured", 5, "nothing was counted for wait_p95"),
        ("pending_max < 1 in every segment", "crossed", 1, "it is true in segments 2, 3, 5 too."),
        ("wait_p95 < 1ms after max_overflow", "passed", 3, "was 12 ms in segment 3 "),
        ("wait_p95 > 1ms after max_overflow", "crossed", 2, "true in segment 3 too."),
        ("wait_p95 > 1ms after clients", "not_measured", 5, "nothing was counted for wait_p95"),
        ("wait_p95 > 1ms in segment 4", "not_measured", 4, "nothing was counted for wait_p95"),
        ("errors > 0 in segment 6", "not_measured", None, "checked: the run had 5 segments."),
        ("errors > 0 after pool_size", "not_measured", None, "no segment of the run is after pool"),
        ("wait_p95 > 1ms during lock_table", "crossed", 2, "was 480 ms in segment 2 (1.0 to 2.0 s"),
        ("wait_p95 > 1ms after lock_table", "crossed", 3, "was 12 ms in segment 3 (2.0 to 3.0 s"),
        ("errors > 0 during slow_connecting", "not_measured", None, "slow_connecting was never in"),
    ],
)
def test_a_threshold_of_segments(text: str, outcome: str, segment: int | None, said: str) -> None:
    verdict = Threshold.parse(text).verdict(*three_segments())
    assert (verdict.outcome, verdict.segment) == (outcome, segment), verdict.sentence
    assert said in verdict.sentence
    assert (verdict.value is None) == (outcome == "not_measured")
    again = Threshold.parse(verdict.condition)
    assert again == Threshold.parse(text), "a condition is shown as it can be given"


def test_a_session_has_the_verdicts_on_its_conditions(tmp_path: Path) -> None:
    conditions = ("operations < 1", "errors > 0 in segment 1", "blorp > 3")
    begun = began()
    scenario = msgspec.structs.replace(begun.scenario, fail_if=conditions)
    run = reports(samples([Tick(errors={"A": 1})] * 20))
    next(run)
    path = tmp_path / "run.poolviz"
    with Recorder(path) as recorder:
        record(recorder, [msgspec.structs.replace(begun, scenario=scenario), *run])
        given = verdicts(recorder)
    assert [verdict.outcome for verdict in given] == ["crossed", "crossed", "not_measured"]
    assert given[2].sentence.startswith("A condition of the session can't be read: 'blorp > 3': ")
    with Recorder.open(path) as reopened:
        assert verdicts(reopened) == given
    with Recorder() as empty:
        assert verdicts(empty) == ()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "it takes FIGURE OPERATOR VALUE"),
        ("wait_p95", "it takes FIGURE OPERATOR VALUE"),
        ("wait_p95 = 5", "= is no operator: use one of > >= < <= == !="),
        ("wait_p95 >> 5", ">> is no operator: "),
        ("wait_p95 => 5ms", "=> is no operator: "),
        ("errors > 0 and timeouts > 0", "it takes one condition. Give one for each"),
        ("errors > 0 OR timeouts > 0", "it takes one condition"),
        ("errors > 0, timeouts > 0", "it takes one condition"),
        ("errors > 0 && timeouts > 0", "it takes one condition"),
        ("wait_p96 > 5", "wait_p96 is no figure of a run: "),
        ("blorp > 5", "blorp is no figure of a run: "),
        ("wait_p95 > soon", "a time, such as 50ms"),
        ("wait_p95 > 5 parsecs", "a time, such as 50ms"),
        ("wait_p95 >", "a time, such as 50ms"),
        ("operations > 5ms", "compared with a number"),
        ("operations > nan", "compared with a number"),
        ("operations > inf", "compared with a number"),
        ("errors > 0 in segment 0", "'in segment 0' names no part of a run: give 'in segment 2'"),
        ("errors > 0 in segment", "names no part of a run"),
        ("errors > 0 in each segment", "names no part of a run"),
        ("errors > 0 during", "names no part of a run"),
        ("errors > 0 while lock_table", "compared with a number"),
        ("errors > 0 after", "names no part of a run"),
        ("errors > soon in segment 2", "compared with a number"),
        ("open_after_close > 0 in segment 1", "leave 'in segment 1' away"),
    ],
)
def test_a_malformed_threshold_is_refused_in_one_sentence(text: str, what: str) -> None:
    with pytest.raises(InputError) as caught:
        Threshold.parse(text)
    (sentence,) = caught.value.problems
    assert sentence.startswith(f"--fail-if '{text}'")
    assert what in sentence


def test_the_help_names_every_figure_and_operator_within_80_columns() -> None:
    text = help_text()
    words = set(re.findall(r"\w+", text))
    for figure in FIGURES:
        time, _, statistic = figure.rpartition("_")
        assert figure in words or (f"{time}_…" in text and statistic in words)
    for operator in (">", ">=", "<", "<=", "==", "!="):
        assert f" {operator}" in text
    for scope in (
        "in segment N",
        "in any segment",
        "in every segment",
        "after KEY",
        "during FAULT",
    ):
        assert f" {scope} " in text
    assert max(map(len, text.splitlines())) <= 80
