"""Faults in a run: they leave a mark, show in the samples, and leave nothing behind."""

from __future__ import annotations

import pytest

from poolviz.engine.engine import Engine
from poolviz.model.sample import MarkKind
from poolviz.servers import dispatch
from poolviz.sessions.recorder import Recorder
from tests.engine.runs import PSYCOPG2, QUEUE_POOL, Heard, changes, running, scenario

ASYNCPG, PSYCOPG = "asyncpg.Pool", "psycopg_pool.ConnectionPool"
SIZES = {
    QUEUE_POOL: {"pool_size": 4, "max_overflow": 0, "pool_timeout": 0.2},
    PSYCOPG2: {"minconn": 4, "maxconn": 4},
    PSYCOPG: {"min_size": 4, "max_size": 4, "timeout": 0.2},
    ASYNCPG: {"min_size": 4, "max_size": 4},
}


_REFUSALS = {"OperationalError", "ConnectionRefusedError"}


def marks_of(heard: Heard) -> list[tuple[str | None, object]]:
    return [(mark.key, mark.new) for mark in heard.marks if mark.kind is MarkKind.FAULT]


def clean_end(heard: Heard) -> None:
    assert heard.ended is not None
    assert (heard.ended.failure, heard.ended.open_at_end) == ("", 0)


@pytest.mark.parametrize("pool", SIZES)
def test_leaked_connections_stay_in_use_until_there_is_none_left(pool: str, conninfo: str) -> None:
    what = scenario(pool, clients=3, changes=changes((0, "leak_every", 20)), **SIZES[pool])
    with running(Engine, conninfo, what) as (_, heard):
        heard.until(
            lambda h: sum(s.used.low == 4 and not s.operations for s in h.samples) > 5,
            "nothing is left to work with",
        )
        assert heard.samples[-1].faults == {"leak_every": 20}
    assert marks_of(heard) == [("leak_every", 20)]
    assert heard.marks[0].t < 0.5
    clean_end(heard)


@pytest.mark.parametrize("pool", SIZES)
def test_stuck_clients_keep_their_connections_until_they_are_freed(
    pool: str, conninfo: str
) -> None:
    with running(Engine, conninfo, scenario(pool, clients=4, **SIZES[pool])) as (engine, heard):
        heard.until(lambda h: h.operations() > 10, "some work")
        engine.change("stuck_clients", 2)
        heard.until(
            lambda h: sum(s.used.low >= 2 and s.segment == 1 for s in h.samples) > 10, "two hang"
        )
        engine.change("stuck_clients", 0)
        heard.until(lambda h: h.samples[-1].segment == 2 and h.samples[-1].used.low < 2, "they go")
        assert heard.samples[-1].faults == {}
    assert marks_of(heard) == [("stuck_clients", 2), ("stuck_clients", 0)]
    clean_end(heard)


@pytest.mark.parametrize("pool", SIZES)
def test_killed_backends_are_replaced(pool: str, conninfo: str) -> None:
    with running(Engine, conninfo, scenario(pool, clients=4, **SIZES[pool])) as (engine, heard):
        heard.until(lambda h: h.operations() > 50, "some work")
        engine.change("kill_all_backends", True)
        heard.until(marks_of, "the mark")
        at = heard.marks[0].t
        heard.until(
            lambda h: sum(s.closed for s in h.samples if s.t > at) >= 4, "four connections lost"
        )
        before = heard.operations()
        heard.until(lambda h: h.operations() > before + 100, "the pool goes on")
    assert marks_of(heard) == [("kill_all_backends", True)]
    with Recorder() as recorder:
        for report in heard.reports:
            recorder.add(report)
        before_it, after_it = recorder.summary().segments
    assert (before_it.began_with, after_it.began_with) == ([], ["kill_all_backends"])
    assert before_it.to_s == after_it.from_s == at
    clean_end(heard)


@pytest.mark.parametrize("pool", SIZES)
def test_slow_statements_are_slow_on_the_server(pool: str, conninfo: str) -> None:
    what = scenario(pool, clients=2, changes=changes((0, "slow_statements", 0.1)), **SIZES[pool])
    with running(Engine, conninfo, what) as (_, heard):
        heard.until(lambda h: h.operations() > 10, "some work")
        heard.until(lambda h: [s for s in h.samples if s.server and s.server.active], "seen")
    uses = [sample.use for sample in heard.samples if sample.operations]
    assert min(use.low for use in uses) >= 0.1


