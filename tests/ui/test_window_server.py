"""Choosing a server in the window."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poolviz.ui.lab import State
from poolviz.ui.server_dialog import ServerDialog
from poolviz.ui.window import Window
from tests.ui.laboratory import backends, plan, run_on, servers_home, until, window

__all__ = ["servers_home", "window"]


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
    assert window.lab.target is None
    QTest.mouseClick(dialog.connect_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: window.lab.target is not None)
    assert window.lab.state is State.READY
    assert backends(conninfo) == 0
    until(qtbot, lambda: not window.findChildren(ServerDialog))
    again = dialog_of(qtbot, window)
    assert "port=5432" in again.dsn.text()
    assert "s3cret" not in again.dsn.text()
    assert again.password.text() == ""
    again.reject()
    settings = window._settings
    settings.sync()
    with open(settings.fileName(), encoding="utf-8") as file:  # noqa: PTH123
        assert "s3cret" not in file.read()


@pytest.mark.parametrize(
    "dsn", ["mysql://me@host/db", "postgresql://me:s3cret@127.0.0.1:1/db", "nonsense"]
)
def test_a_dsn_that_leads_nowhere_is_said_in_the_dialog(
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
    window.lab.connect_to(conninfo)
    until(qtbot, lambda: window.lab.state is State.READY and window.lab.target is not None)
    assert "load" in window.banner.sentences
    assert window.lab.target is not None
    assert not window.lab.target.embedded
    assert backends(conninfo) == 0


def test_a_server_chosen_while_another_is_being_reached_is_the_one(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    window.lab.connect_to("postgresql://127.0.0.1:1/none", start=True)
    window.lab.connect_to(conninfo)
    until(qtbot, lambda: window.lab.target is not None)
    assert window.lab.state is State.READY
    assert "server" not in window.banner.sentences
    assert window.lab.recorder is None
