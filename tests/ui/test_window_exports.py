"""Exports that the window has another process write: their scope, their strip, their end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from poolviz.sessions.export.exporter import PICTURE
from poolviz.sessions.recorder import Recorder
from poolviz.ui.window import Window
from tests.sessions.builders import record, reports, samples, ticks
from tests.ui.running import servers_home, until, window

__all__ = ["servers_home", "window"]


@pytest.fixture
def shown(window: Window, qtbot: QtBot, tmp_path: Path) -> Recorder:
    """A recorded session of 75 s, opened in the window."""
    path = tmp_path / "shown.poolviz"
    with Recorder(path) as recorder:
        record(recorder, reports(samples(ticks(1500))))
    window.show()
    window.controller.view_session(path)
    until(qtbot, lambda: window.controller.viewing == path)
    assert window.controller.recorder is not None
    return window.controller.recorder


def test_what_the_charts_show_is_exported_without_names(
    window: Window, qtbot: QtBot, shown: Recorder, tmp_path: Path
) -> None:
    menu = window.export
    menu.only_visible.trigger()
    menu.anonymous.trigger()
    frame, path = window.charts.frame, tmp_path / "part.json"
    assert frame.start > 0
    menu._write(menu.formats[".json"], shown, path, menu.scope)
    until(qtbot, path.exists)
    figures = json.loads(path.read_bytes())
    assert figures["segments"][0]["from_s"] == pytest.approx(frame.start, abs=0.1)
    assert figures["duration_s"] == pytest.approx(frame.end - frame.start, abs=0.1)
    assert "ann@" not in path.read_text("utf-8")


def test_one_chart_alone_is_exported_by_choice(
    window: Window, qtbot: QtBot, shown: Recorder, tmp_path: Path
) -> None:
    menu, path = window.export, tmp_path / "wait.svg"
    assert menu.scope.charts == ()
    choices = {action.text(): action for action in menu.charts.actions()}
    assert menu.choice.title() == "Charts in pictures and reports: The usual ones"
    choices["Wait to acquire alone"].trigger()
    assert menu.choice.title() == "Charts in pictures and reports: Wait to acquire alone"
    assert menu.scope.charts == ("wait",)
    menu._write(menu.formats[".svg"], shown, path, menu.scope)
    until(qtbot, path.exists)
    text = path.read_text("utf-8")
    assert "Wait to acquire" in text
    assert "Throughput" not in text
    choices["The usual ones"].trigger()
    assert menu.scope.charts == ()
    choices["All"].trigger()
    assert menu.scope.charts == PICTURE


@pytest.mark.usefixtures("shown")
def test_charts_and_time_are_exported_as_the_window_shows_them(window: Window) -> None:
    menu, charts = window.export, window.charts
    [as_shown] = [each for each in menu.charts.actions() if each.text() == "As the window shows"]
    as_shown.trigger()
    charts.choice.choose(("wait", "lanes"))
    assert menu.scope.charts == ("wait", "lanes")
    assert menu.scope.start == max(charts.frame.start, 0.0)
    assert menu.scope.end == charts.frame.end
    charts.expand("lanes")
    assert menu.scope.charts == ("lanes",)


def test_cancel_ends_an_export_and_leaves_nothing(
    window: Window, qtbot: QtBot, shown: Recorder, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for number in range(3):
        path = folder / f"run{number}.png"
        window.export._write(window.export.formats[".png"], shown, path)
    until(qtbot, window.export.strip.isVisible)
    assert "run0.png" in window.export.strip.words.text()
    assert window.export.strip.bar.maximum() > 0, "it shows how far that is"
    QTest.mouseClick(window.export.strip.button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: not window.export.strip.isVisible())
    assert "was cancelled" in window.status.message.text()
    assert not list(folder.iterdir())
    assert "export" not in window.banner.sentences


def test_an_export_leaves_the_charts_their_size(
    window: Window, qtbot: QtBot, shown: Recorder, tmp_path: Path
) -> None:
    window.figures.choose(False)  # which come when they are counted, and take room
    QApplication.processEvents()
    before, status = window.charts.geometry(), window.status.height()
    window.export._write(window.export.formats[".json"], shown, tmp_path / "run.json")
    until(qtbot, window.export.strip.isVisible)
    QApplication.processEvents()
    assert (window.charts.geometry(), window.status.height()) == (before, status)
    assert window.export.strip.geometry().bottom() <= status
    until(qtbot, lambda: not window.export.strip.isVisible())
    assert window.charts.geometry() == before
