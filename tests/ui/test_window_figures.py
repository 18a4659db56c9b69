"""The figures of a run and of its segments: shown at its end, for a session, and on request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poolviz.model.messages import MarkAdded, SampleTaken
from poolviz.sessions.cards import effects
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.result_text import text
from poolviz.ui.window import Window
from tests.sessions.builders import began, change, ended, samples, ticks
from tests.ui.running import plan, run_on, servers_home, until, window

__all__ = ["servers_home", "window"]


def recorded(window: Window, name: str = "one") -> Path:
    """A session of ten seconds with two segments."""
    path = window.controller.sessions_folder / f"{name}.poolviz"
    path.parent.mkdir(exist_ok=True)
    with Recorder(path) as recorder:
        recorder.add(began())
        run = [replace(each, segment=n // 100) for n, each in enumerate(ticks(200))]
        for sample in samples(run):
            recorder.add(SampleTaken(sample))
        recorder.add(MarkAdded(change(5.0)))
        recorder.add(ended())
    return path


def open_session(window: Window, qtbot: QtBot, path: Path) -> None:
    window.controller.view_session(path)
    until(qtbot, lambda: window.controller.viewing == path)
    until(qtbot, lambda: bool(window.controller.evaluation.result.blocks))


def printed(path: Path) -> str:
    """What `poolviz run` would have printed of a session."""
    recorder = Recorder.open(path)
    try:
        return text(recorder.summary(), recorder.marks, (), effects(recorder))
    finally:
        recorder.close()


def test_a_session_shows_the_figures_that_run_prints(window: Window, qtbot: QtBot) -> None:
    path = recorded(window)
    open_session(window, qtbot, path)
    assert window.figures.isVisible()
    assert window.figures.text.splitlines()[0] == printed(path).splitlines()[0]
    assert printed(path).startswith(window.figures.text)
    shown = " ".join(window.figures.view.toPlainText().split())
    assert "operations" in shown
    assert "segment 2" in shown
    assert "each client" in shown


def test_hidden_figures_stay_hidden_and_f8_shows_them_again(window: Window, qtbot: QtBot) -> None:
    open_session(window, qtbot, recorded(window))
    QTest.mouseClick(window.figures.fold, Qt.MouseButton.LeftButton)
    assert not window.figures.isVisible()
    open_session(window, qtbot, recorded(window, "another"))
    assert not window.figures.isVisible()
    assert not window.menu.figures_action.isChecked()
    QTest.keyClick(window, Qt.Key.Key_F8)
    assert window.figures.isVisible()
    assert window.menu.figures_action.isChecked()


def test_figures_are_copied_as_text_and_as_markdown(window: Window, qtbot: QtBot) -> None:
    path = recorded(window)
    open_session(window, qtbot, path)
    QTest.mouseClick(window.figures.copy_text, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == window.figures.text
    QTest.mouseClick(window.figures.copy_markdown, Qt.MouseButton.LeftButton)
    copied = QGuiApplication.clipboard().text()
    assert "| operations |" in copied
    assert copied.count("|---|---|") == 3


def test_choosing_a_part_scrolls_to_it(window: Window, qtbot: QtBot) -> None:
    open_session(window, qtbot, recorded(window))
    part, bar = window.figures.part, window.figures.view.verticalScrollBar()
    assert [part.itemText(0), part.count()] == ["The whole run", 3]
    part.setFocus()
    QTest.keyClick(part, Qt.Key.Key_End)
    part.activated.emit(part.currentIndex())
    until(qtbot, lambda: bar.value() > 0)


def test_without_a_run_f8_says_why_there_are_none(window: Window) -> None:
    QTest.keyClick(window, Qt.Key.Key_F8)
    assert not window.menu.figures_action.isChecked()
    assert "no figures yet" in window.banner.sentences["figures"]


def test_figures_appear_at_the_end_of_a_run_and_on_request_before(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    figures, evaluation = window.figures, window.controller.evaluation
    until(qtbot, lambda: figures.available)
    assert not figures.isVisible()
    QTest.keyClick(window, Qt.Key.Key_F8)
    assert figures.isVisible()
    first = figures.text
    until(qtbot, lambda: figures.text != first)
    assert "incomplete" not in figures.text
    QTest.keyClick(window, Qt.Key.Key_F8)
    assert not figures.isVisible()
    window.controller.stop()
    until(qtbot, lambda: not window.controller.busy)
    recorder = window.controller.recorder
    assert recorder is not None
    until(qtbot, lambda: figures.text == text(recorder.summary(), recorder.marks))
    assert figures.isVisible()
    assert evaluation.result.effects is not None
