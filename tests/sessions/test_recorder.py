"""The record of a run: what charts, tiles and exports read from it."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from poolviz.model.messages import ChangeRefused, MarkAdded, ProblemReported, SampleTaken
from poolviz.model.sample import TICK
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import (
    Tick,
    began,
    change,
    ended,
    record,
    reports,
    samples,
    ticks,
)


def test_a_new_recorder_has_nothing_to_show() -> None:
    with Recorder() as recorder:
        assert recorder.revision == 0
        assert recorder.duration == 0.0
        assert (recorder.began, recorder.ended, recorder.last) == (None, None, None)
        assert recorder.marks == ()
        assert list(recorder.samples()) == []
        assert len(recorder.view(0, 60, 1000).t) == 0
        assert recorder.summary().operations == 0
        recent = recorder.recent(5)
        assert recent.operations == 0
        assert math.isnan(recent.throughput)
        assert math.isnan(recent.wait_p95)


def test_each_addition_shows_at_once_and_raises_the_revision() -> None:
    first, second = samples([Tick(), Tick()])
    with Recorder() as recorder:
        recorder.add(began())
        recorder.add(SampleTaken(first))
        assert recorder.revision == 2
        assert recorder.last == first
        recorder.add(MarkAdded(change(0.05)))
        recorder.add(SampleTaken(second))
        recorder.add(ended(3))
        assert recorder.revision == 5
        assert recorder.marks == (change(0.05),)
        assert recorder.duration == second.t
        assert recorder.ended == ended(3)
        assert recorder.summary().connections.open_after_close == 3


def test_reports_that_are_not_recorded_change_nothing() -> None:
    with Recorder() as recorder:
        recorder.add(ProblemReported("engine", "It hangs."))
        recorder.add(ChangeRefused("maxconn", 3, "No."))
        assert recorder.revision == 0


@pytest.mark.parametrize("count", [0, 900, 1024, 1025, 4500])
def test_a_session_reopened_shows_what_it_showed_while_it_was_recorded(
    tmp_path: Path, count: int
) -> None:
    path = tmp_path / "a.poolviz"
    run = samples(with_a_change_each_20_s(ticks(count)))
    with Recorder(path) as live:
        record(live, reports(run, change(12.0), change(20.0, "max_overflow", 10, 3)))
    with Recorder.open(path) as reopened:
        assert reopened.revision > 0
        assert reopened.path == path
        assert reopened.summary() == live.summary()
        assert reopened.error_details() == live.error_details()
        assert reopened.marks == live.marks
        assert reopened.last == live.last
        assert reopened.recent(5) == live.recent(5)
        assert reopened.recent(60) == live.recent(60)
        for start, end, points in VIEWS:
            mine, theirs = reopened.view(start, end, points), live.view(start, end, points)
            assert mine.bin == theirs.bin
            assert_array_equal(mine.t, theirs.t)
            for name, line in mine.lines.items():
                assert_array_equal(line, theirs.lines[name])
            for name, band in mine.levels.items():
                assert_array_equal(band.low, theirs.levels[name].low)
                assert_array_equal(band.mean, theirs.levels[name].mean)
                assert_array_equal(band.high, theirs.levels[name].high)


VIEWS = [
    *((0, 60, 2000), (0, 60, 100), (10, 12, 500), (51, 51.5, 500), (40, 110, 500)),
    *((-100, 1000, 10**6), (0, 225, 300), (0, 225, 70), (0, 225, 3), (224.9, 300, 100)),
    *((500, 600, 100), (51.2, 102.4, 1024), (153, 154, 7)),
]


def with_a_change_each_20_s(run: Iterable[Tick]) -> Iterator[Tick]:
    for number, tick in enumerate(run):
        segment = number // 400
        yield replace(
            tick,
            segment=segment,
            limits={**tick.limits, "pool_size": 5 + segment},
            errors={"Broken": 2} if number % 37 == 0 else {},
            timeouts=number % 5,
        )


@pytest.mark.parametrize("what", ["damaged", "gone"])
def test_a_part_that_can_no_longer_be_read_is_drawn_coarser_and_said(
    tmp_path: Path, what: str
) -> None:
    path = tmp_path / "a.poolviz"
    with Recorder(path) as live:
        record(live, reports(samples(ticks(2200))))
    with Recorder.open(path) as reopened:
        assert reopened.trouble == ""
        if what == "gone":
            path.unlink()
        else:
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute("UPDATE chunks SET body = zeroblob(100) WHERE idx = 0")
        assert len(reopened.view(0, 110, 10).t) == 9, "what is stored is there"
        near = reopened.view(10, 20, 1000)
        assert near.bin == TICK * 16
        assert near.t[0] < 10 < near.t[1]
        assert str(path) in reopened.trouble
        assert len(reopened.view(0, 110, 10).t) == 9


def test_a_long_session_is_small(tmp_path: Path) -> None:
    path = tmp_path / "a.poolviz"
    with Recorder(path) as live:
        record(live, reports(samples(ticks(5 * 1024 + 1, clients=40))))
    assert path.stat().st_size / (5 * 1024) * 72_000 < 20_000_000, "bytes of an hour"


def test_the_figures_of_the_last_seconds_leave_out_what_was_before() -> None:
    quiet = [Tick(waits=[9.0], operations=1000, timeouts=5) for _ in range(40)]
    busy = [
        Tick(
            used=(4, 4),
            idle=(1, 1),
            pending=(2, 7),
            waits=[0.010, 0.020],
            operations=3,
            timeouts=1,
            errors={"PoolError": 2},
        )
        for _ in range(20)
    ]
    with Recorder() as recorder:
        record(recorder, reports(samples([*quiet, *busy])))
        recent = recorder.recent(1.0 - 1e-6)
    assert recent.span == pytest.approx(1.0)
    assert recent.operations == 60
    assert recent.throughput == pytest.approx(60)
    assert (recent.timeouts, recent.errors) == (20, 40)
    assert recent.wait_p50 == pytest.approx(0.010, rel=0.01)
    assert recent.wait_p95 == pytest.approx(0.020, rel=0.01)
    assert [recent.used_mean, recent.used_max] == pytest.approx([4, 4])
    assert (recent.open_max, recent.pending_max) == (5, 7)


def test_a_window_draws_while_the_engine_reports() -> None:
    run = list(samples(ticks(4000)))
    failures: list[BaseException] = []
    over = threading.Event()

    def draw(recorder: Recorder) -> None:
        try:
            while not over.is_set():
                view = recorder.view(recorder.duration - 60, recorder.duration, 300)
                levels = view.levels
                together = levels["used"].mean + levels["idle"].mean
                assert_allclose(levels["open"].mean, together, atol=1e-9)
                assert (np.diff(view.t) > 0).all()
                summary = recorder.summary()
                assert summary.samples == sum(part.samples for part in summary.segments)
                recorder.recent(5)
        except BaseException as error:
            failures.append(error)
            raise

    with Recorder() as recorder:
        window = threading.Thread(target=draw, args=(recorder,))
        window.start()
        record(recorder, [began(), *map(SampleTaken, run)])
        over.set()
        window.join(30)
        assert not failures
        assert recorder.summary().samples == 4000


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://ann:hunter2@db:5432/app",
        "postgresql://ann:hun@ter2@db/app?sslmode=require",
        "host=db user=ann password=hunter2 dbname=app",
        "host=db password = 'hunter2 \\' hunter2' dbname=app",
        "postgresql://db/app?user=ann&password=hunter2&sslmode=require",
    ],
)
def test_no_password_reaches_a_session(tmp_path: Path, dsn: str) -> None:
    path = tmp_path / "a.poolviz"
    environment = {"dsn": dsn, "server": "PostgreSQL 18.6"}
    with Recorder(path) as recorder:
        recorder.add(began(environment=environment))
        recorder.add(ended())
    assert b"ter2" not in path.read_bytes()
    with Recorder.open(path) as reopened:
        assert reopened.began is not None
        assert "ter2" not in str(reopened.began)
        assert "db" in reopened.began.environment["dsn"]
        assert "app" in reopened.began.environment["dsn"]
        assert reopened.began.environment["server"] == "PostgreSQL 18.6"
