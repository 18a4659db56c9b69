"""The side panel's rows: what they take, what they show, and when they speak."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from poolviz.load.settings import SETTINGS, settings_for
from poolviz.model.parameters import Value
from poolviz.pools import POOLS, pool_class
from poolviz.ui.controls import ControlPanel
from poolviz.ui.row import ChoiceRow, NumberRow, SwitchRow
from poolviz.ui.theme import DARK, LIGHT
from tests.ui.laboratory import PATIENCE, THREADED

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


def asked(spy: QSignalSpy) -> list[dict[str, Value]]:
    return [spy.at(place)[0] for place in range(spy.count())]


def all_values(panel: ControlPanel, **changes: Value) -> dict[str, Value]:
    assert panel.pool is not None
    return {**panel.pool.limits.defaults(), **SETTINGS.defaults(), **changes}


@pytest.mark.parametrize("id", POOLS)
def test_every_limit_and_every_setting_has_a_row_that_shows_its_default(
    panel: ControlPanel, id: str
) -> None:
    pool = POOLS[id]
    panel.set_pool(pool)
    declared = {**pool.limits, **settings_for(pool)}
    assert list(panel.rows) == list(declared)
    for key, row in panel.rows.items():
        assert row.value == declared[key].default
        assert declared[key].help in row.toolTip()


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
    ],
)
def test_what_is_typed_is_asked_for_once(
    panel: ControlPanel, key: str, typed: str, value: Value, shown: str
) -> None:
    spy = QSignalSpy(panel.committed)
    row = number(panel, key)
    type_into(row, typed)
    assert asked(spy) == [{key: value}]
    assert row.box.text() == shown


@pytest.mark.parametrize(
    ("key", "typed"), [("clients", "many"), ("pool_size", "0"), ("hold_time", "-1s")]
)
def test_what_cant_be_taken_is_said_in_a_sentence_and_the_value_comes_back(
    panel: ControlPanel, key: str, typed: str
) -> None:
    committed, mistaken = QSignalSpy(panel.committed), QSignalSpy(panel.mistaken)
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
    assert asked(spy) == [{"clients": 40}]


def test_a_rest_during_a_drag_asks_too(panel: ControlPanel, qtbot: QtBot) -> None:
    spy = QSignalSpy(panel.committed)
    slider = number(panel, "clients").slider
    y = slider.height() // 2
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(round(slider.x_of(60)), y))
    qtbot.waitUntil(lambda: spy.count() == 1, timeout=PATIENCE)
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(round(slider.x_of(60)), y))
    assert asked(spy) == [{"clients": 60}]


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
    assert asked(spy) == [{"clients": 21}, {"clients": 20}]


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
    assert asked(spy) == [{"maxconn": 4}, {"minconn": 6}]


def test_what_does_nothing_now_is_grey_and_says_why(panel: ControlPanel) -> None:
    panel.show_values(all_values(panel, on_exhausted="retry"), None, None)
    for key in ("on_exhausted", "retry_backoff"):
        assert not panel.rows[key].isEnabled()
        assert "wait by itself" in panel.rows[key].toolTip()
    panel.set_pool(pool_class(THREADED))
    panel.show_values(all_values(panel, on_exhausted="fail"), None, None)
    assert panel.rows["on_exhausted"].isEnabled()
    assert not panel.rows["retry_backoff"].isEnabled()
    assert "when on exhausted is retry" in panel.rows["retry_backoff"].toolTip()
    panel.show_values(all_values(panel, on_exhausted="retry"), None, None)
    assert panel.rows["retry_backoff"].isEnabled()


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
    assert asked(spy) == [{"clients": 8}]
    link = next(b for b in panel.links if b.accessibleName() == "reset Pool")
    QTest.mouseClick(link, Qt.MouseButton.LeftButton)
    assert asked(spy)[1:] == [dict(pool_class(QUEUE).limits.defaults())]


def test_switches_and_choices_ask_at_once(panel: ControlPanel) -> None:
    spy = QSignalSpy(panel.committed)
    switch, choice = panel.rows["pool_pre_ping"], panel.rows["distribution"]
    assert isinstance(switch, SwitchRow)
    assert isinstance(choice, ChoiceRow)
    QTest.mouseClick(switch.toggle, Qt.MouseButton.LeftButton)
    choice.combo.setFocus()
    QTest.keyClick(choice.combo, Qt.Key.Key_Down)
    assert asked(spy) == [{"pool_pre_ping": True}, {"distribution": "constant"}]


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
