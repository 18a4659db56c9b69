"""Whole runs on real pools and servers, in this process and in a child."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import closing
from itertools import pairwise
from time import perf_counter

import psycopg2
import pytest

from poolviz.engine import environment
from poolviz.engine.engine import Engine
from poolviz.model.messages import ProblemReported, RunStarted
from poolviz.pools.registry import load_pool
from poolviz.runs.engine_process import EngineProcess
from tests.engine.runs import PSYCOPG2, QUEUE_POOL, Heard, changes, running, scenario
from tests.servers.fixtures import wait_until

POOLS = (PSYCOPG2, QUEUE_POOL)
WAYS = (Engine, EngineProcess)


def backends(conninfo: str, name: str = "poolviz test") -> int:
    with closing(psycopg2.connect(conninfo)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", (name,))
        return int(cursor.fetchone()[0])


def busy(operations: int):
    return lambda heard: heard.operations() >= operations


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("pool", POOLS)
def test_a_run_measures_reports_and_leaves_nothing(way: type, pool: str, conninfo: str) -> None:
    with running(way, conninfo, scenario(pool, clients=4)) as (_, heard):
        heard.until(busy(200), "200 operations")
    assert isinstance(heard.reports[0], RunStarted)
    assert heard.ended.open_at_end == 0
    assert not heard.ended.failure
    for sample in heard.samples:
        assert sample.idle.last + sample.used.last == sample.open.last
        assert sample.used.high <= 4
    last = heard.samples[-1]
    assert last.open.last == last.used.last == last.pending.last == 0
    wait_until(lambda: backends(conninfo) == 0, "the server has no connection left")
    waits = sum(sample.wait.count for sample in heard.samples)
    assert heard.operations() <= waits <= heard.operations() + 4
    per_client = sum(sum(sample.per_client.values()) for sample in heard.samples)
    assert per_client == heard.operations()


@pytest.mark.parametrize("way", WAYS)
def test_a_run_ends_by_itself_after_its_duration(way: type, conninfo: str) -> None:
    what = scenario(clients=2, duration=0.5)
    with running(way, conninfo, what) as (run, heard):
        assert run.wait(30)
    assert heard.ended.open_at_end == 0
    assert heard.samples[-1].t >= 0.5


def test_indices_and_times_of_samples_are_seamless(conninfo: str) -> None:
    with running(Engine, conninfo, scenario(clients=3)) as (_, heard):
        heard.until(busy(300), "300 operations")
    samples = heard.samples
    assert [sample.index for sample in samples] == list(range(len(samples)))
    for before, after in pairwise(samples):
        assert after.t - after.span == pytest.approx(before.t, abs=1e-9)


def test_scheduled_changes_make_segments_and_marks(conninfo: str) -> None:
    what = scenario(
        PSYCOPG2,
        minconn=2,
        maxconn=8,
        clients=6,
        changes=changes((0.4, "maxconn", 3), (0.8, "maxconn", 8), (0.8, "clients", 2)),
        duration=1.2,
    )
    with running(Engine, conninfo, what) as (run, heard):
        assert run.wait(30)
    assert [mark.text for mark in heard.marks] == [
        "maxconn 8 → 3",
        "maxconn 3 → 8",
        "clients 6 → 2",
    ]
    assert sorted({sample.segment for sample in heard.samples}) == [0, 1, 2]
    for mark, segment in zip(heard.marks, (1, 2, 2), strict=True):
        first = next(sample for sample in heard.samples if sample.segment == segment)
        assert first.t - first.span == pytest.approx(mark.t)
    assert {s.limits["maxconn"] for s in heard.samples if s.segment == 1} == {3}
    assert {s.capacity for s in heard.samples if s.segment == 1} == {3}
    assert heard.samples[-1].load["clients"] == 2


@pytest.mark.parametrize("pool", POOLS)
def test_a_lowered_limit_holds_at_the_server_and_a_raised_one_is_used(
    pool: str, conninfo: str
) -> None:
    key, low, high = ("maxconn", 3, 8) if pool == PSYCOPG2 else ("max_overflow", 0, 6)
    limits = {"minconn": 2} if pool == PSYCOPG2 else {"pool_size": 3}
    slow = {"statement_time": 0.01, "think_time": 0, "error_pause": 0.001}
    what = scenario(pool, clients=16, **limits, **{key: high}, **slow)
    most = {"maxconn": 8, "max_overflow": 9}[key]
    with running(Engine, conninfo, what) as (engine, heard):
        heard.until(lambda h: any(s.used.last == most for s in h.samples), "all in use")
        engine.change(key, low)
        heard.until(
            lambda h: any(
                s.open.high <= 3 and s.limits[key] == low and s.operations for s in h.samples
            ),
            "the pool to follow down",
        )
        assert backends(conninfo) <= 3
        engine.change(key, high)
        heard.until(
            lambda h: any(s.segment == 2 and s.used.last == most for s in h.samples),
            "the pool to grow again",
        )
        assert backends(conninfo) <= most


def test_waiting_clients_start_at_once_when_the_limit_is_raised(conninfo: str) -> None:
    """40 clients on one connection that is never given back in time: only room helps them."""
    what = scenario(
        clients=40, pool_size=1, max_overflow=0, statement_time=60, think_time=0, pool_timeout=600
    )
    with running(Engine, conninfo, what) as (engine, heard):
        heard.until(lambda h: h.samples and h.samples[-1].pending.last == 39, "39 waiters")
        engine.change("max_overflow", 39)
        heard.until(lambda h: h.samples[-1].used.last == 40, "all 40 at work")
        waited = next(s for s in heard.samples if s.used.last == 40).t - heard.marks[0].t
    assert waited < 30, "they slept out their timeout"


@pytest.mark.parametrize("way", WAYS)
def test_a_stop_is_quick_though_every_client_is_inside_a_long_query(
    way: type, conninfo: str
) -> None:
    what = scenario(clients=30, pool_size=10, statement_time=60, pool_timeout=600)
    with running(way, conninfo, what) as (run, heard):
        heard.until(
            lambda h: h.samples and h.samples[-1].used.last == 15, "15 clients in a statement"
        )
        began = perf_counter()
        run.stop()
        assert run.wait(30)
        took = perf_counter() - began
    assert took < 50, "60 s statements were waited for"
    assert heard.ended.open_at_end == 0
    assert sum(sum(sample.errors.values()) for sample in heard.samples) == 0
    wait_until(lambda: backends(conninfo) == 0, "the server has no connection left")


def test_clients_stopped_during_a_statement_end_without_a_pause(
    conninfo: str,
) -> None:
    # The change wakes them too, within the very statement that they are then stopped in.
    what = scenario(
        clients=5, pool_size=5, statement_time=0.15, hold_time=0.005, think_time=3600,
        statement_distribution="constant", think_distribution="constant",
        duration=0.1, changes=changes((0.08, "error_pause", 0.02)),
    )  # fmt: skip
    with running(Engine, conninfo, what) as (engine, _):
        assert engine.wait(30)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("client ")]


def test_the_number_of_clients_changes_while_they_run(conninfo: str) -> None:
    with running(Engine, conninfo, scenario(clients=0)) as (engine, heard):
        heard.until(lambda h: len(h.samples) > 3, "samples without a client")
        assert heard.operations() == 0
        engine.change("clients", 500)
        heard.until(
            lambda h: len({n for s in h.samples for n in s.per_client}) == 500, "500 clients"
        )
        engine.change("clients", 3)
        heard.until(
            lambda h: any(s.segment == 2 and s.pending.high <= 3 for s in h.samples),
            "only three to be left",
        )
        before = heard.operations()
        heard.until(busy(before + 100), "the three to go on")


def test_sleeping_clients_take_up_a_shorter_think_time_at_once(conninfo: str) -> None:
    with running(Engine, conninfo, scenario(clients=5, think_time=3600)) as (engine, heard):
        heard.until(busy(5), "each client's first operation")
        engine.change("think_time", 0.001)
        heard.until(busy(100), "clients to wake")


def test_a_change_that_is_not_allowed_is_refused_with_a_sentence(conninfo: str) -> None:
    with running(Engine, conninfo, scenario(PSYCOPG2, minconn=2, maxconn=4)) as (engine, heard):
        engine.change("maxconn", 1)
        engine.change("nonsense", 1)
        engine.change("clients", -4)
        heard.until(lambda h: len(h.refused) == 3, "three refusals")
    assert [refusal.key for refusal in heard.refused] == ["maxconn", "nonsense", "clients"]
    assert heard.refused[0].value == 4
    assert "minconn is 2 and maxconn is 1" in heard.refused[0].reason
    assert not heard.marks
    assert {sample.segment for sample in heard.samples} == {0}


def test_a_note_stands_on_the_timeline(conninfo: str) -> None:
    with running(Engine, conninfo, scenario(clients=1)) as (engine, heard):
        engine.add_note("deploy")
        heard.until(lambda h: h.marks, "the note")
    assert heard.marks[0].text == "deploy"


def test_psycopg2_fails_at_once_when_it_is_exhausted(conninfo: str) -> None:
    what = scenario(PSYCOPG2, minconn=1, maxconn=1, clients=4, statement_time=0.01)
    with running(Engine, conninfo, what) as (_, heard):
        heard.until(lambda h: sum(s.errors.get("PoolError", 0) for s in h.samples) > 20, "refusals")
    assert all(sample.timeouts == 0 for sample in heard.samples)


def test_clients_that_retry_wait_on_their_own_and_are_measured_apart(conninfo: str) -> None:
    what = scenario(
        PSYCOPG2, minconn=1, maxconn=1, clients=4, on_exhausted="retry", retry_backoff=0.001
    )
    with running(Engine, conninfo, what) as (_, heard):
        heard.until(lambda h: sum(s.retry.count for s in h.samples) > 20, "retries that succeed")
    assert max(sample.retrying.high for sample in heard.samples) >= 2
    assert all(not sample.errors for sample in heard.samples)
    own = [sample.retry for sample in heard.samples if sample.retry.count]
    assert max(durations.high for durations in own) > 0.001


def test_queue_pool_counts_timeouts(conninfo: str) -> None:
    what = scenario(clients=4, pool_size=1, max_overflow=0, pool_timeout=0.02, statement_time=0.2)
    with running(Engine, conninfo, what) as (_, heard):
        heard.until(lambda h: sum(s.timeouts for s in h.samples) >= 5, "timeouts")
    waited = [sample.wait for sample in heard.samples if sample.timeouts]
    assert max(durations.high for durations in waited) >= 0.02
    assert all(not sample.errors for sample in heard.samples)


def test_the_servers_view_finds_the_runs_backends(conninfo: str) -> None:
    what = scenario(clients=3, pool_size=3, statement_time=0.2, think_time=0)
    with running(Engine, conninfo, what) as (_, heard):
        seen = heard.until(
            lambda h: [s.server for s in h.samples if s.server and s.server.active == 3],
            "the server to see three at work",
        )
    assert seen[0].total == 3


def test_the_same_seed_draws_the_same_times() -> None:
    import random

    from poolviz.load.settings import SETTINGS
    from poolviz.load.workload import Workload

    workload = Workload(SETTINGS.complete({"statement_time": 0.05, "think_time": 0.05}))
    drawn = [
        (workload.sql(rng, 0, 1), workload.think(rng))
        for rng in (random.Random("7/1"), random.Random("7/1"))
    ]
    assert drawn[0] == drawn[1]
    assert drawn[0] != (workload.sql(rng := random.Random("8/1"), 0, 1), workload.think(rng))


def test_a_run_that_cannot_be_started_ends_with_a_sentence(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> str:
        raise RuntimeError("no version")

    monkeypatch.setattr(environment, "_libpq", fail)
    with running(Engine, conninfo, scenario(PSYCOPG2)) as (engine, heard):
        assert engine.wait(30)
    assert heard.ended.exit_status == 1
    assert "no version" in heard.ended.failure


def test_a_library_that_isnt_installed_is_left_out_of_what_a_run_was_measured_with(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_pool(PSYCOPG2), "library", "no-such-distribution")
    with running(Engine, conninfo, scenario(PSYCOPG2, duration=0.2)) as (engine, heard):
        assert engine.wait(30)
    assert heard.ended.failure == ""
    began = heard.of(RunStarted)[0]
    assert "no-such-distribution" not in began.environment


def test_an_unreachable_server_ends_the_run_with_a_sentence() -> None:
    heard = Heard()
    from poolviz.model.messages import StartRun

    what = scenario(PSYCOPG2, minconn=1)
    run = Engine(
        StartRun(what, "host=127.0.0.1 port=1 user=nobody dbname=x", "poolviz test"), heard
    )
    assert run.wait(30)
    assert heard.ended.exit_status == 3
    assert "127.0.0.1:1" in heard.ended.failure


def test_a_killed_engine_is_reported_and_its_record_kept(conninfo: str) -> None:
    with running(EngineProcess, conninfo, scenario(clients=2)) as (process, heard):
        heard.until(busy(20), "some operations")
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(30)
    assert "was killed by SIGKILL" in heard.ended.failure
    assert heard.ended.exit_status == 1
    assert heard.operations() >= 20


def test_an_engine_that_hangs_is_reported_and_can_be_ended(conninfo: str) -> None:
    with running(EngineProcess, conninfo, scenario(clients=2)) as (process, heard):
        heard.until(busy(20), "some operations")
        os.kill(process.pid, signal.SIGSTOP)
        heard.until(lambda h: h.of(ProblemReported), "the silence to be noticed")
        process.stop()
        assert process.wait(30)
    assert "hasn't answered" in heard.of(ProblemReported)[0].sentence
    assert heard.ended.failure
