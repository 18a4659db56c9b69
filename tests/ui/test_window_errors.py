"""What the window says of errors while they come, at the end of a run, and of opened sessions."""

from __future__ import annotations

import re
from pathlib import Path

import psutil
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.draft import Draft
from poolviz.ui.session.controller import State
from poolviz.ui.window import Window
from tests.ui.running import (
    GENTLE,
    plan,
    run_on,
    servers_home,
    until,
    until_counting,
    window,
)

__all__ = ["servers_home", "window"]


def lines_of(window: Window) -> list[str]:
    """The lines of the panel of errors, as a user reads them."""
    labels = [label for label in window.errors.findChildren(QLabel) if label.isVisible()]
    by_height: dict[int, list[QLabel]] = {}
    for label in labels:
        by_height.setdefault(label.geometry().center().y(), []).append(label)
    rows = [sorted(row, key=QLabel.x) for _, row in sorted(by_height.items())]
    return [" ".join(label.text() for label in row) for row in rows]


def failing(window: Window, duration: float | None = None) -> None:
    """Have the window run statements that the server refuses."""
    load = {**GENTLE, "statement": "sql", "sql": "SELEC 1"}
    window.controller.plan(complete_draft(Draft(load=load, duration=duration)))


def test_a_run_without_errors_shows_none(window: Window, qtbot: QtBot, conninfo: str) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    assert not window.errors.isVisible()
    window.controller.stop()
    until(qtbot, lambda: window.controller.state is State.READY)
    assert "run" not in window.banner.sentences
    until(qtbot, lambda: window.tiles.failures.figure == "0")


def test_errors_are_shown_with_count_time_and_message_while_they_come(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    failing(window)
    window.controller.connect_to(conninfo, start=True)
    until(qtbot, window.errors.isVisible)
    until(qtbot, lambda: window.tiles.failures.figure.endswith(" errors"))
    (line,) = lines_of(window)
    assert re.search(r"SyntaxError \(42601\) (at )?0\.\d .*s: ", line)
    assert 'syntax error at or near "SELEC"' in line
    count = int(line.partition(" ×")[0].replace(",", ""))
    until(qtbot, lambda: int(lines_of(window)[0].partition(" ×")[0].replace(",", "")) > count)
    window.errors.actions()[0].trigger()
    assert 'syntax error at or near "SELEC"' in QGuiApplication.clipboard().text()
    window.controller.stop()
    until(qtbot, lambda: "run" in window.banner.sentences)
    assert window.banner.sentences["run"].startswith("No operation succeeded: SyntaxError")
    assert window.errors.isVisible()
    plan(window)
    window.controller.start()
    until_counting(qtbot, window)
    until(qtbot, lambda: not window.errors.isVisible())
    assert "run" not in window.banner.sentences


def test_an_opened_session_shows_its_errors_and_why_it_is_incomplete(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    failing(window, duration=60)
    window.controller.connect_to(conninfo, start=True)
    until(qtbot, window.errors.isVisible)
    window.controller.stop()
    until(qtbot, lambda: "run" in window.banner.sentences)
    expected = window.banner.sentences["run"]
    assert "The run was stopped before its 60 s were over. No operation succeeded" in expected
    assert window.controller.recorder is not None and window.controller.recorder.path is not None
    path: Path = window.controller.recorder.path
    until(qtbot, lambda: path.exists() and not path.with_name(f"{path.name}-wal").exists())
    window.controller.view_session(path)
    until(qtbot, lambda: window.controller.viewing == path)
    until(qtbot, window.errors.isVisible)
    assert "SyntaxError" in lines_of(window)[0]
    assert window.banner.sentences["run"] == expected


def test_an_engine_that_is_killed_is_told_until_it_is_dismissed(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    assert window.controller.in_force.engine_pid is not None
    psutil.Process(window.controller.in_force.engine_pid).kill()
    until(qtbot, lambda: "killed by SIGKILL" in window.banner.sentences.get("run", ""))
    line = window.banner.line("run")
    assert line is not None
    assert not line.shown_long_enough.isActive()
    assert window.controller.state is State.READY


def test_the_most_frequent_of_many_kinds_are_shown(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window)
    run_on(qtbot, window, conninfo)
    kinds = ["SELEC 1", "SELECT 1/0", "SELECT 'a'::int", "SELECT nothing", "SELECT * FROM nowhere"]
    for number, sql in enumerate(kinds, start=1):
        window.controller.change_settings({"statement": "sql", "sql": sql})
        until(qtbot, lambda n=number: len(window.errors.text.splitlines()) == n)
    assert len(lines_of(window)) == 4
    assert lines_of(window)[3] == "and 2 more kinds"
    assert len(window.errors.toolTip().splitlines()) == 5
