"""The charts as a user sees and moves them: a real widget, painted, and looked at by pixel."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from poolviz.model.messages import MarkAdded, SampleTaken
from poolviz.model.sample import Mark, MarkKind, ServerView
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.style.theme import DARK, LIGHT
from tests.sessions.builders import Tick, began, change, ended, samples


class Paints(QObject):
    """Counts what is painted."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        self.count += event.type() == QEvent.Type.Paint
        return False


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as made:
        made.add(began())
        yield made


@pytest.fixture
def stack(qtbot: QtBot) -> ChartsWidget:
    made = ChartsWidget(LIGHT)
    qtbot.addWidget(made)
    made.resize(996, 690)
    made.show()
    qtbot.waitExposed(made)
    return made


BUSY = Tick(
    used=(10,),
    idle=(2,),
    pending=(6,),
    waits=(0.0002, 0.003, 0.04),
    operations=30,
    capacity=15,
    server=ServerView(active=9, idle=3),
)


def fed(recorder: Recorder, *ticks: Tick, since: int = 0) -> Recorder:
    """`recorder` with what `ticks` make, after `since` samples that were there before."""
    for sample in list(samples((*[Tick()] * since, *ticks)))[since:]:
        recorder.add(SampleTaken(sample))
    return recorder


def painted(stack: ChartsWidget) -> QImage:
    QApplication.processEvents()
    return stack.canvas.grab().toImage()


def colour_at(image: QImage, x: float, y: float) -> str:
    return image.pixelColor(int(x), int(y)).name()


def place(
    stack: ChartsWidget, chart_index: int, seconds: float, value: float
) -> tuple[float, float]:
    """The pixel of a value in a chart, `seconds` before the right end."""
    chart = stack.canvas.chart_scene.charts[chart_index]
    return chart.x_of(-seconds), chart.pos().y() + chart.y_of(value)


def looks(stack: ChartsWidget, seconds: float, value: float) -> str:
    """The colour in the chart of connections."""
    return colour_at(painted(stack), *place(stack, 0, seconds, value))


