"""The menu of pools: what is there, what could be, and the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from poolviz.pools.listing import Listing
from poolviz.pools.registry import listings
from poolviz.ui.toolbar import pool_menu
from poolviz.ui.toolbar.own_pool_dialog import OwnPoolDialog
from poolviz.ui.window import Window
from tests.ui.running import THREADED, run_on, servers_home, until, until_counting, window

__all__ = ["servers_home", "window"]

ONE = """
from psycopg2.pool import ThreadedConnectionPool

class MyPool(ThreadedConnectionPool):
    pass
"""
TWO = (
    ONE
    + """
class Other(MyPool):
    pass

class Helper:
    pass
"""
)
APPLICATION = """
from contextlib import contextmanager
from psycopg2.pool import ThreadedConnectionPool
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

try:
    engine = create_engine("postgresql://nobody@localhost:1/none")
except ImportError:
    pass
Sessions = sessionmaker(engine)
_private = dict()

def make_pool(dsn, maxconn=4):
    return ThreadedConnectionPool(1, maxconn, dsn)

async def make_async(dsn):
    import asyncpg
    return await asyncpg.create_pool(dsn)

@contextmanager
def lend():
    with engine.connect() as connection:
        yield connection

class Odd:
    pass
"""
ODD = """
import psycopg2

class Odd:
    def __init__(self, dsn):
        self._dsn = dsn
    def gimme(self):
        return psycopg2.connect(self._dsn)
    def tak(self, connection):
        connection.close()
"""
CLASH = """
class Greedy:
    def __init__(self, dsn: str, clients: int = 3) -> None: ...
    def getconn(self): ...
    def putconn(self, connection): ...
"""


def actions(window: Window) -> list[QAction]:
    menu = window.toolbar.pool_button.menu()
    menu.aboutToShow.emit()
    return list(menu.actions())


def action(window: Window, name: str) -> QAction:
    """The entry with a pool's id, or with a text."""
    return next(a for a in actions(window) if name in (a.data(), a.text()))


def choose_file(qtbot: QtBot, window: Window, path: Path) -> None:
    action(window, "Your own pool…").trigger()
    until(qtbot, lambda: bool(window.findChildren(QFileDialog)))
    dialog = window.findChildren(QFileDialog)[0]
    dialog.selectFile(str(path))
    dialog.accept()


def asked(qtbot: QtBot, window: Window, path: Path) -> OwnPoolDialog:
    """The dialog that a file is answered with."""
    choose_file(qtbot, window, path)
    until(qtbot, lambda: bool(window.findChildren(OwnPoolDialog)))
    return window.findChildren(OwnPoolDialog)[0]


def test_every_pool_is_listed_and_the_chosen_one_is_marked(window: Window, qtbot: QtBot) -> None:
    listed = [a.data() for a in actions(window) if a.data()]
    assert listed == [listing.id for listing in listings()]
    assert actions(window)[-1].text() == "Your own pool…"
    action(window, THREADED).trigger()
    until(qtbot, lambda: window.controller.pool.id == THREADED)
    assert [a.data() for a in actions(window) if a.isChecked()] == [THREADED]


