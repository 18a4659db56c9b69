"""Waits that are not over when a run ends count with the time until then, and are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolviz.engine.engine import Engine
from poolviz.model.scenario import Scenario
from poolviz.runs.engine_process import EngineProcess
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.result_text import text
from poolviz.sessions.summary import RunSummary
from tests.engine.runs import QUEUE_POOL, Heard, running, scenario

ONE = {
    QUEUE_POOL: {"pool_size": 1, "max_overflow": 0, "pool_timeout": 60},
    "asyncpg.Pool": {"min_size": 1, "max_size": 1, "timeout": 60},
}
BLOCKS = """
import time
from psycopg2.pool import ThreadedConnectionPool

class Mine(ThreadedConnectionPool):
    def getconn(self, key=None):
        time.sleep(1000)
"""


def whole(way: type, conninfo: str, what: Scenario) -> tuple[RunSummary, Heard]:
    with running(way, conninfo, what) as (run, heard):
        assert run.wait(60)
    with Recorder() as recorder:
        for report in heard.reports:
            recorder.add(report)
        return recorder.summary(), heard


def area(heard: Heard, *levels: str) -> float:
    """The seconds that clients, or requests, spent at these levels."""
    return sum(
        getattr(sample, level).mean * sample.span for sample in heard.samples for level in levels
    )


@pytest.mark.parametrize("pool", ONE)
def test_clients_that_wait_at_the_end_count(pool: str, conninfo: str) -> None:
    if pool == "asyncpg.Pool":
        pytest.importorskip("asyncpg")
    what = scenario(pool, clients=5, hold_time=30, duration=1.0, **ONE[pool])
    summary, heard = whole(Engine, conninfo, what)
    assert (summary.waits_unfinished, summary.wait_time_s.count) == (4, 5)
    assert 0.9 < summary.wait_time_s.p50 <= summary.wait_time_s.max < 3
    assert summary.longest_wait_per_client_s.median > 0.9
    assert "of 5, 4 of them unfinished" in text(summary)
    waited = summary.wait_time_s.mean * summary.wait_time_s.count
    assert waited == pytest.approx(area(heard, "pending"), rel=0.003)


def test_clients_that_never_get_out_of_acquire_count(conninfo: str, tmp_path: Path) -> None:
    path = tmp_path / "own_pool.py"
    path.write_text(BLOCKS)
    what = scenario(f"{path}:Mine", clients=3, duration=0.5)
    summary, heard = whole(EngineProcess, conninfo, what)
    assert (summary.waits_unfinished, summary.wait_time_s.count) == (3, 3)
    assert summary.wait_time_s.mean > 0.5
    waited = summary.wait_time_s.mean * summary.wait_time_s.count
    assert waited == pytest.approx(area(heard, "pending"), rel=0.003)


@pytest.mark.parametrize("pool", ONE)
def test_requests_that_no_client_has_begun_count(pool: str, conninfo: str) -> None:
    if pool == "asyncpg.Pool":
        pytest.importorskip("asyncpg")
    what = scenario(
        pool, arrivals="open", rate=100, clients=3, hold_time=0.2, duration=2.0, **ONE[pool]
    )  # fmt: skip
    summary, heard = whole(Engine, conninfo, what)
    # Some ten of 200 requests are served.
    assert 150 < summary.waits_unfinished < 250
    assert summary.wait_time_s.count - summary.waits_unfinished == pytest.approx(
        summary.operations, abs=3
    )
    assert heard.samples[-1].backlog.last == heard.samples[-1].pending.last == 0
    waited = summary.wait_time_s.mean * summary.wait_time_s.count
    assert waited == pytest.approx(area(heard, "pending", "backlog"), rel=0.01)
