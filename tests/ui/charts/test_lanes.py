"""The chart of lanes, of a real run."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QAccessible, QColor
from PySide6.QtWidgets import QApplication

import poolviz
from poolviz.servers.embedded.server import EmbeddedServer
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.charts.lanes import Lanes
from poolviz.ui.style.theme import DARK, LIGHT, Theme


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, server: EmbeddedServer) -> Path:
    path = tmp_path_factory.mktemp("lanes") / "a.poolviz"
    with poolviz.run(
        pool="sqlalchemy.QueuePool",
        limits={"pool_size": 3, "max_overflow": 0},
        load={"clients": 6, "statement_time": 0.02, "hold_time": 0.03, "think_time": 0.01},
        duration=2,
        dsn=server.conninfo,
    ) as result:
        result.session.export(path)
    return path


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_each_connection_is_a_lane_that_says_who_has_it(
    qapp: QApplication, session: Path, theme: Theme
) -> None:
    charts = ChartsWidget(theme)
    charts.resize(996, 690)
    with Recorder.open(session) as recorder:
        charts.set_recorder(recorder, live=False)
        charts.canvas.chart_scene.show_charts(["connections", "lanes"])
        charts.show()
        qapp.processEvents()
        charts.set_span(1.0)
        lanes = charts.canvas.chart_scene.by_name["lanes"]
        assert isinstance(lanes, Lanes)
        assert [tick.text for tick in lanes.scale_y.ticks][:3] == ["1", "2", "3"]
        assert {"working", "in transaction", "waiting"} <= {name.text for name in lanes.names}
        seen = set()
        for step in range(40):
            at = QPointF(lanes.plot.left() + 5 + 20 * step, lanes.plot.top() + 4)
            charts.canvas.pointed.emit(lanes.pos() + at)
            figures = {
                each.name: each.value for each in charts.canvas.chart_scene.crosshair.groups[-1]
            }
            assert figures["connection"].isdigit()
            if figures["state"] in ("working", "in transaction"):
                assert 0 <= int(figures["client"]) < 6
                assert "ms" in figures["held since"]
                seen.add(figures["state"])
        assert seen == {"working", "in transaction"}
        # Six clients share three connections: whoever waits has a lane below, and says for whom.
        waiting = [tick.text for tick in lanes.scale_y.ticks if tick.text.startswith("c")]
        assert waiting
        assert set(waiting) <= {f"c{n}" for n in range(6)}
        found: dict[str, str] = {}
        for row, step in itertools.product(range(len(waiting)), range(40)):
            down = 3 * lanes._lane_height + 7 + row * lanes._lane_height
            at = QPointF(lanes.plot.left() + 5 + 20 * step, lanes.plot.top() + down)
            charts.canvas.pointed.emit(lanes.pos() + at)
            lines = charts.canvas.chart_scene.crosshair.groups[-1]
            if lines[0].value == "waits":
                found = {each.name: each.value for each in lines}
                assert lines[0].name == f"client {waiting[row][1:]}"
        assert "ms" in found["waits since"]
        assert found["held by"].startswith("client ")
        pixels = charts.grab().toImage()
        seen_colours = {
            pixels.pixelColor(x, y).name() for x in range(60, 900, 3) for y in range(430, 640, 3)
        }
        assert {QColor(theme.used).name(), QColor(theme.wait).name()} <= seen_colours
        spoken = QAccessible.queryAccessibleInterface(charts)
        assert spoken is not None
        charts.step_back()  # so that the values at the end are said, not those at the crosshair
        said = ""
        for _ in range(5):  # once the run is over nobody holds one
            charts.canvas.panned.emit(-0.15)
            said += spoken.text(QAccessible.Text.Description)
        assert "longest holder client " in said
        charts.close()
        charts.deleteLater()
