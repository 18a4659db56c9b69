"""What a shared connection has undone is said in the window, when the run is over."""

from __future__ import annotations

from pathlib import Path

from pytestqt.qtbot import QtBot

from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.presets import open_scenario
from poolviz.ui.session.controller import State
from poolviz.ui.window import Window
from tests.ui.running import operations, servers_home, until, until_counting, window

__all__ = ["servers_home", "window"]


def test_rows_that_are_missing_are_reported_at_the_end(window: Window, qtbot: QtBot) -> None:
    window.controller.plan(complete_draft(open_scenario(Path("staticpool_corruption"))))
    window.controller.connect_to(None, start=True)
    until_counting(qtbot, window)
    window.controller.change_settings({"clients": 20})
    until(qtbot, lambda: operations(window) > 2000)
    assert "rows" not in window.banner.sentences
    window.controller.stop()
    until(qtbot, lambda: window.controller.state is State.READY)
    assert "were undone by others." in window.banner.sentences["rows"]
