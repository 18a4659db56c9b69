"""The charts as a user moves them: following, dragging, zooming, and the crosshair."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.style.theme import LIGHT
from tests.sessions.builders import Tick, ended
from tests.ui.charts.drawn import (
    BUSY,
    Paints,
    charts,
    drag,
    fed,
    looks,
    painted,
    recorder,
    wheel,
)

__all__ = ["charts", "recorder"]


def test_it_follows_the_newest_sample(charts: ChartsWidget, recorder: Recorder) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 100))
    fed(recorder, *[BUSY] * 40, since=100)
    charts.refresh()
    assert charts.following
    assert charts.behind == 0
    assert charts.frame.end == pytest.approx(recorder.duration)


def test_the_wheel_stops_following_but_not_recording(
    charts: ChartsWidget, recorder: Recorder, qtbot: QtBot
) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 2000))
    with qtbot.waitSignal(charts.following_changed) as shown:
        wheel(charts, 3)
    assert shown.args == [False]
    shown = charts.frame
    assert shown.span < 60
    fed(recorder, *[BUSY] * 100, since=2000)
    charts.refresh()
    assert charts.frame == shown
    assert charts.behind == pytest.approx(recorder.duration - shown.end)


def test_the_wheel_keeps_the_moment_under_the_pointer(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 2000))
    before = charts.canvas.chart_scene.time_at(300)
    wheel(charts, 4, x=300)
    assert charts.canvas.chart_scene.time_at(300) == pytest.approx(before)


def test_a_drag_moves_along_time(charts: ChartsWidget, recorder: Recorder) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 2400))
    drag(charts, 200)
    assert not charts.following
    per_pixel = 60 / charts.canvas.chart_scene.plots[0].width()
    assert charts.behind == pytest.approx(200 * per_pixel)


@pytest.mark.parametrize("how", ["double click", "End", "follow"])
def test_every_way_to_follow_again(
    charts: ChartsWidget, recorder: Recorder, qtbot: QtBot, how: str
) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 2000))
    wheel(charts, 3)
    with qtbot.waitSignal(charts.following_changed) as shown:
        if how == "double click":
            QTest.mouseDClick(
                charts.canvas.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(300, 90)
            )
        elif how == "End":
            QTest.keyClick(charts, Qt.Key.Key_End)
        else:
            charts.follow()
    assert shown.args == [True]
    assert charts.frame.span == 60


def test_a_pause_holds_the_view_and_its_end_follows(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 100))
    charts.set_paused(True)
    held = charts.frame
    fed(recorder, *[BUSY] * 100, since=100)
    charts.refresh()
    assert (charts.frame, charts.following) == (held, False)
    charts.set_paused(False)
    assert charts.following
    assert charts.frame.end == pytest.approx(recorder.duration)


@pytest.mark.parametrize("span", [60.0, 300.0, 900.0])
def test_the_span_is_what_is_shown(charts: ChartsWidget, recorder: Recorder, span: float) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 200))
    charts.set_span(span)
    assert charts.span == span
    assert charts.frame.span == pytest.approx(10), "the axis grows until it is full"
    fed(recorder, *[Tick()] * round(span * 20), since=200)
    charts.refresh()
    assert charts.frame.span == pytest.approx(span)


def test_all_of_it_is_shown_from_the_start(charts: ChartsWidget, recorder: Recorder) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 2000))
    charts.set_span(None)
    assert charts.frame.start == 0
    assert charts.frame.end == pytest.approx(recorder.duration)


def test_an_ended_session_shows_clock_times(charts: ChartsWidget, recorder: Recorder) -> None:
    fed(recorder, *[BUSY] * 100).add(ended())
    charts.set_recorder(recorder)
    assert not charts.frame.live


def test_another_session_is_followed_again(charts: ChartsWidget, recorder: Recorder) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 2000))
    wheel(charts, 3)
    charts.set_recorder(None)
    assert charts.following


def test_the_overview_takes_the_view_back_and_to_the_end_again(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 3600))
    overview = charts.overview
    start = overview.window_rect.center().toPoint()
    QTest.mousePress(overview, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(overview, start - QPoint(200, 0))
    back = charts.behind
    assert back == pytest.approx(200 * recorder.duration / (overview.trough.width() - 8), rel=0.02)
    QTest.mouseMove(overview, start + QPoint(300, 0))
    QTest.mouseRelease(overview, Qt.MouseButton.LeftButton, pos=start + QPoint(300, 0))
    assert charts.following


# What it costs.


def test_a_refresh_without_changes_paints_nothing(charts: ChartsWidget, recorder: Recorder) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 100))
    charts.refresh()
    QApplication.processEvents()
    canvas_paints, overview = Paints(), Paints()
    charts.canvas.viewport().installEventFilter(canvas_paints)
    charts.overview.installEventFilter(overview)
    for _ in range(5):
        charts.refresh()
        QApplication.processEvents()
    assert (canvas_paints.count, overview.count) == (0, 0)
    fed(recorder, BUSY, since=100)
    charts.refresh()
    QApplication.processEvents()
    assert canvas_paints.count == 1


def test_what_is_recorded_behind_a_paused_view_paints_no_chart(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 2000))
    wheel(charts, 3)
    QApplication.processEvents()
    canvas_paints = Paints()
    charts.canvas.viewport().installEventFilter(canvas_paints)
    fed(recorder, *[BUSY] * 20, since=2000)
    charts.refresh()
    QApplication.processEvents()
    assert canvas_paints.count == 0


# The crosshair.


def test_the_card_shows_the_values_under_the_pointer_and_is_hidden_with_it(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 1000))
    crosshair = charts.canvas.chart_scene.crosshair
    assert not crosshair.isVisible()
    QTest.mouseMove(charts.canvas.viewport(), QPoint(600, 120))
    assert crosshair.isVisible()
    shown = {figure.name: figure.value for group in crosshair.groups for figure in group}
    assert shown["active"] == "10"
    assert shown["waiting"] == "6"
    assert shown["limit"] == "15"
    assert shown["server"] == "12"
    assert shown["operations/s"] == "600"
    assert shown["wait p50"] == "3.0 ms"
    QApplication.sendEvent(charts.canvas, QEvent(QEvent.Type.Leave))
    assert not crosshair.isVisible()


@pytest.mark.parametrize("at", [(60, 100), (880, 600), (500, 635)])
def test_the_card_stays_inside(
    charts: ChartsWidget, recorder: Recorder, at: tuple[int, int]
) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 1300))
    QTest.mouseMove(charts.canvas.viewport(), QPoint(*at))
    crosshair, scene = charts.canvas.chart_scene.crosshair, charts.canvas.chart_scene
    assert crosshair.isVisible()
    assert scene.size.contains(crosshair.card)


def test_arrows_step_the_crosshair(charts: ChartsWidget, recorder: Recorder) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 1300))
    QTest.keyClick(charts, Qt.Key.Key_Left)
    crosshair = charts.canvas.chart_scene.crosshair
    assert crosshair.isVisible()
    before = crosshair.heading
    for _ in range(3):
        QTest.keyClick(charts, Qt.Key.Key_Left)
    assert crosshair.heading != before
    QTest.keyClick(charts, Qt.Key.Key_Escape)
    assert not crosshair.isVisible()


def test_keys_zoom(charts: ChartsWidget, recorder: Recorder) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 2000))
    QTest.keyClick(charts, Qt.Key.Key_Plus)
    near = charts.frame.span
    assert near < 60
    QTest.keyClick(charts, Qt.Key.Key_Minus)
    assert charts.frame.span > near
    QTest.keyClick(charts, Qt.Key.Key_0)
    assert charts.frame.span == 60
    assert charts.following


@pytest.mark.parametrize("size", [(660, 456), (996, 690), (2400, 1300)])
def test_it_works_at_every_size(
    charts: ChartsWidget, recorder: Recorder, size: tuple[int, int]
) -> None:
    charts.set_recorder(fed(recorder, *[BUSY] * 100))
    charts.resize(*size)
    QApplication.processEvents()
    charts.refresh()
    scene = charts.canvas.chart_scene
    assert all(plot.height() > 40 for plot in scene.plots)
    assert scene.plots[-1].bottom() <= scene.size.bottom()
    assert looks(charts, 2.5, 1.5) == LIGHT.used


def test_a_recorded_session_has_no_now_without_a_recorded_end(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    fed(recorder, *[BUSY] * 40)
    charts.set_recorder(recorder)
    assert charts.frame.live
    charts.set_recorder(recorder, live=False)
    assert not charts.frame.live
    charts.refresh()
    assert not charts.frame.live


def test_another_session_is_drawn_paler_behind_until_it_is_taken_away(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.set_span(None)
    charts.set_recorder(fed(recorder, *[BUSY] * 100))
    alone = painted(charts)
    chart = charts.canvas.chart_scene.by_name["connections"]
    top = chart.scale_y.high
    with Recorder() as other:
        wider = Tick(used=(40,), idle=(0,), waits=(0.5,), operations=900, capacity=50)
        charts.set_ghost(fed(other, *[wider] * 100))
        assert painted(charts) != alone
        assert chart.scale_y.high > top  # it fits
        charts.set_ghost(None)
        charts.set_recorder(recorder)
        assert chart.scale_y.high == top
        assert painted(charts) == alone
        charts.set_ghost(recorder)  # itself is no other
        assert painted(charts) == alone


@pytest.mark.parametrize("reason", list(Qt.FocusReason))
def test_a_frame_shows_the_focus_if_keys_moved_it(
    charts: ChartsWidget, reason: Qt.FocusReason
) -> None:
    keys = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
    shown = reason in (*keys, Qt.FocusReason.ShortcutFocusReason)
    charts.activateWindow()
    charts.setFocus(Qt.FocusReason.OtherFocusReason)
    charts.clearFocus()
    without = charts.grab().toImage()
    charts.setFocus(reason)
    assert charts.hasFocus()
    assert (charts.grab().toImage() != without) is shown
    for back in (Qt.FocusReason.ActiveWindowFocusReason, Qt.FocusReason.PopupFocusReason):
        charts.clearFocus()
        charts.setFocus(back)
        assert (charts.grab().toImage() != without) is shown
