"""Another pool is chosen: the run before stays behind the new one, with its figures beside it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poolviz.sessions.recorder import Recorder
from poolviz.ui.session.controller import State
from poolviz.ui.window import Window
from tests.ui.running import THREADED, plan, run_on, servers_home, until, until_counting, window

__all__ = ["servers_home", "window"]


def press_escape(window: Window) -> None:
    QTest.keyClick(window.charts, Qt.Key.Key_Escape)


def press_the_notices_button(window: Window) -> None:
    line = window.banner.line("ghost")
    assert line is not None
    QTest.mouseClick(line.button, Qt.MouseButton.LeftButton)


def press_the_figures_button(window: Window) -> None:
    assert window.figures.dismiss.isVisible()
    QTest.mouseClick(window.figures.dismiss, Qt.MouseButton.LeftButton)


def choose_in_the_menu(window: Window) -> None:
    next(each for each in window.menu.actions() if each.text() == "Remove the run behind").trigger()


DISMISSALS = (press_escape, press_the_notices_button, press_the_figures_button, choose_in_the_menu)


def switch(window: Window, qtbot: QtBot, conninfo: str) -> Recorder:
    """Have a run go on, and choose another pool for it; return the record of the run before."""
    controller = window.controller
    plan(window)
    run_on(qtbot, window, conninfo)
    before = controller.recorder
    assert before is not None
    controller.choose_pool(THREADED)
    until(qtbot, lambda: controller.recorder is not before)
    until_counting(qtbot, window)
    return before


def test_the_run_before_stays_behind_the_new_one_with_its_figures(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    before = switch(window, qtbot, conninfo)
    controller = window.controller
    assert controller.ghost.recorder is before
    assert "the run before, on sqlalchemy.QueuePool" in window.banner.sentences["ghost"]
    until(qtbot, lambda: bool(controller.evaluation.result.against))
    until(qtbot, window.figures.isVisible)
    pairs = {pair.name: pair for pair in controller.evaluation.result.against}
    assert pairs["pool"][1:3] == ("sqlalchemy.QueuePool", THREADED)
    operations = float(pairs["operations a second"].before.replace(",", ""))
    assert operations == pytest.approx(before.summary().throughput_per_s, rel=0.01, abs=0.5)
    assert "run before" in window.figures.text.splitlines()[0]
    controller.stop()
    until(qtbot, lambda: not controller.busy)
    assert controller.ghost.recorder is before
    dismissed: list[Callable[[Window], None]] = []
    for dismiss in DISMISSALS:
        controller.ghost.show(before)
        controller.ghost.describe("")
        until(qtbot, lambda: bool(controller.evaluation.result.against))
        dismiss(window)
        assert controller.ghost.recorder is None
        until(qtbot, lambda: not controller.evaluation.result.against)
        dismissed.append(dismiss)
    assert "ghost" not in window.banner.sentences


def test_a_run_of_the_same_pool_has_none_behind_it(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    controller = window.controller
    plan(window)
    run_on(qtbot, window, conninfo)
    controller.stop()
    until(qtbot, lambda: controller.state is State.READY)
    chosen = controller.pool.id
    controller.choose_pool(THREADED)
    controller.choose_pool(chosen)
    before = controller.recorder
    controller.start()
    until(qtbot, lambda: controller.recorder is not before)
    assert controller.ghost.recorder is None
