"""Choosing a server in the window."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poolviz.model.mysql_url import MySQLAddress
from poolviz.ui.dialogs.server_dialog import ServerDialog
from poolviz.ui.session.controller import State
from poolviz.ui.window import Window
from tests.ui.running import (
    THREADED,
    backends,
    plan,
    run_on,
    servers_home,
    until,
    until_counting,
    window,
)

__all__ = ["servers_home", "window"]


SIMPLE, QUEUE, MYSQL_ONLY = (
    "psycopg2.SimpleConnectionPool",
    "sqlalchemy.QueuePool",
    "aiomysql.Pool",
)


def written(settings: QSettings) -> str:
    """The settings file, as it is on the disk."""
    settings.sync()
    return Path(settings.fileName()).read_text(encoding="utf-8")


def pool_shown(window: Window) -> str:
    """The pool of the session that is shown."""
    recorder = window.controller.recorder
    return recorder.began.scenario.pool if recorder is not None and recorder.began else ""


def connect_in_dialog(qtbot: QtBot, window: Window, dsn: str, password: str, answer: str) -> None:
    """Name a server in the dialog, test it there, and choose it."""
    dialog = dialog_of(qtbot, window)
    dialog.dsn.setText(dsn)
    if password:
        dialog.password.setText(password)
    QTest.mouseClick(dialog.test_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: dialog.answer.text().startswith(answer))
    QTest.mouseClick(dialog.connect_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: window.controller.target is not None)
    until(qtbot, lambda: not window.findChildren(ServerDialog))


def dialog_of(qtbot: QtBot, window: Window) -> ServerDialog:
    """Open the dialog as the toolbar's menu does."""
    menu = window.toolbar.server_button.menu()
    next(action for action in menu.actions() if action.text() == "Own server…").trigger()
    until(qtbot, lambda: bool(window.findChildren(ServerDialog)))
    (dialog,) = window.findChildren(ServerDialog)
    return dialog


