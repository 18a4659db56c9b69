"""Presets and scenario files in the window: chosen, opened, dropped, saved and run again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from poolviz.language import in_language
from poolviz.model.sample import MarkKind
from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.presets import presets
from poolviz.scenarios.toml_file import read_draft
from poolviz.sessions.recorder import Recorder
from poolviz.ui.dialogs.open_file import Mistakes
from poolviz.ui.session.controller import State
from poolviz.ui.window import Window
from tests.ui.running import (
    THREADED,
    operations,
    plan,
    run_on,
    servers_home,
    until,
    until_counting,
    window,
)
from tests.ui.test_window_files import answer

__all__ = ["servers_home", "window"]

OWN = """\
title = "Mine"
pool = "psycopg2.ThreadedConnectionPool"
seed = 9
[watch]
en = "Watch the waits."
es = "Mira aquí."
[limits]
minconn = 2
maxconn = 3
[load]
clients = 4
statement_time = "10ms"
think_time = "50ms"
[[changes]]
at = 0.4
maxconn = 5
[[changes]]
at = 3600
clients = 6
"""

FIVE_MISTAKES = """\
poool = "x"
[limits]
pool_size = -3
[load]
clients = "many"
thinking = 3
[[changes]]
at = "soon"
clients = 3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(OWN, encoding="utf-8")
    return path


@pytest.fixture
def spanish() -> Iterator[None]:
    with in_language("es"):
        yield


def preset_actions(qtbot: QtBot, window: Window) -> dict[str, QAction]:
    """The presets in the menu, by name."""
    window.presets.aboutToShow.emit()
    return {action.objectName(): action for action in window.presets.actions()}


def recorder_of(window: Window) -> Recorder:
    assert window.controller.recorder is not None
    return window.controller.recorder