def wheel(stack: ChartsWidget, notches: float, x: float = 600) -> None:
    at = QPointF(x, 100)
    event = QWheelEvent(
        at,
        QPointF(stack.canvas.mapToGlobal(at.toPoint())),
        QPoint(),
        QPoint(0, round(notches * 120)),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(stack.canvas.viewport(), event)


def drag(stack: ChartsWidget, pixels: int) -> None:
    surface, start = stack.canvas.viewport(), QPoint(500, 100)
    QTest.mousePress(surface, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(surface, start + QPoint(pixels // 2, 0))
    QTest.mouseMove(surface, start + QPoint(pixels, 0))
    QTest.mouseRelease(surface, Qt.MouseButton.LeftButton, pos=start + QPoint(pixels, 0))


# What is drawn.


def test_connections_are_stacked_over_zero_and_waiting_clients_below(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 100))
    squeezed = stack.canvas.chart_scene.connections.y_of(-3)
    assert squeezed > stack.canvas.chart_scene.connections.y_of(0)
    assert looks(stack, 2.5, 1.5) == LIGHT.used  # 3 of the 10 are the pool's own 5, 2 idle
    assert looks(stack, 2.5, 8.5) == LIGHT.overflow
    assert looks(stack, 2.5, 10.7) == LIGHT.idle
    assert looks(stack, 2.5, -3) == LIGHT.wait
    assert looks(stack, 2.5, 13.5) == LIGHT.panel


def test_clients_that_retry_are_drawn_below_the_waiting_in_another_tone(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    tick = Tick(used=(5,), idle=(0,), pending=(2,), retrying=(2,))
    stack.set_recorder(fed(recorder, *[tick] * 100))
    assert looks(stack, 2.5, -1) == LIGHT.wait
    assert looks(stack, 2.5, -3) == LIGHT.retrying
    assert "retrying" in names(stack, 0)


def test_requests_that_nobody_has_begun_are_drawn_below_those_who_wait_and_retry(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    calm = Tick(used=(5,), idle=(0,), pending=(2,), retrying=(1,))
    stack.set_recorder(fed(recorder, *[calm] * 100))
    assert "not started" not in names(stack, 0)
    crowd = Tick(used=(5,), idle=(0,), pending=(2,), retrying=(1,), backlog=(2, 4))
    fed(recorder, *[crowd] * 100, since=100)
    stack.refresh()
    assert looks(stack, 2.5, -1) == LIGHT.wait
    assert looks(stack, 2.5, -2.5) == LIGHT.retrying
    assert looks(stack, 2.5, -4) == LIGHT.backlog
    assert names(stack, 0)[-3:] == ["waiting", "retrying", "not started"]
    stack.set_theme(DARK)
    assert looks(stack, 2.5, -4) == DARK.backlog


def test_a_large_backlog_has_its_own_scale_and_is_told_under_the_pointer(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    tick = Tick(used=(5,), idle=(0,), pending=(40,), backlog=(1200, 1300))
    stack.set_recorder(fed(recorder, *[tick] * 100))
    assert "own scale" in stack.canvas.chart_scene.connections.subtitle
    scene = stack.canvas.chart_scene
    QTest.mouseMove(stack.canvas.viewport(), QPoint(int(scene.x_of(2.5)), 100))
    shown = {figure.name: figure.value for group in scene.crosshair.groups for figure in group}
    assert shown["not started"] == "1,250, peak 1,300"
    assert shown["waiting"] == "40"


def test_a_crowd_too_short_for_the_mean_is_still_seen(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    spike = Tick(pending=(0, 0, 0, 0, 0, 0, 0, 20), used=(5,) * 8, idle=(0,) * 8)
    stack.set_recorder(fed(recorder, *[spike] * 100))
    scene = stack.canvas.chart_scene
    below = 15 * scene.connections._squeeze
    assert looks(stack, 2.5, -below) == LIGHT.wait_peak


def test_the_limit_is_a_line_at_its_height(stack: ChartsWidget, recorder: Recorder) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 200))
    image = painted(stack)
    chart = stack.canvas.chart_scene.connections
    row = chart.pos().y() + chart.y_of(15)
    dark = [
        y
        for y in range(int(row) - 12, int(row) + 12)
        if any(image.pixelColor(x, y).lightness() < 120 for x in range(780, 880))
    ]
    assert dark
    assert all(abs(y + 0.5 - row) <= 1.0 for y in dark)
    assert "limit 15" in names(stack, 0)


def test_a_limit_far_above_is_named_instead_of_squeezing_the_curves(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    stack.set_recorder(fed(recorder, *[Tick(used=(2,), idle=(3,), capacity=500)] * 50))
    assert stack.canvas.chart_scene.connections.scale_y.high < 20
    assert "limit 500 ↑" in names(stack, 0)


def test_a_pool_without_limit_has_no_line_for_it(stack: ChartsWidget, recorder: Recorder) -> None:
    stack.set_recorder(fed(recorder, *[Tick(capacity=None)] * 50))
    assert not [name for name in names(stack, 0) if name.startswith("limit")]


def test_many_waiting_clients_leave_the_connections_their_room(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    stack.set_recorder(fed(recorder, *[Tick(used=(5,), idle=(0,), pending=(400,))] * 50))
    chart = stack.canvas.chart_scene.connections
    assert "own scale" in chart.subtitle
    zero, top = chart.y_of(0), chart.y_of(chart.scale_y.high)
    assert zero - top > chart.plot.height() / 2
    assert "400" in [tick.text for tick in chart.scale_y.ticks]


def test_nothing_is_drawn_where_no_wait_was_counted(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    some = Tick(waits=(0.001,), operations=1)
    stack.set_recorder(fed(recorder, *[some] * 400, *[Tick()] * 400, *[some] * 400))
    image = painted(stack)
    chart = stack.canvas.chart_scene.wait

    def coloured(seconds: float) -> bool:
        x = int(chart.x_of(-seconds))
        top, bottom = int(chart.pos().y() + chart.plot.top()), int(chart.pos().y() + 150)
        return any(image.pixelColor(x, y).lightness() < 150 for y in range(top, bottom))

    seen = [any(coloured(s + offset / 10) for offset in range(8)) for s in (50, 30, 10)]
    assert seen == [True, False, True]


def test_one_error_among_thousands_of_operations_is_seen(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    good, bad = Tick(operations=200), Tick(operations=200, errors={"PoolError": 1})
    stack.set_recorder(fed(recorder, *[good] * 600, bad, *[good] * 599))
    image, chart = painted(stack), stack.canvas.chart_scene.throughput
    x, bottom = int(chart.x_of(-30)), int(chart.pos().y() + chart.plot.bottom())
    near = [(x + dx, bottom - dy) for dx in range(-4, 5) for dy in range(2, 4)]
    assert LIGHT.error_bar in {colour_at(image, *spot) for spot in near}
    assert "errors" in names(stack, 2)


def test_names_at_the_right_end_never_cover_each_other(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    crowded = Tick(used=(1,), idle=(1,), pending=(1,), retrying=(1,), capacity=2, kept=0)
    stack.set_recorder(fed(recorder, *[crowded] * 50))
    chart = stack.canvas.chart_scene.connections
    heights = sorted(chart.name_heights())
    assert len(heights) >= 5
    assert all(below - above >= 12 for above, below in pairwise(heights))


def test_an_empty_chart_says_so_calmly(stack: ChartsWidget, recorder: Recorder) -> None:
    assert stack.canvas.chart_scene._empty.isVisible()
    stack.set_recorder(recorder)
    assert stack.canvas.chart_scene._empty.isVisible()
    fed(recorder, BUSY)
    stack.refresh()
    assert not stack.canvas.chart_scene._empty.isVisible()


def test_the_dark_theme_paints_dark(stack: ChartsWidget, recorder: Recorder) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 100))
    stack.set_theme(DARK)
    assert looks(stack, 2.5, 1.5) == DARK.used
    assert looks(stack, 2.5, 13.5) == DARK.panel


def test_a_mark_is_a_line_through_all_charts_with_one_label(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    fed(recorder, *[BUSY] * 400)
    recorder.add(MarkAdded(change(10.0, "max_overflow", 5, 15)))
    stack.set_recorder(recorder)
    layer = stack.canvas.chart_scene.marks
    assert [label.text for label in layer.labels] == ["max_overflow 5→15"]
    image, x = painted(stack), int(stack.canvas.chart_scene.x_of(10.0))
    for plot in stack.canvas.chart_scene.plots:
        column = [image.pixelColor(x, y) for y in range(int(plot.top()), int(plot.bottom()))]
        assert QColor(LIGHT.muted) in column


def test_a_fault_stands_out_from_a_change_on_the_charts_and_on_the_strip(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    fed(recorder, *[BUSY] * 400)
    recorder.add(MarkAdded(change(6.0, "max_overflow", 5, 15)))
    fault = Mark(t=13.0, kind=MarkKind.FAULT, text="kill_backend", key="kill_backend", new=True)
    recorder.add(MarkAdded(fault))
    stack.set_recorder(recorder)
    scene = stack.canvas.chart_scene
    labels = {label.text: label for label in scene.marks.labels}
    assert labels["kill_backend"].kind is MarkKind.FAULT
    image = painted(stack)
    for moment, colour, share in ((6.0, LIGHT.muted, 0.4), (13.0, LIGHT.bad, 0.9)):
        x, plot = int(scene.x_of(moment)), scene.plots[1]
        column = [image.pixelColor(x, y) for y in range(int(plot.top()), int(plot.bottom()))]
        seen = column.count(QColor(colour)) / len(column)
        assert share <= seen <= share + 0.2  # dashes, and a whole line
    overview = stack.overview.grab().toImage()
    change_at, fault_at = (
        overview.pixelColor(
            int(stack.overview._x_of(moment)), int(stack.overview.trough.bottom()) - 3
        )
        for moment in (6.0, 13.0)
    )
    assert fault_at.red() > fault_at.blue()  # the visible window tints both
    assert change_at.red() < change_at.blue()


def names(stack: ChartsWidget, chart_index: int) -> list[str]:
    return [name.text for name in stack.canvas.chart_scene.charts[chart_index].names]


# Following, and not.


def test_it_follows_the_newest_sample(stack: ChartsWidget, recorder: Recorder) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 100))
    fed(recorder, *[BUSY] * 40, since=100)
    stack.refresh()
    assert stack.following
    assert stack.behind == 0
    assert stack.frame.end == pytest.approx(recorder.duration)


def test_the_wheel_stops_following_but_not_recording(
    stack: ChartsWidget, recorder: Recorder, qtbot: QtBot
) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 2000))
    with qtbot.waitSignal(stack.following_changed) as told:
        wheel(stack, 3)
    assert told.args == [False]
    shown = stack.frame
    assert shown.span < 60
    fed(recorder, *[BUSY] * 100, since=2000)
    stack.refresh()
    assert stack.frame == shown
    assert stack.behind == pytest.approx(recorder.duration - shown.end)


def test_the_wheel_keeps_the_moment_under_the_pointer(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 2000))
    before = stack.canvas.chart_scene.time_at(300)
    wheel(stack, 4, x=300)
    assert stack.canvas.chart_scene.time_at(300) == pytest.approx(before)


def test_a_drag_moves_along_time(stack: ChartsWidget, recorder: Recorder) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 2400))
    drag(stack, 200)
    assert not stack.following
    per_pixel = 60 / stack.canvas.chart_scene.plots[0].width()
    assert stack.behind == pytest.approx(200 * per_pixel)


@pytest.mark.parametrize("how", ["double click", "End", "follow"])
def test_the_way_back_to_live(
    stack: ChartsWidget, recorder: Recorder, qtbot: QtBot, how: str
) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 2000))
    wheel(stack, 3)
    with qtbot.waitSignal(stack.following_changed) as told:
        if how == "double click":
            QTest.mouseDClick(
                stack.canvas.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(300, 90)
            )
        elif how == "End":
            QTest.keyClick(stack, Qt.Key.Key_End)
        else:
            stack.follow()
    assert told.args == [True]
    assert stack.frame.span == 60


def test_a_pause_holds_the_view_and_its_end_follows(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 100))
    stack.set_paused(True)
    held = stack.frame
    fed(recorder, *[BUSY] * 100, since=100)
    stack.refresh()
    assert (stack.frame, stack.following) == (held, False)
    stack.set_paused(False)
    assert stack.following
    assert stack.frame.end == pytest.approx(recorder.duration)


