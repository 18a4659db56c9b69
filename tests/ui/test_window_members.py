"""A session of several pools in the window: their sum, and one of them by choice."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from poolviz.model.messages import SampleTaken
from poolviz.sessions.recorder import Recorder
from poolviz.ui.window import Window
from tests.sessions.builders import began, ended, samples, ticks
from tests.ui.running import servers_home, until, window

__all__ = ["servers_home", "window"]


@pytest.fixture
def session(tmp_path: Path) -> Path:
    path = tmp_path / "two.poolviz"
    with Recorder(path) as recorder:
        runs = {"worker 1": samples(ticks(400, 1)), "worker 2": samples(ticks(400, 2))}
        for name in runs:
            recorder.add(began(), name)
        for both in zip(*runs.values(), strict=True):
            for name, sample in zip(runs, both, strict=True):
                recorder.add(SampleTaken(sample), name)
        for name in runs:
            recorder.add(ended(), name)
        recorder.add(ended())
    return path


def choice(window: Window) -> QComboBox:
    found = window.members.findChild(QComboBox, "member")
    assert isinstance(found, QComboBox)
    return found


def choose(window: Window, name: str) -> None:
    """Choose by the keyboard, as a person would."""
    shown = choice(window)
    shown.setFocus()
    QTest.keyClick(shown, Qt.Key.Key_Home)
    while shown.currentText() != name:
        QTest.keyClick(shown, Qt.Key.Key_Down)


def test_one_of_several_pools_is_shown_by_choice(
    window: Window, session: Path, qtbot: QtBot, tmp_path: Path
) -> None:
    assert not window.members.isVisible()
    window.controller.view_session(session)
    until(qtbot, lambda: window.controller.viewing == session)
    assert window.members.isVisible()
    shown = choice(window)
    texts = [shown.itemText(place) for place in range(shown.count())]
    assert texts == ["All pools together", "worker 1", "worker 2"]
    whole = window.controller.recorder
    assert whole is not None
    assert window.controller.shown.recorder is whole
    window.charts.set_span(5.0)
    span = window.charts.span

    choose(window, "worker 2")
    until(qtbot, lambda: window.controller.shown.member == "worker 2")
    record = window.controller.shown.recorder
    assert record is not None
    assert record.summary().operations < whole.summary().operations
    assert window.charts.span == span

    choose(window, "All pools together")
    until(qtbot, lambda: window.controller.shown.recorder is whole)


def test_the_choice_is_gone_with_the_session(
    window: Window, session: Path, qtbot: QtBot, tmp_path: Path
) -> None:
    window.controller.view_session(session)
    until(qtbot, window.members.isVisible)
    alone = tmp_path / "one.poolviz"
    with Recorder(alone) as recorder:
        for report in (began(), *map(SampleTaken, samples(ticks(40))), ended()):
            recorder.add(report)
    choose(window, "worker 1")
    window.controller.view_session(alone)
    until(qtbot, lambda: window.controller.viewing == alone)
    assert not window.members.isVisible()
    assert window.controller.shown.recorder is window.controller.recorder


def test_a_member_that_cant_be_read_is_said_and_not_shown(
    window: Window, session: Path, qtbot: QtBot
) -> None:
    window.controller.evaluation.update = lambda: None  # which would read every member
    window.controller.view_session(session)
    until(qtbot, window.members.isVisible)
    session.unlink()
    choose(window, "worker 1")
    until(qtbot, lambda: "There is no file" in window.banner.sentences.get("member", ""))
    assert window.controller.shown.recorder is window.controller.recorder
    assert choice(window).currentText() == "All pools together"
