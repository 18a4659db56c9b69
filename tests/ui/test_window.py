"""The window, driven as a user drives it, on a real engine and a real server."""

from __future__ import annotations

import os
import signal
from contextlib import closing

import psutil
import psycopg2
import pytest
from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QScrollArea
from pytestqt.qtbot import QtBot

from poolviz.model.sample import MarkKind
from poolviz.servers.embedded.server import EmbeddedServer
from poolviz.ui.panel.row import NumberRow
from poolviz.ui.panel.slider import Slider
from poolviz.ui.session.controller import State
from poolviz.ui.session.notices import Notice, Weight
from poolviz.ui.window import Window
from tests.ui.running import (
    THREADED,
    backends,
    operations,
    plan,
    run_on,
    servers_home,
    until,
    until_counting,
    window,
)

__all__ = ["servers_home", "window"]


def drag(slider: Slider, position: int) -> None:
    """Press the knob, pull it in a few steps, let go."""
    y = slider.height() // 2
    start = QPoint(round(slider.x_of(slider.sliderPosition())), y)
    end = QPoint(round(slider.x_of(position)), y)
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=start)
    for share in (0.3, 0.6, 1.0):
        QTest.mouseMove(slider, start + (end - start) * share)
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=end)


def number_row(window: Window, key: str) -> NumberRow:
    row = window.panel.rows[key]
    assert isinstance(row, NumberRow)
    return row


def postmaster(conninfo: str) -> psutil.Process:
    """The server's main process."""
    with closing(psycopg2.connect(conninfo, application_name="asks")) as connection:
        parent = psutil.Process(connection.info.backend_pid).parent()
    assert parent is not None
    return parent


def in_force(window: Window, key: str) -> object:
    recorder = window.controller.recorder
    last = recorder.last if recorder is not None else None
    return {**last.limits, **last.load}[key] if last is not None else None


def test_the_window_brings_its_own_server_and_its_curves_move(window: Window, qtbot: QtBot) -> None:
    plan(window)
    window.controller.connect_to(None, start=True)
    assert window.isVisible()
    assert "PostgreSQL" in window.banner.sentences["server"]
    until_counting(qtbot, window)
    assert "server" not in window.banner.sentences
    recorder = window.controller.recorder
    assert recorder is not None
    seen = recorder.revision
    until(qtbot, lambda: recorder.revision > seen + 10)
    until(qtbot, lambda: window.tiles.throughput.figure not in ("–", "0 ops/s"))
    assert window.tiles.active.figure.endswith("of 10")
    assert window.toolbar.server_button.text().startswith("Embedded PostgreSQL 1")
    assert window.toolbar.run_button.text() == "Stop"
    until(qtbot, lambda: window.status.agreement.text() == "✓ pool and server agree")


def test_a_slider_dragged_with_the_mouse_changes_the_limit_at_the_server_and_leaves_one_mark(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window, pool_size=6, max_overflow=0)
    window.controller.change_settings({"clients": 20})
    run_on(qtbot, window, conninfo)
    until(qtbot, lambda: backends(conninfo) >= 6)
    drag(number_row(window, "pool_size").slider, 2 - 1)  # the slider begins at 1
    assert number_row(window, "pool_size").box.text() == "2"
    until(qtbot, lambda: in_force(window, "pool_size") == 2)
    watcher = 1
    until(qtbot, lambda: backends(conninfo) <= 2 + watcher)
    recorder = window.controller.recorder
    assert recorder is not None
    (mark,) = recorder.marks
    assert (mark.kind, mark.key, mark.old, mark.new) == (MarkKind.CHANGE, "pool_size", 6, 2)


