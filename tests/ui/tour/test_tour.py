"""The first tour, gone through by keys and pointer on a real run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.draft import Draft
from poolviz.ui.session.controller import State
from poolviz.ui.toolbar.pool_menu import PoolMenu
from poolviz.ui.tour.steps import STEPS
from poolviz.ui.window import Window
from tests.ui.running import THREADED, open_window, plan, servers_home, until, until_counting
from tests.ui.test_window import drag, number_row

__all__ = ["servers_home"]

NAMES = [step.name for step in STEPS]


@pytest.fixture
def fresh(
    qapp: QApplication, tmp_path: Path, servers_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Window]:
    """The window of a new user."""
    monkeypatch.setenv("POOLVIZ_HOME", str(servers_home))
    with open_window(qapp, tmp_path, tour=True) as opened:
        yield opened


def start(qtbot: QtBot, window: Window, conninfo: str) -> None:
    """Press F5 once there is a server."""
    plan(window)
    window.controller.connect_to(conninfo)
    until(qtbot, lambda: window.controller.state is State.READY)
    QTest.keyClick(window, Qt.Key.Key_F5)
    until_counting(qtbot, window)


def until_step(qtbot: QtBot, window: Window, name: str) -> None:
    until(
        qtbot,
        lambda: window.learning.tour.step is not None and window.learning.tour.step.name == name,
    )


def place(widget: QWidget) -> QRect:
    return QRect(widget.mapToGlobal(QPoint()), widget.size())


def test_a_new_user_goes_through_all_steps_by_keys_and_pointer(
    qtbot: QtBot, fresh: Window, conninfo: str
) -> None:
    window = fresh
    assert not window.learning.tour.on
    start(qtbot, window, conninfo)
    assert window.learning.tour.on
    assert window.learning.highlight.target is window.tiles.active
    until_step(qtbot, window, "wait")
    assert "clients; wait p95 is" in window.learning.tour_bar.before.text()

    clients = number_row(window, "clients")
    assert window.learning.highlight.target is clients
    assert window.learning.highlight.isVisible()
    assert not place(window.learning.tour_bar).intersects(place(clients))
    drag(clients.slider, 60)
    until_step(qtbot, window, "room")
    assert "callers wait for one of 10 connections" in window.learning.tour_bar.before.text()

    size = number_row(window, "pool_size")
    assert window.learning.highlight.target is size
    size.box.setFocus()
    size.box.selectAll()
    QTest.keyClicks(size.box, "60")
    QTest.keyClick(size.box, Qt.Key.Key_Return)
    until_step(qtbot, window, "fault")
    assert "from 10 to 65 connections" in window.learning.tour_bar.before.text()

    kill = window.panel.faults.buttons["kill_all_backends"]
    assert window.learning.highlight.target is kill
    assert kill.isVisible()
    QTest.mouseClick(kill, Qt.MouseButton.LeftButton)
    until_step(qtbot, window, "pool")
    assert "Errors since then" in window.learning.tour_bar.before.text()

    assert window.learning.highlight.target is window.toolbar.pool_button
    menu = window.toolbar.pool_button.menu()
    assert isinstance(menu, PoolMenu)
    menu.fill()
    [other] = [each for each in menu.actions() if each.data() == THREADED]
    other.trigger()
    until_step(qtbot, window, "keep")
    assert "a caller gets an error at once" in window.learning.tour_bar.before.text()

    window.activateWindow()
    until(qtbot, window.isActiveWindow)
    QTest.keyClick(window, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    until(qtbot, lambda: window.learning.tour.finished)
    assert window.learning.highlight.target is None
    assert window.learning.tour_bar.presets_button.isVisible()
    QTest.mouseClick(window.learning.tour_bar.leave_button, Qt.MouseButton.LeftButton)
    assert not window.learning.tour_bar.isVisible()


def test_steps_are_skipped_by_the_keyboard_and_the_place_is_kept(
    qtbot: QtBot, qapp: QApplication, fresh: Window, conninfo: str, tmp_path: Path
) -> None:
    start(qtbot, fresh, conninfo)
    for name in NAMES[1:3]:
        fresh.learning.tour_bar.skip_button.setFocus()
        QTest.keyClick(fresh.learning.tour_bar.skip_button, Qt.Key.Key_Space)
        assert fresh.learning.tour.step is not None
        assert fresh.learning.tour.step.name == name
    fresh.close()
    with open_window(qapp, tmp_path, tour=True) as again:
        start(qtbot, again, conninfo)
        assert again.learning.tour.step is not None
        assert again.learning.tour.step.name == NAMES[2]


def test_who_leaves_the_tour_is_not_asked_again_but_can_begin_it_by_the_menu(
    qtbot: QtBot, qapp: QApplication, fresh: Window, conninfo: str, tmp_path: Path
) -> None:
    start(qtbot, fresh, conninfo)
    assert fresh.learning.tour.on
    fresh.learning.tour_bar.leave_button.setFocus()
    QTest.keyClick(fresh.learning.tour_bar.leave_button, Qt.Key.Key_Space)
    assert not fresh.learning.tour.on
    assert fresh.learning.highlight.target is None
    fresh.close()
    with open_window(qapp, tmp_path, tour=True) as again:
        start(qtbot, again, conninfo)
        assert not again.learning.tour.on
        next(each for each in again.menu.actions() if each.text() == "First tour").trigger()
        assert again.learning.tour.step is not None
        assert again.learning.tour.step.name == NAMES[0]


def test_without_a_run_the_tour_points_at_start(qtbot: QtBot, fresh: Window, conninfo: str) -> None:
    start(qtbot, fresh, conninfo)
    QTest.keyClick(fresh, Qt.Key.Key_F5, Qt.KeyboardModifier.ShiftModifier)
    until(qtbot, lambda: not fresh.controller.busy)
    until(qtbot, lambda: fresh.learning.highlight.target is fresh.toolbar.run_button)
    assert "Press Start" in fresh.learning.tour_bar.text.text()


def test_a_pool_without_a_limit_is_to_be_changed_first(
    qtbot: QtBot, fresh: Window, conninfo: str
) -> None:
    start(qtbot, fresh, conninfo)
    fresh.learning.tour.skip()
    fresh.controller.choose_pool("sqlalchemy.NullPool")
    until(qtbot, lambda: fresh.learning.highlight.target is fresh.toolbar.pool_button)
    assert "no limit that could be raised" in fresh.learning.tour_bar.text.text()


def test_a_scenario_that_is_opened_begins_no_tour(
    qtbot: QtBot, fresh: Window, conninfo: str
) -> None:
    draft = Draft(title="Mine", watch={"en": "Watch."}, load={"clients": 2})
    fresh.controller.plan(complete_draft(draft))
    fresh.controller.connect_to(conninfo, start=True)
    until_counting(qtbot, fresh)
    assert not fresh.learning.tour.on