@pytest.mark.parametrize("span", [60.0, 300.0, 900.0])
def test_the_span_is_what_is_shown(stack: ChartsWidget, recorder: Recorder, span: float) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 200))
    stack.set_span(span)
    assert stack.span == span
    assert stack.frame.span == pytest.approx(span)


def test_all_of_it_is_shown_from_the_start(stack: ChartsWidget, recorder: Recorder) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 2000))
    stack.set_span(None)
    assert stack.frame.start == 0
    assert stack.frame.end == pytest.approx(recorder.duration)


def test_an_ended_session_is_told_by_the_clock(stack: ChartsWidget, recorder: Recorder) -> None:
    fed(recorder, *[BUSY] * 100).add(ended())
    stack.set_recorder(recorder)
    assert not stack.frame.live


def test_another_session_is_followed_again(stack: ChartsWidget, recorder: Recorder) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 2000))
    wheel(stack, 3)
    stack.set_recorder(None)
    assert stack.following


def test_the_strip_takes_the_view_back_and_to_the_end_again(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 3600))
    overview = stack.overview
    start = overview.window_rect.center().toPoint()
    QTest.mousePress(overview, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(overview, start - QPoint(200, 0))
    back = stack.behind
    assert back == pytest.approx(200 * recorder.duration / (overview.trough.width() - 8), rel=0.02)
    QTest.mouseMove(overview, start + QPoint(300, 0))
    QTest.mouseRelease(overview, Qt.MouseButton.LeftButton, pos=start + QPoint(300, 0))
    assert stack.following


# What it costs.


def test_a_refresh_without_news_paints_nothing(stack: ChartsWidget, recorder: Recorder) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 100))
    stack.refresh()
    QApplication.processEvents()
    charts, overview = Paints(), Paints()
    stack.canvas.viewport().installEventFilter(charts)
    stack.overview.installEventFilter(overview)
    for _ in range(5):
        stack.refresh()
        QApplication.processEvents()
    assert (charts.count, overview.count) == (0, 0)
    fed(recorder, BUSY, since=100)
    stack.refresh()
    QApplication.processEvents()
    assert charts.count == 1


