"""An unexpected error in any part of the window: it is logged and told, and the window goes on."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from PySide6.QtCore import QPointF, QRectF, QSettings, Qt, QTimer, qWarning
from PySide6.QtGui import QMouseEvent, QPaintEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QWidget
from pytestqt.qtbot import QtBot

from poolviz.model.errors import PoolvizError
from poolviz.sessions.folder import SessionsFolder
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.resolutions import View
from poolviz.ui.app import unexpected_errors_shown
from poolviz.ui.charts.axes import Floats, Frame
from poolviz.ui.charts.chart import Chart
from poolviz.ui.charts.image import SessionImage
from poolviz.ui.charts.wait import Wait
from poolviz.ui.session.controller import Controller, State
from poolviz.ui.style.colours import LIGHT
from poolviz.ui.style.theme_manager import ThemeManager
from poolviz.ui.tiles import Tile
from poolviz.ui.unexpected import UnexpectedErrors, collected, contained
from poolviz.ui.window import Window
from tests.ui.running import plan, run_on, servers_home, until, window

__all__ = ["servers_home", "window"]


@pytest.fixture
def shown_errors() -> Iterator[list[str]]:
    """What is told of unexpected errors, without a window."""
    sentences: list[str] = []
    with UnexpectedErrors(sentences.append):
        yield sentences


@pytest.fixture
def shown(window: Window) -> Iterator[Window]:
    """A window that shows unexpected errors, as the program's does."""
    with unexpected_errors_shown(lambda: window):
        yield window


def fail(words: str = "on purpose") -> None:
    raise ZeroDivisionError(words)


def notice(window: Window) -> str:
    return window.banner.sentences.get("fault", "")


