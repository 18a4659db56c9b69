"""Several values are set and applied as one change: one segment, one card, one step of undo."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poolviz.ui.window import Window
from tests.ui.running import plan, run_on, servers_home, until, window

__all__ = ["servers_home", "window"]

CONTROL = Qt.KeyboardModifier.ControlModifier


def set_value(window: Window, key: str, value: object) -> None:
    window.panel.rows[key].preview(value)
    window.panel.rows[key].commit()


def test_collected_changes_are_made_at_one_moment_and_undone_together(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window, pool_size=5, max_overflow=2)
    run_on(qtbot, window, conninfo)
    controller, bar = window.controller, window.panel.collected
    recorder = controller.recorder
    assert recorder is not None
    QTest.keyClick(window, Qt.Key.Key_T, CONTROL)
    assert bar.isVisible()
    assert not bar.apply.isEnabled()
    set_value(window, "pool_size", 8)
    set_value(window, "max_overflow", 4)
    set_value(window, "pool_size", 9)
    seen = recorder.duration
    until(qtbot, lambda: recorder.duration > seen + 1.0)
    assert recorder.marks == (), "they were made before they were applied"
    assert window.panel.rows["pool_size"]._badge.text() == "still 5"
    QTest.mouseClick(bar.apply, Qt.MouseButton.LeftButton)
    assert not bar.isVisible()
    until(qtbot, lambda: len(recorder.marks) == 2)
    first, second = recorder.marks
    assert {first.key, second.key} == {"pool_size", "max_overflow"}
    assert first.t == second.t
    until(qtbot, lambda: len(recorder.summary().segments) == 2)
    assert sorted(recorder.summary().segments[1].began_with) == [
        "max_overflow 2 → 4",
        "pool_size 5 → 9",
    ]
    controller.undo()
    assert controller.values["pool_size"] == 5
    assert controller.values["max_overflow"] == 2
    until(qtbot, lambda: len(recorder.marks) == 4)
    assert recorder.marks[2].t == recorder.marks[3].t


def test_collected_changes_are_cancelled(window: Window, qtbot: QtBot) -> None:
    plan(window, pool_size=5, max_overflow=2)
    bar, controller = window.panel.collected, window.controller
    controller.change_settings({"max_overflow": 3})
    QTest.keyClick(window, Qt.Key.Key_T, CONTROL)
    set_value(window, "pool_size", 8)
    controller.undo()
    controller.undo()
    assert "no change to undo" in window.banner.sentences["undo"]
    assert controller.values["max_overflow"] == 3, "one from before was undone"
    set_value(window, "pool_size", 7)
    QTest.mouseClick(bar.cancel, Qt.MouseButton.LeftButton)
    assert controller.values["pool_size"] == 5
    assert not bar.isVisible()
    assert not window.menu.together_action.isChecked()
    controller.undo()
    assert controller.values["max_overflow"] == 2


def test_a_section_opened_at_the_end_of_the_panel_is_scrolled_into_view(
    window: Window, qtbot: QtBot
) -> None:
    window.resize(900, 560)
    panel = window.panel
    fold = panel.folds["Faults"]
    last = panel.faults
    QTest.mouseClick(fold.header, Qt.MouseButton.LeftButton)

    def shown() -> bool:
        top = last.mapTo(panel, last.rect().topLeft()).y()
        return top >= 0 and top + last.height() <= panel.height()

    until(qtbot, shown)
