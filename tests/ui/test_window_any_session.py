"""The window shows sessions from anywhere: it runs nothing and reads nothing that they name, and
what no run has recorded is a sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from poolviz.model.messages import MarkAdded, SampleTaken
from poolviz.model.sample import Mark, MarkKind, Sample
from poolviz.sessions.recorder import Recorder
from poolviz.ui.toolbar.pool_menu import PoolMenu
from poolviz.ui.window import Window
from tests.sessions.builders import LIMITS, LOAD, began, ended, far_apart, samples, ticks
from tests.ui.running import GENTLE, servers_home, until, until_counting, window

__all__ = ["servers_home", "window"]

MARKUP = "<img src='file:///x.png'><a href='http://x'>" + "x" * 100_000


def session(path: Path, run: Iterable[Sample] | None = None, **scenario: Any) -> Path:
    """A session of a scenario, with the same limits and load in every sample."""
    what = msgspec.structs.replace(began().scenario, **scenario)
    with Recorder(path) as recorder:
        recorder.add(began(scenario=what, environment={"server version": MARKUP}))
        for sample in run or samples(ticks(100)):
            recorder.add(
                SampleTaken(msgspec.structs.replace(sample, limits=what.limits, load=what.load))
            )
        for kind in MarkKind:
            recorder.add(MarkAdded(Mark(t=1.0, kind=kind, text=MARKUP, key=MARKUP, new=MARKUP)))
        recorder.add(ended())
    return path


def show(qtbot: QtBot, window: Window, path: Path) -> None:
    """Open a session, and wait until the window has painted it."""
    window.controller.view_session(path)
    until(qtbot, lambda: window.controller.viewing == path)
    until(qtbot, lambda: window.status.pill.text() == "● recorded")
    window.repaint()


HOSTILE: list[Any] = [
    float("nan"),
    float("inf"),
    -1.0,
    -(2**63),
    2**64 - 1,
    1e300,
    "",
    MARKUP,
    "\0",
    True,
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:12])
def test_values_that_nothing_takes_are_named_and_not_shown(
    window: Window, qtbot: QtBot, tmp_path: Path, value: Any
) -> None:
    path = session(
        tmp_path / "a.poolviz",
        title=MARKUP,
        limits={**LIMITS, "pool_size": value, MARKUP: value},
        load={**LOAD, "clients": value, "arrivals": value, MARKUP: value},
    )
    show(qtbot, window, path)
    sentence = window.banner.sentences["session"]
    assert "records values that can't be shown beside the charts" in sentence
    assert "<img" in sentence
    assert len(sentence) < 500
    rows = window.panel.rows
    assert rows["pool_timeout"].value == LIMITS["pool_timeout"]
    assert rows["clients"].value == rows["clients"].parameter.check(rows["clients"].value)


def test_a_file_that_a_session_names_is_not_read(
    window: Window, qtbot: QtBot, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("no number\n")  # which whoever reads it says
    load = {**LOAD, "hold_distribution": "file", "hold_file": str(secret)}
    load |= {"arrivals": "open", "spacing": "replay", "replay_file": str(secret)}
    show(qtbot, window, session(tmp_path / "a.poolviz", load=load))
    controller = window.controller
    assert controller.values["hold_file"] == controller.values["replay_file"] == str(secret)
    controller.choose_server("postgresql://nobody@127.0.0.1/x")
    controller._show_server()
    answers: list[int] = []
    controller.file_worker.do(lambda: 1, answers.append)
    until(qtbot, lambda: answers == [1])
    assert controller.requests.validator.mistake == ""


def test_times_and_counts_that_no_run_has_are_drawn(
    window: Window, qtbot: QtBot, tmp_path: Path
) -> None:
    path = session(tmp_path / "a.poolviz", far_apart(samples(ticks(10))))
    show(qtbot, window, path)
    for key in (Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_Plus, Qt.Key.Key_Minus):
        QTest.keyClick(window.charts, key)
        window.controller.poll()
        window.repaint()
    assert window.controller.viewing == path


def test_no_text_of_a_session_is_taken_for_markup(
    window: Window, qtbot: QtBot, tmp_path: Path
) -> None:
    load = {**LOAD, "statement": "sql", "sql": MARKUP, MARKUP: MARKUP}
    show(qtbot, window, session(tmp_path / "a.poolviz", title=MARKUP, load=load))
    for widget in window.findChildren(QWidget):
        assert "<img" not in widget.toolTip()
        if isinstance(widget, QLabel) and "<img" in widget.text():
            assert widget.textFormat().name == "PlainText"
        if isinstance(widget, QPushButton):
            assert "<img" not in widget.text()


MARKING = """
from pathlib import Path
from psycopg2.pool import ThreadedConnectionPool
Path({marker!r}).write_text("executed")
class Own(ThreadedConnectionPool):
    pass
"""


def test_a_pool_of_the_users_own_is_executed_only_when_a_run_with_it_starts(
    window: Window, qtbot: QtBot, conninfo: str, tmp_path: Path
) -> None:
    code, marker = tmp_path / "own.py", tmp_path / "executed"
    code.write_text(MARKING.format(marker=str(marker)))
    limits: dict[str, Any] = {"minconn": 1, "maxconn": 3}
    path = session(tmp_path / "a.poolviz", pool=f"{code}:Own", limits=limits, load=GENTLE)
    show(qtbot, window, path)
    assert window.toolbar.pool_button.text() == "Own"
    assert {key: window.panel.rows[key].value for key in limits} == limits
    for menu in window.findChildren(PoolMenu):
        menu.fill()
    window.controller.connect_to(conninfo)
    until(qtbot, lambda: window.controller.target is not None)
    picture = tmp_path / "a.png"
    recorder = window.controller.recorder
    assert recorder is not None
    window.export._write(window.export.formats[".png"], recorder, picture)
    until(qtbot, picture.exists)
    window.repaint()
    assert not marker.exists()
    window.controller.start()
    until_counting(qtbot, window)
    assert marker.exists()
    assert "own" not in sys.modules


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:12])
def test_limits_of_an_unknown_pool_that_cant_be_shown_are_named(
    window: Window, qtbot: QtBot, tmp_path: Path, value: Any
) -> None:
    limits = {"size": 3, "odd": value, MARKUP: value, "": value, "\0": value}
    path = session(tmp_path / "a.poolviz", pool="nothing:\0" + MARKUP, limits=limits)
    show(qtbot, window, path)
    assert window.panel.rows["size"].value == 3
    assert "records values that can't be shown" in window.banner.sentences["session"]
    assert len(window.toolbar.pool_button.text()) < 100
