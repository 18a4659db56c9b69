"""The table of who holds the connections, in the window."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from poolviz.model.messages import SampleTaken
from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.draft import Draft
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.lanes import Lanes
from poolviz.ui.holders.table import Column
from poolviz.ui.window import Window
from tests.sessions.builders import began, ended
from tests.sessions.test_lanes import LANES, with_lanes
from tests.ui.running import GENTLE, servers_home, until, window

__all__ = ["servers_home", "window"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("holders") / "a.poolviz"
    with Recorder(made) as recorder:
        recorder.add(began())
        for sample in with_lanes(400):
            recorder.add(SampleTaken(sample))
        recorder.add(ended())
    return made


def press(window: Window, key: Qt.Key) -> None:
    QTest.keyClick(window.focusWidget() or window, key)
    QApplication.processEvents()


def lanes_of(window: Window) -> Lanes:
    lanes = window.charts.canvas.chart_scene.by_name["lanes"]
    assert isinstance(lanes, Lanes)
    return lanes


def rows_of(window: Window) -> list[list[str]]:
    model = window.holders.table.rows
    return [
        [str(model.index(row, column).data()) for column in Column]
        for row in range(model.rowCount())
    ]


def test_a_session_shows_who_held_connections_for_longest(
    window: Window, qtbot: QtBot, path: Path
) -> None:
    window.controller.view_session(path)
    until(qtbot, lambda: window.controller.viewing == path)
    assert window.holders.isHidden()
    press(window, Qt.Key.Key_W)
    table = window.holders.table
    until(qtbot, lambda: bool(table.rows.holds))
    assert "lanes" in window.charts.choice.names
    assert window.focusWidget() is table, "it can be used at once, without a mouse"
    first, *others = rows_of(window)
    assert first[Column.CLIENT : Column.TIME] == ["9", "13"]
    assert first[Column.SINCE] == "0:00.1"
    assert {row[Column.CLIENT] for row in others} <= {"0", "1", "2"}
    seconds = [hold.seconds for hold in table.rows.holds]
    assert seconds == sorted(seconds, reverse=True)
    press(window, Qt.Key.Key_Down)
    chosen = table.rows.holds[0]
    assert lanes_of(window).marked == chosen
    assert chosen.lane == LANES
    # Another part: the holds of that one, of which the long one is one.
    window.charts.set_span(2.0)
    until(qtbot, lambda: "0:18" in window.holders.note.text())
    assert rows_of(window)[0][Column.CLIENT : Column.TIME] == ["9", "13"]
    assert lanes_of(window).marked is not None, "it stays chosen"
    press(window, Qt.Key.Key_Return)
    assert window.charts.frame.start <= chosen.since <= window.charts.frame.end
    press(window, Qt.Key.Key_Escape)
    assert lanes_of(window).marked is None
    assert window.focusWidget() is window.charts
    press(window, Qt.Key.Key_W)
    assert window.holders.isHidden()
    assert "lanes" in window.charts.choice.names


def test_each_row_is_a_sentence_for_screen_readers(
    window: Window, qtbot: QtBot, path: Path
) -> None:
    window.controller.view_session(path)
    until(qtbot, lambda: window.controller.viewing == path)
    window.holders.choose(True)
    table = window.holders.table
    until(qtbot, lambda: bool(table.rows.holds))
    spoken = table.rows.index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert spoken.startswith("client 9: connection 13 for ")
    assert table.accessibleName() == "Who holds the connections"


def test_a_run_shows_who_holds_connections_now(window: Window, qtbot: QtBot) -> None:
    limits = {"pool_size": 2, "max_overflow": 0, "pool_timeout": 0.3}
    load = {**GENTLE, "clients": 4, "hold_time": 60}
    draft = Draft(pool="sqlalchemy.QueuePool", limits=limits, load=load)
    window.controller.plan(complete_draft(draft))
    run_on_hold(qtbot, window)
    until(qtbot, window.errors.who.isVisible)
    window.errors.who.click()
    table = window.holders.table
    until(qtbot, lambda: len(table.rows.holds) == 2)
    until(qtbot, lambda: all(hold.seconds > 0.5 for hold in table.rows.holds))
    assert {row[Column.DOING] for row in rows_of(window)} == {"has left a transaction open"}
    before = table.rows.holds
    table.selectRow(0)
    until(qtbot, lambda: table.rows.holds[0].seconds > before[0].seconds + 0.3)
    marked = lanes_of(window).marked
    assert marked is not None
    assert marked.client == before[0].client
    assert table.currentIndex().row() == 0, "it stays chosen while time goes on"


def run_on_hold(qtbot: QtBot, window: Window) -> None:
    """Have a run go on whose operations don't end."""
    window.controller.connect_to(None, start=True)
    until(qtbot, lambda: bool((r := window.controller.recorder) and r.last and r.last.used.last))


def test_no_lanes_no_table(window: Window, qtbot: QtBot, path: Path) -> None:
    window.controller.view_session(path)
    until(qtbot, lambda: window.controller.viewing == path)
    window.charts.choice.choose(("connections", "lanes"))
    until(qtbot, window.holders.isVisible)
    window.charts.expand("connections")
    assert window.holders.isHidden()
    window.charts.expand("lanes")
    assert window.holders.isVisible()
    window.charts.expand(None)
    window.charts.choice.choose(("connections",))
    assert window.holders.isHidden()


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("members") / "m.poolviz"
    with Recorder(made) as recorder:
        for name in ("worker 1", "worker 2"):
            recorder.add(began(), name)
        for sample in with_lanes(200):
            for name in ("worker 1", "worker 2"):
                recorder.add(SampleTaken(sample), name)
        for name in ("worker 1", "worker 2"):
            recorder.add(ended(), name)
        recorder.add(ended())
    return made


def test_the_sum_of_pools_shows_the_lanes_and_the_holders_of_each(
    window: Window, qtbot: QtBot, members: Path
) -> None:
    window.controller.view_session(members)
    until(qtbot, lambda: window.controller.viewing == members)
    press(window, Qt.Key.Key_W)
    table = window.holders.table
    until(qtbot, lambda: bool(table.rows.holds))
    assert not table.isColumnHidden(Column.MEMBER)
    first, second, *_ = rows_of(window)
    assert {first[Column.MEMBER], second[Column.MEMBER]} == {"worker 1", "worker 2"}
    assert first[Column.CLIENT : Column.TIME] == second[Column.CLIENT : Column.TIME] == ["9", "13"]
    assert table.rows.sentence(table.rows.holds[0]).startswith("worker ")
    window.charts.expand("lanes")
    QApplication.processEvents()
    lanes = lanes_of(window)
    assert lanes._rows == [(f"worker {n}", lane) for n in (1, 2) for lane in range(LANES + 1)]
    assert {member for member, _ in lanes._clients} == {"worker 1", "worker 2"}
    window.charts.show_part(5.0, 6.0)
    QApplication.processEvents()
    for row, (member, lane) in enumerate(lanes._rows):
        down = lanes.plot.top() + (row + 0.5) * lanes._lane_height
        at = QPointF(lanes.plot.center().x(), down)
        window.charts.canvas.pointed.emit(lanes.pos() + at)
        said = {
            each.name: each.value for each in window.charts.canvas.chart_scene.crosshair.groups[-1]
        }
        assert said["pool"] == member
        assert said["connection"] == str(lane + 10)
    second_hold = next(hold for hold in table.rows.holds if hold.member == "worker 2")
    window.charts.mark_hold(second_hold)
    assert lanes._rows.index(("worker 2", second_hold.lane)) == LANES + 1 + second_hold.lane
