"""What the load does and what goes wrong, set in the window, on real servers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import make_dsn
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QScrollArea
from pytestqt.qtbot import QtBot

from poolviz.model.parameters import Value
from poolviz.model.sample import MarkKind
from poolviz.servers.dispatch import prepare_tables
from poolviz.ui.dialogs.create_tables import CreateTablesDialog
from poolviz.ui.panel.row import ChoiceRow, NumberRow
from poolviz.ui.panel.text_row import TextRow
from poolviz.ui.session.controller import State
from poolviz.ui.window import Window
from tests.ui.running import (
    allow_tables,
    operations,
    plan,
    run_on,
    servers_home,
    until,
    until_counting,
    window,
)

__all__ = ["servers_home", "window"]


def ask(conninfo: str, statement: str) -> list[tuple[object, ...]]:
    """What the server answers."""
    with closing(psycopg2.connect(conninfo, application_name="asks")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def new_database(conninfo: str) -> Iterator[str]:
    """A database of its own, without any schema of poolviz'."""
    name = f"load_{uuid.uuid4().hex[:8]}"
    ask(conninfo, f"CREATE DATABASE {name}")
    try:
        yield make_dsn(conninfo, dbname=name)
    finally:
        ask(conninfo, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(conninfo: str, window: Window, qtbot: QtBot) -> Iterator[str]:
    with new_database(conninfo) as own:
        yield own
        window.controller.stop()
        until(qtbot, lambda: not window.controller.busy)


def tables_in(conninfo: str) -> list[object]:
    found = ask(conninfo, "SELECT tablename FROM pg_tables WHERE schemaname = 'poolviz'")
    return [row[0] for row in found]


def in_force(window: Window, key: str) -> Value | None:
    recorder = window.controller.recorder
    last = recorder.last if recorder is not None else None
    return {**last.limits, **last.load}[key] if last is not None else None


def choose(window: Window, key: str, word: str) -> None:
    """Choose a word with the keys, as in an open list."""
    row = window.panel.rows[key]
    assert isinstance(row, ChoiceRow)
    row.combo.setFocus()
    row.combo.setCurrentText(word)
    row.combo.activated.emit(row.combo.currentIndex())


def marked(window: Window, kind: MarkKind = MarkKind.FAULT) -> list[str | None]:
    recorder = window.controller.recorder
    return [m.key for m in recorder.marks if m.kind is kind] if recorder is not None else []


def errors(window: Window) -> int:
    recorder = window.controller.recorder
    return sum(recorder.summary().errors.values()) if recorder is not None else 0


def closed(window: Window) -> int:
    recorder = window.controller.recorder
    return recorder.summary().connections.closed if recorder is not None else 0


def press(window: Window, fault: str) -> None:
    QTest.mouseClick(window.panel.faults.buttons[fault], Qt.MouseButton.LeftButton)


def test_the_usual_rows_fit_the_window_as_it_opens(window: Window, qtbot: QtBot) -> None:
    window.resize(1280, 800)
    QApplication.processEvents()
    (scroll,) = window.panel.findChildren(QScrollArea)
    assert scroll.verticalScrollBar().maximum() == 0
    for key in ("pool_size", "clients", "arrivals", "statement_time", "hold_time", "think_time"):
        assert window.panel.rows[key].isVisible()
    assert not window.panel.rows["transaction"].isVisible()


def test_sql_is_chosen_first_and_written_then(window: Window, qtbot: QtBot, conninfo: str) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    choose(window, "statement", "sql")
    assert "sql holds none" in window.banner.sentences["setting"]
    row = window.panel.rows["sql"]
    assert isinstance(row, TextRow)
    assert row.isVisible()
    assert not window.panel.rows["statement_time"].isVisible()
    window.controller.change_settings({"clients": 3})  # what can be done is done meanwhile
    until(qtbot, lambda: in_force(window, "clients") == 3)
    assert in_force(window, "statement") == "sleep"
    row.line.setFocus()
    QTest.keyClicks(row.line, "SELECT pg_sleep(0.001); SELECT :client")
    QTest.keyClick(row.line, Qt.Key.Key_Return)
    until(qtbot, lambda: in_force(window, "statement") == "sql")
    assert "setting" not in window.banner.sentences
    before = operations(window)
    until(qtbot, lambda: operations(window) > before)
    assert errors(window) == 0
    window.controller.undo()
    window.controller.undo()
    window.controller.undo()
    until(qtbot, lambda: in_force(window, "statement") == "sleep")


def test_a_load_that_cant_be_carried_out_is_not_started(
    window: Window, qtbot: QtBot, conninfo: str, tmp_path: Path
) -> None:
    plan(window)
    times = tmp_path / "times.csv"
    times.write_text("1ms\n2ms\nsoon\n", encoding="utf-8")
    window.controller.change_settings({"hold_distribution": "file", "hold_file": str(times)})
    until(qtbot, lambda: "line 3" in window.banner.sentences.get("setting", ""))
    window.controller.connect_to(conninfo, start=True)
    until(qtbot, lambda: "line 3" in window.banner.sentences.get("run", ""))
    assert window.controller.state is State.READY
    assert window.controller.recorder is None
    times.write_text("1ms\n2ms\n", encoding="utf-8")
    window.controller.start()
    until_counting(qtbot, window)
    assert in_force(window, "hold_file") == str(times)
    until(qtbot, lambda: not {"setting", "run"} & set(window.banner.sentences))


def test_tables_are_announced_made_before_the_load_and_stay(
    window: Window, qtbot: QtBot, database: str
) -> None:
    plan(window)
    window.controller.connect_to(database)
    until(qtbot, lambda: window.controller.target is not None)
    assert "Nothing is created there." in window.banner.sentences["load"]
    window.controller.change_settings({"statement": "read_write"})
    assert "only if you allow it" in window.banner.sentences["tables"]
    assert tables_in(database) == []
    allow_tables(window)
    said: list[str] = []
    window.controller.notices.said.connect(lambda notice: said.append(notice.sentence))
    window.controller.start()
    until_counting(qtbot, window)
    assert len(tables_in(database)) > 3
    assert "Preparing tables: 50 % of the accounts are inserted…" in said
    assert "stays there until you drop it" in window.banner.sentences["tables"]
    assert errors(window) == 0


def test_a_change_waits_for_the_tables_it_needs_while_the_run_goes_on(
    window: Window, qtbot: QtBot, database: str
) -> None:
    plan(window)
    run_on(qtbot, window, database)
    allow_tables(window)
    choose(window, "statement", "read")
    window.controller.change_settings({"hold_time": 0.02})
    until(qtbot, lambda: in_force(window, "hold_time") == 0.02)
    until(qtbot, lambda: in_force(window, "statement") == "read")
    assert len(tables_in(database)) > 3
    before = operations(window)
    until(qtbot, lambda: operations(window) > before + 10)
    assert errors(window) == 0


def test_tables_that_cant_be_had_leave_the_statement_as_it_was(
    window: Window, qtbot: QtBot, database: str
) -> None:
    ask(database, "CREATE SCHEMA poolviz")
    ask(database, "CREATE TABLE poolviz.mine ()")
    plan(window)
    run_on(qtbot, window, database)
    window.controller.change_settings({"statement": "read"})
    until(qtbot, lambda: "didn't create" in window.banner.sentences.get("value", ""))
    assert window.controller.values["statement"] == "sleep"
    assert in_force(window, "statement") == "sleep"
    assert "tables" not in window.banner.sentences
    window.controller.stop()
    until(qtbot, lambda: not window.controller.busy)
    window.controller.change_settings({"statement": "read"})
    window.controller.start()
    until(qtbot, lambda: "didn't create" in window.banner.sentences.get("run", ""))
    assert tables_in(database) == ["mine"]


def dialog_of(qtbot: QtBot, window: Window) -> CreateTablesDialog:
    """The question about tables, once it is shown."""
    until(qtbot, lambda: bool(window.findChildren(CreateTablesDialog)))
    (dialog,) = window.findChildren(CreateTablesDialog)
    assert dialog.isVisible()
    return dialog


def press_and_wait(qtbot: QtBot, window: Window, *, yes: bool) -> None:
    """Answer the question about tables, and wait until it is gone."""
    dialog = dialog_of(qtbot, window)
    (dialog.yes if yes else dialog.no).click()
    until(qtbot, lambda: not window.findChildren(CreateTablesDialog))


def test_tables_are_created_on_a_users_server_only_once_that_was_allowed(
    window: Window, qtbot: QtBot, database: str
) -> None:
    controller = window.controller
    plan(window)
    controller.change_settings({"statement": "read"})
    controller.connect_to(database, start=True)
    dialog = dialog_of(qtbot, window)
    assert controller.target is not None
    assert controller.target.shown in dialog.words.text()
    press_and_wait(qtbot, window, yes=False)
    assert controller.state is State.READY
    assert controller.recorder is None
    assert tables_in(database) == []
    controller.start()
    press_and_wait(qtbot, window, yes=True)
    until_counting(qtbot, window)
    assert len(tables_in(database)) > 3
    controller.stop()
    until(qtbot, lambda: controller.state is State.READY)
    ask(database, "DROP SCHEMA poolviz CASCADE")
    controller.start()  # on the same server, of the same scale: it isn't asked again
    until_counting(qtbot, window)
    controller.stop()
    until(qtbot, lambda: controller.state is State.READY)
    controller.change_settings({"scale": 2})
    controller.start()
    press_and_wait(qtbot, window, yes=False)
    assert controller.state is State.READY


def test_a_change_that_needs_tables_asks_and_is_taken_back_where_that_is_refused(
    window: Window, qtbot: QtBot, database: str
) -> None:
    plan(window)
    run_on(qtbot, window, database)
    window.controller.change_settings({"statement": "read", "hold_time": 0.03})
    dialog_of(qtbot, window)
    until(qtbot, lambda: in_force(window, "hold_time") == 0.03)
    press_and_wait(qtbot, window, yes=False)
    assert window.controller.values["statement"] == "sleep"
    assert tables_in(database) == []
    window.controller.change_settings({"statement": "read"})
    press_and_wait(qtbot, window, yes=True)
    until(qtbot, lambda: in_force(window, "statement") == "read")
    assert errors(window) == 0


def test_a_question_that_outlasts_its_run_changes_nothing(
    window: Window, qtbot: QtBot, database: str
) -> None:
    plan(window)
    run_on(qtbot, window, database)
    window.controller.change_settings({"statement": "read"})
    dialog_of(qtbot, window)
    window.controller.stop()
    until(qtbot, lambda: window.controller.state is State.READY)
    press_and_wait(qtbot, window, yes=True)
    assert window.controller.state is State.READY
    assert tables_in(database) == []


def test_tables_that_are_there_raise_no_question(
    window: Window, qtbot: QtBot, database: str
) -> None:
    prepare_tables(database, 1)
    plan(window)
    window.controller.change_settings({"statement": "read"})
    run_on(qtbot, window, database)
    assert not window.findChildren(CreateTablesDialog)


def test_a_stop_while_tables_are_made_leaves_none(
    window: Window, qtbot: QtBot, database: str
) -> None:
    plan(window)
    allow_tables(window)
    window.controller.change_settings({"statement": "read", "scale": 200})
    window.controller.connect_to(database, start=True)
    until(qtbot, lambda: "preparation" in window.banner.sentences)
    window.controller.stop()
    until(qtbot, lambda: window.controller.state is State.READY)
    assert window.controller.recorder is None
    assert not {"preparation", "run"} & set(window.banner.sentences)
    assert tables_in(database) == []


def test_faults_happen_at_a_press_and_leave_marks(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    panel = window.panel
    panel.folds["Faults"].header.setChecked(True)
    QApplication.processEvents()
    assert not panel.faults.buttons["kill_backend"].isEnabled()
    assert "start one" in panel.faults.buttons["kill_backend"].toolTip()
    run_on(qtbot, window, conninfo)
    until(qtbot, panel.faults.buttons["kill_backend"].isEnabled)
    assert "Only the embedded PostgreSQL" in panel.faults.buttons["restart_server"].toolTip()
    assert "touches no table" in panel.faults.buttons["lock_table"].toolTip()
    press(window, "kill_backend")
    until(qtbot, lambda: marked(window) == ["kill_backend"])
    # Which client notices is chance: the pool may find the loss at a return, without an error.
    until(qtbot, lambda: closed(window) > 0)
    press(window, "refuse_connections")
    until(qtbot, lambda: marked(window) == ["kill_backend", "refuse_connections"])


def test_a_standing_fault_is_shown_is_not_undone_and_ends_with_the_run(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    window.panel.folds["Faults"].header.setChecked(True)
    row = window.panel.faults.rows["slow_statements"]
    assert isinstance(row, NumberRow)
    until(qtbot, row.isEnabled)
    row.box.setFocus()
    row.box.selectAll()
    QTest.keyClicks(row.box, "5ms")
    QTest.keyClick(row.box, Qt.Key.Key_Return)
    until(qtbot, lambda: marked(window) == ["slow_statements"])
    recorder = window.controller.recorder
    assert recorder is not None
    until(
        qtbot,
        lambda: recorder.last is not None and recorder.last.faults == {"slow_statements": 0.005},
    )
    window.controller.undo()
    assert window.controller.active_faults.standing == {"slow_statements": 0.005}
    until(qtbot, window.panel.end_faults.isVisible)
    window.controller.stop()
    until(qtbot, lambda: window.controller.state is State.READY)
    until(qtbot, lambda: row.value == 0)
    assert not row.isEnabled()
    window.controller.start()
    until(qtbot, lambda: window.controller.recorder is not recorder)
    until_counting(qtbot, window)
    assert window.controller.active_faults.standing == {}
    assert window.controller.recorder is not None
    assert window.controller.recorder.last is not None
    assert window.controller.recorder.last.faults == {}


def test_the_embedded_server_restarts_under_the_run(window: Window, qtbot: QtBot) -> None:
    plan(window)
    run_on(qtbot, window, None)
    window.panel.folds["Faults"].header.setChecked(True)
    QApplication.processEvents()
    until(qtbot, window.panel.faults.buttons["restart_server"].isEnabled)
    said: list[str] = []
    window.controller.notices.said.connect(lambda notice: said.append(notice.sentence))
    press(window, "restart_server")
    until(qtbot, lambda: marked(window)[:1] == ["restart_server"])
    until(qtbot, lambda: errors(window) > 0)
    before = operations(window)
    until(qtbot, lambda: operations(window) > before + 50)
    assert window.controller.state is State.RUNNING
    assert not [sentence for sentence in said if "has ended" in sentence]


def test_the_embedded_server_is_silent_for_a_while_at_a_press(window: Window, qtbot: QtBot) -> None:
    plan(window)
    run_on(qtbot, window, None)
    window.panel.folds["Faults"].header.setChecked(True)
    QApplication.processEvents()
    until(qtbot, window.panel.faults.buttons["network_silent"].isEnabled)
    press(window, "network_silent")
    until(qtbot, lambda: marked(window)[:1] == ["network_silent"])
    until(qtbot, lambda: marked(window) == ["network_silent", "network_silent"])
    before = operations(window)
    until(qtbot, lambda: operations(window) > before + 20)
    assert errors(window) == 0
    assert window.controller.state is State.RUNNING


def test_sqlite_says_what_it_hasnt_got(window: Window, qtbot: QtBot, tmp_path: Path) -> None:
    plan(window)
    run_on(qtbot, window, f"sqlite:///{tmp_path}/file.db")
    agrees = "pool agrees, SQLite has no server"
    until(qtbot, lambda: window.status.agreement.text() == agrees)
    window.controller.change_settings({"statement": "read"})
    assert "not on SQLite" in window.banner.sentences["setting"]
    window.panel.folds["Faults"].header.setChecked(True)
    reasons = window.panel.faults.buttons["kill_backend"]
    until(qtbot, lambda: "SQLite has no server" in reasons.toolTip())
    assert window.panel.faults.rows["leak_every"].isEnabled()


def test_a_load_generator_at_its_limit_says_so_until_the_run_is_over(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window, pool_size=50)
    window.controller.change_settings(
        {"clients": 60, "statement": "select_1", "hold_time": 0.0, "think_time": 0.0}
    )
    run_on(qtbot, window, conninfo)
    until(qtbot, lambda: "at its own limit" in window.controller.notices.standing("overload"))
    assert "these figures may be its own" in window.banner.sentences["overload"]
    until(qtbot, lambda: "at its limit" in window.status.cpu.text())
    window.controller.stop()
    until(qtbot, lambda: not window.controller.notices.standing("overload"))
    assert "overload" not in window.banner.sentences
