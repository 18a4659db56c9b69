"""Connect arguments in the window: a folded section, in force from the next run on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QComboBox
from pytestqt.qtbot import QtBot

from poolviz.model.scenario import Scenario
from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.draft import Draft
from poolviz.sessions.recorder import Recorder
from poolviz.ui.dialogs.server_dialog import ServerDialog
from poolviz.ui.session.controller import State
from poolviz.ui.window import Window
from tests.ui.running import (
    GENTLE,
    operations,
    plan,
    run_on,
    servers_home,
    until,
    until_counting,
    window,
)

__all__ = ["servers_home", "window"]

ASYNCPG, PSYCOPG = "asyncpg.Pool", "psycopg_pool.ConnectionPool"


def ran(window: Window) -> Scenario:
    """What the session that is shown began with."""
    recorder = window.controller.recorder
    assert recorder is not None and recorder.began is not None
    return recorder.began.scenario


def said(window: Window, topic: str) -> str:
    return window.controller.notices.standing(topic)


def test_the_arguments_of_each_pool_are_folded_away(qtbot: QtBot, window: Window) -> None:
    for pool in (ASYNCPG, PSYCOPG, "sqlalchemy.QueuePool"):
        window.controller.choose_pool(pool)
        fold = window.panel.folds["Connect"]
        assert not fold.header.isChecked()
        for key in window.controller.arguments:
            row = window.panel.rows[key]
            assert row.value == window.controller.arguments[key].default
            assert window.controller.arguments[key].help.split("'")[0] in row.toolTip()
            assert "from the next run on" in row.toolTip()


def test_a_row_that_needs_another_argument_appears_with_it(window: Window) -> None:
    window.panel.folds["Connect"].header.click()
    row = window.panel.rows["prepare_threshold"]
    assert not row.isVisible()
    driver = window.panel.rows["driver"].findChild(QComboBox)
    assert driver is not None
    driver.setCurrentIndex(1)
    driver.activated.emit(1)
    assert row.isVisible()
    assert window.controller.scenario.connect == {"driver": "psycopg"}
    window.controller.undo()
    assert window.controller.scenario.connect == {}
    assert not row.isVisible()
    window.controller.redo()
    assert window.controller.scenario.connect == {"driver": "psycopg"}
    window.panel.links[0].click()  # resets the pool's section
    assert window.controller.scenario.connect == {}


def test_a_change_during_a_run_is_said_to_need_a_new_one(
    qtbot: QtBot, window: Window, conninfo: str
) -> None:
    plan(window, ASYNCPG)
    run_on(qtbot, window, conninfo)
    assert ran(window).connect == {}
    window.controller.change_settings({"statement_cache_size": 0})
    until(qtbot, lambda: bool(said(window, "connect")))
    assert said(window, "connect") == (
        "statement_cache_size applies when a run begins: start a new one with it."
    )
    before = window.controller.recorder
    window.controller._start_again()
    until(qtbot, lambda: window.controller.recorder not in (None, before))
    until_counting(qtbot, window)
    assert ran(window).connect == {"statement_cache_size": 0}
    assert not said(window, "connect")
    window.controller.stop()
    until(qtbot, lambda: window.controller.state is State.READY)
    path = window.controller.recorder.path if window.controller.recorder else None
    assert path is not None
    shown_again(qtbot, window, path)


def shown_again(qtbot: QtBot, window: Window, path: Path) -> None:
    """A session that is opened shows its arguments, and Start runs with them again."""
    window.controller.change_settings({"statement_cache_size": 50})
    window.controller.view_session(path)
    until(qtbot, lambda: window.controller.viewing == path)
    assert window.panel.rows["statement_cache_size"].value == 0
    assert window.controller.scenario.connect == {"statement_cache_size": 0}
    window.controller.start()
    until(qtbot, lambda: window.controller.viewing is None)
    until_counting(qtbot, window)
    assert ran(window).connect == {"statement_cache_size": 0}


def test_a_scenario_brings_its_arguments(qtbot: QtBot, window: Window, conninfo: str) -> None:
    draft = Draft(pool=PSYCOPG, load=dict(GENTLE), connect={"prepare_threshold": "never"})
    window.controller.plan(complete_draft(draft))
    assert window.panel.rows["prepare_threshold"].value == -1
    assert window.panel.folds["Connect"].header.text().endswith("(1 changed)")
    run_on(qtbot, window, conninfo)
    assert ran(window).connect == {"prepare_threshold": -1}
    assert operations(window)


def test_another_kind_of_server_has_other_arguments(window: Window) -> None:
    assert "keepalives" in window.panel.rows
    window.controller.change_settings({"keepalives_idle": 30.0})
    window.controller.choose_server("mysql://u@h/d")
    assert "read_timeout" in window.panel.rows
    assert "keepalives" not in window.panel.rows
    assert window.controller.scenario.connect == {}
    window.controller.choose_server(None)
    assert window.controller.scenario.connect == {"keepalives_idle": 30.0}


def test_what_a_url_says_to_the_driver_is_shown_in_the_panel(window: Window) -> None:
    window.controller.choose_server("postgresql+psycopg://u@h/d?prepare_threshold=0")
    assert window.controller.scenario.connect == {"driver": "psycopg", "prepare_threshold": 0}
    assert window.panel.rows["driver"].value == "psycopg"


@pytest.fixture
def dialog(window: Window, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ServerDialog]:
    def opened(url: str) -> ServerDialog:
        monkeypatch.setenv("DATABASE_URL", url)
        window.ask_for_server()
        found = window.findChild(ServerDialog)
        assert found is not None
        return found

    return opened


def test_the_dialog_offers_database_url(dialog: Callable[[str], ServerDialog]) -> None:
    asked = dialog("postgresql://app:s3cret@db.example:6432/shop")
    before = asked.dsn.text()
    assert "db.example" not in before
    asked.offered.click()
    assert "db.example" in asked.dsn.text()
    assert "s3cret" not in asked.dsn.text()
    assert asked.password.text() == "s3cret"
    assert "s3cret" not in asked.password.displayText()
    asked.reject()


def test_what_a_database_url_says_to_libraries_is_left_out_with_a_sentence(
    dialog: Callable[[str], ServerDialog],
) -> None:
    asked = dialog("postgres://app:s3cret@db.example/shop?pgbouncer=true&schema=a&sslmode=require")
    asked.offered.click()
    assert "db.example" in asked.dsn.text()
    assert "sslmode=require" in asked.dsn.text()
    assert "pgbouncer" not in asked.dsn.text() + asked.password.text()
    assert asked.password.text() == "s3cret"
    pgbouncer, schema = asked.answer.text().splitlines()
    assert "prepare_threshold=never" in pgbouncer
    assert "search_path" in schema
    asked.dsn.setText("host=elsewhere")
    assert "pgbouncer" not in asked.answer.text(), "it is about another server"
    asked.reject()


def test_a_database_url_that_cannot_be_read_is_not_shown(
    dialog: Callable[[str], ServerDialog],
) -> None:
    asked = dialog("postgresql://app:s3cret@wörd@h/db")
    asked.offered.click()
    assert "s3cret" not in asked.dsn.text() + asked.answer.text()
    assert "DATABASE_URL can't be read" in asked.answer.text()
    asked.reject()


def test_without_database_url_nothing_is_offered(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    window.ask_for_server()
    asked = window.findChild(ServerDialog)
    assert asked is not None
    assert not asked.offered.isVisible()
    asked.reject()
    QApplication.processEvents()


def test_an_old_session_has_no_arguments() -> None:
    data = Path(__file__).parent.parent / "sessions" / "data"
    for path in sorted(data.glob("format-*.poolviz")):
        recorder = Recorder.open(path)
        assert recorder.began is not None
        assert recorder.began.scenario.connect == {}
        assert recorder.summary().connect == {}
        recorder.close()
