"""What the window writes and reads: pictures, data, sessions."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from poolviz.model.messages import SampleTaken
from poolviz.sessions.recorder import Recorder
from poolviz.ui.session.controller import State
from poolviz.ui.window import Window
from tests.sessions.builders import began, record, samples, ticks
from tests.ui.running import (
    operations,
    plan,
    run_on,
    servers_home,
    until,
    until_counting,
    window,
)

__all__ = ["servers_home", "window"]


def answer(qtbot: QtBot, window: Window, path: Path) -> None:
    """Give the file dialog that is open a path, as typing it and pressing Enter does."""
    until(qtbot, lambda: bool(window.findChildren(QFileDialog)))
    dialog = window.findChildren(QFileDialog)[0]
    dialog.selectFile(str(path))
    dialog.accept()
    until(qtbot, lambda: not window.findChildren(QFileDialog))


def export(qtbot: QtBot, window: Window, path: Path) -> None:
    """Choose the export format of the path's suffix in the menu, and the path in its dialog."""
    actions = window.toolbar.export_button.menu().actions()
    next(a for a in actions if a.objectName() == f"export{path.suffix}").trigger()
    answer(qtbot, window, path)
    until(qtbot, lambda: window.status.message.text().startswith(f"Wrote {path.name}"))


def test_graphs_data_figures_and_session_are_exported_while_the_load_runs(
    window: Window, qtbot: QtBot, conninfo: str, tmp_path: Path
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    for suffix in (".png", ".csv", ".json", ".poolviz"):
        export(qtbot, window, tmp_path / f"run{suffix}")
    assert window.controller.state is State.RUNNING
    picture = QImage(str(tmp_path / "run.png"))
    assert picture.width() > 1000
    with (tmp_path / "run.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {"used", "pending"} <= set(rows[0])
    with Recorder.open(tmp_path / "run.poolviz") as saved:
        assert saved.summary().operations > 0


def test_an_export_that_cant_be_written_is_a_sentence_in_the_banner(
    window: Window, qtbot: QtBot, conninfo: str, tmp_path: Path
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    taken = tmp_path / "taken.csv"
    taken.mkdir()
    window.export._write(window.export.formats[".csv"], _recorder(window), taken)
    until(qtbot, lambda: "export" in window.banner.sentences)
    sentence = window.banner.sentences["export"]
    assert str(taken) in sentence
    assert "\n" not in sentence


def test_a_recorded_session_is_shown_again_and_start_runs_its_values(
    window: Window, qtbot: QtBot, conninfo: str, tmp_path: Path
) -> None:
    plan(window, pool_size=3, max_overflow=0)
    run_on(qtbot, window, conninfo)
    window.controller.stop()
    until(qtbot, lambda: window.controller.state is State.READY)
    recorded = _recorder(window).path
    assert recorded is not None
    until(qtbot, recorded.exists)
    total = operations(window)
    window.controller.change_settings({"pool_size": 9})
    window.controller.choose_pool("psycopg2.ThreadedConnectionPool")
    QTest.keyClick(window, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    answer(qtbot, window, recorded)
    until(qtbot, lambda: window.controller.viewing == recorded)
    assert operations(window) == total
    row = window.panel.rows["pool_size"]
    assert row.value == 3
    assert not row.isEnabled()
    assert recorded.name in row.toolTip()
    until(qtbot, lambda: window.status.pill.text() == "● recorded")
    QTest.mouseClick(window.toolbar.run_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: window.controller.viewing is None)
    until_counting(qtbot, window)
    began = _recorder(window).began
    assert began is not None
    assert began.scenario.limits["pool_size"] == 3
    assert window.panel.rows["pool_size"].isEnabled()


@pytest.mark.parametrize("content", [b"", b"not a session at all", b"SQLite format 3\0" * 40])
def test_a_file_that_is_no_session_is_one_sentence(
    window: Window, qtbot: QtBot, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "odd.poolviz"
    path.write_bytes(content)
    window.controller.view_session(path)
    until(qtbot, lambda: "session" in window.banner.sentences)
    sentence = window.banner.sentences["session"]
    assert str(path) in sentence
    assert "\n" not in sentence
    assert window.controller.viewing is None


def _recorder(window: Window) -> Recorder:
    assert window.controller.recorder is not None
    return window.controller.recorder


def test_closing_the_window_finishes_the_picture_that_is_being_written(
    window: Window, qtbot: QtBot, conninfo: str, tmp_path: Path
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    path = tmp_path / "last.png"
    window.export._write(window.export.formats[".png"], _recorder(window), path)
    window.close()
    assert QImage(str(path)).width() > 1000


def test_a_session_whose_end_was_never_written_is_shown_without_a_now(
    window: Window, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "cut off.poolviz"
    with Recorder(path) as recorder:
        record(recorder, [began(), *map(SampleTaken, samples(ticks(40)))])
    window.controller.view_session(path)
    until(qtbot, lambda: window.controller.viewing == path)
    assert _recorder(window).ended is None
    assert not window.charts.frame.live