def press(
    qtbot: QtBot,
    window: Window,
    key: Qt.Key,
    with_: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    """Press a key in the active window: offscreen, a closed dialog doesn't give the focus back."""
    window.activateWindow()
    until(qtbot, window.isActiveWindow)
    QTest.keyClick(window, key, with_)


def open_file(qtbot: QtBot, window: Window, path: Path) -> None:
    """Press Ctrl+O and give the path."""
    press(qtbot, window, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    answer(qtbot, window, path)


def drop(target: QWidget, path: Path) -> bool:
    """Drag a file over a widget and let it go; whether it was taken."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    at = target.rect().center()
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(at, Qt.DropAction.CopyAction, data, left, none)
    QApplication.sendEvent(target, enter)
    if enter.isAccepted():
        fall = QDropEvent(QPointF(at), Qt.DropAction.CopyAction, data, left, none)
        QApplication.sendEvent(target, fall)
    return enter.isAccepted()


def test_every_preset_is_in_the_menu_and_says_what_to_watch(window: Window, qtbot: QtBot) -> None:
    actions = preset_actions(qtbot, window)
    for preset in presets():
        assert actions[preset.name].text() == preset.title
        assert preset.watch["en"].split("'")[0][:40] in actions[preset.name].toolTip()


def test_a_user_who_reads_spanish_gets_spanish_texts(
    spanish: None, window: Window, qtbot: QtBot, own: Path
) -> None:
    preset = presets()[0]
    tip = preset_actions(qtbot, window)[preset.name].toolTip()
    assert preset.watch["es"][:40] in tip
    window.file_opener.open(own)
    until(qtbot, lambda: "watch" in window.banner.sentences)
    assert window.banner.sentences["watch"] == "Mira aquí."


def test_a_preset_ends_the_run_and_runs_as_it_is_written_with_what_to_watch_above(
    window: Window, qtbot: QtBot
) -> None:
    plan(window)
    run_on(qtbot, window, None)
    before = recorder_of(window)
    preset = next(each for each in presets() if each.name == "healthy_pool")
    preset_actions(qtbot, window)["healthy_pool"].trigger()
    until(qtbot, lambda: window.controller.recorder is not before)
    until_counting(qtbot, window)
    assert before.ended is not None
    began = recorder_of(window).began
    assert began is not None
    assert began.scenario == complete_draft(read_draft(preset.path))
    assert window.panel.rows["clients"].value == began.scenario.load["clients"]
    line = window.banner.line("watch")
    assert line is not None
    assert (line.heading, line.text) == (preset.title, preset.watch["en"])
    assert window.toolbar.preset_button.text() == f"Preset: {preset.title}"
    assert not window.learning.tour.on
    line.close_button.click()
    window.controller.stop()
    until(qtbot, lambda: window.controller.state is State.READY)
    window.controller.start()
    until_counting(qtbot, window)
    assert "watch" not in window.banner.sentences  # it was dismissed
    window.controller.change_settings({"clients": 3})
    assert window.toolbar.preset_button.text() == "Preset"


def test_on_a_server_that_isnt_ours_a_scenario_waits_for_start(
    window: Window, qtbot: QtBot, conninfo: str, own: Path
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    before = recorder_of(window)
    open_file(qtbot, window, own)
    until(qtbot, lambda: window.toolbar.preset_button.text() == "Preset: Mine")
    assert window.controller.state is State.READY
    assert window.controller.recorder is before
    assert "The run opens up to 5 connections" in window.banner.sentences["load"]
    press(qtbot, window, Qt.Key.Key_F5)
    until(qtbot, lambda: window.controller.recorder is not before)
    until_counting(qtbot, window)
    until(qtbot, lambda: any(mark.new == 5 for mark in recorder_of(window).marks))
    until(qtbot, lambda: window.panel.rows["maxconn"].value == 5)
    began = recorder_of(window).began
    assert began is not None
    assert (began.scenario.pool, began.scenario.seed) == (THREADED, 9)


def test_a_scenario_that_names_a_server_chooses_it_and_waits(
    window: Window, qtbot: QtBot, conninfo: str, own: Path
) -> None:
    own.write_text(f"dsn = '''{conninfo}'''\n{OWN}", encoding="utf-8")
    window.file_opener.open(own)
    until(
        qtbot,
        lambda: window.controller.target is not None and window.controller.state is State.READY,
    )
    assert not window.controller.embedded
    assert window.controller.recorder is None
    assert window.controller.scenario.title == "Mine"


@pytest.mark.parametrize("part", ["window", "charts", "panel"])
def test_a_scenario_or_a_session_may_be_dropped_anywhere(
    window: Window, qtbot: QtBot, conninfo: str, own: Path, part: str
) -> None:
    target = {"window": window, "charts": window.charts.canvas.viewport(), "panel": window.panel}
    plan(window)
    run_on(qtbot, window, conninfo)
    window.controller.stop()
    until(qtbot, lambda: window.controller.state is State.READY)
    recorded = recorder_of(window).path
    assert recorded is not None
    until(qtbot, recorded.exists)
    assert not drop(target[part], own.with_suffix(".txt"))
    assert drop(target[part], recorded)
    until(qtbot, lambda: window.controller.viewing == recorded)
    assert drop(target[part], own)
    until(qtbot, lambda: window.controller.viewing is None)
    assert window.controller.scenario.title == "Mine"
    assert window.controller.recorder is None  # what is shown is requested for, and was not run
    assert window.panel.rows["clients"].isEnabled()
    window.controller.view_session(recorded)
    until(qtbot, lambda: window.controller.viewing == recorded)
    assert "watch" not in window.banner.sentences


def test_all_mistakes_of_a_file_are_shown_at_once_and_nothing_is_changed(
    window: Window, qtbot: QtBot, conninfo: str, tmp_path: Path
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    requested, before = window.controller.values, recorder_of(window)
    path = tmp_path / "five.toml"
    path.write_text(FIVE_MISTAKES, encoding="utf-8")
    open_file(qtbot, window, path)
    until(qtbot, lambda: bool(window.findChildren(Mistakes)))
    (dialog,) = window.findChildren(Mistakes)
    lines = dialog.words.toPlainText().splitlines()
    assert [line.split(":")[0] for line in lines] == [f"line {n}" for n in (1, 3, 5, 6, 8)]
    dialog.accept()
    until(qtbot, lambda: not window.findChildren(Mistakes))
    assert window.controller.values == requested
    assert window.controller.recorder is before
    assert window.controller.state is State.RUNNING


@pytest.mark.parametrize("content", ["pool = \n", "poool = 'x'\n", "[load]\nclients = 'many'\n"])
def test_one_mistake_is_a_sentence_in_the_banner_until_a_scenario_is_right(
    window: Window, qtbot: QtBot, tmp_path: Path, own: Path, content: str
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(content, encoding="utf-8")
    window.file_opener.open(path)
    until(qtbot, lambda: "scenario" in window.banner.sentences)
    sentence = window.banner.sentences["scenario"]
    assert str(path) in sentence
    assert "\n" not in sentence
    window.file_opener.open(tmp_path / "nowhere.toml")
    until(qtbot, lambda: "nowhere.toml" in window.banner.sentences["scenario"])
    window.controller.choose_server("host=nowhere")  # so that nothing is run
    window.file_opener.open(own)
    until(qtbot, lambda: "scenario" not in window.banner.sentences)
    assert window.controller.scenario.title == "Mine"


def test_a_run_with_changes_and_faults_by_hand_is_saved_as_a_scenario_and_runs_again(
    window: Window, qtbot: QtBot, conninfo: str, tmp_path: Path
) -> None:
    plan(window, pool_size=3, max_overflow=0)
    run_on(qtbot, window, conninfo)
    window.controller.change_settings({"clients": 6})
    until(qtbot, lambda: len(recorder_of(window).marks) == 1)
    window.controller.inject("kill_backend", True)
    window.controller.inject("slow_statements", 0.02)
    until(qtbot, lambda: len(recorder_of(window).marks) == 3)
    saved = tmp_path / "again.toml"
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    press(qtbot, window, Qt.Key.Key_S, both)
    answer(qtbot, window, saved)
    until(qtbot, lambda: window.status.message.text().startswith("Wrote again.toml"))
    assert window.controller.state is State.RUNNING
    draft = read_draft(saved)
    done = {key: value for change in draft.changes for key, value in change.items() if key != "at"}
    assert done == {"clients": 6, "kill_backend": True, "slow_statements": 0.02}
    assert (draft.limits["pool_size"], draft.load["clients"], draft.dsn) == (3, 4, None)
    open_file(qtbot, window, saved)
    until(qtbot, lambda: window.controller.state is State.READY)
    until(qtbot, lambda: bool(window.controller.scenario.changes))
    first = recorder_of(window)
    window.controller.start()
    until(qtbot, lambda: window.controller.recorder is not first)
    until(qtbot, lambda: recorder_of(window).ended is not None)
    marks = [(mark.kind, mark.key, mark.new) for mark in recorder_of(window).marks]
    assert marks == [(mark.kind, mark.key, mark.new) for mark in first.marks]


def test_before_any_run_what_is_requested_is_saved(
    window: Window, qtbot: QtBot, tmp_path: Path, own: Path
) -> None:
    window.controller.choose_server("host=nowhere")
    window.file_opener.open(own)
    until(qtbot, lambda: window.controller.scenario.title == "Mine")
    path = tmp_path / "requested.toml"
    window.export.save_scenario()
    answer(qtbot, window, path)
    until(qtbot, lambda: window.status.message.text().startswith("Wrote requested.toml"))
    assert complete_draft(read_draft(path)) == window.controller.scenario
    window.controller.change_settings({"clients": 11})
    window.export.save_scenario()
    altered = tmp_path / "altered.toml"
    answer(qtbot, window, altered)
    until(qtbot, lambda: window.status.message.text().startswith("Wrote altered.toml"))
    assert read_draft(altered).load["clients"] == 11
    assert read_draft(altered).changes == []  # altered, it is no longer the scenario as written


def test_a_recorded_session_shows_its_faults_again(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    window.controller.inject("kill_backend", True)
    until(qtbot, lambda: bool(recorder_of(window).marks))
    window.controller.stop()
    until(qtbot, lambda: window.controller.state is State.READY)
    recorded = recorder_of(window).path
    assert recorded is not None
    until(qtbot, recorded.exists)
    total = operations(window)
    window.controller.view_session(recorded)
    until(qtbot, lambda: window.controller.viewing == recorded)
    assert operations(window) == total
    labels = window.charts.canvas.chart_scene.marks.labels
    assert [(label.text, label.kind) for label in labels] == [("kill_backend", MarkKind.FAULT)]


def test_requests_that_no_client_has_started_are_shown_beside_those_that_wait(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window, pool_size=1, max_overflow=0)
    window.controller.change_settings(
        {"arrivals": "open", "rate": 200, "clients": 3, "hold_time": 0.1}
    )
    run_on(qtbot, window, conninfo)
    until(qtbot, lambda: window.tiles.waiting.figure.endswith("not started"))
    until(
        qtbot,
        lambda: (
            "not started"
            in [name.text for name in window.charts.canvas.chart_scene.by_name["connections"].names]
        ),
    )


def test_where_a_shape_moves_the_clients_their_number_is_shown(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    until(qtbot, lambda: window.tiles.throughput.figure != "–")
    assert window.tiles.throughput.name == "Throughput"
    window.controller.change_settings(
        {"shape": "sine", "sine_period": 4.0, "sine_depth": 1.0, "clients": 8}
    )
    names = set()

    def seen() -> bool:
        names.add(window.tiles.throughput.name)
        return len(names - {"Throughput"}) >= 3

    until(qtbot, seen)
    assert all(name.endswith(" clients") for name in names - {"Throughput"})


def test_long_names_are_cut_short_rather_than_the_window_widened(window: Window, own: Path) -> None:
    own.write_text(OWN.replace('"Mine"', '"A title that is much longer than usual"'))
    window.controller.plan(complete_draft(read_draft(own)))
    window.resize(960, 600)
    QApplication.processEvents()
    assert window.width() == 960
    bar = window.toolbar
    shown = (bar.run_button, bar.server_button, bar.pool_button, bar.preset_button, bar.mark_button)
    for left, right in pairwise((*shown, bar.export_button, bar.menu_button)):
        assert left.geometry().right() < right.geometry().left()
    for whole in (bar.run_button, bar.mark_button, bar.export_button):
        assert whole.width() >= whole.sizeHint().width()
    assert "much longer" in bar.preset_button.text()
