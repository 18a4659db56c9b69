"""A password that is given in the window is in nothing that the window shows or writes."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from poolviz.system.logs import set_up_logging
from poolviz.ui.session.controller import State
from poolviz.ui.window import Window
from tests.servers.fixtures import TcpServer, tcp_server
from tests.ui.running import plan, servers_home, until, until_counting, window
from tests.ui.test_window_server import connect_in_dialog, dialog_of

__all__ = ["servers_home", "tcp_server", "window"]

PASSWORD, MARK = "s3cret wörd", "s3cret"
TEXTS = ("text", "toolTip", "statusTip", "whatsThis", "windowTitle", "placeholderText", "title")


def shown() -> list[str]:
    """Return every text of every widget and action of the application."""
    objects: list[object] = [*QApplication.allWidgets()]
    objects += [action for widget in QApplication.allWidgets() for action in widget.actions()]
    texts = []
    for each in objects:
        assert isinstance(each, QWidget | QAction)
        texts += [str(getattr(each, name)()) for name in TEXTS if callable(getattr(each, name, 0))]
        if isinstance(each, QWidget):
            texts += [each.accessibleName(), each.accessibleDescription()]
    return texts


def contents(folder: Path) -> dict[Path, bytes]:
    """Return what is in the files of a folder; what SQLite removes meanwhile is left out."""
    found = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file():
                found[path] = path.read_bytes()
    return found


@pytest.mark.parametrize("where", ["in the box of passwords", "in the DSN"])
def test_a_password_from_the_dialog_is_shown_and_written_nowhere(
    window: Window, qtbot: QtBot, tcp_server: TcpServer, tmp_path: Path, where: str
) -> None:
    set_up_logging("debug", tmp_path / "log")
    try:
        plan(window, pool_size=2, max_overflow=0)
        bare = f"postgresql://alice@127.0.0.1:{tcp_server.port}/postgres"
        if where == "in the DSN":
            connect_in_dialog(qtbot, window, tcp_server.dsn(), "", "✓ P")
        else:
            connect_in_dialog(qtbot, window, bare, PASSWORD, "✓ P")
        QTest.mouseClick(window.toolbar.run_button, Qt.MouseButton.LeftButton)
        until_counting(qtbot, window)
        assert not [text for text in shown() if MARK in text]
        again = dialog_of(qtbot, window)
        assert not [text for text in shown() if MARK in text]
        again.dsn.setText(f"{bare}?nonsense=1&password={MARK}")
        again.dsn.clear()
        again.reject()
        window.controller.stop()
        until(qtbot, lambda: window.controller.state is State.READY)
        window._settings.sync()
        logging.getLogger("poolviz").error("a URL: postgresql://alice:%s@h/", MARK)
    finally:
        set_up_logging()
    files = contents(tmp_path)
    assert {"log", "settings.ini"} <= {path.name for path in files}
    assert [path for path in files if path.suffix == ".poolviz"]
    for path, content in files.items():
        assert MARK.encode() not in content, path
