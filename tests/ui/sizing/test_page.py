"""The page 'Find the right size' in a window on a real server, by keys and clicks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from poolviz.sessions.recorder import Recorder
from poolviz.ui.session.controller import State
from poolviz.ui.session.size_finder import Phase
from poolviz.ui.sizing.page import SizingPage
from poolviz.ui.window import Window
from tests.sizing.sizings import sizing
from tests.ui.running import plan, run_on, servers_home, window

__all__ = ["servers_home", "window"]

PATIENCE = 180_000  # milliseconds: a sweep on a machine that is busy otherwise


def until(qtbot: QtBot, condition: Callable[[], object]) -> None:
    qtbot.waitUntil(lambda: bool(condition()), timeout=PATIENCE)


def press(button: QPushButton) -> None:
    assert button.isVisible() and button.isEnabled()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def open_page(window: Window, qtbot: QtBot, conninfo: str) -> SizingPage:
    """Plan a gentle load on a server, and open the page by its key."""
    plan(window, pool_size=2, max_overflow=3)
    window.controller.connect_to(conninfo)
    until(qtbot, lambda: window.controller.target is not None)
    window.activateWindow()
    QTest.keyClick(window, Qt.Key.Key_B, Qt.KeyboardModifier.ControlModifier)
    page = window.sizing.page
    assert page is not None and page.isVisible()
    return page


def start(page: SizingPage, window: Window, qtbot: QtBot, high: int) -> None:
    """Begin a sweep from one to `high` connections with the shortest budget."""
    page.form.first.high.setValue(high)
    page.form.budget.setValue(page.form.budget.minimum())
    press(page.form.start)
    until(qtbot, lambda: window.controller.sizes.phase is Phase.MEASURING)


def test_a_target_is_checked_while_it_is_typed(window: Window, qtbot: QtBot, conninfo: str) -> None:
    page = open_page(window, qtbot, conninfo)
    assert page.form.start.isEnabled()
    assert "connections" in page.form.what.text()
    page.form.target.setFocus()
    QTest.keyClicks(page.form.target, "wait_p95 < 20 bananas")
    assert "wait_p95" in page.form.mistake.text()
    assert not page.form.start.isEnabled()
    page.form.target.selectAll()
    QTest.keyClicks(page.form.target, "wait_p95 < 20ms")
    assert not page.form.mistake.text()
    assert page.form.start.isEnabled()
    page.form.first.low.setValue(9)
    page.form.first.high.setValue(3)
    assert "lower to a higher" in page.form.mistake.text()
    QTest.keyClick(page, Qt.Key.Key_Escape)
    assert window.pages.name == "run"


def test_a_sweep_pauses_goes_on_answers_and_is_opened_again(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    controller, sizes = window.controller, window.controller.sizes
    page = open_page(window, qtbot, conninfo)
    start(page, window, qtbot, 2)
    assert window.pages.name == "sizes", "the page stays while its run is shown"
    press(page.pause)
    until(qtbot, lambda: sizes.phase is Phase.PAUSED)
    until(qtbot, lambda: load_of(controller.recorder) == 0)
    press(page.pause)
    until(qtbot, lambda: not sizes.busy and sizes.sizing is not None)
    until(qtbot, lambda: sizes.sizing is not None and sizes.sizing.complete)
    found = sizes.sizing
    assert found is not None and found.recommended is not None and found.session is not None
    assert [point.sizes for point in found.points] == [(1,), (2,)]
    limits = {key: controller.values[key] for key in ("pool_size", "max_overflow", "clients")}
    assert limits == {"pool_size": 2, "max_overflow": 3, "clients": 4}, "as before the sweep"
    until(qtbot, lambda: page.views[0].chart is not None)
    assert page.table.rowCount() == 2

    press(page.use)
    assert controller.values["pool_size"] == found.recommended["pool_size"]
    assert controller.values["max_overflow"] == 0

    page.table.setFocus()
    page.table.selectRow(1)
    QTest.keyClick(page.table, Qt.Key.Key_Return)
    until(qtbot, lambda: window.pages.name == "run")
    begin, end = found.points[1].visits[0]
    assert window.charts.frame.start <= begin < end <= window.charts.frame.end + 1

    window.sessions.show_list(True)
    listed = window.sessions.list
    assert listed is not None
    until(qtbot, lambda: bool(listed.model.sessions))
    assert listed.model.sessions[0].swept
    listed.opened.emit(Path(found.session))
    until(qtbot, lambda: window.pages.name == "sizes")
    assert sizes.sizing is not None and sizes.sizing.points == found.points


def load_of(recorder: Recorder | None) -> object:
    last = None if recorder is None else recorder.last
    return None if last is None else last.load["clients"]


def test_what_was_measured_is_kept_when_a_sweep_is_cancelled(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    sizes = window.controller.sizes
    page = open_page(window, qtbot, conninfo)
    start(page, window, qtbot, 3)
    until(qtbot, lambda: sizes.sizing is not None)
    press(page.cancel)
    until(qtbot, lambda: not sizes.busy)
    until(qtbot, lambda: bool(sizes.sizing and sizes.sizing.notes))
    assert sizes.sizing is not None and sizes.sizing.session is not None
    assert not sizes.sizing.complete
    assert window.controller.state is State.READY
    assert page.form.isVisible()
    until(qtbot, lambda: is_whole(Path(str(sizes.sizing and sizes.sizing.session))))


def is_whole(path: Path) -> bool:
    with Recorder.open(path) as recorder:
        return recorder.ended is not None and recorder.sweep is not None


def test_another_load_is_predicted_at_once_and_measured_when_it_is_tried(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    controller = window.controller
    page = open_page(window, qtbot, conninfo)
    controller.sizes.show(sizing())
    until(qtbot, lambda: bool(page.what_if.says.text()))
    before = page.what_if.says.text()
    assert "Predicted by the model, not measured" in before
    page.what_if.clients.setFocus()
    QTest.keyClick(page.what_if.clients, Qt.Key.Key_Right)
    until(qtbot, lambda: page.what_if.says.text() != before)
    assert len(page.views[0].chart.curves) == 3 if page.views[0].chart else False
    until(qtbot, page.what_if.try_button.isEnabled)
    press(page.what_if.try_button)
    until(qtbot, lambda: controller.sizes.phase is Phase.TRYING)
    until(qtbot, lambda: controller.sizes.trial and controller.sizes.trial.measured)
    assert "predicted:" in page.what_if.measured.text()
    assert controller.values["clients"] == 4, "as before the trial"


def test_the_recommended_size_is_set_in_the_run_that_goes_on_and_marked(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    controller = window.controller
    page = open_page(window, qtbot, conninfo)
    run_on(qtbot, window, conninfo)
    controller.sizes.show(sizing())
    window.sizing.show(True)
    wanted = sizing().recommended
    assert wanted is not None
    press(page.use)
    recorder = controller.recorder
    assert recorder is not None
    until(
        qtbot,
        lambda: (
            recorder.last is not None and recorder.last.limits["pool_size"] == wanted["pool_size"]
        ),
    )
    until(qtbot, lambda: any("recommended" in mark.text for mark in recorder.marks))


@pytest.mark.parametrize(
    "moment",
    [
        "measuring",
        pytest.param("begun", marks=pytest.mark.on_demand),
        pytest.param("paused", marks=pytest.mark.on_demand),
        pytest.param("cancelled", marks=pytest.mark.on_demand),
        pytest.param("measured", marks=pytest.mark.on_demand),
    ],
)
def test_a_window_that_is_closed_in_a_sweep_leaves_a_whole_session(
    window: Window, qtbot: QtBot, conninfo: str, moment: str
) -> None:
    page = open_page(window, qtbot, conninfo)
    start(page, window, qtbot, 2)
    sizes, recorder = window.controller.sizes, window.controller.recorder
    assert recorder is not None and recorder.path is not None
    if moment != "begun":
        until(qtbot, lambda: recorder.last)
    if moment == "paused":
        press(page.pause)
        until(qtbot, lambda: load_of(recorder) == 0)
    elif moment == "cancelled":
        press(page.cancel)
    elif moment == "measured":
        until(qtbot, lambda: sizes.progress is not None and sizes.progress.visit > 2)
    window.close()
    with Recorder.open(recorder.path) as kept:
        assert kept.ended is not None
        assert not kept.ended.failure
        assert kept.sweep is not None and not kept.sweep.complete
