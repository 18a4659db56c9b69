"""The status bar in a window that is too narrow for all of it."""

from __future__ import annotations

from pytestqt.qtbot import QtBot

from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.statusbar import StatusBar
from tests.ui.charts.drawn import BUSY, charts, fed, recorder

__all__ = ["charts", "recorder"]


def test_what_matters_least_is_left_out_where_the_window_is_narrow(
    qtbot: QtBot, charts: ChartsWidget, recorder: Recorder
) -> None:
    bar = StatusBar(charts)
    qtbot.addWidget(bar)
    bar.setMinimumWidth(1)  # as the window has its own
    fed(recorder, *[BUSY] * 40)
    bar.resize(1400, 27)
    bar.show()
    bar.refresh(recorder, live=True, viewing=None)
    parts = (bar.pill, bar.span, bar.rate, bar.agreement, bar.cpu)
    assert all(part.isVisible() for part in parts)
    needed = 24 + sum(part.sizeHint().width() + 14 for part in (*parts, bar.elapsed, bar.language))
    bar.resize(needed - 1, 27)
    bar.refresh(recorder, live=True, viewing=None)
    assert [part.isVisible() for part in parts] == [True, True, False, True, True]
    bar.resize(needed - bar.rate.sizeHint().width() - 20, 27)
    bar.refresh(recorder, live=True, viewing=None)
    assert [part.isVisible() for part in parts] == [True, False, False, True, True]
