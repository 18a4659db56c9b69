"""The number of processes in the window: changed while they run, or with the next run."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.draft import Draft
from poolviz.ui.window import Window
from tests.ui.running import GENTLE, plan, run_on, servers_home, until, window
from tests.ui.test_window import number_row

__all__ = ["servers_home", "window"]


def type_processes(window: Window, number: int) -> None:
    window.panel.reveal("processes")
    row = number_row(window, "processes")
    row.box.setFocus()
    row.box.selectAll()
    QTest.keyClicks(row.box, str(number))
    QTest.keyClick(row.box, Qt.Key.Key_Return)


def members(window: Window) -> int:
    """How many processes the newest sample of the run as a whole has."""
    whole = window.controller.shown.whole
    return whole.last.processes if whole is not None and whole.last is not None else 0


def test_processes_are_added_and_taken_away_while_they_run(
    qtbot: QtBot, window: Window, conninfo: str
) -> None:
    load = GENTLE | {"clients": 2}
    window.controller.plan(complete_draft(Draft(load=load, fleet={"processes": 2})))
    run_on(qtbot, window, conninfo)
    assert number_row(window, "processes").box.text() == "2"
    until(qtbot, lambda: members(window) == 2)
    until(qtbot, window.members.isVisible)
    type_processes(window, 3)
    until(qtbot, lambda: members(window) == 3)
    type_processes(window, 1)
    until(qtbot, lambda: members(window) == 1)
    assert window.controller.shown.whole is not None
    changes = [mark.text for mark in window.controller.shown.whole.marks]
    assert changes == ["processes 2 → 3", "processes 3 → 1"]


def test_a_run_in_one_process_says_that_more_need_a_new_run(
    qtbot: QtBot, window: Window, conninfo: str
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    type_processes(window, 2)
    sentence = "processes applies when a run begins: start a new one with it."
    until(qtbot, lambda: window.controller.notices.standing("connect") == sentence)
    window.controller._start_again()
    until(qtbot, lambda: members(window) == 2)
