"""A session is run again from the window: other limits, another pool, laid over the first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poolviz.model.messages import MarkAdded, SampleTaken
from poolviz.model.sample import Mark, MarkKind
from poolviz.model.scenario import Scenario
from poolviz.pools.registry import pool_class
from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.draft import Draft
from poolviz.sessions.recorder import Recorder
from poolviz.ui.session.controller import State
from poolviz.ui.window import Window
from tests.sessions import builders
from tests.ui.running import GENTLE, plan, run_on, servers_home, until, until_counting, window

__all__ = ["servers_home", "window"]

PSYCOPG = "psycopg_pool.ConnectionPool"


@pytest.fixture
def first(tmp_path: Path) -> Iterator[Path]:
    """A session of a second and a half with a change made by hand, in the window's folder."""
    folder = tmp_path / "sessions"
    folder.mkdir()
    path = folder / "first.poolviz"
    scenario: Scenario = complete_draft(Draft(load=dict(GENTLE), seed=5))
    limits = {**scenario.limits, "pool_size": 3}
    scenario = msgspec.structs.replace(scenario, limits=limits)
    environment = {"server": "embedded PostgreSQL"}
    with Recorder(path) as recorder:
        recorder.add(builders.began(scenario=scenario, environment=environment))
        for sample in builders.samples(builders.ticks(30)):
            changed = {**limits, "pool_size": 4} if sample.t > 0.5 else limits
            taken = msgspec.structs.replace(sample, limits=changed, load=scenario.load)
            recorder.add(SampleTaken(taken))
        mark = Mark(t=0.5, kind=MarkKind.CHANGE, text="", key="pool_size", old=3, new=4)
        recorder.add(MarkAdded(mark))
        recorder.add(builders.ended())
    yield path


def prepare(qtbot: QtBot, window: Window, path: Path, conninfo: str) -> None:
    """Choose a server and have the list run a session again."""
    controller = window.controller
    controller.connect_to(conninfo)
    until(qtbot, lambda: controller.target is not None)
    window.menu.sessions_action.trigger()
    page = window.sessions.list
    assert page is not None
    until(qtbot, lambda: bool(page.selected))
    page.again_button.click()
    until(qtbot, lambda: "again" in window.banner.sentences)
    assert not page.isVisible()
    assert path.name in window.banner.sentences["again"]


def until_ended(qtbot: QtBot, window: Window) -> None:
    until(qtbot, lambda: window.controller.state is State.READY)


def test_a_session_is_run_again_with_another_limit_and_laid_over_the_first(
    window: Window, qtbot: QtBot, conninfo: str, first: Path
) -> None:
    controller = window.controller
    prepare(qtbot, window, first, conninfo)
    assert controller.values["pool_size"] == 3  # what it began with, and not what it ended with
    assert controller.recorder is not None and controller.recorder.path == first
    controller.change_settings({"max_overflow": 0})
    QTest.keyClick(window, Qt.Key.Key_F5)
    until(qtbot, lambda: controller.ghost.recorder is not None and controller.busy)
    until_counting(qtbot, window)
    until_ended(qtbot, window)
    began = controller.recorder.began
    assert began is not None
    assert (began.scenario.replays, began.scenario.seed) == ("first.poolviz", 5)
    assert (began.scenario.limits["pool_size"], began.scenario.limits["max_overflow"]) == (3, 0)
    assert [(mark.key, mark.new) for mark in controller.recorder.marks] == [("pool_size", 4)]
    assert controller.recorder.duration == pytest.approx(1.5, abs=0.5)
    assert controller.ghost.recorder is not None and controller.ghost.recorder.path == first
    assert "first.poolviz" in window.banner.sentences["ghost"]
    QTest.keyClick(window, Qt.Key.Key_F5)  # once more, over the same
    until(qtbot, lambda: controller.busy)
    until_ended(qtbot, window)
    assert controller.ghost.recorder.path == first
    line = window.banner.line("ghost")
    assert line is not None
    line.button.click()
    assert controller.ghost.recorder is None
    assert "ghost" not in window.banner.sentences


def test_another_pool_runs_it_and_what_that_lacks_is_named(
    window: Window, qtbot: QtBot, conninfo: str, first: Path
) -> None:
    controller = window.controller
    prepare(qtbot, window, first, conninfo)
    controller.choose_pool(PSYCOPG)
    controller.change_settings({"max_size": 5})
    controller.start()
    until(qtbot, lambda: "ghost" in window.banner.sentences and controller.busy)
    assert (
        "pool_size, which psycopg_pool.ConnectionPool doesn't have"
        in (window.banner.sentences["ghost"])
    )
    until_ended(qtbot, window)
    assert controller.recorder is not None and controller.recorder.began is not None
    scenario = controller.recorder.began.scenario
    assert (scenario.pool, scenario.replays, scenario.changes) == (PSYCOPG, "first.poolviz", ())
    assert scenario.limits == {**pool_class(PSYCOPG).limits.defaults(), "max_size": 5}


def test_the_charts_come_back_when_a_run_starts(
    window: Window, qtbot: QtBot, conninfo: str, first: Path
) -> None:
    window.menu.sessions_action.trigger()
    assert not window.charts.isVisible()
    assert first.exists()
    plan(window)
    run_on(qtbot, window, conninfo)
    assert window.charts.isVisible()
    assert not window.menu.sessions_action.isChecked()


def test_cancel_leaves_an_ordinary_start(
    window: Window, qtbot: QtBot, conninfo: str, first: Path
) -> None:
    prepare(qtbot, window, first, conninfo)
    line = window.banner.line("again")
    assert line is not None
    line.button.click()
    window.controller.start()
    until_counting(qtbot, window)
    assert window.controller.recorder is not None and window.controller.recorder.began is not None
    assert not window.controller.recorder.began.scenario.replays
    assert window.controller.ghost.recorder is None


def test_the_last_run_is_run_again_and_a_run_that_goes_on_is_not(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    keys = Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier
    QTest.keyClick(window, *keys)
    assert "nothing to run again" in window.banner.sentences["again"]
    plan(window, pool_size=2)
    run_on(qtbot, window, conninfo)
    QTest.keyClick(window, *keys)
    assert "Stop the run" in window.banner.sentences["again"]
    window.controller.stop()
    until_ended(qtbot, window)
    recorder = window.controller.recorder
    QTest.keyClick(window, *keys)
    assert "Start runs" in window.banner.sentences["again"]
    window.controller.start()
    until(qtbot, lambda: window.controller.ghost.recorder is recorder)
    until_counting(qtbot, window)