def tracebacks(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged with a traceback, by class and message."""
    return [
        f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        for record in caplog.records
        if record.exc_info and record.exc_info[2] is not None
    ]


# What takes the errors


def test_an_error_of_a_thread_is_told_and_logged_with_its_thread(
    shown_errors: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    for target in (fail, lambda: sys.exit(3)):
        thread = threading.Thread(target=target, name="some worker")
        thread.start()
        thread.join()
    assert "ZeroDivisionError: on purpose" in shown_errors[0]
    assert "SystemExit: 3" in shown_errors[1]
    assert tracebacks(caplog) == ["ZeroDivisionError: on purpose", "SystemExit: 3"]
    assert "some worker" in caplog.records[0].getMessage()


def test_an_error_that_nobody_can_be_handed_is_told(
    shown_errors: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    class Heavy:
        def __del__(self) -> None:
            fail("in a destructor")

    Heavy()
    assert "in a destructor" in shown_errors[0]
    assert tracebacks(caplog) == ["ZeroDivisionError: in a destructor"]


def test_repetitions_are_counted_by_place(
    shown_errors: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(250):
        with contained():
            fail(f"number {number}")
        with contained():
            int("another place")
    first = [sentence for sentence in shown_errors if "ZeroDivisionError" in sentence]
    assert len(shown_errors) == 2 * len(first) == 6
    assert "times" not in first[0]
    assert "10 times" in first[1]
    assert "number 99" in first[2] and "100 times" in first[2]
    assert len(tracebacks(caplog)) == 2
    assert len(caplog.records) == 6


def test_a_password_and_a_message_without_end_are_not_told(shown_errors: list[str]) -> None:
    with contained():
        fail("postgresql://me:hidden@host/db" + " and more" * 1000)
    (sentence,) = shown_errors
    assert "hidden" not in sentence
    assert len(sentence) < 500


def test_an_error_whose_message_fails_is_told_by_its_class(shown_errors: list[str]) -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise TypeError

    with contained():
        raise Odd
    assert "Odd" in shown_errors[0]


def test_who_took_the_errors_before_takes_them_afterwards() -> None:
    before = sys.excepthook, threading.excepthook, sys.unraisablehook
    with UnexpectedErrors(lambda _: None):
        assert sys.excepthook is not before[0]
    assert (sys.excepthook, threading.excepthook, sys.unraisablehook) == before


def test_what_qt_complains_of_is_logged(
    shown_errors: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    qWarning("something of Qt's")
    assert shown_errors == []
    (record,) = caplog.records
    assert (record.levelno, "something of Qt's" in record.getMessage()) == (logging.WARNING, True)


def test_collected_errors_are_raised_at_the_end(shown_errors: list[str]) -> None:
    reached = []
    with pytest.raises(ZeroDivisionError, match="first"), collected():
        for words in ("first", "second"):
            with contained():
                fail(words)
            reached.append(words)
    assert reached == ["first", "second"]
    assert shown_errors == []


# The window


def test_the_frame_timer_and_later_callbacks_go_on(
    shown: Window, qtbot: QtBot, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []
    inbox = shown.controller.inbox
    inbox.post(fail)
    inbox.post(lambda: seen.append("of the same delivery"))
    until(qtbot, lambda: bool(seen))
    inbox.post(lambda: seen.append("of a later frame"))
    until(qtbot, lambda: len(seen) == 2)
    until(qtbot, lambda: "ZeroDivisionError: on purpose" in notice(shown))
    line = shown.banner.line("fault")
    assert line is not None and line.isVisible()
    assert line.button.text() == "Open log folder"
    assert tracebacks(caplog) == ["ZeroDivisionError: on purpose"]


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(5), KeyboardInterrupt()])
def test_a_callback_of_every_frame_that_fails_is_told_now_and_then(
    shown: Window, qtbot: QtBot, *, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    calls: list[int] = []

    def again() -> None:
        if len(calls) < 25:
            shown.controller.inbox.post(again)
        calls.append(len(calls))
        raise type(error)(*error.args)

    shown.controller.inbox.post(again)
    until(qtbot, lambda: "10 times" in notice(shown))
    until(qtbot, lambda: len(calls) == 26)
    assert len([record for record in caplog.records if record.levelno == logging.CRITICAL]) == 2


class Undrawable(Wait):
    """A chart with a mistake in it."""

    def draw(self, view: View, x: Floats, frame: Frame, *, calm: bool) -> None:
        super().draw(view, x, frame, calm=calm)
        fail("in draw")


class Unpaintable(Wait):
    """A chart with a mistake in what it paints."""

    def name_heights(self) -> list[float]:
        fail("in paint")
        return []


class Unknowing(Wait):
    """A chart with a mistake in the card beside the pointer."""

    def figures(self, view: View, index: int) -> list[object]:  # type: ignore[override]
        fail("in figures")
        return []


def put_chart(window: Window, chart: Chart) -> None:
    """Have `chart` in place of the one on waits."""
    chart_scene = window.charts.canvas.chart_scene
    chart_scene.by_name["wait"].setParentItem(None)  # type: ignore[arg-type]
    chart.setParentItem(chart_scene)
    chart_scene.by_name["wait"] = chart
    chart_scene.charts = tuple(chart_scene.by_name.values())
    chart_scene.place(chart_scene.size.width(), chart_scene.size.height())


@pytest.mark.parametrize("kind", [Undrawable, Unpaintable, Unknowing])
def test_a_chart_that_fails_leaves_the_others_as_they_are(
    shown: Window,
    qtbot: QtBot,
    conninfo: str,
    *,
    caplog: pytest.LogCaptureFixture,
    kind: type[Wait],
) -> None:
    chart = kind(shown.theme_manager.theme)
    put_chart(shown, chart)
    plan(shown)
    run_on(qtbot, shown, conninfo)
    chart_scene = shown.charts.canvas.chart_scene

    def is_told_below_the_pointer() -> bool:
        plot = chart_scene.plots[0]  # which a notice above the charts may move
        newest = plot.center() + QPointF(plot.width() / 2 - 3, 0)
        QTest.mouseMove(shown.charts.canvas.viewport(), newest.toPoint())
        return "ZeroDivisionError: in" in notice(shown)

    until(qtbot, is_told_below_the_pointer)
    until(
        qtbot,
        lambda: (
            bool(chart_scene.by_name["connections"].names)
            and bool(chart_scene.by_name["throughput"].names)
        ),
    )
    assert has_words(shown, chart_scene.by_name["throughput"])
    assert shown.status.elapsed.text() != ""
    assert tracebacks(caplog)[0].startswith("ZeroDivisionError: in")
    shown.controller.stop()
    until(qtbot, lambda: shown.controller.state is State.READY)


def has_words(window: Window, chart: Chart) -> bool:
    """Whether the title of a chart is painted, by the pixels."""
    canvas = window.charts.canvas
    image = canvas.grab().toImage()
    ratio = image.devicePixelRatio()
    place = QRectF(chart.mapToScene(QRectF(10, 5, 80, 18)).boundingRect())
    colours = {
        image.pixel(round(x * ratio), round(y * ratio))
        for x in range(round(place.left()), round(place.right()))
        for y in range(round(place.top()), round(place.bottom()))
    }
    return len(colours) > 5


def test_a_picture_with_a_chart_that_fails_is_refused(
    shown: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(shown)
    run_on(qtbot, shown, conninfo)
    shown.controller.stop()
    until(qtbot, lambda: shown.controller.state is State.READY)
    recorder = cast("Recorder", shown.controller.recorder)
    image = SessionImage(recorder, LIGHT)
    chart_scene = image._chart_scene
    chart_scene.charts = (*chart_scene.charts, unpaintable := Unpaintable(LIGHT))
    unpaintable.setParentItem(chart_scene)
    chart_scene.place(chart_scene.size.width(), chart_scene.size.height())
    with pytest.raises(ZeroDivisionError, match="in paint"):
        image.paint(0.0, recorder.duration)
    assert notice(shown) == ""


def test_a_widget_that_fails_to_paint_leaves_the_others_as_they_are(
    shown: Window, qtbot: QtBot
) -> None:
    class Broken(Tile):
        @contained()
        def paintEvent(self, event: QPaintEvent) -> None:
            fail("in a tile")

    broken = Broken("Broken", "", "used")
    row = shown.tiles.layout()
    assert row is not None
    row.addWidget(broken)
    broken.show()
    until(qtbot, lambda: "in a tile" in notice(shown))
    shown.controller.inbox.post(lambda: shown.status.say("it goes on"))
    until(qtbot, lambda: shown.status.message.text() == "it goes on")


def test_a_key_or_a_click_that_fails_is_told(shown: Window, qtbot: QtBot) -> None:
    class Broken(QWidget):
        @contained()
        def mousePressEvent(self, event: QMouseEvent) -> None:
            fail("in a click")

    broken = Broken(shown)
    broken.show()
    qtbot.mouseClick(broken, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: "in a click" in notice(shown))
    shown.controller.values_changed.connect(lambda: fail("in a slot"))
    shown.controller.change_settings({"clients": 3})
    until(qtbot, lambda: "in a slot" in notice(shown))
    assert shown.controller.values["clients"] == 3


def test_a_job_that_exits_ends_neither_its_worker_nor_the_program(
    shown: Window, qtbot: QtBot
) -> None:
    done: list[object] = []
    for worker in (shown.controller.file_worker, shown.controller._run_worker):
        worker.do(lambda: sys.exit(3))
        worker.do(lambda: "next", done.append)
    until(qtbot, lambda: done == ["next", "next"])
    until(qtbot, lambda: "SystemExit: 3" in notice(shown))


class Settings(QSettings):
    """Settings that can't be stored."""

    def setValue(self, key: str, value: object) -> None:
        raise PoolvizError("The disk is gone.")


def test_a_fault_while_closing_still_closes(
    qapp: QApplication,
    qtbot: QtBot,
    conninfo: str,
    *,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = Settings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    controller = Controller(SessionsFolder(tmp_path / "sessions"))
    window = Window(controller, ThemeManager(qapp, settings), settings)
    with unexpected_errors_shown(lambda: window):
        window.show()
        plan(window)
        run_on(qtbot, window, conninfo)
        controller.changed.connect(lambda: fail("while closing"))
        window.close()
    assert not window.isVisible()
    assert not controller.busy
    assert controller.recorder is not None and controller.recorder.ended is not None
    assert "ZeroDivisionError: while closing" in tracebacks(caplog)
    assert "PoolvizError: The disk is gone." in tracebacks(caplog)
    window.deleteLater()


@pytest.mark.qt_log_ignore("does not support", extend=True)
def test_a_window_closed_by_a_callback_of_its_own_stays_closed(window: Window) -> None:
    """Neither its timer nor a dialog outlives it."""
    window.ask_for_server()
    window.menu.popup(window.pos())
    window.controller.inbox.post(window.close)
    window.refresher.frame()
    assert not window.isVisible()
    assert not [timer for timer in window.findChildren(QTimer) if timer.isActive()]
    assert not [dialog for dialog in window.findChildren(QDialog) if dialog.isVisible()]
    assert QApplication.activePopupWidget() is None
