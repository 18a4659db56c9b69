"""What a screen reader is told of the charts, over QAccessible."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest

from poolviz.language import tr
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.charts_widget import ChartsWidget
from tests.ui.charts.drawn import BUSY, charts, fed, recorder

__all__ = ["charts", "recorder"]


def spoken_of(charts: ChartsWidget) -> dict[str, str]:
    """The descriptions of the charts by their names, found from the canvas down."""
    canvas = QAccessible.queryAccessibleInterface(charts.canvas.viewport())
    assert canvas is not None
    found = {}
    for number in range(canvas.childCount()):
        child = canvas.child(number)
        if child.text(QAccessible.Text.Name) and not child.state().invisible:  # type: ignore[attr-defined]
            texts = QAccessible.Text.Name, QAccessible.Text.Description
            name, description = (child.text(text) for text in texts)
            found[name] = description
    return found


def test_each_chart_says_its_title_and_its_latest_values(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    before = spoken_of(charts)
    assert len(before) == 3
    assert all("No data yet" in said for said in before.values())
    charts.set_recorder(fed(recorder, *[BUSY] * 100))
    said = spoken_of(charts)
    assert list(said) == ["Connections", "Wait to acquire", "Throughput"]
    assert "active 10" in said["Connections"] and "waiting 6" in said["Connections"]
    assert "wait p99 40.0 ms" in said["Wait to acquire"]
    assert "operations/s 600" in said["Throughput"]
    focused = QAccessible.queryAccessibleInterface(charts)
    assert focused is not None
    assert "active 10" in focused.text(QAccessible.Text.Description)


def test_the_crosshair_is_said_where_it_is_moved_to(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 100))
    QTest.keyClick(charts, Qt.Key.Key_Left)
    focused = QAccessible.queryAccessibleInterface(charts)
    assert focused is not None
    at_crosshair = focused.text(QAccessible.Text.Description)
    assert at_crosshair.startswith("0:0") and "active 10" in at_crosshair
    QTest.keyClick(charts, Qt.Key.Key_Escape)
    assert focused.text(QAccessible.Text.Description).startswith("Connections")


def test_only_charts_that_are_shown_are_said(charts: ChartsWidget, recorder: Recorder) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 100))
    charts.expand("wait")
    assert list(spoken_of(charts)) == [tr("Wait to acquire")]
    charts.choice.choose(["connections", "fairness"])
    assert list(spoken_of(charts)) == ["Connections", "Fairness"]
