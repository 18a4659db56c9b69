"""Opens the window and runs it until it ends, however it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QSettings
from PySide6.QtGui import QGuiApplication, QIcon
from PySide6.QtWidgets import QApplication

from poolviz.language import tr, trn
from poolviz.model.errors import InputError
from poolviz.model.scenario import Scenario
from poolviz.model.version import VERSION
from poolviz.runs.request import check_draft
from poolviz.runs.runner import Runner
from poolviz.scenarios.draft import Draft
from poolviz.scenarios.presets import presets
from poolviz.sessions.folder import SessionsFolder
from poolviz.system.folders import sessions_folder
from poolviz.system.interrupts import INTERRUPTED, handled_by, interrupted
from poolviz.system.keyring_passwords import LIMIT
from poolviz.system.preferences import settings_path
from poolviz.system.resources import resource
from poolviz.ui.language import apply_language
from poolviz.ui.session.controller import Controller
from poolviz.ui.session.notices import Notice, Weight
from poolviz.ui.session.server_memory import ServerMemory
from poolviz.ui.session.worker import Inbox
from poolviz.ui.settings import AT_START, LANGUAGE, LAST, NAMED, START_NAME, WELCOME
from poolviz.ui.style.theme_manager import ThemeManager
from poolviz.ui.unexpected import UnexpectedErrors, contained
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
    settings = QSettings(str(settings_path()), QSettings.Format.IniFormat)
    apply_language(application, settings)
    controller = Controller(SessionsFolder(sessions_folder()), runner)
    try:
        windows = Windows(application, controller, settings)
    except BaseException:
        controller.close()
        raise
    mistakes: list[InputError] = []

    def close() -> None:
        windows.shown.close()

    def fail(mistake: InputError) -> None:
        mistakes.append(mistake)
        close()

    def end() -> None:
        """Close the window, with its session whole. Called by the thread that hears of signals."""
        _logger.info("a signal closes the window")
        controller.inbox.post(close)

    with unexpected_errors_shown(lambda: windows.shown), handled_by(end):
        try:
            with contained():
                windows.shown.show()
                _logger.info("the window is open")
                dsn = dsn if dsn is not None else draft.dsn
                if session is not None:
                    controller.choose_server(dsn)
                    controller.view_session(session, fail)
                elif start is None and dsn is None:
                    _begin_as_preferred(windows.shown, scenario)
                else:
                    controller.plan(scenario)
                    controller.connect_to(dsn, start=dsn is None, pooler=draft.pooler)
            status = application.exec()
        finally:
            windows.shown.close()
    if mistakes:
        raise mistakes[0]
    return INTERRUPTED if interrupted() else status


def _begin_as_preferred(window: Window, scenario: Scenario) -> None:
    """Begin with what the user prefers where nothing was named; `scenario` is the usual load."""
    controller, preferences = window.controller, window.theme_manager.preferences
    choice, name = preferences.value(AT_START), str(preferences.value(START_NAME))
    newest = _newest_session() if choice == LAST else None
    controller.plan(scenario)
    if choice == NAMED and name:
        controller.choose_server(None)
        known = {preset.name: preset.path for preset in presets()}
        window.file_opener.open(known.get(name, Path(name).expanduser()), lesson=False)
    elif newest is not None:
        controller.choose_server(None)
        controller.run_again(newest)
    else:
        controller.connect_to(None, start=choice == WELCOME)


def _newest_session() -> Path | None:
    """Return the session that was recorded last, if one is kept."""
    try:
        return next(iter(SessionsFolder(sessions_folder()).paths()), None)
    except InputError as error:
        _logger.warning("%s", error)
        return None


def reset_settings() -> str:
    """Reset every setting of the window, forget the servers with their passwords, and return what
    was done, as sentences. Raises InputError where the file can't be removed."""
    path = settings_path()
    if not path.exists():
        return tr("There are no settings in {file}: the defaults hold already.", file=path)
    store = QSettings(str(path), QSettings.Format.IniFormat)
    failed: list[str] = []
    inbox = Inbox()
    memory = ServerMemory(store, inbox, failed.append)
    servers = len(memory.recent)
    memory.forget_all()
    memory.close(LIMIT)
    inbox.deliver()
    store.clear()
    store.sync()
    del store
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            tr("Can't remove {path}: {value}.", path=path, value=error.strerror or error)
        ) from None
    done = [
        tr("Every setting is back to its default; {file} was removed.", file=path),
        trn("{n} server was forgotten.", "{n} servers were forgotten.", servers),
        tr("Sessions, and how long they are kept, stay as they are."),
        *failed,
    ]
    return " ".join(done)


class Windows:
    """The window of a controller, which is made anew when the user chooses another language. A run
    that goes on goes on."""

    def __init__(
        self, application: QApplication, controller: Controller, settings: QSettings
    ) -> None:
        self._application, self._controller, self._settings = application, controller, settings
        self._themes = ThemeManager(application, settings)
        self._themes.preferences.changed.connect(self._follow)
        self.shown = self._make()

    def _make(self) -> Window:
        window = Window(self._controller, self._themes, self._settings)
        window.fit(self._application.primaryScreen().availableSize())
        preferences = self._themes.preferences
        window.language_chosen.connect(lambda code: preferences.put(LANGUAGE, code))
        return window

    def _follow(self, key: str) -> None:
        if key == LANGUAGE.key:
            # Later, because the menu in which it was chosen belongs to the window.
            self._controller.inbox.post(self._change_language)

    def _change_language(self) -> None:
        apply_language(self._application, self._settings, chosen=True)
        with contained():
            old = self.shown
            new = self._make()
            new.setGeometry(old.geometry())
            new.show_present()
            new.setWindowState(old.windowState())
            new.show()
            self.shown = new
            old.retire()


def unexpected_errors_shown(shown: Callable[[], Window]) -> UnexpectedErrors:
    """Return what takes the unexpected errors of every thread, while it is entered, and shows them
    as a notice that stays until it is dismissed."""

    def tell(sentence: str) -> None:
        window = shown()
        folder = window.menu.open_log_folder
        notice = Notice("fault", sentence, Weight.BAD, tr("Open log folder"), folder)
        window.controller.inbox.post(lambda: window.banner.say(notice))

    return UnexpectedErrors(tell)


def _application() -> QApplication:
    existing = QCoreApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(["poolviz"])
    application.setApplicationName("poolviz")
    application.setApplicationVersion(VERSION)
    QGuiApplication.setDesktopFileName("poolviz")
    QGuiApplication.setWindowIcon(QIcon(str(resource("icon.svg"))))
    return application