def test_a_server_is_tested_in_the_dialog_chosen_and_remembered(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    dialog = dialog_of(qtbot, window)
    assert not dialog.connect_button.isEnabled()
    dialog.dsn.setText(conninfo)
    dialog.password.setText("s3cret")  # which this server doesn't ask for
    QTest.mouseClick(dialog.test_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: dialog.answer.text().startswith("✓ PostgreSQL"))
    assert window.controller.target is None
    QTest.mouseClick(dialog.connect_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: window.controller.target is not None)
    assert window.controller.state is State.READY
    assert backends(conninfo) == 0
    until(qtbot, lambda: not window.findChildren(ServerDialog))
    again = dialog_of(qtbot, window)
    assert "port=5432" in again.dsn.text()
    assert "s3cret" not in again.dsn.text()
    assert again.password.text() == ""
    again.reject()
    assert "s3cret" not in written(window._settings)


@pytest.mark.parametrize(
    "dsn", ["mysql://me@host/db", "postgresql://me:s3cret@127.0.0.1:1/db", "nonsense"]
)
def test_a_dsn_that_leads_nowhere_is_reported_in_the_dialog(
    window: Window, qtbot: QtBot, dsn: str
) -> None:
    dialog = dialog_of(qtbot, window)
    dialog.dsn.setText(dsn)
    QTest.mouseClick(dialog.test_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: dialog.answer.property("role") == "bad")
    assert "s3cret" not in dialog.answer.text()
    assert dialog.answer.text().endswith(".")
    assert dialog.test_button.isEnabled()
    dialog.reject()


def test_choosing_another_server_ends_the_run_and_waits_for_start(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    run_on(qtbot, window, None)
    window.controller.connect_to(conninfo)
    until(
        qtbot,
        lambda: window.controller.state is State.READY and window.controller.target is not None,
    )
    assert "load" in window.banner.sentences
    assert window.controller.target is not None
    assert not window.controller.target.embedded
    assert backends(conninfo) == 0


def test_a_server_chosen_while_another_is_being_reached_is_the_one(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    window.controller.connect_to("postgresql://127.0.0.1:1/none", start=True)
    window.controller.connect_to(conninfo)
    until(qtbot, lambda: window.controller.target is not None)
    assert window.controller.state is State.READY
    assert "server" not in window.banner.sentences
    assert window.controller.recorder is None


def test_sqlite_runs_in_the_window_from_the_dialog_on(
    window: Window, qtbot: QtBot, tmp_path: Path
) -> None:
    plan(window)
    url = f"sqlite:///{tmp_path}/file.db"
    connect_in_dialog(qtbot, window, url, "", "✓ SQLite 3.")
    sentence = window.banner.sentences["load"]
    assert f"connections to {url}, which takes any number" in sentence
    assert "None" not in sentence
    assert not (tmp_path / "file.db").exists()
    assert window.toolbar.server_button.text() == "file.db"
    QTest.mouseClick(window.toolbar.run_button, Qt.MouseButton.LeftButton)
    until_counting(qtbot, window)
    assert window.controller.recorder is not None
    assert window.controller.recorder.recent(1.0).errors == 0
    again = dialog_of(qtbot, window)
    assert again.dsn.text() == url
    assert not again.password.isEnabled()


def test_mariadb_runs_in_the_window_and_its_password_is_not_kept(
    window: Window, qtbot: QtBot, mysql_url: str
) -> None:
    plan(window, MYSQL_ONLY, maxsize=3)
    address = MySQLAddress.parse(mysql_url)
    connect_in_dialog(qtbot, window, address.shown, address.password, "✓ M")
    assert f"up to 3 connections to {address.shown}" in window.banner.sentences["load"]
    QTest.mouseClick(window.toolbar.run_button, Qt.MouseButton.LeftButton)
    until_counting(qtbot, window)
    window.controller.choose_pool(QUEUE)
    until(qtbot, lambda: pool_shown(window) == QUEUE)
    until_counting(qtbot, window)
    assert dialog_of(qtbot, window).dsn.text() == address.shown
    assert address.password not in written(window._settings)


def test_a_pool_that_doesnt_run_on_the_server_is_reported_and_not_started(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    window.controller.choose_pool(MYSQL_ONLY)
    assert "runs on MySQL" in window.banner.sentences["load"]
    until(qtbot, lambda: window.controller.state is State.READY)
    recorder = window.controller.recorder
    QTest.mouseClick(window.toolbar.run_button, Qt.MouseButton.LeftButton)
    assert window.controller.state is State.READY
    assert window.controller.recorder is recorder
    assert "runs on MySQL" in window.banner.sentences["load"]
    window.controller.choose_pool(QUEUE)
    assert "The run opens" in window.banner.sentences["load"]
    window.controller.start()
    until(qtbot, lambda: window.controller.recorder is not recorder)
    until_counting(qtbot, window)
    assert "load" not in window.banner.sentences


def test_a_server_that_the_pool_doesnt_run_on_is_reported_with_a_remedy(
    window: Window, qtbot: QtBot, tmp_path: Path
) -> None:
    plan(window, SIMPLE)
    window.controller.connect_to(f"sqlite:///{tmp_path}/file.db", start=True)
    until(qtbot, lambda: window.controller.state is State.READY)
    assert "runs on PostgreSQL" in window.banner.sentences["load"]
    assert window.controller.recorder is None
    line = window.banner.line("load")
    assert line is not None
    assert line.button.text() == "Embedded PostgreSQL"
    QTest.mouseClick(line.button, Qt.MouseButton.LeftButton)
    assert "load" not in window.banner.sentences
    until(qtbot, lambda: window.controller.target is not None and window.controller.target.embedded)
    window.controller.start()
    until_counting(qtbot, window)


def test_a_pool_of_another_server_offers_to_name_one(window: Window, qtbot: QtBot) -> None:
    window.controller.choose_pool(MYSQL_ONLY)
    line = window.banner.line("load")
    assert line is not None
    assert line.button.text() == "Own server…"
    QTest.mouseClick(line.button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: bool(window.findChildren(ServerDialog)))


def test_connections_that_a_pool_opens_beforehand_are_announced(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window, THREADED, minconn=6, maxconn=20)  # for 4 clients
    window.controller.connect_to(conninfo)
    until(qtbot, lambda: window.controller.target is not None)
    assert "up to 6 connections" in window.banner.sentences["load"]
    window.controller.change_settings({"minconn": 1, "clients": 1})
    assert "up to 1 connection to" in window.banner.sentences["load"]


def test_more_clients_than_a_pool_is_made_for_are_warned_of_once_and_not_refused(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    window.controller.choose_pool(SIMPLE)
    assert window.controller.values["clients"] == 1
    run_on(qtbot, window, conninfo)
    assert "clients" not in window.banner.sentences
    window.controller.change_settings({"clients": 3})
    assert "made for one thread" in window.banner.sentences["clients"]
    recorder = window.controller.recorder
    assert recorder is not None
    until(qtbot, lambda: recorder.last is not None and recorder.last.load["clients"] == 3)
    line = window.banner.line("clients")
    assert line is not None
    QTest.mouseClick(line.close_button, Qt.MouseButton.LeftButton)
    window.controller.change_settings({"clients": 4})
    assert "clients" not in window.banner.sentences
    window.controller.change_settings({"clients": 1})
    window.controller.change_settings({"clients": 2})
    assert "clients" in window.banner.sentences
    window.controller.undo()
    assert "clients" not in window.banner.sentences
