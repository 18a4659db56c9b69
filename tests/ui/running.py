"""A whole window on a real engine and a real server, for the tests of the window."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.draft import Draft
from poolviz.sessions.folder import SessionsFolder
from poolviz.ui.dialogs.create_tables import CreateTablesDialog
from poolviz.ui.session.controller import Controller, State
from poolviz.ui.style.theme_manager import ThemeManager
from poolviz.ui.window import Window
from tests.servers.fixtures import open_home

PATIENCE = 50_000  # milliseconds: a bound for a noisy machine, not an expectation
WORKERS = (
    *("poolviz file worker", "poolviz run worker"),
    *("poolviz session list worker", "poolviz comparison worker", "poolviz sizing worker"),
)
THREADED = "psycopg2.ThreadedConnectionPool"

# A load that leaves the machine idle: the tests are about what happens, not how fast.
GENTLE = {"clients": 4, "statement_time": 0.01, "hold_time": 0.01, "think_time": 0.05}


@pytest.fixture(scope="session")
def servers_home() -> Iterator[Path]:
    """Where the windows of these tests keep their embedded servers."""
    with open_home() as home:
        yield home


@contextmanager
def open_window(application: QApplication, folder: Path, *, tour: bool = False) -> Iterator[Window]:
    """A window with sessions and settings in `folder`; closed at the end, with all behind it. With
    `tour` it offers the first tour, as to a new user."""
    settings = QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)
    if not tour:
        settings.setValue("tour/over", True)
    controller = Controller(SessionsFolder(folder / "sessions"))
    window = Window(controller, ThemeManager(application, settings), settings)
    try:
        window.show()
        yield window
    finally:
        window.close()
        left = left_of(window)
        window.deleteLater()
        QApplication.processEvents()
    assert not left, f"the closed window left {left}"


def left_of(window: Window) -> list[str]:
    """What a window that was closed should have ended: timers, its dialogs and menus, threads."""
    timers = [timer for timer in window.findChildren(QTimer) if timer.isActive()]
    widgets = [window, *window.findChildren(QWidget)]
    shown = [widget for widget in widgets if widget.isWindow() and widget.isVisible()]
    threads = [each for each in threading.enumerate() if each.name in WORKERS]
    return [repr(each) for each in (*timers, *shown, *threads)]


@pytest.fixture
def window(
    qapp: QApplication, tmp_path: Path, servers_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Window]:
    monkeypatch.setenv("POOLVIZ_HOME", str(servers_home))
    with open_window(qapp, tmp_path) as opened:
        yield opened


def plan(window: Window, pool: str = "sqlalchemy.QueuePool", **limits: object) -> None:
    """Have the window take over a gentle scenario."""
    draft = Draft(pool=pool, limits=dict(limits), load=dict(GENTLE))
    window.controller.plan(complete_draft(draft))


def allow_tables(window: Window) -> None:
    """Answer each question whether tables may be created, with the button that allows it."""

    def press(_question: object) -> None:
        for dialog in window.findChildren(CreateTablesDialog):
            dialog.yes.click()

    window.controller.tables_wanted.connect(press)


def run_on(qtbot: QtBot, window: Window, dsn: str | None) -> None:
    """Have the window run its load on a server, and wait until operations are counted."""
    window.controller.connect_to(dsn, start=True)
    until_counting(qtbot, window)


def until(qtbot: QtBot, condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    qtbot.waitUntil(condition, timeout=PATIENCE)


def until_counting(qtbot: QtBot, window: Window) -> None:
    """Wait until the run that goes on has counted an operation."""
    controller = window.controller
    until(qtbot, lambda: controller.state is State.RUNNING and operations(window) > 0)


def operations(window: Window) -> int:
    """Operations counted in the session that is shown."""
    recorder = window.controller.recorder
    return recorder.summary().operations if recorder is not None else 0


def backends(conninfo: str, like: str = f"poolviz-{os.getpid()}-%") -> int:
    """How many connections of this process' runs the server has, by its own account."""
    with closing(psycopg2.connect(conninfo, application_name="asks")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s", (like,)
            )
            row = cursor.fetchone()
            assert row is not None
            return int(row[0])
