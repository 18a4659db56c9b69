"""Every preset runs, shortened, and shows what its text promises.

The promises are ratios and orders of magnitude, so that slow and fast machines show them both.
"""

from __future__ import annotations

import queue
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from poolviz.engine.engine import Engine
from poolviz.load.statements import needs_tables
from poolviz.model.lesson import SUBJECTS
from poolviz.model.messages import Report, RunEnded, ServerRestartRequested, StartRun
from poolviz.model.parameters import Value
from poolviz.model.sample import TICK, Sample
from poolviz.model.scenario import LANGUAGES, Change, Scenario
from poolviz.runs.request import check_draft
from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.presets import Preset, open_scenario, presets
from poolviz.servers.dispatch import prepare_tables
from poolviz.servers.embedded.server import EmbeddedServer
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.remedies import before_and_after, measured
from poolviz.sessions.result_text import text
from poolviz.sessions.summary import RunSummary, SegmentSummary
from tests.engine.runs import PATIENCE
from tests.engine.runs import scenario as scenario_of
from tests.servers.fixtures import home

__all__ = ["home"]

NAMES = (
    "cancelled_requests",
    "healthy_pool",
    "leak",
    "nested_checkout_deadlock",
    "overflow_burst",
    "oversized",
    "queuepool_starvation",
    "return_churn",
    "server_restart",
    "slow_query",
    "staticpool_corruption",
    "thundering_herd",
    "too_many_clients",
    "undersized",
    "welcome_to_the_jungle",
)


RATIO = 1.5  # by which a remedy changes the figure of its lesson, at least


class Shown:
    """The figures of a run, and its samples by segment."""

    def __init__(self, recorder: Recorder) -> None:
        self.summary: RunSummary = recorder.summary()
        self.samples: list[Sample] = list(recorder.samples())
        whole = self.summary.segments
        # A change at 0 ends a segment that had no time.
        self._numbers = [n for n, part in enumerate(whole) if part.to_s > part.from_s + 0.1]
        self.segments: list[SegmentSummary] = [whole[n] for n in self._numbers]

    def latter(self, segment: int) -> list[Sample]:
        """Return the samples of a segment's second half, without the end of the run."""
        number = self._numbers[segment]
        samples = [sample for sample in self.samples if sample.segment == number]
        begin, end = self.segments[segment].from_s, self.segments[segment].to_s
        if number == self._numbers[-1]:
            end -= (end - begin) / 5  # the clients stop then
        return [s for s in samples if s.t - s.span > (begin + end) / 2 and s.t <= end]


def shortened(name: str, factor: float, **instead: Value) -> Scenario:
    """Return a preset with its duration and the times of its changes scaled.

    `instead` has other values for settings that are times too, or depend on them.
    """
    whole = complete_draft(open_scenario(Path(name)))
    assert whole.duration is not None
    known = {*whole.limits, *whole.load, *(change.key for change in whole.changes)}
    assert known.issuperset(instead)
    return msgspec.structs.replace(
        whole,
        duration=whole.duration * factor,
        limits={key: instead.get(key, value) for key, value in whole.limits.items()},
        load={key: instead.get(key, value) for key, value in whole.load.items()},
        changes=tuple(
            Change(change.at * factor, change.key, _amount(change, instead))
            for change in whole.changes
        ),
    )


def _amount(change: Change, instead: dict[str, Value]) -> Value:
    """Return the replaced amount of a fault that begins; other changes stay as they are."""
    is_fault = change.key in ("leak_every", "slow_connecting", "slow_statements")
    return instead.get(change.key, change.value) if is_fault and change.value else change.value


def show(scenario: Scenario, server: EmbeddedServer) -> Shown:
    """Run a scenario to its end, and restart the server when it asks for that."""
    if scale := needs_tables(scenario):
        prepare_tables(server.conninfo, scale)
    heard: queue.SimpleQueue[Report] = queue.SimpleQueue()
    with Recorder() as recorder:

        def take(report: Report) -> None:
            recorder.add(report)
            if isinstance(report, (ServerRestartRequested, RunEnded)):
                heard.put(report)

        engine = Engine(
            StartRun(scenario, server.conninfo, "poolviz preset", own_server=True), take
        )
        try:
            patience = (scenario.duration or 0) + PATIENCE
            while isinstance(report := heard.get(timeout=patience), ServerRestartRequested):
                server.restart()
            assert isinstance(report, RunEnded)
            assert not report.failure
        finally:
            engine.stop()
            assert engine.wait(PATIENCE), "the run didn't end"
        return Shown(recorder)


