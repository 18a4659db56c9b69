"""Which charts and curves are shown: chosen, kept, expanded and hidden by keys and clicks."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from poolviz.sessions.export.exporter import PICTURE, USUAL
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.by_name import CHARTS
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.charts.choice import ChartChoice
from poolviz.ui.style.theme import DARK, LIGHT
from poolviz.ui.window import Window
from tests.sessions.builders import Tick
from tests.ui.charts.drawn import BUSY, charts, fed, looks, painted, recorder
from tests.ui.running import servers_home, until, window

__all__ = ["charts", "recorder", "servers_home", "window"]


def titles(charts: ChartsWidget) -> list[str]:
    return [chart.title for chart in charts.canvas.chart_scene.charts]


def stored(path: Path) -> QSettings:
    return QSettings(str(path), QSettings.Format.IniFormat)


def middle_of(charts: ChartsWidget, index: int, name: str) -> QPoint:
    """Where a curve's name is painted."""
    chart = charts.canvas.chart_scene.charts[index]
    heights = dict(zip((n.curve for n in chart.names), chart.name_heights(), strict=True))
    return (chart.pos() + QPointF(chart.plot.right() + 15, heights[name])).toPoint()


def click(charts: ChartsWidget, at: QPoint, *, twice: bool = False) -> None:
    surface, button = charts.canvas.viewport(), Qt.MouseButton.LeftButton
    QTest.mouseClick(surface, button, pos=at)
    if twice:
        QTest.mouseDClick(surface, button, pos=at)


def test_every_chart_that_can_be_named_can_be_drawn() -> None:
    assert tuple(CHARTS) == PICTURE
    assert set(USUAL) <= set(PICTURE)


def test_the_choice_is_kept(tmp_path: Path) -> None:
    choice = ChartChoice(stored(tmp_path / "s.ini"))
    assert choice.names == USUAL
    choice.choose(["throughput", "wait"])
    assert choice.names == ("wait", "throughput"), "in their order from above"
    assert ChartChoice(stored(tmp_path / "s.ini")).names == ("wait", "throughput")
    choice.toggle("throughput")
    choice.toggle("wait")
    assert choice.names == ("wait",), "the last one stays"
    assert ChartChoice(stored(tmp_path / "s.ini")).names == ("wait",)


@pytest.mark.parametrize("kept", ["nonsense", "", 7, ["gone", "wait"], []])
def test_settings_may_hold_anything(tmp_path: Path, kept: object) -> None:
    settings = stored(tmp_path / "s.ini")
    settings.setValue("charts/shown", kept)
    expected = ("wait",) if isinstance(kept, list) and kept else USUAL
    assert ChartChoice(settings).names == expected


@pytest.mark.parametrize("size", [(570, 375), (996, 690), (1600, 1060)])
def test_charts_share_the_room_and_are_scrolled_where_it_is_too_small(
    charts: ChartsWidget, recorder: Recorder, size: tuple[int, int]
) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 100))
    charts.resize(*size)
    for names in (USUAL, ("wait",), PICTURE):
        charts.choice.choose(names)
        QApplication.processEvents()
        scene = charts.canvas.chart_scene
        assert [scene.by_name[name] for name in names] == list(scene.charts)
        assert all(chart.size.height() >= chart.least - 1 for chart in scene.charts)
        bottoms = [chart.pos().y() + chart.size.height() for chart in scene.charts]
        tops = [chart.pos().y() for chart in scene.charts]
        assert all(top > bottom for top, bottom in zip(tops[1:], bottoms, strict=False))
        assert bottoms[-1] == pytest.approx(charts.canvas.height())
        axes = [chart for chart in scene.charts if chart._with_time_axis]
        assert axes == [[chart for chart in scene.charts if chart.timed][-1]]


def test_a_hidden_chart_is_not_drawn(charts: ChartsWidget, recorder: Recorder) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 100))
    hidden = charts.canvas.chart_scene.by_name["wait"]
    drawn = []
    hidden.draw = lambda *_args, **_more: drawn.append(1)  # type: ignore[method-assign]
    charts.choice.choose(["connections"])
    fed(recorder, *[BUSY] * 40, since=100)
    charts.refresh()
    QApplication.processEvents()
    assert not drawn
    assert not hidden.isVisible()
    charts.choice.choose(["connections", "wait"])
    assert drawn


