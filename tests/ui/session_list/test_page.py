"""The page of sessions, in the real window, by its keys and buttons."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from poolviz.sessions.file.reader import SessionHeader
from poolviz.sessions.folder import SessionsFolder
from poolviz.sessions.kept_session import Ending
from poolviz.sessions.limits import SessionLimits
from poolviz.ui.question import Question
from poolviz.ui.session_list.model import Column, SessionsModel, details, shown
from poolviz.ui.session_list.page import SessionsPage
from poolviz.ui.window import Window
from tests.sessions.file.recording import RECORD_UNTIL_KILLED, child, recorded
from tests.ui.running import operations, plan, run_on, servers_home, until, window

__all__ = ["servers_home", "window"]

Key = Qt.Key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three sessions of the window's folder."""
    folder = tmp_path / "sessions"
    folder.mkdir()
    for name in ("a", "b", "c"):
        recorded(folder / f"{name}.poolviz")
    return folder


def open_page(qtbot: QtBot, window: Window, count: int) -> SessionsPage:
    window.menu.sessions_action.trigger()
    page = window.sessions.list
    assert page is not None
    until(qtbot, lambda: len(page.model.sessions) == count and not page._unread)
    return page


def select(page: SessionsPage, *names: str) -> None:
    page._select({each.path for each in page.model.sessions if each.path.stem in names})
    assert {each.path.stem for each in page.selected} == set(names)


def names_in(page: SessionsPage) -> list[str]:
    return sorted(each.path.stem for each in page.model.sessions)


def answer(page: SessionsPage, *, yes: bool) -> None:
    (question,) = page.findChildren(Question)
    (question.yes if yes else question.no).click()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def test_sessions_are_listed_with_pictures_and_opened_by_enter(
    window: Window, qtbot: QtBot, folder: Path
) -> None:
    page = open_page(qtbot, window, 3)
    assert page.table.hasFocus()
    assert page.total.text().startswith("3 sessions")
    assert {each.ending for each in page.model.sessions} == {Ending.DONE}
    until(qtbot, lambda: sum(bool(kept[1]) for kept in page.model._previews.values()) == 3)
    select(page, "b")
    QTest.keyClick(page.table, Key.Key_Return)
    until(qtbot, lambda: window.controller.viewing == folder / "b.poolviz")
    assert not page.isVisible()
    assert window.charts.isVisible()
    assert not window.menu.sessions_action.isChecked()


def test_a_session_is_renamed_noted_and_kept(window: Window, qtbot: QtBot, folder: Path) -> None:
    page = open_page(qtbot, window, 3)
    select(page, "a")
    QTest.keyClick(page.table, Key.Key_F2)
    editor = page.table.findChild(QLineEdit)
    assert editor is not None
    QTest.keyClicks(editor, "baseline")
    QTest.keyClick(editor, Key.Key_Return)
    path = folder / "a.poolviz"
    until(qtbot, lambda: SessionHeader(path).label.name == "baseline")
    until(qtbot, lambda: "baseline" in {each.label.name for each in page.model.sessions})
    assert [each.path for each in page.selected] == [path]
    QTest.keyClicks(page.note, "before the fix")
    QTest.keyClick(page.note, Key.Key_Return)
    until(qtbot, lambda: SessionHeader(path).label.note == "before the fix")
    until(qtbot, lambda: bool(page.selected) and page.selected[0].label.note != "")
    page.keep.click()
    until(qtbot, lambda: SessionHeader(path).label.keep)
    select(page, "b")
    QTest.keyClick(page.table, Key.Key_F2)
    editor = page.table.findChild(QLineEdit)
    assert editor is not None
    QTest.keyClicks(editor, "baseline")
    QTest.keyClick(editor, Key.Key_Return)
    until(
        qtbot,
        lambda: "is called baseline already" in window.controller.notices.standing("sessions"),
    )
    assert SessionHeader(folder / "b.poolviz").label.name == ""


def test_several_are_deleted_after_one_question_and_failures_are_named(
    window: Window, qtbot: QtBot, folder: Path
) -> None:
    page = open_page(qtbot, window, 3)
    select(page, "a", "b", "c")
    QTest.keyClick(page.table, Key.Key_Delete)
    answer(page, yes=False)
    assert len(list(folder.iterdir())) == 3
    page.delete_button.click()
    (folder / "b.poolviz").write_bytes(b"no session any more")
    answer(page, yes=True)
    until(qtbot, lambda: names_in(page) == ["b"])
    said = window.controller.notices.standing("sessions")
    assert said.startswith("2 sessions were deleted.")
    assert "b.poolviz is not a poolviz session" in said
    assert shown(page.model.sessions[0], Column.ENDING) == "can't be read"
    assert details(page.model.sessions[0]) == "The file is not a poolviz session."
    assert not page.open_button.isEnabled()


