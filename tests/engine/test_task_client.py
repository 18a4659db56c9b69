"""Whole runs on a pool whose clients are tasks, on a loop in a thread of the engine."""

from __future__ import annotations

import gc
import threading
from contextlib import closing
from time import perf_counter

import psycopg2
import pytest

from poolviz.engine.engine import Engine
from poolviz.model.messages import RunStarted
from poolviz.model.sample import Sample
from poolviz.runs.engine_process import EngineProcess
from tests.engine.runs import PATIENCE, Heard, running, scenario
from tests.servers.fixtures import wait_until

pytest.importorskip("asyncpg")

ASYNCPG = "asyncpg.Pool"
WAYS = (Engine, EngineProcess)


def backends(conninfo: str) -> int:
    with closing(psycopg2.connect(conninfo)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'poolviz test'"
        )
        return int(cursor.fetchone()[0])


def errors(heard: Heard) -> dict[str, int]:
    return {name: n for sample in heard.samples for name, n in sample.errors.items()}


@pytest.mark.parametrize("way", WAYS)
def test_a_run_of_tasks_measures_reports_and_leaves_nothing(way: type, conninfo: str) -> None:
    with running(way, conninfo, scenario(ASYNCPG, clients=6, max_size=3)) as (_, heard):
        heard.until(lambda h: h.operations() >= 300, "300 operations")
    assert isinstance(heard.reports[0], RunStarted)
    assert heard.ended.open_at_end == 0
    assert not heard.ended.failure
    assert errors(heard) == {}
    for sample in heard.samples:
        assert sample.idle.last + sample.used.last == sample.open.last
        assert sample.open.high <= 3
        assert sample.reported_counts.open is not None
    last = heard.samples[-1]
    assert last.open.last == last.used.last == last.pending.last == 0
    waits = sum(sample.wait.count for sample in heard.samples)
    assert heard.operations() <= waits <= heard.operations() + 6
    per_client = sum(sum(sample.per_client.values()) for sample in heard.samples)
    assert per_client == heard.operations()
    wait_until(lambda: backends(conninfo) == 0, "the server has no connection left")


def test_two_thousand_tasks_are_served_by_one_thread(
    conninfo: str, caplog: pytest.LogCaptureFixture
) -> None:
    quick = {"statement_time": 0, "hold_time": 0, "think_time": 1}
    what = scenario(ASYNCPG, clients=2000, max_size=8, timeout=600, **quick)
    threads = threading.active_count()
    with running(Engine, conninfo, what) as (_, heard):
        served: set[int] = set()
        for some in (500, 1000, 1500, 2000):  # each within its time: a busy machine takes longer
            heard.until(lambda h: served_more(h, served) >= some, f"{some:,} were served")  # noqa: B023
        assert threading.active_count() < threads + 20
        began = perf_counter()
    assert perf_counter() - began < 60, "the end of 2,000 tasks took long"
    gc.collect()  # asyncio then logs which tasks ended with an exception
    assert caplog.messages == []
    assert heard.ended.open_at_end == 0
    assert errors(heard) == {}
    wait_until(lambda: backends(conninfo) == 0, "the server has no connection left")


def served_more(heard: Heard, served: set[int]) -> int:
    """Add the clients that the latest samples saw served; how many that are by now."""
    for sample in heard.samples[-20:]:
        served.update(number for number, n in sample.per_client.items() if n > 0)
    return len(served)


@pytest.mark.parametrize("way", WAYS)
def test_a_stop_is_quick_though_tasks_wait_and_others_are_inside_a_long_query(
    way: type, conninfo: str
) -> None:
    what = scenario(ASYNCPG, clients=40, max_size=10, statement_time=60, timeout=600)
    with running(way, conninfo, what) as (run, heard):
        heard.until(
            lambda h: (
                h.samples and (h.samples[-1].used.last, h.samples[-1].pending.last) == (10, 30)
            ),
            "10 clients in a statement, and 30 that wait",
        )
        began = perf_counter()
        run.stop()
        assert run.wait(PATIENCE)
        took = perf_counter() - began
    assert took < 50, "60 s statements were waited for"
    assert heard.ended.open_at_end == 0
    assert errors(heard) == {}
    wait_until(lambda: backends(conninfo) == 0, "the server has no connection left")


def test_waiting_tasks_start_at_once_when_the_limit_is_raised(conninfo: str) -> None:
    what = scenario(ASYNCPG, clients=40, max_size=1, statement_time=60, timeout=600)
    with running(Engine, conninfo, what) as (engine, heard):
        heard.until(lambda h: h.samples and h.samples[-1].pending.last == 39, "39 waiters")
        engine.change("max_size", 40)
        heard.until(lambda h: h.samples[-1].used.last == 40, "all 40 at work")
    assert [mark.text for mark in heard.marks] == ["max_size 1 → 40"]


def test_tasks_that_wait_too_long_count_as_timeouts_and_not_as_errors(conninfo: str) -> None:
    what = scenario(
        ASYNCPG, clients=8, max_size=2, min_size=2, statement_time=60, timeout=600, error_pause=0.01
    )
    with running(Engine, conninfo, what) as (engine, heard):
        heard.until(lambda h: h.samples and h.samples[-1].used.last == 2, "both are in use")
        engine.change("timeout", 0.05)
        engine.change("clients", 20)
        heard.until(lambda h: sum(s.timeouts for s in h.samples) >= 20, "20 timeouts")
    assert errors(heard) == {}


def at_most(sample: Sample, clients: int) -> bool:
    """Whether so many clients are left, and those that were stopped have released theirs."""
    return sample.clients == clients and sample.used.high <= clients


def test_the_number_of_tasks_follows_the_load(conninfo: str) -> None:
    with running(Engine, conninfo, scenario(ASYNCPG, clients=12, max_size=12)) as (engine, heard):
        for clients in (2, 9):
            engine.change("clients", clients)
            heard.until(
                lambda h: h.samples and at_most(h.samples[-1], clients),  # noqa: B023
                f"{clients} clients are left",
            )
            came = len(heard.samples)
            done = heard.operations()
            heard.until(lambda h: h.operations() > done + 50, "they go on")  # noqa: B023
            assert all(sample.used.high <= clients for sample in heard.samples[came + 1 :])
    assert heard.samples[-1].load["clients"] == 9
    assert heard.ended.open_at_end == 0


def test_a_pool_of_tasks_that_cant_connect_ends_the_run_with_a_sentence(conninfo: str) -> None:
    what = scenario(ASYNCPG, clients=2)
    with running(Engine, f"{conninfo} dbname=no_such_database", what) as (run, heard):
        assert run.wait(PATIENCE)
    assert "no_such_database" in heard.ended.failure
    assert heard.ended.exit_status
    assert not heard.samples
