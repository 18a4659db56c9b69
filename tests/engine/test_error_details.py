"""What fails in a run is told by kind: how often, when first, and what the first one said."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from poolviz.engine.engine import Engine
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.result_text import text
from poolviz.sessions.summary import RunSummary
from tests.engine.runs import QUEUE_POOL, changes, running, scenario

PUTS_TWICE = """
from psycopg2.pool import ThreadedConnectionPool

class Mine(ThreadedConnectionPool):
    def putconn(self, *args, **kwargs):
        super().putconn(*args, **kwargs)
        super().putconn(*args, **kwargs)
"""
NEVER_PUTS = """
from psycopg2.pool import ThreadedConnectionPool

class Mine(ThreadedConnectionPool):
    def putconn(self, conn=None, key=None, close=False):
        pass
"""
HOSTILE = """
from psycopg2.pool import ThreadedConnectionPool

class Odd(Exception):
    pass

class Mine(ThreadedConnectionPool):
    def getconn(self, key=None):
        raise Odd("two\\nlines, and\\x1b[31m password='hidden-word' " + "x" * 1000)
"""


def summary_of(conninfo: str, what: object) -> RunSummary:
    """The result of a run in this process, which is over by itself."""
    with Recorder() as recorder:
        with running(Engine, conninfo, what) as (engine, heard):  # type: ignore[arg-type]
            assert engine.wait(60)
        for report in heard.reports:
            recorder.add(report)
        return recorder.summary()


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        (PUTS_TWICE, "PoolError", "trying to put unkeyed connection"),
        (HOSTILE, "Odd", "two lines, and [31m password=*** "),
    ],
)
def test_the_first_error_of_a_kind_has_its_message(
    conninfo: str, tmp_path: Path, source: str, name: str, message: str
) -> None:
    path = tmp_path / f"own_{name.lower()}.py"
    path.write_text(textwrap.dedent(source))
    what = scenario(f"{path}:Mine", clients=1, minconn=1, maxconn=2, duration=0.5)
    summary = summary_of(conninfo, what)
    kind = next(kind for kind in summary.error_details if kind.name == name)
    assert kind.message.rstrip("x…") == message
    assert (len(kind.message) <= 300, kind.timeout) == (True, False)
    assert kind.count == summary.errors[name] > 1
    assert 0 <= kind.first_s < 0.5
    line = f"  error         {kind.count:,} × {name}, {kind.first_said}"
    assert line in text(summary).splitlines()


def test_errors_of_one_class_are_told_apart_by_what_they_say(conninfo: str, tmp_path: Path) -> None:
    path = tmp_path / "own_two_errors.py"
    path.write_text(textwrap.dedent(PUTS_TWICE))
    what = scenario(f"{path}:Mine", clients=3, minconn=1, maxconn=1, duration=0.7, error_pause=0.01)
    summary = summary_of(conninfo, what)
    found = {kind.message: kind for kind in summary.error_details if kind.name == "PoolError"}
    assert set(found) == {"connection pool exhausted", "trying to put unkeyed connection"}
    assert sum(kind.count for kind in found.values()) == summary.errors["PoolError"]
    for kind in found.values():
        assert kind.exception == "psycopg2.pool.PoolError"
        assert 0 <= kind.first_s <= kind.last_s <= summary.duration_s
        assert kind.last_message == kind.message
        assert f"{kind.count:,} × PoolError, " in text(summary)


def test_an_error_of_the_server_has_its_sqlstate_and_the_latest_its_text(conninfo: str) -> None:
    what = scenario(
        QUEUE_POOL, clients=1, duration=1.5, statement="sql", sql="SELECT 1/0", error_pause=0.01,
        changes=changes((0.5, "sql", "SELECT nothing"), (1.0, "sql", "SELECT something")),
    )  # fmt: skip
    summary = summary_of(conninfo, what)
    by_state = {kind.sqlstate: kind for kind in summary.error_details}
    assert set(by_state) == {"22012", "42703"}
    assert summary.errors == {kind.name: kind.count for kind in summary.error_details}
    column = by_state["42703"]
    assert 'column "nothing"' in column.message
    assert 'column "something"' in column.last_message
    assert 0.5 <= column.first_s < 1.0 <= column.last_s
    assert by_state["22012"].last_s < column.first_s
    assert f"latest: {column.last_message}" in text(summary)
    [last] = summary.segments[2].error_details
    assert (last.sqlstate, last.last_message) == ("42703", column.last_message)


def test_a_pool_that_takes_nothing_back_is_shown_by_its_own_count(
    conninfo: str, tmp_path: Path
) -> None:
    path = tmp_path / "own_never.py"
    path.write_text(textwrap.dedent(NEVER_PUTS))
    what = scenario(f"{path}:Mine", clients=4, minconn=1, maxconn=3, duration=1.0)
    summary = summary_of(conninfo, what)
    assert summary.reported_counts.used_max == 3
    assert summary.reported_counts.used_mean is not None
    assert summary.reported_counts.used_mean > 2
    assert (summary.connections.used_mean or 0) < 1
    sentence = summary.reported_counts.difference
    assert sentence is not None
    assert sentence.startswith("The pool itself counts ")
    assert (
        f"counts {summary.reported_counts.used_mean:.2f} connections in use on average" in sentence
    )
    assert "while clients hold 0." in sentence
    assert f"  beware        {sentence}" in text(summary).splitlines()


def test_timeouts_have_a_message_too_and_each_segment_its_first(conninfo: str) -> None:
    what = scenario(
        QUEUE_POOL, clients=3, duration=2.0, pool_size=1, max_overflow=0, pool_timeout=0.1,
        statement_time=0.3, changes=changes((1.0, "think_time", 0.001)),
    )  # fmt: skip
    summary = summary_of(conninfo, what)
    for figures in (summary, *summary.segments):
        [kind] = figures.error_details
        assert (kind.name, kind.timeout) == ("TimeoutError", True)
        assert kind.count == figures.timeouts > 0
        assert kind.message.startswith("QueuePool limit of size 1 overflow 0 reached")
    first, second = (segment.error_details[0].first_s for segment in summary.segments)
    assert first < summary.segments[0].to_s <= second
    assert summary.error_details[0].first_s == first
    assert summary.errors == {}