def test_deleting_what_is_shown_empties_the_charts(
    window: Window, qtbot: QtBot, folder: Path
) -> None:
    path = folder / "c.poolviz"
    window.controller.view_session(path)
    until(qtbot, lambda: window.controller.viewing == path)
    page = open_page(qtbot, window, 3)
    select(page, "c")
    page.delete_button.click()
    answer(page, yes=True)
    until(qtbot, lambda: names_in(page) == ["a", "b"])
    assert window.controller.recorder is None
    assert window.controller.viewing is None
    assert page.isVisible()


def test_the_list_follows_the_folder_and_search_filters_it(
    window: Window, qtbot: QtBot, folder: Path
) -> None:
    page = open_page(qtbot, window, 3)
    select(page, "b")
    shutil.copy(folder / "a.poolviz", folder / "d.poolviz")
    until(qtbot, lambda: names_in(page) == ["a", "b", "c", "d"])
    assert [each.path.stem for each in page.selected] == ["b"]
    QTest.keyClick(page.table, Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert page.search.hasFocus()
    QTest.keyClicks(page.search, "d.POOL queue")
    assert page.shown.rowCount() == 1
    QTest.keyClicks(page.search, "nothing")
    assert page.shown.rowCount() == 0
    assert page._empty.isVisible()
    page.search.clear()
    assert page.shown.rowCount() == 4
    QTest.keyClick(page.search, Key.Key_Return)
    assert page.table.hasFocus()
    QTest.keyClick(page.table, Key.Key_Escape)
    assert window.charts.isVisible()


def test_an_empty_folder_says_what_to_do(window: Window, qtbot: QtBot) -> None:
    page = open_page(qtbot, window, 0)
    assert page._empty.isVisible()
    assert "Press Start" in page._empty_note.text()
    assert not page.open_button.isVisible()


def test_one_that_is_recorded_stays_and_one_that_was_killed_says_where_it_ends(
    window: Window, qtbot: QtBot, tmp_path: Path
) -> None:
    folder = tmp_path / "sessions"
    folder.mkdir()
    with child(RECORD_UNTIL_KILLED, folder / "a.poolviz") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "added\n"
        page = open_page(qtbot, window, 1)
        until(qtbot, lambda: page.model.sessions[0].ending is Ending.RECORDING)
        select(page, "a")
        assert not page.delete_button.isEnabled()
        assert not page.again_button.isEnabled()
        QTest.keyClick(page.table, Key.Key_Delete)
        assert not page.findChildren(Question)
        assert "being recorded" in window.banner.sentences["sessions"]
        QTest.keyClick(page.table, Key.Key_F2)
        assert page.table.findChild(QLineEdit) is None
    until(qtbot, lambda: page.model.sessions[0].ending is Ending.KILLED)
    assert shown(page.model.sessions[0], Column.ENDING).startswith("killed: ends at ")
    until(qtbot, page.delete_button.isEnabled)


def test_the_run_of_the_window_is_listed_while_it_is_recorded(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    page = open_page(qtbot, window, 1)
    assert page.model.sessions[0].ending is Ending.RECORDING
    page.table.selectRow(0)
    QTest.keyClick(page.table, Key.Key_Return)
    assert window.controller.busy  # it is shown already, and goes on
    assert operations(window)
    window.menu.sessions_action.trigger()
    window.controller.stop()
    until(qtbot, lambda: page.model.sessions[0].ending is Ending.STOPPED)


def test_limits_are_set_and_a_wrong_one_is_refused(
    window: Window, qtbot: QtBot, folder: Path
) -> None:
    page = open_page(qtbot, window, 3)
    bar = page.limits_bar
    bar.age.setFocus()
    bar.age.setEditText("30 days")
    QTest.keyClick(bar.age, Key.Key_Return)
    until(qtbot, lambda: SessionsFolder(folder).limits().age_s == 30 * 86_400)
    bar.total.setFocus()
    bar.total.setEditText("no limit")
    QTest.keyClick(bar.total, Key.Key_Return)
    until(qtbot, lambda: SessionsFolder(folder).limits() == SessionLimits(30 * 86_400, None))
    bar.total.setEditText("much")
    QTest.keyClick(bar.total, Key.Key_Return)
    assert bar.total.currentText() == "no limit"
    assert "much is not a size" in window.banner.sentences["sessions"]


def test_texts_of_a_session_are_no_markup(qapp: QApplication, tmp_path: Path) -> None:
    assert qapp is not None
    path = recorded(tmp_path / "a.poolviz")
    SessionsFolder(tmp_path).relabel(path, name="<b>bold</b>", note="<img src=x>")
    model = SessionsModel()
    model.show_sessions(list(SessionsFolder(tmp_path).sessions()))
    cell = model.index(0, Column.SESSION)
    assert model.data(cell) == "<b>bold</b>"
    tip = model.data(cell, Qt.ItemDataRole.ToolTipRole)
    assert "&lt;b&gt;" in tip
    assert "<img" not in tip
