"""What is open when the load ends is counted before clients are stopped and the pool is closed."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from poolviz.engine.engine import Engine
from poolviz.model.scenario import Scenario
from poolviz.runs.engine_process import EngineProcess
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.result_text import text
from poolviz.sessions.summary import RunSummary
from tests.engine.runs import QUEUE_POOL, changes, running, scenario

LEAKS_ON_CLOSE = """
from psycopg2.pool import ThreadedConnectionPool

KEPT = []

class Mine:
    def __init__(self, minconn=1, maxconn=2, **arguments):
        self._pool = ThreadedConnectionPool(minconn, maxconn, **arguments)

    def getconn(self):
        connection = self._pool.getconn()
        KEPT.append(connection)
        return connection

    def putconn(self, connection):
        self._pool.putconn(connection)

    def close(self):
        pass
"""


def summary_of(conninfo: str, what: Scenario) -> RunSummary:
    """The result of a run that is over by itself."""
    with Recorder() as recorder:
        with running(Engine, conninfo, what) as (run, heard):
            assert run.wait(60)
        for report in heard.reports:
            recorder.add(report)
        return recorder.summary()


@pytest.mark.parametrize(
    ("pool", "limits"),
    [
        ("psycopg2.ThreadedConnectionPool", {"minconn": 4, "maxconn": 4}),
        ("asyncpg.Pool", {"min_size": 4, "max_size": 4}),
    ],
)
def test_means_and_last_counts_are_those_of_the_load(
    conninfo: str, pool: str, limits: dict[str, int]
) -> None:
    summary = summary_of(conninfo, scenario(pool, clients=2, duration=1.3, **limits))
    for figures in (summary, *summary.segments):
        connections = figures.connections
        assert connections.open_at_end == 4
        assert connections.open_mean == pytest.approx(4)
        assert connections.open_max == 4
        assert (figures.server_backends_mean, figures.server_backends_at_end) == (4, 4)
    assert summary.connections.open_after_close == 0
    assert "open 4.00 on average, 4 at most, 4 at the end" in text(summary)
    assert "4.00 backends on average, 4 at most, 4 at the end" in text(summary)


def test_each_segment_has_its_own(conninfo: str) -> None:
    what = scenario(
        QUEUE_POOL, clients=6, duration=1.5, pool_size=6, max_overflow=0, statement_time=0.005,
        changes=changes((0.5, "pool_size", 2), (1.0, "kill_all_backends", True)),
    )  # fmt: skip
    summary = summary_of(conninfo, what)
    assert [segment.began_with for segment in summary.segments] == [
        [],
        ["pool_size 6 → 2"],
        ["kill_all_backends"],
    ]
    large, small, killed = (segment.connections for segment in summary.segments)
    assert (large.open_at_end, small.open_at_end) == (6, 2)
    assert (large.open_mean or 0) > 4 > (small.open_mean or 0)
    assert (large.opened, small.opened) == (6, 0)
    assert killed.opened >= 1
    assert "   pool_size 6 → 2\n" in text(summary)


def test_what_a_pool_leaves_open_when_it_is_closed_is_told(conninfo: str, tmp_path: Path) -> None:
    path = tmp_path / "own_leaks.py"
    path.write_text(textwrap.dedent(LEAKS_ON_CLOSE))
    what = scenario(f"{path}:Mine", clients=1, duration=0.5, minconn=1, maxconn=1)
    with Recorder() as recorder:
        # In a child, which takes what is left open with it.
        with running(EngineProcess, conninfo, what) as (_, heard):
            heard.until(lambda h: h.ended is not None, "the run ends")
        for report in heard.reports:
            recorder.add(report)
        summary = recorder.summary()
    assert summary.connections.open_at_end == 1
    assert summary.connections.open_after_close == 1
    assert "  beware        the pool left 1 open when it was closed" in text(summary).splitlines()