def test_a_chart_shown_again_has_the_theme_of_now(charts: ChartsWidget, recorder: Recorder) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 100))
    charts.choice.choose(["wait"])
    charts.set_theme(DARK)
    charts.choice.choose(["connections"])
    assert looks(charts, 2.5, 1.5) == DARK.used


def test_a_double_click_on_a_title_expands_a_chart_and_escape_brings_all_back(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 100))
    chart = charts.canvas.chart_scene.by_name["wait"]
    click(charts, (chart.pos() + QPointF(40, 14)).toPoint(), twice=True)
    assert titles(charts) == ["Wait to acquire"]
    assert chart.size.height() == pytest.approx(charts.canvas.height())
    assert charts.reference is None
    QTest.keyClick(charts, Qt.Key.Key_Down)
    assert titles(charts) == ["Throughput"]
    QTest.keyClick(charts, Qt.Key.Key_Escape)
    assert len(titles(charts)) == len(USUAL)


def test_a_click_on_a_curves_name_hides_it_and_brings_it_back(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 100))
    assert looks(charts, 2.5, 11.0) == LIGHT.idle
    click(charts, middle_of(charts, 0, "idle"))
    assert looks(charts, 2.5, 11.0) != LIGHT.idle
    assert looks(charts, 2.5, 1.5) == LIGHT.used
    click(charts, middle_of(charts, 0, "active"))
    assert looks(charts, 2.5, 1.5) != LIGHT.used
    charts.choice.choose(["wait"])
    charts.choice.choose(USUAL)
    assert looks(charts, 2.5, 1.5) != LIGHT.used, "it stays hidden"
    for name in ("idle", "active"):
        click(charts, middle_of(charts, 0, name))
    assert looks(charts, 2.5, 11.0) == LIGHT.idle


@pytest.mark.parametrize(("index", "name"), [(1, "p99"), (1, "p50"), (2, "ops/s")])
def test_every_line_can_be_hidden(
    charts: ChartsWidget, recorder: Recorder, *, index: int, name: str
) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 100))
    before = painted(charts)
    click(charts, middle_of(charts, index, name))
    assert painted(charts) != before
    click(charts, middle_of(charts, index, name))
    assert painted(charts) == before


def test_a_click_sets_the_reference_point_and_the_card_shows_differences(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    busier = Tick(used=(13,), idle=(2,), pending=(1,), waits=(0.5,), operations=60, capacity=15)
    charts.set_recorder(fed(recorder, *[BUSY] * 600, *[busier] * 600))
    scene = charts.canvas.chart_scene
    click(charts, QPoint(300, 100))
    assert charts.reference == pytest.approx(scene.time_at(300), abs=0.1)
    QTest.mouseMove(charts.canvas.viewport(), QPoint(800, 100))
    differences = scene.crosshair.differences
    assert differences["active"] == "+3"
    assert differences["waiting"] == "\N{MINUS SIGN}5"
    assert differences["limit"] == "±0"
    assert differences["operations/s"] == "+600"
    assert differences["wait p99"].endswith(" ms")
    assert "from" in scene.crosshair.heading[1]
    QTest.keyClick(charts, Qt.Key.Key_Escape)
    assert charts.reference is None
    assert not scene.crosshair.differences
    assert not scene.reference.isVisible()


def test_a_double_click_that_follows_leaves_no_reference_point(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 1200))
    click(charts, QPoint(300, 100), twice=True)
    assert charts.reference is None


def test_escape_goes_back_wherever_the_focus_is(window: Window, qtbot: QtBot) -> None:
    charts = window.charts
    until(qtbot, charts.canvas.isVisible)
    window.toolbar.run_button.setFocus()
    QTest.keyClick(window, Qt.Key.Key_E)
    assert titles(charts) == ["Connections"]
    QTest.keyClick(window.toolbar.run_button, Qt.Key.Key_Escape)
    assert len(titles(charts)) == len(charts.choice.names)


def test_the_menu_shows_and_hides_charts_and_curves(window: Window, qtbot: QtBot) -> None:
    charts, menu = window.charts, window.menu.charts
    until(qtbot, charts.canvas.isVisible)
    menu.aboutToShow.emit()
    actions = {action.text(): action for action in menu.actions()}
    assert [CHARTS[name].title for name in PICTURE if not actions[CHARTS[name].title]] == []
    actions["Throughput"].trigger()
    assert "Throughput" not in titles(charts)
    actions["Usual charts"].trigger()
    assert charts.choice.names == USUAL
    assert charts.button.isVisible()
