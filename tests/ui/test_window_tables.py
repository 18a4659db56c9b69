"""Dropping the tables that poolviz made, from the window's menu."""

from __future__ import annotations

from pathlib import Path

import psycopg2
import pytest
from pytestqt.qtbot import QtBot

from poolviz.servers.dispatch import drop_tables, prepare_tables
from poolviz.ui.question import Question
from poolviz.ui.session.controller import State
from poolviz.ui.window import Window
from tests.servers.fixtures import ask
from tests.ui.running import allow_tables, plan, run_on, servers_home, until, until_counting, window

__all__ = ["servers_home", "window"]

COUNT = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'poolviz'"


def answer(qtbot: QtBot, window: Window, *, yes: bool) -> str:
    """Choose the entry and press a button of the question; the question."""
    window.toolbar.menu_button.menu().aboutToShow.emit()
    assert window.menu.drop_action.isEnabled()
    window.menu.drop_action.trigger()
    until(qtbot, lambda: bool(window.findChildren(Question)))
    (question,) = window.findChildren(Question)
    words = question.words.text()
    (question.yes if yes else question.no).click()
    until(qtbot, lambda: not window.findChildren(Question))
    return words


def test_the_tables_are_dropped_once_the_user_has_confirmed(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    try:
        prepare_tables(conninfo, 1)
        window.controller.connect_to(conninfo)
        until(qtbot, lambda: window.controller.target is not None)
        assert window.controller.target is not None
        assert window.controller.target.shown in answer(qtbot, window, yes=False)
        assert ask(conninfo, COUNT) > 0
        answer(qtbot, window, yes=True)
        until(qtbot, lambda: window.banner.sentences["drop"].startswith("Dropped"))
        assert ask(conninfo, COUNT) == 0
        answer(qtbot, window, yes=True)
        until(qtbot, lambda: window.banner.sentences["drop"].startswith("There is no"))
    finally:
        drop_tables(conninfo)


def test_a_load_that_is_started_while_they_are_dropped_makes_them_again(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    reader = psycopg2.connect(conninfo, application_name="reads")
    try:
        prepare_tables(conninfo, 1)
        plan(window)
        window.controller.change_settings({"statement": "read"})
        window.controller.connect_to(conninfo)
        until(
            qtbot,
            lambda: window.controller.state is State.READY and window.controller.target is not None,
        )
        with reader.cursor() as cursor:
            cursor.execute("SELECT * FROM poolviz.accounts LIMIT 1")
        answer(qtbot, window, yes=True)
        until(qtbot, lambda: ask(conninfo, waiting) > 0)
        allow_tables(window)
        window.controller.start()
        reader.rollback()
        until_counting(qtbot, window)
        window.controller.stop()
        until(qtbot, lambda: window.controller.state is State.READY)
        assert window.controller.recorder is not None
        assert window.controller.recorder.summary().errors == {}
        assert ask(conninfo, COUNT) > 0
    finally:
        reader.close()
        drop_tables(conninfo)


def test_what_poolviz_didnt_make_stays_and_a_sentence_says_so(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    window.controller.connect_to(conninfo)
    until(qtbot, lambda: window.controller.target is not None)
    connection = psycopg2.connect(conninfo, application_name="asks")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA poolviz CREATE TABLE theirs (a int)")
            answer(qtbot, window, yes=True)
            until(qtbot, lambda: "theirs" in window.banner.sentences["drop"])
            assert ask(conninfo, COUNT) == 1
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA IF EXISTS poolviz CASCADE")
        connection.close()


@pytest.mark.parametrize("where", ["nowhere", "SQLite", "a run"])
def test_where_nothing_can_be_dropped_the_entry_says_why(
    window: Window, qtbot: QtBot, conninfo: str, tmp_path: Path, where: str
) -> None:
    if where == "SQLite":
        window.controller.connect_to(f"sqlite:///{tmp_path}/some.db")
        until(qtbot, lambda: window.controller.target is not None)
    elif where == "a run":
        plan(window)
        run_on(qtbot, window, conninfo)
        assert window.controller.state is State.RUNNING
    window.toolbar.menu_button.menu().aboutToShow.emit()
    assert not window.menu.drop_action.isEnabled()
    reason = {"nowhere": "No server", "SQLite": "SQLite", "a run": "A run is going on"}[where]
    assert reason in window.menu.drop_action.toolTip()
