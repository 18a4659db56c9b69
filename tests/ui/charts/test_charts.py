"""What the charts draw, looked at by pixel in a real widget."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor, QFontMetricsF
from PySide6.QtTest import QTest

from poolviz.language import in_language
from poolviz.model.messages import MarkAdded
from poolviz.model.sample import LOST, Mark, MarkKind, ServerView
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.style.theme import DARK, LIGHT
from tests.sessions.builders import Tick, change
from tests.ui.charts.drawn import (
    BUSY,
    charts,
    colour_at,
    fed,
    looks,
    names,
    painted,
    place,
    recorder,
)

__all__ = ["charts", "recorder"]


def test_connections_are_stacked_over_zero_and_waiting_clients_below(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 100))
    squeezed = charts.canvas.chart_scene.by_name["connections"].y_of(-3)
    assert squeezed > charts.canvas.chart_scene.by_name["connections"].y_of(0)
    assert looks(charts, 2.5, 1.5) == LIGHT.used  # 3 of the 10 are the pool's own 5, 2 idle
    assert looks(charts, 2.5, 8.5) == LIGHT.overflow
    assert looks(charts, 2.5, 10.7) == LIGHT.idle
    assert looks(charts, 2.5, -3) == LIGHT.wait
    assert looks(charts, 2.5, 13.5) == LIGHT.panel


def test_clients_that_retry_are_drawn_below_the_waiting_in_another_tone(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    tick = Tick(used=(5,), idle=(0,), pending=(2,), retrying=(2,))
    charts.set_recorder(fed(recorder, *[tick] * 100))
    assert looks(charts, 2.5, -1) == LIGHT.wait
    assert looks(charts, 2.5, -3) == LIGHT.retrying
    assert "retrying" in names(charts, 0)


def test_requests_that_no_client_has_started_are_drawn_below_clients_that_wait_and_retry(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    calm = Tick(used=(5,), idle=(0,), pending=(2,), retrying=(1,))
    charts.set_recorder(fed(recorder, *[calm] * 100))
    assert "not started" not in names(charts, 0)
    crowd = Tick(used=(5,), idle=(0,), pending=(2,), retrying=(1,), backlog=(2, 4))
    fed(recorder, *[crowd] * 100, since=100)
    charts.refresh()
    assert looks(charts, 2.5, -1) == LIGHT.wait
    assert looks(charts, 2.5, -2.5) == LIGHT.retrying
    assert looks(charts, 2.5, -4) == LIGHT.backlog
    assert names(charts, 0)[-3:] == ["waiting", "retrying", "not started"]
    charts.set_theme(DARK)
    assert looks(charts, 2.5, -4) == DARK.backlog


def test_a_large_backlog_has_its_own_scale_and_is_shown_at_the_crosshair(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    tick = Tick(used=(5,), idle=(0,), pending=(40,), backlog=(1200, 1300))
    charts.set_recorder(fed(recorder, *[tick] * 100))
    assert "own scale" in charts.canvas.chart_scene.by_name["connections"].subtitle
    scene = charts.canvas.chart_scene
    QTest.mouseMove(charts.canvas.viewport(), QPoint(int(scene.x_of(2.5)), 100))
    shown = {figure.name: figure.value for group in scene.crosshair.groups for figure in group}
    assert shown["not started"] == "1,250, peak 1,300"
    assert shown["waiting"] == "40"


def test_a_crowd_too_short_for_the_mean_remains_visible(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    spike = Tick(pending=(0, 0, 0, 0, 0, 0, 0, 20), used=(5,) * 8, idle=(0,) * 8)
    charts.set_recorder(fed(recorder, *[spike] * 100))
    scene = charts.canvas.chart_scene
    below = 15 * scene.by_name["connections"]._squeeze
    assert looks(charts, 2.5, -below) == LIGHT.wait_peak


def test_the_limit_is_a_line_at_its_height(charts: ChartsWidget, recorder: Recorder) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 200))
    image = painted(charts)
    chart = charts.canvas.chart_scene.by_name["connections"]
    row = chart.pos().y() + chart.y_of(15)
    dark = [
        y
        for y in range(int(row) - 12, int(row) + 12)
        if any(image.pixelColor(x, y).lightness() < 120 for x in range(780, 880))
    ]
    assert dark
    assert all(abs(y + 0.5 - row) <= 1.0 for y in dark)
    assert "limit 15" in names(charts, 0)


def test_a_limit_far_above_is_named_instead_of_squeezing_the_curves(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.set_recorder(fed(recorder, *[Tick(used=(2,), idle=(3,), capacity=500)] * 50))
    assert charts.canvas.chart_scene.by_name["connections"].scale_y.high < 20
    assert "limit 500 ↑" in names(charts, 0)


def test_the_budget_is_a_line_that_falls_as_others_take_connections(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    roomy, crowded = (ServerView(active=9, idle=3, others=n, free=18 - n) for n in (0, 8))
    chart = charts.canvas.chart_scene.by_name["connections"]
    ticks = [replace(BUSY, server=view) for view in (roomy, crowded) for _ in range(100)]
    charts.set_recorder(fed(recorder, *ticks))
    assert chart.scale_y.high > 30
    assert "budget 22" in names(charts, 0)
    assert is_coloured(charts, 7.5, 30)
    assert is_coloured(charts, 2.5, 22)
    chart.toggle("budget")
    charts.set_recorder(recorder)
    assert chart.scale_y.high < 30
    assert "budget 22" in names(charts, 0)  # by which it is shown again
    QTest.mouseMove(charts.canvas.viewport(), QPoint(int(chart.x_of(-7.5)), 100))
    groups = charts.canvas.chart_scene.crosshair.groups
    assert ("budget", "30") in [(each.name, each.value) for group in groups for each in group]


def test_a_budget_far_above_or_unknown_takes_no_room(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    server = ServerView(idle=5, others=0, free=92)
    charts.set_recorder(fed(recorder, *[Tick(used=(2,), idle=(3,), server=server)] * 50))
    assert charts.canvas.chart_scene.by_name["connections"].scale_y.high < 20
    assert "budget 97 ↑" in names(charts, 0)
    fed(recorder, *[BUSY] * 100, since=50)
    charts.refresh()
    assert not [name for name in names(charts, 0) if name.startswith("budget")]


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("free", [92, 994, 49_995])
def test_the_name_of_a_budget_far_above_has_room(
    charts: ChartsWidget, recorder: Recorder, language: str, free: int
) -> None:
    server = ServerView(idle=5, others=0, free=free)
    with in_language(language):
        charts.set_recorder(fed(recorder, *[Tick(used=(2,), idle=(3,), server=server)] * 50))
        chart = charts.canvas.chart_scene.by_name["connections"]
        [name] = [name.text for name in chart.names if name.curve == "budget"]
    assert str(free + 5) in name
    width = QFontMetricsF(chart._name_font).horizontalAdvance(name)
    assert width <= chart.size.right() - chart.plot.right() - 6


def is_coloured(charts: ChartsWidget, seconds: float, value: float) -> bool:
    """Whether there is colour at a place of a dashed line in the chart of connections."""
    image, (x, y) = painted(charts), place(charts, 0, seconds, value)
    around = (image.pixelColor(int(x) + dx, int(y) + dy) for dx in range(12) for dy in (-1, 0, 1))
    return any(colour.hsvSaturation() > 40 for colour in around)


def test_a_pool_without_limit_has_no_line_for_it(charts: ChartsWidget, recorder: Recorder) -> None:
    charts.set_recorder(fed(recorder, *[Tick(capacity=None)] * 50))
    assert not [name for name in names(charts, 0) if name.startswith("limit")]


def test_many_waiting_clients_leave_the_connections_their_room(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.set_recorder(fed(recorder, *[Tick(used=(5,), idle=(0,), pending=(400,))] * 50))
    chart = charts.canvas.chart_scene.by_name["connections"]
    assert "own scale" in chart.subtitle
    zero, top = chart.y_of(0), chart.y_of(chart.scale_y.high)
    assert zero - top > chart.plot.height() / 2
    assert "400" in [tick.text for tick in chart.scale_y.ticks]


def test_nothing_is_drawn_where_no_wait_was_counted(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    some = Tick(waits=(0.001,), operations=1)
    charts.set_recorder(fed(recorder, *[some] * 400, *[Tick()] * 400, *[some] * 400))
    image = painted(charts)
    chart = charts.canvas.chart_scene.by_name["wait"]

    def coloured(seconds: float) -> bool:
        x = int(chart.x_of(-seconds))
        top, bottom = int(chart.pos().y() + chart.plot.top()), int(chart.pos().y() + 150)
        return any(image.pixelColor(x, y).lightness() < 150 for y in range(top, bottom))

    seen = [any(coloured(s + offset / 10) for offset in range(8)) for s in (50, 30, 10)]
    assert seen == [True, False, True]


def test_waits_of_few_operations_are_one_curve_without_spikes(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    slow, quick = (Tick(waits=(wait,), operations=1) for wait in (0.05, 0.0001))
    charts.set_recorder(fed(recorder, *[slow, *[Tick()] * 19, quick, *[Tick()] * 19] * 30))
    chart = charts.canvas.chart_scene.by_name["wait"]
    image = painted(charts)
    top, bottom = int(chart.pos().y() + chart.plot.top()), int(chart.pos().y() + 150)
    columns = [int(chart.x_of(-seconds / 10)) for seconds in range(60, 540)]
    assert all(
        any(image.pixelColor(x, y).lightness() < 150 for y in range(top, bottom)) for x in columns
    )
    _, view = charts.canvas.chart_scene._views or (None, None)
    assert view is not None
    p95 = view.lines["wait_p95"][2:-2]
    assert (p95 > 0.01).all()


def test_one_error_among_thousands_of_operations_is_seen(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    good, bad = Tick(operations=200), Tick(operations=200, errors={"PoolError": 1})
    charts.set_recorder(fed(recorder, *[good] * 600, bad, *[good] * 599))
    image, chart = painted(charts), charts.canvas.chart_scene.by_name["throughput"]
    x, bottom = int(chart.x_of(-30)), int(chart.pos().y() + chart.plot.bottom())
    near = [(x + dx, bottom - dy) for dx in range(-4, 5) for dy in range(2, 4)]
    assert LIGHT.error_bar in {colour_at(image, *spot) for spot in near}
    assert "errors" in names(charts, 2)


def test_names_at_the_right_end_never_cover_each_other(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    crowded = Tick(used=(1,), idle=(1,), pending=(1,), retrying=(1,), capacity=2, kept=0)
    charts.set_recorder(fed(recorder, *[crowded] * 50))
    chart = charts.canvas.chart_scene.by_name["connections"]
    heights = sorted(chart.name_heights())
    assert len(heights) >= 5
    assert all(below - above >= 12 for above, below in pairwise(heights))


def test_an_empty_chart_says_so(charts: ChartsWidget, recorder: Recorder) -> None:
    assert charts.canvas.chart_scene._empty.isVisible()
    charts.set_recorder(recorder)
    assert charts.canvas.chart_scene._empty.isVisible()
    fed(recorder, BUSY)
    charts.refresh()
    assert not charts.canvas.chart_scene._empty.isVisible()


def test_the_dark_theme_paints_dark(charts: ChartsWidget, recorder: Recorder) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 100))
    charts.set_theme(DARK)
    assert looks(charts, 2.5, 1.5) == DARK.used
    assert looks(charts, 2.5, 13.5) == DARK.panel


def test_a_mark_is_a_line_through_all_charts_with_one_label(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    fed(recorder, *[BUSY] * 400)
    recorder.add(MarkAdded(change(10.0, "max_overflow", 5, 15)))
    charts.set_recorder(recorder)
    layer = charts.canvas.chart_scene.marks
    assert [label.text for label in layer.labels] == ["max_overflow 5 → 15"]
    image, x = painted(charts), int(charts.canvas.chart_scene.x_of(10.0))
    for plot in charts.canvas.chart_scene.plots:
        column = [image.pixelColor(x, y) for y in range(int(plot.top()), int(plot.bottom()))]
        assert QColor(LIGHT.muted) in column


def test_a_fault_differs_from_a_change_on_the_charts_and_on_the_overview(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    fed(recorder, *[BUSY] * 400)
    recorder.add(MarkAdded(change(6.0, "max_overflow", 5, 15)))
    fault = Mark(t=13.0, kind=MarkKind.FAULT, text="kill_backend", key="kill_backend", new=True)
    recorder.add(MarkAdded(fault))
    charts.set_recorder(recorder)
    scene = charts.canvas.chart_scene
    labels = {label.text: label for label in scene.marks.labels}
    assert labels["kill_backend"].kind is MarkKind.FAULT
    image = painted(charts)
    for moment, colour, share in ((6.0, LIGHT.muted, 0.4), (13.0, LIGHT.bad, 0.9)):
        x, plot = int(scene.x_of(moment)), scene.plots[1]
        column = [image.pixelColor(x, y) for y in range(int(plot.top()), int(plot.bottom()))]
        seen = column.count(QColor(colour)) / len(column)
        assert share <= seen <= share + 0.2  # dashes, and a whole line
    overview = charts.overview.grab().toImage()
    change_at, fault_at = (
        overview.pixelColor(
            int(charts.overview._x_of(moment)), int(charts.overview.trough.bottom()) - 3
        )
        for moment in (6.0, 13.0)
    )
    assert fault_at.red() > fault_at.blue()  # the visible window tints both
    assert change_at.red() < change_at.blue()


def test_the_time_of_which_nothing_is_known_of_a_lost_process_is_hatched(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    fed(recorder, *[BUSY] * 100)
    lost = Mark(
        t=4.0, kind=MarkKind.NOTE, text="process 2 lost", key=LOST, old=2.0, new="process 2"
    )
    recorder.add(MarkAdded(lost))
    charts.set_recorder(recorder)
    image = painted(charts)
    bands = charts.canvas.chart_scene.gaps.bands
    assert len(bands) == len(charts.canvas.chart_scene.plots)
    plot = charts.canvas.chart_scene.plots[0]
    assert (bands[0].top(), bands[0].bottom()) == (plot.top(), plot.bottom())
    assert bands[0].left() == charts.canvas.chart_scene.x_of(2.0)
    assert bands[0].right() == charts.canvas.chart_scene.x_of(4.0)
    assert "process 2 lost" in [label.text for label in charts.canvas.chart_scene.marks.labels]
    ratio = image.devicePixelRatio()
    row = round((bands[0].top() + 3) * ratio)  # above the curves
    edge = [round(x * ratio) for x in (bands[0].left(), bands[0].right())]
    hatched = {image.pixelColor(x, row).name() for x in range(edge[0] + 2, edge[1] - 2)}
    beside = {image.pixelColor(x, row).name() for x in range(edge[0] - 20, edge[0] - 2)}
    assert QColor(LIGHT.muted).name() in hatched - beside