Run = Callable[..., Shown]


@pytest.fixture
def run(server: EmbeddedServer) -> Run:
    """Return a function that runs a preset on the test session's server, and checks that its
    lesson's remedy does what the lesson says."""

    def run(name: str, factor: float, **instead: Value) -> Shown:
        shown = show(shortened(name, factor, **instead), server)
        check_remedy(name, factor, shown.summary)
        return shown

    return run


def check_remedy(name: str, factor: float, summary: RunSummary) -> None:
    """Compare the figure of a lesson before and after the remedy, until the next change."""
    lesson = open_scenario(Path(name)).lesson
    assert lesson is not None
    if not lesson.becomes:
        return
    assert lesson.mend_at is not None
    mended_at = lesson.mend_at * factor
    before, _ = before_and_after(summary, mended_at)
    after = next(s for s in summary.segments if s.from_s >= mended_at - TICK and s.duration_s > 0.1)
    assert before is not None
    was, became = (known(measured(segment, lesson.figure)) for segment in (before, after))
    if lesson.becomes == "lower":
        assert was > RATIO * became, (lesson.figure, was, became)
    else:
        assert became > RATIO * was, (lesson.figure, was, became)


@pytest.fixture
def own_server(home: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer.start() as server:
        yield server


def known(figure: float | None) -> float:
    """Return a figure that must have been measured."""
    assert figure is not None
    return figure


def rate(segment: SegmentSummary) -> float:
    return known(segment.throughput_per_s)


def churn(segment: SegmentSummary) -> float:
    """Return the connections opened per operation."""
    return segment.connections.opened / segment.operations


def most_opened(samples: list[Sample], seconds: float) -> int:
    """Return the most connections opened within any `seconds`."""
    return max(
        sum(s.opened for s in samples if first.t <= s.t <= first.t + seconds) for first in samples
    )


def test_the_presets_of_these_tests_are_there() -> None:
    assert set(NAMES) <= {preset.name for preset in presets()}


@pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.name)
def test_a_preset_says_what_to_watch_in_two_sentences(preset: Preset) -> None:
    assert preset.title
    assert tuple(preset.watch) == LANGUAGES
    for sentences in preset.watch.values():
        assert len(re.findall(r"\.(?= [A-ZÁÉÍÓÚÑ]|$)", sentences)) == 2
    draft = open_scenario(preset.path)
    assert draft.dsn is None
    scenario = complete_draft(draft)
    assert scenario.duration is not None
    assert 15 <= scenario.duration <= 30
    assert min(change.at for change in scenario.changes) <= scenario.duration * 0.6


@pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.name)
def test_a_preset_has_a_lesson_in_both_languages(preset: Preset) -> None:
    lesson = preset.draft.lesson
    assert lesson is not None
    assert lesson.subject in SUBJECTS
    assert set(lesson.texts) == set(LANGUAGES)
    for texts in lesson.texts.values():
        assert len(set(texts.choices)) == 3
        assert texts.question.endswith("?")
        assert all(len(choice) <= 85 for choice in texts.choices), "they stand on a line each"
        assert len(texts.why) < 420
    assert check_draft(preset.draft).title == preset.title


def test_clients_of_a_healthy_pool_do_not_wait(run: Run) -> None:
    shown = run("healthy_pool", 0.25)
    few, many, _ = shown.segments
    assert not shown.summary.errors
    assert not shown.summary.timeouts
    assert rate(many) > 1.3 * rate(few)
    for segment in shown.segments:
        assert known(segment.wait_time_s.p50) < known(segment.use_time_s.p50) / 5
    for segment in shown.segments[1:]:  # all connections are open
        assert known(segment.wait_time_s.p95) < known(segment.use_time_s.p50)