def test_what_is_recorded_behind_a_held_view_paints_no_chart(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 2000))
    wheel(stack, 3)
    QApplication.processEvents()
    charts = Paints()
    stack.canvas.viewport().installEventFilter(charts)
    fed(recorder, *[BUSY] * 20, since=2000)
    stack.refresh()
    QApplication.processEvents()
    assert charts.count == 0


# The crosshair.


def test_the_card_tells_the_values_under_the_pointer_and_goes_with_it(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 1000))
    crosshair = stack.canvas.chart_scene.crosshair
    assert not crosshair.isVisible()
    QTest.mouseMove(stack.canvas.viewport(), QPoint(600, 120))
    assert crosshair.isVisible()
    told = {figure.name: figure.value for group in crosshair.groups for figure in group}
    assert told["active"] == "10"
    assert told["waiting"] == "6"
    assert told["limit"] == "15"
    assert told["server"] == "12"
    assert told["operations/s"] == "600"
    assert told["wait p50"] == "3.0 ms"
    QApplication.sendEvent(stack.canvas, QEvent(QEvent.Type.Leave))
    assert not crosshair.isVisible()


@pytest.mark.parametrize("at", [(60, 100), (880, 600), (500, 635)])
def test_the_card_stays_inside(
    stack: ChartsWidget, recorder: Recorder, at: tuple[int, int]
) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 1300))
    QTest.mouseMove(stack.canvas.viewport(), QPoint(*at))
    crosshair, scene = stack.canvas.chart_scene.crosshair, stack.canvas.chart_scene
    assert crosshair.isVisible()
    assert scene.size.contains(crosshair.card)


