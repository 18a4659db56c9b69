"""Every action, shortcut and button of the window does something, and none fails."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, Qt, QUrl, Slot
from PySide6.QtGui import QAction, QDesktopServices
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QDialog,
    QGraphicsScene,
    QMenu,
    QMessageBox,
    QWidget,
)
from pytestqt.qtbot import QtBot

from poolviz.model.messages import MarkAdded, SampleTaken
from poolviz.sessions.recorder import Recorder
from poolviz.ui.session.controller import State
from poolviz.ui.toolbar.pool_menu import PoolMenu
from poolviz.ui.toolbar.preset_menu import PresetMenu
from poolviz.ui.window import Window
from tests.sessions.builders import began, change, ended, samples, ticks
from tests.ui.running import plan, run_on, servers_home, until, until_counting, window

__all__ = ["servers_home", "window"]

ENDS = "Quit"  # tried last
FILE_STEPS = 3  # jobs of the file worker, one after the other, that an action may need


class Shows(StrEnum):
    """What a window shows when an action is tried."""

    NOTHING = "no run yet"
    RUN = "a run"
    ENDED = "a run that has ended"
    SESSION = "an opened session"


def in_states(*usual: Shows) -> pytest.MarkDecorator:
    """Run a test in each of these states, and on demand in the others."""
    on_demand = [pytest.param(s, marks=pytest.mark.on_demand) for s in Shows if s not in usual]
    return pytest.mark.parametrize("state", [*usual, *on_demand])


class FolderOpener(QObject):
    """Stands where the desktop's file manager would."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[Path] = []

    @Slot(QUrl)
    def open(self, url: QUrl) -> None:
        self.opened.append(Path(url.toLocalFile()))


@pytest.fixture
def opened_folders() -> Iterator[list[Path]]:
    opener = FolderOpener()
    QDesktopServices.setUrlHandler("file", opener, "open")
    yield opener.opened
    QDesktopServices.unsetUrlHandler("file")


@contextmanager
def no_failures(caplog: pytest.LogCaptureFixture, what: str) -> Iterator[None]:
    """Fail on an exception in a slot, a record in the log or a line on standard error."""
    caplog.clear()
    raised: list[BaseException] = []
    before = sys.excepthook
    sys.excepthook = lambda _kind, error, _trace: raised.append(error)
    try:
        yield
        QApplication.processEvents()
    finally:
        sys.excepthook = before
    assert not raised, f"{what}: {raised!r}"
    logged = [each for each in caplog.records if each.name.startswith("poolviz")]
    assert not logged, f"{what}: {[each.getMessage() for each in logged]}"


def open_menus(window: Window) -> None:
    """Let every menu make the entries that it makes when it is opened."""
    for menu in window.findChildren(QMenu):
        menu.aboutToShow.emit()


def close_dialogs(window: Window) -> None:
    for dialog in window.findChildren(QDialog):
        dialog.reject()
    for box in QApplication.topLevelWidgets():
        if isinstance(box, QDialog | QMessageBox):
            box.reject()
        elif isinstance(box, QMenu):
            box.close()
    QApplication.sendPostedEvents()
    QApplication.processEvents()


def actions_of(window: Window) -> list[QAction]:
    """Every action that does something itself, each once; what ends the window is left out.

    Of the pools and of the presets there are two: the others do the same with other values.
    """
    found = dict.fromkeys([*window.actions(), *window.findChildren(QAction)])
    pools = [each for each in found if isinstance(each.parent(), PoolMenu) and each.actionGroup()]
    presets = [
        each for each in found if isinstance(each.parent(), PresetMenu) and each.objectName()
    ]
    alike = {*pools, *presets} - {*pools[:2], *presets[:2]}
    return [
        action
        for action in found
        if not action.isSeparator()
        and action.menu() is None
        and action not in alike
        and action.text() not in ("", ENDS)
        and not isinstance(action.parent(), QGraphicsScene)  # pyqtgraph's own, in no menu
    ]


def buttons_of(window: Window) -> list[QAbstractButton]:
    """Every button that opens no menu: those open theirs until something is chosen."""
    return [
        button
        for button in window.findChildren(QAbstractButton)
        if getattr(button, "menu", lambda: None)() is None
    ]


def name_of(widget: QWidget) -> str:
    text = widget.text() if isinstance(widget, QAbstractButton) else ""
    return f"{type(widget).__name__} {widget.accessibleName() or text or widget.objectName()}"


@in_states(Shows.RUN, Shows.ENDED, Shows.SESSION)
def test_every_action_works(
    window: Window,
    qtbot: QtBot,
    conninfo: str,
    *,
    caplog: pytest.LogCaptureFixture,
    opened_folders: list[Path],
    state: Shows,
) -> None:
    come_to(state, window, qtbot, conninfo)
    open_menus(window)
    actions = actions_of(window)
    names = [action.text() for action in actions]
    assert {"Side panel", "Full screen", "Open log folder", "Help", "Start"} <= {*names}
    for action in actions:
        if not action.isEnabled():
            continue
        with no_failures(caplog, f"{action.text()!r} while {state}"), caplog.at_level("WARNING"):
            action.trigger()
            if action.isCheckable() and action.actionGroup() is None:
                action.trigger()  # and back
            close_dialogs(window)
        come_to(state, window, qtbot, conninfo)
    assert [path.name for path in opened_folders] == ["logs"]
    with no_failures(caplog, ENDS):
        next(each for each in window.actions() if each.text() == ENDS).trigger()
    assert not window.isVisible()


