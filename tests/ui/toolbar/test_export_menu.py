"""Every entry of the export menu, in each state of the window and with each kind of pool."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from PySide6.QtGui import QAction, QImage
from PySide6.QtWidgets import QDialog, QFileDialog, QMenu
from pytestqt.qtbot import QtBot

from poolviz.model.messages import SampleTaken
from poolviz.sessions.recorder import Recorder
from poolviz.ui.session.controller import State
from poolviz.ui.window import Window
from tests.sessions.builders import began, ended, record, samples, ticks
from tests.ui.running import (
    THREADED,
    plan,
    run_on,
    servers_home,
    until,
    until_counting,
    window,
)
from tests.ui.test_window_actions import Shows, close_dialogs, come_to, no_failures

__all__ = ["servers_home", "window"]

OWN = """
import queue
import psycopg2

class Pool:
    def __init__(self, dsn: str, size: int = 3):
        self._idle = queue.Queue()
        for _ in range(size):
            self._idle.put(psycopg2.connect(dsn))
        self.size = size

    def getconn(self):
        return self._idle.get(timeout=5)

    def putconn(self, connection):
        self._idle.put(connection)

    def close(self):
        while not self._idle.empty():
            self._idle.get().close()
"""


def csv_rows(path: Path) -> bool:
    with path.open(encoding="utf-8", newline="") as file:
        return len({len(row) for row in csv.reader(file)}) == 1


def opens(path: Path) -> bool:
    with Recorder.open(path) as recorder:
        return recorder.last is not None


# How another program finds that a file is whole. What isn't named here has to have contents.
WHOLE: dict[str, Callable[[Path], bool]] = {
    ".csv": csv_rows,
    ".json": lambda path: bool(json.loads(path.read_bytes())),
    ".toml": lambda path: "pool" in tomllib.loads(path.read_text(encoding="utf-8")),
    ".xml": lambda path: ElementTree.parse(path).getroot().tag == "testsuites",
    ".svg": lambda path: ElementTree.parse(path).getroot().tag.endswith("svg"),
    ".png": lambda path: QImage(str(path)).width() > 1000,
    ".pdf": lambda path: path.read_bytes()[:5] == b"%PDF-" and b"%%EOF" in path.read_bytes()[-16:],
    ".html": lambda path: path.read_text(encoding="utf-8").rstrip().endswith("</html>"),
    ".parquet": lambda path: path.read_bytes()[:4] == path.read_bytes()[-4:] == b"PAR1",
    ".poolviz": opens,
}


def entries(menu: QMenu) -> list[QAction]:
    """Every entry that does something itself, those of menus in the menu too."""
    menu.aboutToShow.emit()
    found = []
    for action in menu.actions():
        inner = action.menu()
        if isinstance(inner, QMenu):
            found += entries(inner)
        elif not action.isSeparator() and not action.isCheckable() and action.isEnabled():
            found.append(action)
    return found


def shown_file_dialog(window: Window) -> QFileDialog | None:
    """The dialog that asks for a file. One that asks something else before is accepted."""
    for dialog in window.findChildren(QDialog):
        if isinstance(dialog, QFileDialog):
            return dialog
        if dialog.isVisible():
            dialog.accept()
    return None


def choose(qtbot: QtBot, window: Window, action: QAction, folder: Path) -> Path:
    """Choose an entry and a file in its dialog; return that file once it has been written."""
    action.trigger()
    until(qtbot, lambda: shown_file_dialog(window) is not None)
    dialog = shown_file_dialog(window)
    assert dialog is not None
    path = folder / f"out.{dialog.defaultSuffix()}"
    dialog.selectFile(str(path))
    dialog.accept()
    until(qtbot, lambda: path.exists() or "export" in window.banner.sentences)
    assert "export" not in window.banner.sentences, window.banner.sentences
    until(qtbot, lambda: window.status.message.text().startswith(f"Wrote {path.name}"))
    return path


def export_all(
    window: Window, qtbot: QtBot, caplog: pytest.LogCaptureFixture, folder: Path
) -> set[str]:
    """Choose every entry of the menu, and check each file; return their suffixes."""
    menu = window.toolbar.export_button.menu()
    assert isinstance(menu, QMenu)
    suffixes = set()
    for number, action in enumerate(entries(menu)):
        place = folder / str(number)
        place.mkdir()
        with no_failures(caplog, action.text()), caplog.at_level("WARNING"):
            path = choose(qtbot, window, action, place)
        assert path.stat().st_size, path
        assert WHOLE.get(path.suffix, opens_as_text)(path), path
        suffixes.add(path.suffix)
    return suffixes


def opens_as_text(path: Path) -> bool:
    return bool(path.read_text(encoding="utf-8").strip())


@pytest.mark.parametrize("state", [Shows.RUN, Shows.ENDED, Shows.SESSION])
def test_every_entry_writes_a_whole_file(
    window: Window,
    qtbot: QtBot,
    conninfo: str,
    *,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    state: Shows,
) -> None:
    come_to(state, window, qtbot, conninfo)
    suffixes = export_all(window, qtbot, caplog, tmp_path)
    assert suffixes >= {*WHOLE} - {".parquet"} | {".md"}


def test_without_a_run_there_is_nothing_to_export(
    window: Window, qtbot: QtBot, conninfo: str, caplog: pytest.LogCaptureFixture
) -> None:
    come_to(Shows.NOTHING, window, qtbot, conninfo)
    assert not window.toolbar.export_button.isEnabled()
    for action in entries(window.export):  # those with a shortcut are reached all the same
        with no_failures(caplog, action.text()), caplog.at_level("WARNING"):
            action.trigger()
            close_dialogs(window)


@pytest.mark.parametrize(
    "kind",
    [
        "tasks",
        "own file",
        pytest.param("threads", marks=pytest.mark.on_demand),
        pytest.param("SQLite", marks=pytest.mark.on_demand),
    ],
)
def test_every_entry_writes_a_whole_file_of_each_kind_of_pool(
    window: Window,
    qtbot: QtBot,
    conninfo: str,
    *,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    kind: str,
) -> None:
    own = tmp_path / "own.py"
    own.write_text(OWN, encoding="utf-8")
    pool, dsn = {
        "tasks": ("psycopg_pool.AsyncConnectionPool", conninfo),
        "own file": (f"{own}:Pool", conninfo),
        "threads": (THREADED, conninfo),
        "SQLite": ("sqlalchemy.QueuePool", f"sqlite:///{tmp_path}/file.db"),
    }[kind]
    if kind == "own file":
        learned: list[object] = []
        window.controller.learn([pool], learned.append, learned.append)
        until(qtbot, lambda: bool(learned))
    plan(window, pool)
    run_on(qtbot, window, dsn)
    window.controller.stop()
    until(qtbot, lambda: window.controller.state is State.READY)
    assert ".csv" in export_all(window, qtbot, caplog, tmp_path)
    window.controller.connect_to(dsn, start=True)
    until_counting(qtbot, window)  # it still runs after all that


def test_a_session_of_a_server_that_is_not_there_is_exported(
    window: Window, qtbot: QtBot, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "mysql.poolviz"
    scenario = msgspec.structs.replace(began().scenario, pool="aiomysql.Pool", limits={})
    with Recorder(path) as recorder:
        run = (msgspec.structs.replace(each, limits={}) for each in samples(ticks(100)))
        record(recorder, [began(scenario=scenario), *map(SampleTaken, run), ended()])
    window.controller.view_session(path)
    until(qtbot, lambda: window.controller.viewing == path)
    assert ".csv" in export_all(window, qtbot, caplog, tmp_path)