def test_clients_of_an_undersized_pool_wait_longer_than_they_work(run: Run) -> None:
    small, enough = run("undersized", 0.25).segments
    assert small.connections.used_max == 3
    assert small.connections.pending_max >= 10
    assert known(small.wait_time_s.mean) > 2 * known(small.use_time_s.mean)
    assert known(enough.wait_time_s.mean) < known(small.wait_time_s.mean) / 4
    assert known(enough.wait_time_s.p95) < known(small.wait_time_s.p95) / 2
    assert rate(enough) > 1.3 * rate(small)


def test_most_of_an_oversized_pool_is_idle_and_gains_nothing(run: Run) -> None:
    shown = run("oversized", 0.2)
    large, fit = shown.segments
    assert {s.open.last for s in shown.latter(0)} == {60}
    assert large.connections.used_max <= 6
    assert {s.open.last for s in shown.latter(1)} == {8}
    assert not shown.summary.errors
    assert rate(fit) > 0.6 * rate(large)


def test_psycopg2_opens_again_what_it_closed_on_return_until_minconn_is_raised(run: Run) -> None:
    low, high = run("return_churn", 0.2).segments
    assert churn(low) > 0.2
    assert churn(high) < 0.05
    assert known(high.wait_time_s.p95) < known(low.wait_time_s.p95) / 2
    assert not low.errors
    assert not high.errors


def test_each_burst_opens_overflow_that_it_closes_again(run: Run) -> None:
    shown = run("overflow_burst", 0.35, burst_every=1.05, burst_time=0.35)
    over, level = shown.segments
    assert over.connections.overflow_max >= 8
    assert over.connections.opened > 3 * over.connections.open_max
    assert level.connections.opened <= 20
    assert level.connections.overflow_max == 0
    assert churn(over) > 4 * churn(level)


def test_connections_that_were_opened_together_expire_together(run: Run) -> None:
    shown = run("thundering_herd", 0.28, pool_recycle=1.12)
    recycled, kept = shown.segments
    assert recycled.connections.opened > 80
    assert known(recycled.wait_time_s.max) > 0.25
    later = [sample for sample in shown.samples if sample.t > 0.8]  # after the first connects
    assert most_opened(later, 0.3) >= 15
    assert kept.connections.opened <= 40  # of a herd that was connecting when it changed
    assert sum(s.opened for s in shown.latter(1)) == 0


def test_a_slow_query_fills_the_pool_until_it_is_quick_again(run: Run) -> None:
    shown = run("slow_query", 0.3)
    before, slow, after = shown.segments
    assert rate(slow) < rate(before) / 4
    assert {s.used.high for s in shown.latter(1)} == {10}
    assert min(s.used.mean for s in shown.latter(1)) > 8
    assert slow.connections.pending_max >= 10
    assert rate(after) > 3 * rate(slow)


def test_a_leaked_connection_stays_in_use(run: Run) -> None:
    shown = run("leak", 0.4, leak_every=15)
    _, leaking, larger, mended = shown.segments
    assert sum(s.operations for s in shown.latter(1)) == 0
    assert {s.used.low for s in shown.latter(1)} == {10}
    assert min(s.pending.last for s in shown.latter(1)) > 0
    assert leaking.timeouts > 0
    assert larger.operations > 0
    assert mended.operations > 0
    used = [s.used.low for s in shown.latter(3)]
    assert min(used) >= 10
    assert not mended.timeouts


def test_nested_checkouts_stall_until_there_is_one_more_connection(run: Run) -> None:
    shown = run("nested_checkout_deadlock", 0.4)
    three, _, freed = shown.segments
    assert three.operations > 0
    stalled = shown.latter(1)
    assert sum(s.operations for s in stalled) == 0
    assert {(s.used.low, s.used.high, s.pending.last) for s in stalled} == {(4, 4, 4)}
    assert freed.operations > three.operations / 4
    assert not shown.summary.timeouts