def test_arrows_step_the_crosshair(stack: ChartsWidget, recorder: Recorder) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 1300))
    QTest.keyClick(stack, Qt.Key.Key_Left)
    crosshair = stack.canvas.chart_scene.crosshair
    assert crosshair.isVisible()
    before = crosshair.heading
    for _ in range(3):
        QTest.keyClick(stack, Qt.Key.Key_Left)
    assert crosshair.heading != before
    QTest.keyClick(stack, Qt.Key.Key_Escape)
    assert not crosshair.isVisible()


def test_keys_zoom(stack: ChartsWidget, recorder: Recorder) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 2000))
    QTest.keyClick(stack, Qt.Key.Key_Plus)
    near = stack.frame.span
    assert near < 60
    QTest.keyClick(stack, Qt.Key.Key_Minus)
    assert stack.frame.span > near
    QTest.keyClick(stack, Qt.Key.Key_0)
    assert stack.frame.span == 60
    assert stack.following


@pytest.mark.parametrize("size", [(660, 456), (996, 690), (2400, 1300)])
def test_it_works_at_every_size(
    stack: ChartsWidget, recorder: Recorder, size: tuple[int, int]
) -> None:
    stack.set_recorder(fed(recorder, *[BUSY] * 100))
    stack.resize(*size)
    QApplication.processEvents()
    stack.refresh()
    scene = stack.canvas.chart_scene
    assert all(plot.height() > 40 for plot in scene.plots)
    assert scene.plots[-1].bottom() <= scene.size.bottom()
    assert looks(stack, 2.5, 1.5) == LIGHT.used


def test_a_recorded_session_has_no_now_even_if_nobody_wrote_its_end(
    stack: ChartsWidget, recorder: Recorder
) -> None:
    fed(recorder, *[BUSY] * 40)
    stack.set_recorder(recorder)
    assert stack.frame.live
    stack.set_recorder(recorder, live=False)
    assert not stack.frame.live
    stack.refresh()
    assert not stack.frame.live