@pytest.mark.parametrize("pool", [QUEUE_POOL, PSYCOPG2, ASYNCPG])
def test_slow_connecting_shows_in_the_time_to_create(pool: str, conninfo: str) -> None:
    size = SIZES[pool] | {"minconn": 0, "min_size": 0}
    size = {key: value for key, value in size.items() if key in SIZES[pool]}
    what = scenario(pool, clients=1, changes=changes((0, "slow_connecting", 0.3)), **size)
    with running(Engine, conninfo, what) as (engine, heard):
        engine.change("kill_all_backends", True)
        heard.until(lambda h: [s for s in h.samples if s.create.high >= 0.3], "a slow connection")
    clean_end(heard)


@pytest.mark.parametrize("pool", [QUEUE_POOL, PSYCOPG2, ASYNCPG])
def test_refused_connections_are_errors_for_as_long_as_they_last(pool: str, conninfo: str) -> None:
    with running(Engine, conninfo, scenario(pool, clients=4, **SIZES[pool])) as (engine, heard):
        heard.until(lambda h: h.operations() > 50, "some work")
        engine.change("refuse_connections", 0.5)
        engine.change("kill_all_backends", True)
        heard.until(
            lambda h: [s for s in h.samples if _REFUSALS & {*s.errors}],
            "the driver's own error",
        )  # fmt: skip
        before = heard.operations()
        heard.until(lambda h: h.operations() > before + 100, "the pool goes on")
    assert marks_of(heard) == [
        ("refuse_connections", 0.5),
        ("kill_all_backends", True),
        ("refuse_connections", 0.0),
    ]
    clean_end(heard)


@pytest.mark.parametrize(("key", "seconds"), [("refuse_connections", 0.4), ("lock_table", 0.4)])
def test_a_fault_that_lasts_makes_a_segment_with_marks_at_both_ends(
    conninfo: str, key: str, seconds: float
) -> None:
    dispatch.prepare_tables(conninfo, 1)
    what = scenario(
        clients=2, duration=2.0, statement="read_write", changes=changes((0.5, key, seconds))
    )  # fmt: skip
    with running(Engine, conninfo, what) as (engine, heard):
        assert engine.wait(30)
    begin, end = heard.marks
    assert (begin.kind, begin.key, begin.new) == (MarkKind.FAULT, key, seconds)
    assert (end.kind, end.key, end.old, end.new) == (MarkKind.FAULT, key, seconds, 0.0)
    assert end.text == f"{key} over"
    assert end.t - begin.t >= 0.4
    with Recorder() as recorder:
        for report in heard.reports:
            recorder.add(report)
        segments = recorder.summary().segments
    assert [segment.faults for segment in segments] == [{}, {key: seconds}, {}]
    assert [segment.to_s for segment in segments[:2]] == pytest.approx([begin.t, end.t])
    clean_end(heard)


def test_a_fault_that_is_still_in_progress_makes_no_second_segment(conninfo: str) -> None:
    with running(Engine, conninfo, scenario(clients=2)) as (engine, heard):
        engine.change("refuse_connections", 600.0)
        heard.until(lambda h: len(h.marks) == 1, "it has begun")
        engine.change("refuse_connections", 0.1)
        heard.until(lambda h: h.refused, "the second is refused")
        heard.until(lambda h: h.samples and h.samples[-1].t > heard.marks[0].t + 0.3, "samples")
    assert heard.refused[0].reason.startswith("refuse_connections is still in progress")
    assert max(sample.segment for sample in heard.samples) <= 1
    assert heard.samples[-1].faults == {"refuse_connections": 600.0}
    assert len(heard.marks) == 1


def test_a_fault_that_is_impossible_here_is_refused_with_the_reason(conninfo: str) -> None:
    with running(Engine, conninfo, scenario()) as (engine, heard):
        for key, value, why in (
            ("restart_server", True, "embedded"),
            ("lock_table", 1.0, "statement = read"),
            ("slow_statements", -1.0, "slow_statements is -1"),
        ):
            engine.change(key, value)
            refused = heard.until(lambda h: h.refused, "a refusal")
            assert why in refused[-1].reason
            assert refused[-1].key == key
            heard.reports.remove(refused[-1])
    assert heard.marks == []


def test_a_run_ends_at_once_though_faults_are_in_progress(conninfo: str) -> None:
    with running(Engine, conninfo, scenario(clients=4)) as (engine, heard):
        for key in ("refuse_connections", "slow_connecting", "slow_statements"):
            engine.change(key, 600.0)
        engine.change("stuck_clients", 2)
        engine.change("kill_all_backends", True)
        heard.until(lambda h: len(marks_of(h)) == 5, "all of them")
        engine.stop()
        assert engine.wait(15)
    clean_end(heard)