def test_static_pool_loses_rows_that_were_committed(run: Run) -> None:
    shown = run("staticpool_corruption", 0.3)
    rows = shown.summary.rows
    assert rows is not None
    assert rows.expected == shown.summary.operations
    assert 0 < rows.found < rows.expected - 5
    assert "were undone by others" in rows.sentence
    assert msgspec.to_builtins(shown.summary)["rows"] == msgspec.to_builtins(rows)
    assert f"rows          {rows.sentence}" in text(shown.summary)
    assert not shown.summary.errors


def test_a_pool_that_shares_nothing_loses_no_row(server: EmbeddedServer) -> None:
    several = scenario_of(
        statement="read_write", clients=6, duration=1.5, changes=(Change(0.7, "checkouts", 2),)
    )
    rows = show(several, server).summary.rows
    assert rows is not None
    assert rows.found == rows.expected > 0


def test_a_load_that_adds_no_rows_has_no_row_count(server: EmbeddedServer) -> None:
    for statement in ("sleep", "read"):
        shown = show(scenario_of(statement=statement, duration=0.5), server)
        assert shown.summary.operations > 0
        assert shown.summary.rows is None


def test_queue_pool_serves_a_few_and_starves_the_others(run: Run) -> None:
    starved, fair = run("queuepool_starvation", 0.25).segments
    few = starved.operations_per_client
    assert known(few.max) > 20 * max(known(few.median), 1)
    all_of_them = fair.operations_per_client
    assert known(all_of_them.max) < 4 * known(all_of_them.min)
    assert known(fair.longest_wait_per_client_s.max) > 1  # the time they starved


def test_an_engine_replaces_dead_connections_that_the_pool_hands_out(
    own_server: EmbeddedServer,
) -> None:
    summary = show(shortened("server_restart", 0.45), own_server).summary
    check_remedy("server_restart", 0.45, summary)
    segments = summary.segments
    assert sum("restart_server" in segment.faults for segment in segments) == 3
    # Some are of the time when there was no server, whatever the pool does.
    errors: Counter[tuple[Value, Value]] = Counter()
    for segment in segments:
        kind = segment.load["use"], segment.limits["pool_pre_ping"]
        errors[kind] += sum(segment.errors.values())
    assert errors["raw_connection", False] >= 20
    assert errors["connection", False] < errors["raw_connection", False] / 2
    assert errors["connection", True] < errors["raw_connection", False] / 2
    assert segments[-1].operations > 20


def test_a_cancelled_release_costs_a_connection_unless_it_is_completed(run: Run) -> None:
    lost, kept = run("cancelled_requests", 0.3).segments
    for segment in (lost, kept):
        assert segment.errors["CancelledByClient"] > 10
    assert lost.connections.opened > lost.errors["CancelledByClient"] / 2
    assert kept.connections.opened < kept.errors["CancelledByClient"] / 3


@pytest.mark.on_demand  # a machine that does other things doesn't open a thousand in time
def test_the_server_lets_no_more_than_a_thousand_in(own_server: EmbeddedServer) -> None:
    shown = show(shortened("too_many_clients", 0.75, ramp_time=2.0), own_server)
    check_remedy("too_many_clients", 0.75, shown.summary)
    crowded, queued, _ = shown.segments
    assert 500 < crowded.connections.open_max < 1000  # a slow machine opens fewer in time
    assert set(crowded.errors) == {"OperationalError"}
    assert "FATAL:  sorry, too many clients already" in own_server._cluster.log.read_text()
    assert queued.errors.get("OperationalError", 0) < crowded.errors["OperationalError"]
    assert queued.connections.pending_max > 100
    assert {s.capacity for s in shown.latter(2)} == {500}
    assert max(s.used.mean for s in shown.latter(2)) < 500


def test_a_burst_of_short_work_opens_far_more_connections_than_it_needs(run: Run) -> None:
    shown = run("welcome_to_the_jungle", 0.35, burst_every=1.2)
    overflowing, waiting = shown.segments
    assert overflowing.connections.opened >= 50
    assert waiting.connections.opened <= 2
    assert known(overflowing.wait_time_s.max) > 0.15
    assert waiting.connections.pending_max >= 30
    assert known(waiting.wait_time_s.p95) < known(overflowing.wait_time_s.p95) / 2
