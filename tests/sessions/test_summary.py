"""The figures of a run, against small ones worked out by hand."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolviz.model.messages import RunEnded
from poolviz.model.sample import (
    Level,
    Mark,
    MarkKind,
    PoolerView,
    ReportedCounts,
    Sample,
    ServerView,
)
from poolviz.sessions.result_text import text
from poolviz.sessions.summary import RunSummary, SummaryBuilder
from tests.sessions.builders import LIMITS, LOAD, Tick, began, ended, samples, ticks


def summed(run: list[Sample], open_at_end: int | None = None) -> RunSummary:
    builder = SummaryBuilder()
    for sample in run:
        builder.add(sample)
    return builder.summary(began(), None if open_at_end is None else ended(open_at_end))


RUN = [
    Tick(
        span=0.05,
        used=(1, 3),
        idle=(1, 0),
        pending=(0, 2),
        waits=[0.001, 0.003],
        uses=[0.004],
        creates=[0.002, 0.002],
        operations=4,
        opened=3,
        errors={"PoolError": 1},
        per_client={1: 3, 2: 1, 3: 0},
    ),
    Tick(
        span=0.15,
        used=(5, 8),
        idle=(0, 0),
        retrying=(1, 1),
        waits=[0.100],
        retries=[0.050],
        operations=6,
        timeouts=2,
        errors={"PoolError": 2, "Broken": 1},
        opened=6,
        closed=1,
        per_client={1: 4, 2: 2},
        server=ServerView(active=5, idle=2, idle_in_transaction=1),
        missed=2,
    ),
    Tick(
        span=0.05,
        used=(2, 2),
        idle=(6, 6),
        operations=10,
        closed=4,
        per_client={1: 10, 4: 0},
        server=ServerView(idle=6),
        segment=1,
        limits={**LIMITS, "pool_size": 2},
        load={**LOAD, "clients": 3},
        kept=2,
    ),
]


def test_the_figures_of_a_small_run_are_those_calculated_by_hand() -> None:
    whole = summed(list(samples(RUN)), open_at_end=4)
    assert whole.pool == "sqlalchemy.QueuePool"
    assert whole.server == "PostgreSQL 18.6"
    assert whole.duration_s == pytest.approx(0.25)
    assert whole.operations == 20
    assert whole.throughput_per_s == pytest.approx(80)
    assert whole.timeouts == 2
    assert whole.errors == {"Broken": 1, "PoolError": 3}
    assert whole.wait_time_s.count == 3
    assert whole.wait_time_s.mean == pytest.approx(0.104 / 3)
    assert whole.wait_time_s.p50 == pytest.approx(0.003, rel=0.01)
    assert whole.wait_time_s.max == 0.1
    assert whole.use_time_s.count == 1
    assert whole.create_time_s.count == 2
    assert whole.retry_time_s.count == 1
    assert whole.retry_time_s.max == 0.05
    connections = whole.connections
    assert (connections.opened, connections.closed) == (9, 5)
    assert (connections.open_max, connections.used_max, connections.overflow_max) == (8, 8, 6)
    assert (connections.pending_max, connections.retrying_max) == (2, 1)
    assert connections.used_mean == pytest.approx((2 * 0.05 + 6.5 * 0.15 + 2 * 0.05) / 0.25)
    assert connections.open_mean == pytest.approx((2.5 * 0.05 + 6.5 * 0.15 + 8 * 0.05) / 0.25)
    assert (connections.open_at_end, connections.open_after_close) == (8, 4)
    assert whole.operations_per_client.min == 0
    assert whole.operations_per_client.median == 1.5
    assert whole.operations_per_client.max == 17
    assert (whole.server_backends_max, whole.server_backends_mean) == (8, 7)
    assert whole.server_backends_at_end == 6
    assert (whole.samples, whole.samples_dropped) == (3, 2)


def test_each_segment_has_the_same_figures_of_its_own_time() -> None:
    whole = summed(list(samples(RUN)))
    first, second = whole.segments
    assert [first.from_s, first.to_s] == pytest.approx([0.0, 0.2])
    assert [second.from_s, second.to_s] == pytest.approx([0.2, 0.25])
    assert first.duration_s == pytest.approx(0.2)
    assert first.limits == LIMITS
    assert second.limits["pool_size"] == 2
    assert second.load["clients"] == 3
    assert (first.operations, second.operations) == (10, 10)
    assert first.throughput_per_s == pytest.approx(50)
    assert second.throughput_per_s == pytest.approx(200)
    assert (first.connections.opened, second.connections.opened) == (9, 0)
    assert (first.connections.closed, second.connections.closed) == (1, 4)
    assert (first.connections.open_at_end, second.connections.open_at_end) == (8, 8)
    assert first.connections.open_after_close is second.connections.open_after_close is None
    assert second.connections.open_mean == 8
    assert (first.wait_time_s.count, second.wait_time_s.count) == (3, 0)
    assert second.wait_time_s.p95 is None
    assert second.operations_per_client.min == 0
    assert (first.server_backends_max, second.server_backends_max) == (8, 6)
    assert (first.server_backends_mean, second.server_backends_mean) == (8, 6)


def test_the_end_of_a_run_is_in_no_mean_and_no_figure_at_the_end() -> None:
    *load, last = samples(RUN)
    closing = msgspec.structs.replace(
        last,
        index=last.index + 1,
        t=last.t + 0.4,
        span=0.4,
        open=Level(0, 0, 8, 1.0),
        server=ServerView(),
        ending=True,
    )
    whole, without = summed([*load, last, closing], 0), summed([*load, last], 0)
    for figures in (whole, whole.segments[-1]):
        assert figures.connections.open_at_end == 8
        assert figures.server_backends_at_end == 6
    assert whole.connections.open_mean == without.connections.open_mean
    assert whole.server_backends_mean == without.server_backends_mean
    assert whole.connections.open_after_close == 0
    assert whole.duration_s == pytest.approx(without.duration_s + 0.4)


def test_a_segment_has_the_changes_and_faults_that_began_it() -> None:
    first, second, third = samples(RUN)
    fault = msgspec.structs.replace(third, index=3, t=third.t + 1, span=1.0, segment=2)
    builder = SummaryBuilder()
    for sample in (first, second, third, fault):
        builder.add(sample)
    marks = [
        Mark(t=second.t, kind=MarkKind.CHANGE, text="max_overflow 5 → 0"),
        Mark(t=second.t, kind=MarkKind.CHANGE, text="think_time 9 ms → 0 s"),
        Mark(t=second.t, kind=MarkKind.NOTE, text="a note"),
        Mark(t=second.t + 0.01, kind=MarkKind.NOTE, text="another"),
        Mark(t=third.t, kind=MarkKind.FAULT, text="kill_backend"),
    ]
    summary = builder.summary(began(), ended(), marks=marks)
    assert [segment.began_with for segment in summary.segments] == [
        [],
        ["max_overflow 5 → 0", "think_time 9 ms → 0 s"],
        ["kill_backend"],
    ]
    printed = text(summary, marks).splitlines()
    assert "segment 2, 0.2 to 0.2 s   max_overflow 5 → 0, think_time 9 ms → 0 s" in printed
    assert "segment 3, 0.2 to 1.2 s   kill_backend" in printed


@pytest.mark.parametrize(
    ("used", "open_", "said"),
    [
        (5, 6, "counts 5.00 connections in use on average while clients hold 2.00: connections"),
        (0, 5, "counts 0.00 connections in use on average while clients hold 2.00: it has lost"),
        (2, 3, "counts 3.00 open connections on average while 5.00 are open: it no longer has"),
        (2, 5, None),
        (3, 5, "counts 3 connections in use at 0.8 s while clients hold 2: connections"),
    ],
)
def test_a_pool_whose_own_counts_are_others_is_told_in_a_sentence(
    used: int, open_: int, said: str | None
) -> None:
    for_long = 15 if used == 3 else 60
    run = [
        msgspec.structs.replace(sample, reported_counts=counts)
        for number, sample in enumerate(samples([Tick() for _ in range(60)]))
        for counts in [
            ReportedCounts(open_, used, 0) if number < for_long else ReportedCounts(5, 2)
        ]
    ]
    sentence = summed(run).reported_counts.difference
    assert (sentence is None) == (said is None)
    assert (said or "") in (sentence or "")


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ((5, 2, 2, 2, 5), "The server counts 2 connections of this run at 0.2 s while 5 are open:"),
        ((2, 2, 5, 2, 2), None),  # of two moments, while connections are opened
        ((5, 5, 5, 6, 6), None),
    ],
)
def test_a_server_that_has_closed_connections_is_told(
    seen: tuple[int, ...], said: str | None
) -> None:
    run = [Tick(server=ServerView(idle=count)) for count in seen]
    sentence = summed(list(samples(run))).server_difference
    assert (sentence is None) == (said is None)
    assert (sentence or "").startswith(said or "")


def test_counts_of_two_moments_do_not_contradict_each_other() -> None:
    run = [
        msgspec.structs.replace(
            sample, reported_counts=ReportedCounts(sample.open.low, sample.used.high + number % 2)
        )
        for number, sample in enumerate(samples(ticks(400)))
    ]
    summary = summed([msgspec.structs.replace(sample, span=0.05) for sample in run])
    assert summary.reported_counts.difference is None


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 1000))
def test_segments_add_up_to_the_run(lengths: list[int], seed: int) -> None:
    run = [
        msgspec.structs.replace(sample, segment=segment)
        for segment, sample in zip(
            (number for number, length in enumerate(lengths) for _ in range(length)),
            samples(ticks(sum(lengths), seed)),
            strict=True,
        )
    ]
    whole = summed(run)
    parts = whole.segments
    assert [part.samples for part in parts] == lengths
    assert sum(part.operations for part in parts) == whole.operations
    assert sum(part.duration_s for part in parts) == pytest.approx(whole.duration_s)
    assert sum(part.wait_time_s.count for part in parts) == whole.wait_time_s.count
    assert max(part.connections.used_max for part in parts) == whole.connections.used_max
    for before, after in pairwise(parts):
        assert before.to_s == after.from_s


def test_it_becomes_the_object_that_the_command_line_prints() -> None:
    shown = json.loads(msgspec.json.encode(summed(list(samples(RUN)), open_at_end=0)))
    figures = {
        *("duration_s", "operations", "throughput_per_s", "timeouts", "errors", "error_details"),
        "waits_unfinished",
        "reported_counts",
        *("wait_time_s", "use_time_s", "create_time_s", "retry_time_s", "connections"),
        *("server_backends_mean", "server_backends_at_end", "clients_restarted"),
        "server_difference",
        *("operations_per_client", "server_backends_max", "samples", "samples_dropped"),
        *("server_others_max", "processes", "pooler"),
        *("longest_wait_per_client_s", "load_generator"),
    }
    assert set(shown) == {
        *("pool", "use", "replays", "connect", "server", "complete", "incomplete_reason"),
        *("rows", "segments"),
        *figures,
    }
    for segment in shown["segments"]:
        assert (
            set(segment) == {"from_s", "to_s", "began_with", "limits", "load", "faults"} | figures
        )
    for times in ("wait_time_s", "use_time_s", "create_time_s", "retry_time_s"):
        assert list(shown[times]) == ["count", "mean", "p50", "p95", "p99", "max"]
    assert set(shown["connections"]) == {
        *("opened", "closed", "open_max", "used_max", "used_mean", "overflow_max"),
        *("pending_max", "retrying_max", "backlog_max", "open_at_end"),
        *("open_mean", "open_after_close"),
    }
    for name in ("operations_per_client", "longest_wait_per_client_s"):
        assert list(shown[name]) == ["min", "median", "max"]
    assert list(shown["load_generator"]) == ["cpu_max", "lag_p99_max_s", "strained_s"]


def test_waits_of_each_client_are_the_longest_of_its_segment_and_of_the_run() -> None:
    first, second, third = list(samples(RUN))[:3]
    run = [
        msgspec.structs.replace(
            first, segment=0, per_client={0: 1, 1: 0, 2: 0}, longest_waits={0: 0.1, 1: 0.2}
        ),
        msgspec.structs.replace(second, segment=0, per_client={}, longest_waits={0: 0.3}),
        msgspec.structs.replace(third, segment=1, per_client={0: 1}, longest_waits={0: 0.05}),
    ]
    whole = summed(run)
    longest = whole.longest_wait_per_client_s
    assert (longest.min, longest.median, longest.max) == (0.0, 0.2, 0.3)
    longest = whole.segments[1].longest_wait_per_client_s
    assert (longest.min, longest.max) == (0.05, 0.05)


def test_the_time_that_the_load_generator_was_at_its_limit_is_counted() -> None:
    first, second = list(samples(RUN))[:2]
    run = [
        msgspec.structs.replace(first, cpu=0.5, lag=0.001, overloaded=False),
        msgspec.structs.replace(second, cpu=0.95, lag=0.007, overloaded=True),
    ]
    generator = summed(run).load_generator
    assert (generator.cpu_max, generator.lag_p99_max_s) == (0.95, 0.007)
    assert generator.strained_s == pytest.approx(second.span)


def test_figures_that_nothing_was_counted_for_are_null() -> None:
    shown = json.loads(msgspec.json.encode(SummaryBuilder().summary(None, None)))
    assert shown["operations"] == 0
    assert shown["throughput_per_s"] is None
    assert shown["wait_time_s"]["count"] == 0
    assert shown["wait_time_s"]["p95"] is None
    assert shown["operations_per_client"] == {"min": None, "median": None, "max": None}
    assert shown["server_backends_max"] is None
    assert shown["segments"] == []


STOPPED = RunEnded(open_at_end=0, stopped=True)
FAILED = RunEnded(open_at_end=0, failure="The pool is gone.", exit_status=1, stopped=True)


@pytest.mark.parametrize(
    ("duration", "end", "trouble", "reason"),
    [
        (20.0, ended(), "", None),
        (20.0, None, "", "The record ends before the run did."),
        (20.0, STOPPED, "", "The run was stopped before its 20 s were over."),
        (None, STOPPED, "", None),  # it had no other end
        (20.0, FAILED, "The disk is full.", "The pool is gone."),
        (20.0, ended(), "The disk is full.", "The disk is full."),
    ],
)
def test_a_run_is_complete_or_says_why_it_is_not(
    duration: float | None, end: RunEnded | None, trouble: str, reason: str | None
) -> None:
    start = began()
    start = msgspec.structs.replace(
        start, scenario=msgspec.structs.replace(start.scenario, duration=duration)
    )
    summary = SummaryBuilder().summary(start, end, trouble)
    assert (summary.complete, summary.incomplete_reason) == (reason is None, reason)


def test_a_pooler_in_between_is_counted_while_the_load_lasts() -> None:
    def said(waiting: int, active: int, maxwait: float, transactions: int, waited: float) -> Tick:
        view = PoolerView(4, waiting, active, 1, 0, maxwait, transactions, waited)
        return Tick(pooler=view)

    ticks = [said(2, 4, 0.5, 100, 3.0), Tick(), said(6, 2, 1.5, 300, 13.0)]
    last = next(samples([said(9, 9, 9.0, 500, 99.0)]))
    run = list(samples(ticks))
    run.append(msgspec.structs.replace(last, index=3, t=1.0, ending=True))
    pooler = summed(run).pooler
    assert pooler is not None
    assert (pooler.cl_waiting_max, pooler.cl_waiting_mean) == (6, 4)
    assert (pooler.sv_active_max, pooler.sv_active_mean) == (4, 3)
    assert pooler.maxwait_max_s == 1.5
    assert pooler.wait_time_mean_s == pytest.approx(10 / 200)
    assert summed(list(samples([Tick()]))).pooler is None
    restarted = [said(0, 0, 0.0, 900, 50.0), said(0, 0, 0.0, 3, 1.0)]
    again = summed(list(samples(restarted))).pooler
    assert again is not None and again.wait_time_mean_s is None