@in_states(Shows.RUN, Shows.SESSION)
def test_every_shortcut_works(
    window: Window, qtbot: QtBot, conninfo: str, caplog: pytest.LogCaptureFixture, state: Shows
) -> None:
    come_to(state, window, qtbot, conninfo)
    keys = {action.shortcut().toString(): action for action in actions_of(window)}
    keys.pop("")
    assert {"F1", "F5", "Shift+F5", "F9", "F11", "M", "Ctrl+O", "Ctrl+E"} <= {*keys}
    for key, action in keys.items():
        if not action.isEnabled():
            continue
        window.activateWindow()  # a dialog had the focus
        until(qtbot, window.isActiveWindow)
        triggered: list[bool] = []
        action.triggered.connect(lambda on=False, seen=triggered: seen.append(on))
        with no_failures(caplog, f"{key} while {state}"), caplog.at_level("WARNING"):
            QTest.keySequence(window, action.shortcut())
            if key in ("F9", "F11", "Ctrl+Space", "Ctrl+L", "Ctrl+B"):
                QTest.keySequence(window, action.shortcut())  # and back
            if key == "Shift+F1":
                QTest.keyClick(window, Qt.Key.Key_Escape)  # it waits for a click
            close_dialogs(window)
        assert triggered, f"{key} reaches nothing"
        come_to(state, window, qtbot, conninfo)


@in_states(Shows.NOTHING, Shows.RUN)
def test_every_button_works(
    window: Window, qtbot: QtBot, conninfo: str, caplog: pytest.LogCaptureFixture, state: Shows
) -> None:
    come_to(state, window, qtbot, conninfo)
    for fold in window.panel.folds.values():
        fold.header.setChecked(True)
    QApplication.processEvents()
    pressed = set()
    while True:
        # One may show others, and one that restarts a server may hide some for a while.
        waiting = (b for b in buttons_of(window) if b.isVisible() and b.isEnabled())
        button = next((each for each in waiting if id(each) not in pressed), None)
        if button is None:
            break
        pressed.add(id(button))
        with no_failures(caplog, f"{name_of(button)} while {state}"), caplog.at_level("ERROR"):
            button.click()
            close_dialogs(window)
        come_to(state, window, qtbot, conninfo)
    usual = (window.toolbar.run_button, *window.panel.links)
    headers = (fold.header for fold in window.panel.folds.values())
    assert {id(button) for button in (*usual, *headers)} <= pressed


@in_states(Shows.NOTHING)
def test_no_action_is_without_effect_and_without_a_word(
    window: Window, qtbot: QtBot, conninfo: str, opened_folders: list[Path], state: Shows
) -> None:
    """Each shows something, or says why it doesn't; one that can't be chosen says so by its look.
    What is on or off shows that itself."""
    come_to(state, window, qtbot, conninfo)
    open_menus(window)
    chosen = [
        each
        for each in actions_of(window)
        if each.isEnabled() and not each.isCheckable() and is_reachable(each)
    ]
    silent = []
    for action in chosen:
        come_to(state, window, qtbot, conninfo)
        window.sessions.show_list(False)
        for topic in tuple(window.banner.sentences):
            window.banner.take_back(topic)
        before = settled_look(window, qtbot, opened_folders)
        action.trigger()
        if look(window, opened_folders) == before:  # else it may take a moment
            finish_files(window, qtbot)
            silent_still = settled_look(window, qtbot, opened_folders) == before
            silent += [action.text()] if silent_still else []
        close_dialogs(window)
        window.charts.follow()
    assert not silent, f"they do nothing and say nothing: {silent}"


def is_reachable(action: QAction) -> bool:
    """Whether the part whose menu it is in is visible."""
    part = action.parent()
    return not isinstance(part, QWidget) or isinstance(part, QMenu) or part.isVisible()


def look(window: Window, opened_folders: list[Path]) -> tuple[object, ...]:
    """What can be seen of a window and of what it opened."""
    above = [each for each in QApplication.topLevelWidgets() if each.isVisible()]
    clipboard = QApplication.clipboard().text()
    picture = window.grab().toImage()
    pointing = QApplication.overrideCursor() is not None
    opened = len(above), clipboard, len(opened_folders)
    return *opened, pointing, window.windowState(), picture


def settled_look(window: Window, qtbot: QtBot, opened_folders: list[Path]) -> tuple[object, ...]:
    """What can be seen once nothing changes any more."""
    seen = [look(window, opened_folders)]

    def settled() -> bool:
        window.refresher.frame()
        QApplication.processEvents()
        seen.append(look(window, opened_folders))
        return seen[-1] == seen[-2]

    until(qtbot, settled)
    return seen[-1]


