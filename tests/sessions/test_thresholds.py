"""`--fail-if`: the conditions it accepts, and when they fail a run."""

from __future__ import annotations

import re

import pytest

from poolviz.model.errors import InputError
from poolviz.sessions.summary import RunSummary, SummaryBuilder
from poolviz.sessions.thresholds import FIGURES, Threshold, help_text
from tests.sessions.builders import Tick, samples


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
    assert Threshold.parse(text).crossed(summary) == said


@pytest.mark.parametrize(
    "text",
    ["wait_p95 > 70ms", "throughput < 30", "operations != 40", "used_max > 3", "wait_mean > 1min"],
)
def test_a_threshold_that_holds_says_nothing(summary: RunSummary, text: str) -> None:
    assert Threshold.parse(text).crossed(summary) is None


def test_every_figure_can_be_compared_with_a_value(summary: RunSummary) -> None:
    for figure in FIGURES:
        said = Threshold.parse(f"{figure} > 1e9").crossed(summary)
        assert said is None or "can't be checked" in said


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
    assert max(map(len, text.splitlines())) <= 80
