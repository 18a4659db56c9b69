"""F1, Shift+F1 and the menu of a chart or a figure: each opens what it is asked about."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent, QCursor, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QWidget
from pytestqt.qtbot import QtBot

from poolviz.help.licences import licences
from poolviz.help.topics import find, topics
from poolviz.ui.charts.by_name import CHARTS
from poolviz.ui.dialogs.help import HelpDialog
from poolviz.ui.help_places import topic_of
from poolviz.ui.window import Window
from tests.ui.running import servers_home, until, window

__all__ = ["servers_home", "window"]

POPUPS = pytest.mark.qt_log_ignore("does not support", extend=True)  # offscreen, of a menu

TOPICS = topics()


def help_of(qtbot: QtBot, window: Window) -> HelpDialog:
    """Return the help once it shows a topic."""

    def shown() -> bool:
        found = window.findChildren(HelpDialog)
        return bool(found) and found[0].isVisible() and found[0].list.count() > 0

    until(qtbot, shown)
    return window.findChildren(HelpDialog)[0]


def heading(dialog: HelpDialog) -> str:
    return dialog.text.toPlainText().partition("\n")[0]


def test_every_chart_figure_and_control_has_a_topic(qtbot: QtBot, window: Window) -> None:
    until(qtbot, window.charts.canvas.isVisible)
    asked = {tile.name: topic_of(tile) for tile in window.tiles.all}
    asked |= {name: chart.topic for name, chart in CHARTS.items()}
    assert len({chart.topic for chart in CHARTS.values()}) == len(CHARTS), "one of its own for each"
    panel = window.panel
    asked |= {key: topic_of(row) for key, row in {**panel._made, **panel.faults.rows}.items()}
    asked |= {key: topic_of(button) for key, button in panel.faults.buttons.items()}
    toolbar = window.toolbar
    asked |= {"pool": topic_of(toolbar.pool_button), "preset": topic_of(toolbar.preset_button)}
    assert len(asked) > 25
    for what, topic in asked.items():
        assert topic in TOPICS, what


def test_f1_explains_what_has_the_focus(qtbot: QtBot, window: Window) -> None:
    row = window.panel._made["max_overflow"]
    box: QWidget = row.box  # type: ignore[attr-defined]
    box.setFocus()
    until(qtbot, lambda: QApplication.focusWidget() is not None)
    QTest.keyClick(box, Qt.Key.Key_F1)
    dialog = help_of(qtbot, window)
    until(qtbot, lambda: heading(dialog) == "max_overflow")
    assert "callers that wait get a connection at once" in dialog.text.toPlainText()


def test_f1_explains_what_is_under_the_pointer(qtbot: QtBot, window: Window) -> None:
    until(qtbot, lambda: QApplication.focusWidget() is not None)
    at = window.tiles.waiting.rect().center()
    QCursor.setPos(window.tiles.waiting.mapToGlobal(at))
    QTest.keyClick(window, Qt.Key.Key_F1)
    dialog = help_of(qtbot, window)
    until(qtbot, lambda: heading(dialog) == "Waiting clients (pending)")


@POPUPS
def test_what_is_this_takes_the_next_click_alone(qtbot: QtBot, window: Window) -> None:
    until(qtbot, window.charts.canvas.isVisible)
    canvas = window.charts.canvas
    wait = canvas.chart_scene.charts[1]
    at = canvas.mapFromScene(wait.sceneBoundingRect().center())
    QTest.keyClick(window, Qt.Key.Key_F1, Qt.KeyboardModifier.ShiftModifier)
    assert QGuiApplication.overrideCursor() is not None
    QTest.mouseClick(canvas.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert QGuiApplication.overrideCursor() is None
    dialog = help_of(qtbot, window)
    until(qtbot, lambda: heading(dialog) == "The chart of waits")
    dialog.close()
    QTest.mouseClick(window.toolbar.menu_button, Qt.MouseButton.LeftButton, delay=0)
    until(qtbot, lambda: QApplication.activePopupWidget() is not None)
    popup = QApplication.activePopupWidget()
    assert popup is not None
    popup.close()


@pytest.mark.parametrize("key", [Qt.Key.Key_Escape, Qt.Key.Key_M])
def test_a_key_ends_what_is_this(qtbot: QtBot, window: Window, key: Qt.Key) -> None:
    QTest.keyClick(window, Qt.Key.Key_F1, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(window, key)
    assert QGuiApplication.overrideCursor() is None
    assert not window.findChildren(HelpDialog)


def test_what_is_this_is_answered_by_enter_for_the_focus(qtbot: QtBot, window: Window) -> None:
    window.toolbar.pool_button.setFocus()
    until(qtbot, lambda: QApplication.focusWidget() is window.toolbar.pool_button)
    QTest.keyClick(window, Qt.Key.Key_F1, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(window, Qt.Key.Key_Return)
    dialog = help_of(qtbot, window)
    until(qtbot, lambda: heading(dialog) == "SQLAlchemy QueuePool")


@POPUPS
def test_the_menu_of_a_figure_and_of_a_chart_opens_its_topic(qtbot: QtBot, window: Window) -> None:
    until(qtbot, window.charts.canvas.isVisible)
    canvas = window.charts.canvas
    throughput = canvas.chart_scene.charts[2]
    place = canvas.mapFromScene(throughput.sceneBoundingRect().center())
    for widget, at, title in (
        (window.tiles.active, QPoint(20, 20), "Connections in use (active)"),
        (canvas.viewport(), place, "The chart of throughput"),
    ):
        context_menu(widget, at)
        until(qtbot, lambda: isinstance(QApplication.activePopupWidget(), QMenu))
        menu = QApplication.activePopupWidget()
        assert isinstance(menu, QMenu)
        QTest.keyClick(menu, Qt.Key.Key_Down)
        QTest.keyClick(menu, Qt.Key.Key_Return)
        dialog = help_of(qtbot, window)
        until(qtbot, lambda dialog=dialog, title=title: heading(dialog) == title)  # type: ignore[misc]


def test_links_have_the_colour_of_the_theme_that_is_chosen_meanwhile(
    qtbot: QtBot, window: Window
) -> None:
    window.show_help("connections")
    dialog = help_of(qtbot, window)
    until(qtbot, lambda: "href" in dialog.text.toHtml())
    try:
        for choice in ("dark", "light"):
            window.theme_manager.choose(choice)
            accent = window.theme_manager.theme.accent.lower()
            until(qtbot, lambda accent=accent: f"color:{accent}" in dialog.text.toHtml())  # type: ignore[misc]
    finally:
        window.theme_manager.preferences.reset()


def context_menu(widget: QWidget, at: QPoint) -> None:
    """Ask for the menu of a place as the right button does."""
    reason = QContextMenuEvent.Reason.Mouse
    QApplication.postEvent(widget, QContextMenuEvent(reason, at, widget.mapToGlobal(at)))


def test_a_search_by_keyboard_finds_topics_and_links_lead_on(qtbot: QtBot, window: Window) -> None:
    window.show_help("")
    dialog = help_of(qtbot, window)
    dialog.search.setFocus()
    QTest.keyClicks(dialog.search, "wait_p95")
    assert heading(dialog) == "Wait time"
    dialog.search.clear()
    QTest.keyClicks(dialog.search, "no such words")
    assert dialog.list.count() == 0
    assert dialog._none.isVisible()
    dialog.search.clear()
    QTest.keyClicks(dialog.search, "exhausted")
    first = heading(dialog)
    QTest.keyClick(dialog.search, Qt.Key.Key_Down)
    assert heading(dialog) != first
    dialog.show_topic("sqlalchemy.QueuePool")
    dialog.text.anchorClicked.emit("topic:pool_size")
    assert heading(dialog) == "pool_size"
    QTest.keyClick(dialog, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert heading(dialog) == "SQLAlchemy QueuePool"
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_the_packaged_program_shows_the_licences_of_its_parts_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file lies where the packaged program finds its resources."""
    resources = tmp_path / "poolviz" / "resources"
    resources.mkdir(parents=True)
    (resources / "THIRD-PARTY.txt").write_text("Qt is under the LGPL.\n", "utf-8")
    monkeypatch.setattr("sys._MEIPASS", str(tmp_path), raising=False)
    assert licences() == "Qt is under the LGPL.\n"


def test_from_source_the_licences_of_what_is_installed_are_shown() -> None:
    topic = find(TOPICS, "licences")
    assert topic is not None
    for line in ("PySide6_Essentials", "LGPL-3.0", "psycopg2-binary", "SIL Open Font License"):
        assert line in topic.sections[0].code