def test_a_pool_without_its_driver_is_greyed_and_says_how_to_install_it(
    window: Window, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = Listing("x.Pool", "X Pool", drivers=("no_such_driver",), extra="x")
    monkeypatch.setattr(pool_menu, "listings", lambda: (*listings(), absent))
    menu = pool_menu.PoolMenu(window.controller, window)
    menu.fill()
    entries = {a.data(): a for a in menu.actions()}
    entry = entries["x.Pool"]
    until(qtbot, lambda: not entry.isEnabled())
    assert "pip install 'poolviz[x]'" in entry.text()
    assert "pip install 'poolviz[x]'" in entry.toolTip()
    assert all(entries[listing.id].isEnabled() for listing in listings() if not listing.missing)
    menu.deleteLater()


def test_a_pool_of_the_users_own_runs_from_its_file(
    window: Window, qtbot: QtBot, conninfo: str, tmp_path: Path
) -> None:
    path = tmp_path / "my_pool.py"
    path.write_text(ONE)
    dialog = asked(qtbot, window, path)
    assert dialog.names == ["MyPool"]
    dialog.use_button.click()
    id = f"{path}:MyPool"
    until(qtbot, lambda: window.controller.pool.id == id)
    assert action(window, id).isChecked()
    assert set(window.panel.rows) >= {"minconn", "maxconn"}
    run_on(qtbot, window, conninfo)
    until_counting(qtbot, window)
    action(window, THREADED).trigger()
    until(qtbot, lambda: window.controller.pool.id == THREADED)
    action(window, id).trigger()
    until(qtbot, lambda: window.controller.pool.id == id)
    assert len([a for a in actions(window) if a.data() == id]) == 1


def test_the_user_chooses_one_of_several_pools_in_a_file(
    window: Window, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "two_pools.py"
    path.write_text(TWO)
    dialog = asked(qtbot, window, path)
    assert dialog.names == ["MyPool", "Other", "Helper"]  # which can't be used
    dialog.choose("Other")
    dialog.use_button.click()
    until(qtbot, lambda: window.controller.pool.id == f"{path}:Other")


def test_functions_and_objects_are_listed_with_what_they_are(
    window: Window, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "database.py"
    path.write_text(APPLICATION)
    dialog = asked(qtbot, window, path)
    rows = [dialog.list.topLevelItem(row) for row in range(dialog.list.topLevelItemCount())]
    assert [tuple(row.text(column) for column in range(3)) for row in rows if row] == [
        ("engine", "the application's Engine", "threads"),
        ("Sessions", "the application's sessionmaker", "threads"),
        ("make_pool", "a function that makes a pool", "threads"),
        ("make_async", "a function that makes a pool", "tasks"),
        ("lend", "a function that gives a connection", "threads"),
        ("Odd", "a class", "can't be used"),
    ]
    dialog.choose("engine")
    dialog.to_run.setChecked(True)
    dialog.use_button.click()
    until(qtbot, lambda: window.controller.pool.id == f"{path}:engine?url=run")


def test_methods_that_are_not_recognised_are_named_in_the_dialog(
    window: Window, qtbot: QtBot, conninfo: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.py"
    path.write_text(ODD)
    dialog = asked(qtbot, window, path)
    assert "it lacks getconn and putconn" in dialog.answer.text()
    dialog.acquire.setText("gimme")
    dialog.release.setText("no such")
    dialog.use_button.click()
    assert "it takes the name of a method" in dialog.answer.text()
    dialog.release.setText("tack")
    dialog.use_button.click()
    until(qtbot, lambda: "perhaps tak is meant" in dialog.answer.text())
    dialog.release.setText("tak")
    dialog.use_button.click()
    until(qtbot, lambda: window.controller.pool.id == f"{path}:Odd?acquire=gimme&release=tak")
    run_on(qtbot, window, conninfo)
    until_counting(qtbot, window)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1\n_y = dict()\n", "has no class, function or object"),
        ("def (:\n", "can't be read as a Python file"),
    ],
)
def test_a_file_that_has_nothing_to_choose_is_reported_in_a_sentence_and_changes_nothing(
    window: Window, qtbot: QtBot, tmp_path: Path, source: str, said: str
) -> None:
    before = window.controller.pool.id
    path = tmp_path / "no_pool.py"
    path.write_text(source)
    choose_file(qtbot, window, path)
    until(qtbot, lambda: said in window.banner.sentences.get("pool", ""))
    assert window.controller.pool.id == before
    assert [a.data() for a in actions(window) if a.isChecked()] == [before]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("class Empty:\n    pass\n", "it lacks getconn and putconn"),
        ("class P: ...\nraise RuntimeError('no luck')\n", "no luck"),
        ("class P: ...\nimport sys\nsys.exit(3)\n", "SystemExit: 3"),
        ("class P: ...\nimport time\ntime.sleep(600)\n", "no_pool.py, line 3"),
        (CLASH, "has a parameter clients, which is also a setting of the load"),
    ],
)
def test_what_can_t_be_used_is_listed_with_the_reason_and_changes_nothing(
    window: Window, qtbot: QtBot, tmp_path: Path, source: str, said: str
) -> None:
    before = window.controller.pool.id
    path = tmp_path / "no_pool.py"
    path.write_text(source)
    dialog = asked(qtbot, window, path)
    assert said in dialog.answer.text()
    dialog.use_button.click()
    until(qtbot, dialog.use_button.isEnabled)
    assert said in dialog.answer.text()
    dialog.reject()
    assert window.controller.pool.id == before
    assert [a.data() for a in actions(window) if a.isChecked()] == [before]
