"""A chart over size in a widget, by mouse and keys."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poolviz.sizing.charts import size_charts
from poolviz.ui.sizing.size_chart_view import SizeChartView
from poolviz.ui.sizing.size_painter import SizePainter
from poolviz.ui.style.colours import DARK, LIGHT
from tests.sizing.sizings import grid, sizing

CHARTS = size_charts(sizing("wait_p95 < 20ms"))


@pytest.fixture
def view(qtbot: QtBot) -> SizeChartView:
    made = SizeChartView(LIGHT)
    qtbot.addWidget(made)
    made.resize(600, 260)
    made.show_chart(CHARTS[0])
    made.show()
    return made


def place_of(view: SizeChartView, point: int) -> QPoint:
    painter = SizePainter(CHARTS[0], LIGHT)
    painter.place(view.width(), view.height())
    dot = next(each for each in CHARTS[0].dots if each.point == point)
    return painter.place_of(dot).toPoint()


def test_a_click_selects_the_point_there_and_a_double_click_opens_it(view: SizeChartView) -> None:
    chosen: list[int] = []
    opened: list[int] = []
    view.selected.connect(chosen.append)
    view.opened.connect(opened.append)
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=place_of(view, 4))
    QTest.mouseDClick(view, Qt.MouseButton.LeftButton, pos=place_of(view, 7))
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
    assert chosen[0] == 4
    assert opened == [7]
    assert 5 not in chosen


def test_points_are_selected_and_opened_by_keys(view: SizeChartView) -> None:
    chosen: list[int] = []
    opened: list[int] = []
    view.selected.connect(chosen.append)
    view.opened.connect(opened.append)
    keys = (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_End, Qt.Key.Key_Right, Qt.Key.Key_Left)
    for key in keys:
        QTest.keyClick(view, key)
    last = len(list(CHARTS[0].dots)) - 1
    assert chosen == [0, 1, last, last, last - 1]
    assert "pool_size 16" in view.accessibleDescription()
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert opened == [last - 1]


@pytest.mark.parametrize("chart", [*CHARTS, *size_charts(grid(3))], ids=lambda each: each.name)
def test_every_chart_is_painted_in_any_size(chart: object, qtbot: QtBot) -> None:
    view = SizeChartView(LIGHT)
    qtbot.addWidget(view)
    view.show_chart(chart)  # type: ignore[arg-type]
    for size in ((260, 150), (900, 400), (20, 20)):
        view.resize(*size)
        light = view.grab().toImage()
        view.set_theme(DARK)
        assert view.grab().toImage() != light
        view.set_theme(LIGHT)
