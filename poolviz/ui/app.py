"""Opens the window and runs it until it ends, however it ends."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType

from PySide6.QtCore import QCoreApplication, QSettings, QTimer
from PySide6.QtGui import QGuiApplication, QIcon
from PySide6.QtWidgets import QApplication

from poolviz.model.errors import InputError
from poolviz.model.version import VERSION
from poolviz.runs.request import check_draft
from poolviz.runs.runner import Runner
from poolviz.scenarios.draft import Draft
from poolviz.sessions.folder import SessionsFolder
from poolviz.system.folders import home
from poolviz.system.resources import resource
from poolviz.ui.session.controller import Controller
from poolviz.ui.session.notices import Notice, Weight
from poolviz.ui.style.theme_manager import ThemeManager
from poolviz.ui.window import Window

_logger = logging.getLogger(__name__)


def run_window(start: Draft | Path | None, dsn: str | None, runner: Runner | None = None) -> int:
    """Open the window, run it until it is closed, and return the exit status.

    `start` is a scenario to run or a session to show. Without a DSN the run starts at once on the
    embedded server; on a server named by `dsn` the user starts it. The window closes `runner`.
    Raises InputError if the scenario or the session can't be used.
    """
    session = start if isinstance(start, Path) else None
    draft = start if isinstance(start, Draft) else Draft()
    scenario = check_draft(draft)
    application = _application()
    settings = QSettings(str(home() / "settings.ini"), QSettings.Format.IniFormat)
    theme_manager = ThemeManager(application, settings)
    controller = Controller(SessionsFolder(home() / "sessions"), runner)
    window = Window(controller, theme_manager, settings)
    mistakes: list[InputError] = []

    def fail(mistake: InputError) -> None:
        mistakes.append(mistake)
        window.close()

    with _unexpected_errors_shown(window), _signals_close(window):
        window.show()
        dsn = dsn if dsn is not None else draft.dsn
        if session is not None:
            controller.choose_server(dsn)
            controller.view_session(session, fail)
        else:
            controller.plan(scenario)
            controller.connect_to(dsn, start=dsn is None)
        try:
            status = application.exec()
        finally:
            window.close()
    if mistakes:
        raise mistakes[0]
    return status


def _application() -> QApplication:
    existing = QCoreApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(["poolviz"])
    application.setApplicationName("poolviz")
    application.setApplicationVersion(VERSION)
    QGuiApplication.setDesktopFileName("poolviz")
    QGuiApplication.setWindowIcon(QIcon(str(resource("icon.svg"))))
    return application


@contextmanager
def _signals_close(window: Window) -> Iterator[None]:
    """Close the window on SIGINT and SIGTERM. Python handles them when the frame timer fires."""

    def close(_number: int, _frame: FrameType | None) -> None:
        QTimer.singleShot(0, window, window.close)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, close) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _unexpected_errors_shown(window: Window) -> Iterator[None]:
    """Log an unexpected error with its traceback and show it as a notice, from every thread."""

    def show(kind: type[BaseException], error: BaseException | None, trace: object) -> None:
        where = trace if isinstance(trace, TracebackType) else None
        _logger.critical("unexpected error", exc_info=(kind, error or kind(), where))
        sentence = (
            f"Something unexpected happened in poolviz ({kind.__name__}: {error}). Please report "
            "it with the log: the menu opens its folder."
        )
        notice = Notice("fault", sentence, Weight.BAD)
        window.controller.inbox.post(lambda: window.banner.say(notice))

    def show_of_thread(args: threading.ExceptHookArgs) -> None:
        show(args.exc_type, args.exc_value, args.exc_traceback)

    before = sys.excepthook, threading.excepthook
    sys.excepthook, threading.excepthook = show, show_of_thread
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook = before
