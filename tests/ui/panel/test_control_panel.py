"""The side panel's rows: what they take, what they show, and when they speak."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QDialog,
    QFileDialog,
    QLabel,
    QPlainTextEdit,
    QScrollArea,
)
from pytestqt.qtbot import QtBot

from poolviz.load.faults import FAULTS
from poolviz.load.fleet import FLEET
from poolviz.load.settings import settings_for
from poolviz.model.parameters import Value
from poolviz.pools.registry import POOLS, pool_class
from poolviz.ui.panel.control_panel import ControlPanel
from poolviz.ui.panel.row import ChoiceRow, NumberRow, SwitchRow
from poolviz.ui.panel.text_row import FileRow, TextRow
from poolviz.ui.style.theme import DARK, LIGHT
from tests.ui.running import PATIENCE, THREADED

QUEUE = "sqlalchemy.QueuePool"


@pytest.fixture
def panel(qtbot: QtBot) -> Iterator[ControlPanel]:
    panel = ControlPanel(LIGHT)
    panel.resize(panel.width(), 800)
    panel.set_pool(pool_class(QUEUE))
    panel.show()
    yield panel
    panel.close()
    panel.deleteLater()


def number(panel: ControlPanel, key: str) -> NumberRow:
    row = panel.rows[key]
    assert isinstance(row, NumberRow)
    return row


def type_into(row: NumberRow, text: str) -> None:
    row.box.setFocus()
    row.box.selectAll()
    QTest.keyClicks(row.box, text)
    QTest.keyClick(row.box, Qt.Key.Key_Return)


def requested(spy: QSignalSpy) -> list[dict[str, Value]]:
    return [spy.at(place)[0] for place in range(spy.count())]


def all_values(panel: ControlPanel, **changes: Value) -> dict[str, Value]:
    assert panel.pool is not None
    defaults = (panel.pool.limits, settings_for(panel.pool), FLEET)
    return {k: v for each in defaults for k, v in each.defaults().items()} | changes


def show_all(panel: ControlPanel) -> None:
    """Have rows there that the defaults hide."""
    panel.folds["how times vary"].header.setChecked(True)
    panel.show_values(all_values(panel, arrivals="open", hold_distribution="pareto"), None, None)


@pytest.mark.parametrize("id", POOLS)
def test_every_limit_and_every_setting_has_a_row_that_shows_its_default(
    panel: ControlPanel, id: str
) -> None:
    pool = POOLS[id]
    panel.set_pool(pool)
    declared = {**pool.limits, **settings_for(pool), **FLEET}
    assert list(panel.rows) == list(declared)
    for key, row in panel.rows.items():
        assert row.value == declared[key].default
        assert declared[key].help in unescape(row.toolTip())  # it is HTML


@pytest.mark.parametrize(
    ("key", "typed", "value", "shown"),
    [
        ("clients", "40", 40, "40"),
        ("hold_time", "50ms", 0.05, "50 ms"),
        ("hold_time", "2 s", 2.0, "2 s"),
        ("hold_time", "0.25s", 0.25, "250 ms"),
        ("hold_time", "20", 0.02, "20 ms"),  # over 4 ms, a bare number is in ms
        ("pool_timeout", "5", 5.0, "5 s"),  # over 30 s, in s
        ("pool_timeout", "1min", 60.0, "60 s"),
        ("pool_timeout", "0", 0.0, "fail at once"),
        ("max_overflow", "no limit", -1, "no limit"),
        ("max_overflow", "No Limit", -1, "no limit"),
        ("pool_size", "500", 500, "500"),  # beyond the slider, within the bounds
        ("pool_recycle", "1h", 3600.0, "1 h"),
        ("rate", "250", 250.0, "250/s"),
        ("rate", "250 /s", 250.0, "250/s"),
        ("hold_spread", "1,5×", 1.5, "1.5×"),
    ],
)
def test_what_is_typed_is_requested_once(
    panel: ControlPanel, key: str, typed: str, value: Value, shown: str
) -> None:
    show_all(panel)
    spy = QSignalSpy(panel.committed)
    row = number(panel, key)
    type_into(row, typed)
    assert requested(spy) == [{key: value}]
    assert row.box.text() == shown


@pytest.mark.parametrize(
    ("key", "typed"),
    [("clients", "many"), ("pool_size", "0"), ("hold_time", "-1s"), ("rate", "5×")],
)
def test_a_bad_value_is_reported_in_a_sentence_and_the_value_comes_back(
    panel: ControlPanel, key: str, typed: str
) -> None:
    committed, mistaken = QSignalSpy(panel.committed), QSignalSpy(panel.mistaken)
    show_all(panel)
    row = number(panel, key)
    before = row.box.text()
    type_into(row, typed)
    assert committed.count() == 0
    assert mistaken.count() == 1
    assert str(mistaken.at(0)[0]).startswith(f"{key} is")
    assert row.box.text() == before


def test_escape_takes_typing_back(panel: ControlPanel) -> None:
    spy = QSignalSpy(panel.committed)
    row = number(panel, "clients")
    row.box.setFocus()
    row.box.selectAll()
    QTest.keyClicks(row.box, "77")
    QTest.keyClick(row.box, Qt.Key.Key_Escape)
    assert row.box.text() == "8"
    row.slider.setFocus()
    assert spy.count() == 0


def test_figures_that_come_in_dont_disturb_who_is_typing(panel: ControlPanel) -> None:
    row = number(panel, "clients")
    row.box.setFocus()
    row.box.selectAll()
    QTest.keyClicks(row.box, "77")
    panel.show_values(all_values(panel), None, None)
    assert row.box.text() == "77"
    QTest.keyClick(row.box, Qt.Key.Key_Return)
    assert row.value == 77


def test_a_drag_previews_and_asks_once_when_it_is_let_go(panel: ControlPanel) -> None:
    spy = QSignalSpy(panel.committed)
    row = number(panel, "clients")
    slider, y = row.slider, row.slider.height() // 2
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(round(slider.x_of(8)), y))
    for position in (20, 30, 40):
        QTest.mouseMove(slider, QPoint(round(slider.x_of(position)), y))
    assert row.box.text() == "40"
    assert spy.count() == 0
    panel.show_values(all_values(panel), None, None)
    assert row.box.text() == "40"  # what comes in meanwhile doesn't pull the knob away
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(round(slider.x_of(40)), y))
    assert requested(spy) == [{"clients": 40}]


def test_a_rest_during_a_drag_asks_too(panel: ControlPanel, qtbot: QtBot) -> None:
    spy = QSignalSpy(panel.committed)
    slider = number(panel, "clients").slider
    y = slider.height() // 2
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(round(slider.x_of(60)), y))
    qtbot.waitUntil(lambda: spy.count() == 1, timeout=PATIENCE)
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(round(slider.x_of(60)), y))
    assert requested(spy) == [{"clients": 60}]


def test_arrow_keys_are_one_change_after_a_rest(panel: ControlPanel, qtbot: QtBot) -> None:
    spy = QSignalSpy(panel.committed)
    row = number(panel, "clients")
    row.box.setFocus()
    for _ in range(3):
        QTest.keyClick(row.box, Qt.Key.Key_Up)
    QTest.keyClick(row.box, Qt.Key.Key_PageUp)
    assert row.box.text() == "21"
    assert spy.count() == 0
    qtbot.waitUntil(lambda: spy.count() == 1, timeout=PATIENCE)
    row.slider.setFocus()
    QTest.keyClick(row.slider, Qt.Key.Key_Left)
    qtbot.waitUntil(lambda: spy.count() == 2, timeout=PATIENCE)
    assert requested(spy) == [{"clients": 21}, {"clients": 20}]


def test_keys_move_a_slider_by_steps_that_can_be_seen_and_stop_at_its_ends(
    panel: ControlPanel, qtbot: QtBot
) -> None:
    spy = QSignalSpy(panel.committed)
    hold, overflow = number(panel, "hold_time"), number(panel, "max_overflow")
    hold.slider.setFocus()
    for text in ("4.5 ms", "5 ms", "5.5 ms"):
        QTest.keyClick(hold.slider, Qt.Key.Key_Right)
        assert hold.box.text() == text
    overflow.slider.setFocus()
    QTest.keyClick(overflow.slider, Qt.Key.Key_PageDown)
    assert overflow.box.text() == "0"  # and not "no limit", which is at the other end
    qtbot.waitUntil(lambda: spy.count() == 2, timeout=PATIENCE)
    type_into(overflow, "no limit")
    overflow.slider.setFocus()
    QTest.keyClick(overflow.slider, Qt.Key.Key_Left)
    assert overflow.box.text() == "50"


def test_the_slider_of_one_stops_where_its_neighbour_is(panel: ControlPanel) -> None:
    panel.set_pool(pool_class(THREADED))
    panel.show_values(all_values(panel, minconn=4, maxconn=6), None, None)
    spy = QSignalSpy(panel.committed)
    for key, target in (("maxconn", 0), ("minconn", 40)):
        slider = number(panel, key).slider
        where = QPoint(round(slider.x_of(target)), slider.height() // 2)
        QTest.mouseClick(slider, Qt.MouseButton.LeftButton, pos=where)
    assert requested(spy) == [{"maxconn": 4}, {"minconn": 6}]


def shown(panel: ControlPanel) -> set[str]:
    """The rows that are there, whether or not their fold is open."""
    return {key for key, row in panel.rows.items() if not row.isHidden()}


def test_what_the_pool_has_no_use_for_is_grey_and_says_why(panel: ControlPanel) -> None:
    panel.show_values(all_values(panel, on_exhausted="retry"), None, None)
    assert not panel.rows["on_exhausted"].isEnabled()
    assert "makes callers wait" in panel.rows["on_exhausted"].toolTip()
    assert "retry_backoff" not in shown(panel)
    assert panel.rows["checkouts"].isEnabled()
    panel.set_pool(pool_class(THREADED))
    panel.show_values(all_values(panel, on_exhausted="retry"), None, None)
    for key in ("on_exhausted", "retry_backoff"):
        assert panel.rows[key].isEnabled()
    panel.set_pool(pool_class("sqlalchemy.StaticPool"))
    assert not panel.rows["checkouts"].isEnabled()
    assert "gives a client one connection" in panel.rows["checkouts"].toolTip()


def test_a_row_is_there_only_where_all_that_it_depends_on_is_so(panel: ControlPanel) -> None:
    def with_(**changes: Value) -> set[str]:
        panel.show_values(all_values(panel, **changes), None, None)
        return shown(panel)

    usual = with_()
    assert {"clients", "statement_time", "hold_time", "think_time", "shape"} <= usual
    assert not usual & {"rate", "spacing", "statement_spread", "sql", "scale", "ramp_time"}
    assert {"statement_spread", "statement_time"} <= with_(statement_distribution="uniform")
    read = with_(statement="read", statement_distribution="uniform")
    assert {"scale"} == read - usual
    assert not {key for key in read if key.startswith("statement_")}
    rest = with_(arrivals="open", think_distribution="file")
    assert {"rate", "spacing"} == rest - usual
    assert not {key for key in rest if key.startswith("think_")}
    replay = with_(arrivals="open", spacing="replay")
    assert "rate" not in replay
    assert {"replay_file", "replay_speed", "replay_repeats"} <= replay
    assert with_(spacing="replay") == usual  # since requests don't arrive by themselves
    assert {"hold_file"} == with_(hold_distribution="file") - usual


def test_rows_come_and_go_without_what_has_the_focus_moving(
    panel: ControlPanel, qtbot: QtBot
) -> None:
    panel.resize(panel.width(), 300)
    panel.folds["how the pool is used"].header.setChecked(True)
    scroll = panel.findChildren(QScrollArea)[0]
    row = panel.rows["transaction"]
    assert isinstance(row, ChoiceRow)
    panel.activateWindow()
    row.combo.setFocus()
    qtbot.waitUntil(row.combo.hasFocus, timeout=PATIENCE)
    QApplication.processEvents()
    scroll.ensureWidgetVisible(row)

    def place() -> int:
        return row.mapTo(panel, QPoint(0, 0)).y()

    before = place()
    for change in ({"statement": "read"}, {"arrivals": "open"}, {"shape": "bursts"}, {}):
        panel.show_values(all_values(panel, **change), None, None)
        assert place() == before  # at once, not in a later turn
        QApplication.processEvents()
        assert place() == before


def test_folds_keep_rarer_rows_away_and_stay_as_they_were_left(
    qtbot: QtBot, tmp_path: Path
) -> None:
    settings = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    for opened in (False, True):
        panel = ControlPanel(LIGHT, settings)
        panel.set_pool(pool_class(QUEUE))
        panel.show()
        fold = panel.folds["how the pool is used"]
        assert panel.rows["transaction"].isVisible() is opened
        panel.show_values(all_values(panel, transaction="open", checkouts=2), None, None)
        assert ("(2 changed)" in fold.header.text()) is not opened
        if not opened:
            QTest.mouseClick(fold.header, Qt.MouseButton.LeftButton)
        panel.set_pool(pool_class(THREADED))
        assert panel.rows["transaction"].isVisible()
        assert not panel.faults.isVisible()
        panel.close()
        panel.deleteLater()


def text_row(panel: ControlPanel) -> TextRow:
    panel.show_values(all_values(panel, statement="sql"), None, None)
    row = panel.rows["sql"]
    assert isinstance(row, TextRow)
    return row


def test_a_text_is_requested_when_it_is_entered_or_left(panel: ControlPanel) -> None:
    spy = QSignalSpy(panel.committed)
    row = text_row(panel)
    row.line.setFocus()
    QTest.keyClicks(row.line, "SELECT 1")
    assert spy.count() == 0
    panel.show_values(all_values(panel, statement="sql"), None, None)
    assert row.line.text() == "SELECT 1"  # what comes in meanwhile doesn't disturb
    QTest.keyClick(row.line, Qt.Key.Key_Return)
    QTest.keyClicks(row.line, "0")
    QTest.keyClick(row.line, Qt.Key.Key_Escape)
    assert row.line.text() == "SELECT 1"
    QTest.keyClicks(row.line, "2")
    panel.rows["clients"].findChildren(QAbstractSpinBox)[0].setFocus()
    assert requested(spy) == [{"sql": "SELECT 1"}, {"sql": "SELECT 12"}]


def test_a_text_of_several_lines_is_edited_in_a_dialog(panel: ControlPanel, qtbot: QtBot) -> None:
    spy = QSignalSpy(panel.committed)
    row = text_row(panel)
    lines = "SELECT 1; -- one\nSELECT 2"
    QTest.mouseClick(row.more, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(row.findChildren(QDialog)), timeout=PATIENCE)
    (dialog,) = row.findChildren(QDialog)
    dialog.findChildren(QPlainTextEdit)[0].setPlainText(lines)
    dialog.accept()
    assert requested(spy) == [{"sql": lines}]
    assert row.line.text() == lines


def test_a_file_is_chosen_and_shown_by_its_name(
    panel: ControlPanel, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "hold times as measured in a very long night of may.csv"
    path.write_text("0.004\n", encoding="utf-8")
    panel.show_values(all_values(panel, hold_distribution="file"), None, None)
    spy = QSignalSpy(panel.committed)
    row = panel.rows["hold_file"]
    assert isinstance(row, FileRow)
    assert row.file.text() == "no file"
    QTest.mouseClick(row.choose, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(row.findChildren(QFileDialog)), timeout=PATIENCE)
    (dialog,) = row.findChildren(QFileDialog)
    dialog.setDirectory(str(tmp_path))
    dialog.selectFile(path.name)
    dialog.accept()
    qtbot.waitUntil(lambda: spy.count() == 1, timeout=PATIENCE)
    assert requested(spy) == [{"hold_file": str(path)}]
    assert "…" in row.file.text()
    assert row.file.text().endswith(".csv")
    assert row.file.toolTip() == str(path)


def test_faults_are_injected_by_buttons_and_sliders(panel: ControlPanel) -> None:
    spy = QSignalSpy(panel.injected)
    panel.folds["Faults"].header.setChecked(True)
    faults = panel.faults
    assert {*faults.buttons, *faults.rows} == set(FAULTS)
    QTest.mouseClick(faults.buttons["kill_backend"], Qt.MouseButton.LeftButton)
    box = faults.boxes["lock_table"]
    assert box.text() == "2 s"
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, "500ms")
    QTest.keyClick(box, Qt.Key.Key_Return)
    QTest.mouseClick(faults.buttons["lock_table"], Qt.MouseButton.LeftButton)
    type_into(faults.rows["leak_every"], "25")
    panel.show_faults({"leak_every": 25, "slow_connecting": 0.0}, {})
    QTest.mouseClick(panel.end_faults, Qt.MouseButton.LeftButton)
    assert [spy.at(place) for place in range(spy.count())] == [
        ["kill_backend", True],
        ["lock_table", 0.5],
        ["leak_every", 25],
        ["leak_every", 0],
    ]
    panel.show_faults({}, {})
    assert faults.rows["leak_every"].box.text() == "never"
    assert not panel.end_faults.isVisible()


def test_a_fault_that_cant_be_had_is_grey_and_says_why(panel: ControlPanel) -> None:
    panel.folds["Faults"].header.setChecked(True)
    panel.show_faults({}, dict.fromkeys(FAULTS, "No run."))
    faults = panel.faults
    for widget in (*faults.buttons.values(), *faults.rows.values()):
        assert not widget.isEnabled()
        assert "No run." in widget.toolTip()
    panel.show_faults({"stuck_clients": 3}, {"restart_server": "Not ours."})
    assert [key for key, button in faults.buttons.items() if not button.isEnabled()] == [
        "restart_server"
    ]
    assert "Not ours." in faults.buttons["restart_server"].toolTip()
    assert "No run." not in faults.buttons["kill_backend"].toolTip()
    assert faults.rows["stuck_clients"].value == 3
    panel.folds["Faults"].header.setChecked(False)
    panel.show_faults({"stuck_clients": 3}, {})
    assert "(1 on)" in panel.folds["Faults"].header.text()


def test_a_row_says_what_is_still_in_force_and_what_still_drains(panel: ControlPanel) -> None:
    def words(key: str) -> list[str]:
        labels = panel.rows[key].findChildren(QLabel)
        return [label.text() for label in labels if label.isVisible()]

    values = all_values(panel, pool_size=5, max_overflow=2)
    panel.show_values(values, {**values, "pool_size": 9}, ("max_overflow", 9))
    assert words("pool_size") == ["pool_size", "still 9"]
    assert words("max_overflow") == ["max_overflow", "draining 9"]
    panel.show_values(values, values, None)
    assert words("pool_size") == ["pool_size", "now"]
    assert words("pool_timeout") == ["pool_timeout", "new requests"]


def test_a_double_click_on_the_name_resets_a_row_and_the_link_a_section(
    panel: ControlPanel,
) -> None:
    panel.show_values(all_values(panel, clients=40, pool_size=9), None, None)
    spy = QSignalSpy(panel.committed)
    name = panel.rows["clients"].findChildren(QLabel)[0]
    QTest.mouseDClick(name, Qt.MouseButton.LeftButton)
    assert requested(spy) == [{"clients": 8}]
    link = next(b for b in panel.links if b.accessibleName() == "reset Pool")
    QTest.mouseClick(link, Qt.MouseButton.LeftButton)
    assert requested(spy)[1:] == [dict(pool_class(QUEUE).limits.defaults())]


def test_switches_and_choices_ask_at_once(panel: ControlPanel) -> None:
    spy = QSignalSpy(panel.committed)
    switch, choice = panel.rows["pool_pre_ping"], panel.rows["shape"]
    assert isinstance(switch, SwitchRow)
    assert isinstance(choice, ChoiceRow)
    QTest.mouseClick(switch.toggle, Qt.MouseButton.LeftButton)
    choice.combo.setFocus()
    QTest.keyClick(choice.combo, Qt.Key.Key_Down)
    assert requested(spy) == [{"pool_pre_ping": True}, {"shape": "ramp"}]


def test_a_locked_panel_shows_values_but_takes_none(panel: ControlPanel) -> None:
    panel.lock("because")
    panel.show_values(all_values(panel, clients=33), None, None)
    row = number(panel, "clients")
    assert row.box.text() == "33"
    assert all(not each.isEnabled() and "because" in each.toolTip() for each in panel.rows.values())
    spy = QSignalSpy(panel.committed)
    for link in panel.links:
        QTest.mouseClick(link, Qt.MouseButton.LeftButton)
    assert spy.count() == 0


def test_every_editor_has_a_name_for_those_who_cant_see_it(panel: ControlPanel) -> None:
    panel.set_theme(DARK)
    for key, row in panel.rows.items():
        label = key if key in pool_class(QUEUE).limits else key.replace("_", " ")
        if isinstance(row, NumberRow):
            assert row.box.accessibleName() == label
            assert row.slider.accessibleName() == f"{label}, slider"
        elif isinstance(row, SwitchRow):
            assert row.toggle.accessibleName() == label
        elif isinstance(row, ChoiceRow):
            assert row.combo.accessibleName() == label
        elif isinstance(row, TextRow):
            assert row.line.accessibleName() == label
        elif isinstance(row, FileRow):
            assert row.choose.accessibleName().startswith(label)