def test_a_change_is_undone_and_redone(window: Window, qtbot: QtBot, conninfo: str) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    row = number_row(window, "clients")
    row.box.setFocus()
    row.box.selectAll()
    QTest.keyClicks(row.box, "7")
    QTest.keyClick(row.box, Qt.Key.Key_Return)
    until(qtbot, lambda: in_force(window, "clients") == 7)
    QTest.keyClick(row.box, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    until(qtbot, lambda: in_force(window, "clients") == 4)
    assert row.box.text() == "4"
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(row.box, Qt.Key.Key_Z, both)
    until(qtbot, lambda: in_force(window, "clients") == 7)


def test_stop_takes_the_load_off_and_start_begins_a_new_session(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    first = window.controller.recorder
    assert first is not None
    QTest.mouseClick(window.toolbar.run_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: window.controller.state is State.READY)
    until(qtbot, lambda: backends(conninfo) == 0)
    assert first.ended is not None
    assert first.ended.open_at_end == 0
    assert window.controller.recorder is first  # its curves stay
    assert window.toolbar.run_button.text() == "Start"
    QTest.keyClick(window, Qt.Key.Key_F5)
    until_counting(qtbot, window)
    assert window.controller.recorder is not first
    assert first.path is not None
    folder = first.path.parent
    until(qtbot, lambda: len(list(folder.glob("2*.poolviz"))) == 2)


def test_another_pool_takes_over_the_load(window: Window, qtbot: QtBot, conninfo: str) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    first = window.controller.recorder
    menu = window.toolbar.pool_button.menu()
    menu.aboutToShow.emit()
    next(action for action in menu.actions() if action.data() == THREADED).trigger()
    until(qtbot, lambda: set(window.panel.rows) >= {"minconn", "maxconn", "clients"})
    until(qtbot, lambda: window.controller.recorder is not first)
    until_counting(qtbot, window)
    recorder = window.controller.recorder
    assert recorder is not None
    assert recorder.began is not None
    assert recorder.began.scenario.pool == THREADED
    assert recorder.began.scenario.load["clients"] == 4
    assert "psycopg2" in window.toolbar.pool_button.text()


def test_a_killed_engine_is_reported_and_a_new_one_starts(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    recorder, pid = window.controller.recorder, window.controller.in_force.engine_pid
    assert recorder is not None
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(qtbot, lambda: "SIGKILL" in window.banner.sentences.get("run", ""))
    assert window.controller.recorder is recorder  # all curves are kept
    assert recorder.duration > 0
    line = window.banner.line("run")
    assert line is not None
    assert line.button.text() == "Start again"
    QTest.mouseClick(line.button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: window.controller.recorder is not recorder)
    until_counting(qtbot, window)
    assert "run" not in window.banner.sentences


def test_a_lost_embedded_server_is_reported_and_started_again(window: Window, qtbot: QtBot) -> None:
    plan(window)
    run_on(qtbot, window, None)
    recorder = window.controller.recorder
    target = window.controller.target
    assert target is not None
    postmaster(target.conninfo).kill()
    until(qtbot, lambda: "has ended" in window.banner.sentences.get("server", ""))
    until(qtbot, lambda: window.controller.state is State.READY)
    assert window.controller.recorder is recorder
    line = window.banner.line("server")
    assert line is not None
    QTest.mouseClick(line.button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: window.controller.recorder is not recorder)
    until_counting(qtbot, window)


def test_a_notice_that_comes_moves_no_slider(window: Window, qtbot: QtBot) -> None:
    slider = number_row(window, "clients").slider
    before = slider.mapTo(window, QPoint(0, 0))
    window.banner.say(Notice("load", "Something is the matter.", Weight.WARN))
    until(qtbot, window.banner.isVisible)
    QApplication.processEvents()
    assert slider.mapTo(window, QPoint(0, 0)) == before


def test_a_wrong_dsn_is_one_sentence_in_the_banner(window: Window, qtbot: QtBot) -> None:
    window.controller.connect_to("postgresql://nobody:s3cret@127.0.0.1:1/none")
    until(qtbot, lambda: window.controller.state is State.READY)
    sentence = window.banner.sentences["server"]
    assert "\n" not in sentence
    assert "s3cret" not in sentence
    assert sentence.endswith(".")
    line = window.banner.line("server")
    assert line is not None
    assert line.button.text() == "Try again"
    assert operations(window) == 0


def test_the_users_own_server_is_not_loaded_before_start_is_pressed(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window, pool_size=3, max_overflow=1)
    window.controller.connect_to(conninfo)
    until(qtbot, lambda: window.controller.state is State.READY)
    sentence = window.banner.sentences["load"]
    assert "up to 4 connections" in sentence
    assert "of 1000 free" in sentence
    window.controller.change_settings({"pool_size": 2})
    assert "up to 3 connections" in window.banner.sentences["load"]
    assert backends(conninfo, "poolviz%") == 0
    assert window.controller.recorder is None
    QTest.mouseClick(window.toolbar.run_button, Qt.MouseButton.LeftButton)
    until_counting(qtbot, window)
    assert "load" not in window.banner.sentences


def test_m_marks_the_moment_but_not_while_typing(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    recorder = window.controller.recorder
    assert recorder is not None
    box = number_row(window, "hold_time").box
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, "25ms")
    QTest.keyClick(box, Qt.Key.Key_Return)
    until(qtbot, lambda: in_force(window, "hold_time") == 0.025)
    window.charts.setFocus()
    QTest.keyClick(window, Qt.Key.Key_M)
    until(qtbot, lambda: len(recorder.marks) == 2)
    change, note = recorder.marks
    assert (change.kind, change.key) == (MarkKind.CHANGE, "hold_time")
    assert (note.kind, note.text) == (MarkKind.NOTE, "mark 1")


def test_the_view_pauses_and_comes_back_while_the_recording_goes_on(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    recorder = window.controller.recorder
    assert recorder is not None
    QTest.keyClick(window, Qt.Key.Key_Space, Qt.KeyboardModifier.ControlModifier)
    assert not window.charts.following
    seen = recorder.duration
    until(qtbot, lambda: recorder.duration > seen + 0.5)
    until(qtbot, lambda: window.status.pill.text().startswith("live ▸"))
    QTest.mouseClick(window.status.pill, Qt.MouseButton.LeftButton)
    assert window.charts.following
    until(qtbot, lambda: window.status.pill.text() == "● following")


def test_closing_during_the_start_of_server_and_engine_leaves_nothing(
    window: Window, qtbot: QtBot
) -> None:
    plan(window)
    window.controller.connect_to(None, start=True)
    window.close()
    assert window.controller.in_force.engine_pid is None or not psutil.pid_exists(
        window.controller.in_force.engine_pid
    )


def test_stop_is_quick_while_every_client_is_blocked(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window, pool_size=1, max_overflow=0)
    window.controller.change_settings(
        {"statement_time": 60.0, "clients": 5, "statement_distribution": "constant"}
    )
    window.controller.connect_to(conninfo, start=True)

    def all_wait() -> bool:
        recorder = window.controller.recorder
        return (
            recorder is not None and recorder.last is not None and recorder.last.pending.last == 4
        )

    until(qtbot, all_wait)
    QTest.keyClick(window, Qt.Key.Key_F5, Qt.KeyboardModifier.ShiftModifier)
    until(qtbot, lambda: window.controller.state is State.READY)
    recorder = window.controller.recorder
    assert recorder is not None
    assert recorder.ended is not None
    assert recorder.ended.open_at_end == 0
    assert not recorder.ended.failure


@pytest.mark.parametrize("choice", ["light", "dark"])
def test_every_part_is_painted_in_both_themes(
    window: Window, qtbot: QtBot, conninfo: str, choice: str
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    window.theme_manager.choose(choice)
    corner = window.grab().toImage().pixelColor(3, window.height() // 2)
    assert (corner.lightness() > 128) == (choice == "light")


def test_a_hanging_engine_is_reported_and_replaced(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    recorder, pid = window.controller.recorder, window.controller.in_force.engine_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    until(qtbot, lambda: "engine" in window.banner.sentences)
    line = window.banner.line("engine")
    assert line is not None
    QTest.mouseClick(line.button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: window.controller.recorder is not recorder)
    until_counting(qtbot, window)
    assert not psutil.pid_exists(pid)
    assert "engine" not in window.banner.sentences


def test_a_lost_server_of_the_users_is_reported_and_the_curves_stay(
    window: Window, qtbot: QtBot
) -> None:
    plan(window)
    with EmbeddedServer.start() as theirs:
        run_on(qtbot, window, theirs.conninfo)
        recorder = window.controller.recorder
        assert recorder is not None
        postmaster(theirs.conninfo).kill()
        until(qtbot, lambda: recorder.recent(1.0).errors > 0)
        until(qtbot, lambda: "lost" in window.banner.sentences.get("server's view", ""))
        assert window.controller.state is State.RUNNING  # it goes on and tries
        window.controller.stop()
        until(qtbot, lambda: window.controller.state is State.READY)
    assert window.controller.recorder is recorder


def test_nothing_is_drawn_while_the_window_is_minimised(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    recorder = window.controller.recorder
    assert recorder is not None
    window.showMinimized()
    until(qtbot, window.isMinimized)
    drawn, seen = (
        (window.refresher.drawn, (None, -1)),
        recorder.duration,
    )  # the latter asks for a drawing
    until(qtbot, lambda: recorder.duration > seen + 1.0)
    assert window.refresher.drawn in drawn
    window.showNormal()
    until(qtbot, lambda: window.refresher.drawn not in drawn)


def test_on_a_small_screen_the_window_is_scrolled_to_all_that_it_has(window: Window) -> None:
    window.fit(QSize(640, 340))
    assert (window.width(), window.height()) == (640, 340)
    area = window.centralWidget()
    assert isinstance(area, QScrollArea)
    assert window.focusWidget() is window.charts
    for part in (window.toolbar.menu_button, window.tiles.failures, window.status.language):
        area.ensureWidgetVisible(part)
        QApplication.processEvents()
        corner = part.mapTo(window, QPoint(part.width() - 1, part.height() - 1))
        assert window.rect().contains(corner)
        assert not part.visibleRegion().isEmpty()
    window.resize(1000, 700)  # on a larger one there is nothing to scroll
    QApplication.processEvents()
    assert not area.horizontalScrollBar().isVisible()