@pytest.mark.parametrize("name", ["several sessions", "a session", "comparison"])
def test_every_button_and_entry_of_a_page_works(
    window: Window, qtbot: QtBot, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    paths = [recorded(window.controller.sessions_folder / f"{n}.poolviz") for n in range(3)]
    page = come_to_page(name, window, qtbot, paths)
    buttons = [each for each in buttons_of(window) if page.isAncestorOf(each)]
    entries = [each for menu in page.findChildren(QMenu) for each in menu.actions()]
    pressed = 0
    for each in [*buttons, *entries]:
        page = come_to_page(name, window, qtbot, paths)
        if not each.isEnabled() or (isinstance(each, QAbstractButton) and not each.isVisible()):
            continue
        pressed += 1
        what = name_of(each) if isinstance(each, QAbstractButton) else each.text()
        with no_failures(caplog, f"{what} of {name}"), caplog.at_level("ERROR"):
            each.click() if isinstance(each, QAbstractButton) else each.trigger()
            close_dialogs(window)
    assert pressed >= 3
    assert all(path.exists() for path in paths), "a dialog that was cancelled removed one"


def recorded(path: Path) -> Path:
    """A session of a few seconds, with a change in it."""
    path.parent.mkdir(exist_ok=True)
    with Recorder(path) as recorder:
        recorder.add(began())
        for sample in samples(ticks(200)):
            recorder.add(SampleTaken(sample))
        recorder.add(MarkAdded(change(5.0)))
        recorder.add(ended())
    return path


def come_to_page(name: str, window: Window, qtbot: QtBot, paths: list[Path]) -> QWidget:
    """Have the window show a page with these sessions."""
    window.sessions.show_list(True)
    listed = window.sessions.list
    assert listed is not None
    until(qtbot, lambda: listed.shown.rowCount() >= len(paths))
    if name == "a session":
        listed.table.selectRow(0)
        return listed
    listed.table.selectAll()
    if name == "several sessions":
        return listed
    window.sessions.show_comparison(paths[:2])
    compared = window.sessions.comparison
    assert compared is not None
    until(qtbot, lambda: compared.isVisible() and compared.compared is not None)
    return compared


def test_f9_hides_the_side_panel_and_shows_it_again(window: Window) -> None:
    for visible in (False, True):
        QTest.keyClick(window, Qt.Key.Key_F9)
        assert window.panel.isVisible() is visible


def come_to(state: Shows, window: Window, qtbot: QtBot, conninfo: str) -> None:
    """Have the window show that again, on the same server."""
    controller = window.controller
    finish_files(window, qtbot)  # opening a scenario must not end what is begun here
    # What a run has left can't be taken away again.
    wanted = (state, Shows.ENDED) if state is Shows.NOTHING else (state,)
    if shows(window) in wanted:
        return
    until(qtbot, lambda: controller.state in (State.READY, State.RUNNING))
    if state is Shows.RUN:
        if controller.state is not State.RUNNING:
            plan(window)
            run_on(qtbot, window, conninfo)
        until_counting(qtbot, window)
    elif state is Shows.NOTHING:
        controller.stop()
        until(qtbot, lambda: not controller.busy and controller.state is not State.CONNECTING)
        controller.connect_to(conninfo)
    elif state is Shows.ENDED:
        come_to(Shows.RUN, window, qtbot, conninfo)
        controller.stop()
    else:
        session = window.controller.sessions_folder / "opened.poolviz"
        if not session.exists():
            record_session(window, qtbot, conninfo, session)
        controller.view_session(session)
    until(qtbot, lambda: shows(window) in wanted)


def finish_files(window: Window, qtbot: QtBot) -> None:
    """Wait until the file worker has done what it was given."""
    for _ in range(FILE_STEPS):
        done: list[None] = []
        window.controller.file_worker.do(lambda: None, done.append)
        until(qtbot, lambda seen=done: bool(seen))


def shows(window: Window) -> Shows | None:
    """What a window shows; None where that isn't settled."""
    controller = window.controller
    if controller.state is State.RUNNING:
        return Shows.RUN
    if controller.state is not State.READY:
        return None
    if controller.viewing is not None:
        return Shows.SESSION
    if controller.target is None:
        return None
    ended = controller.recorder is not None and controller.recorder.ended is not None
    return Shows.ENDED if ended else Shows.NOTHING


def record_session(window: Window, qtbot: QtBot, conninfo: str, path: Path) -> None:
    """Have the window record a run, and keep its session at `path`."""
    come_to(Shows.ENDED, window, qtbot, conninfo)
    recorder = window.controller.recorder
    assert recorder is not None and recorder.path is not None
    window.controller.file_worker.do(recorder.close)
    recorded = recorder.path
    beside = recorded.with_name(f"{recorded.name}-wal")
    until(qtbot, lambda: recorded.exists() and not beside.exists())
    shutil.copy(recorded, path)
