"""The charts of details: pixels where they are what is promised, figures in the card."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from poolviz.model.messages import SampleTaken
from poolviz.model.sample import PoolerView, ServerView
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts import png
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.charts.heatmap import Heatmap
from poolviz.ui.charts.pooler_counts import PoolerCounts
from poolviz.ui.style.theme import DARK, LIGHT, Theme
from tests.sessions.builders import Tick, began, ended, samples
from tests.ui.charts.drawn import charts, colour_at, fed, painted, place, recorder

__all__ = ["charts", "recorder"]

HOLDING = Tick(
    used=(10,),
    waits=(0.01,) * 5,
    operations=5,
    server=ServerView(active=4, idle_in_transaction=6, idle=2),
)


def lightness(colour: str) -> float:
    return QColor(colour).lightnessF()


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_the_heatmap_is_stronger_where_more_waits_are_and_empty_where_none(
    charts: ChartsWidget, recorder: Recorder, theme: Theme
) -> None:
    charts.set_theme(theme)
    charts.choice.choose(["heatmap"])
    many = Tick(waits=(0.01,) * 50 + (1.0,))
    charts.set_recorder(fed(recorder, *[many] * 1200))
    image = painted(charts)

    def apart(power: float) -> float:
        """How far the colour of a wait of 10 ** power ms is from the panel's."""
        colour = colour_at(image, *place(charts, 0, 23.0, power))
        return abs(lightness(colour) - lightness(theme.panel))

    assert apart(1.01) > apart(3.01) > 0.05
    assert apart(1.7) < 0.05
    chart = charts.canvas.chart_scene.by_name["heatmap"]
    assert isinstance(chart, Heatmap)
    assert chart.details is not None
    assert chart.details.waits.sum() == pytest.approx(1200 * 51, rel=0.02)


def test_held_but_not_working_is_what_the_pool_has_in_use_beyond_the_active_ones(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.choice.choose(["server"])
    charts.set_recorder(fed(recorder, *[HOLDING] * 1200))
    image = painted(charts)
    assert colour_at(image, *place(charts, 0, 20.0, 2.0)) == LIGHT.used
    assert colour_at(image, *place(charts, 0, 20.0, 11.0)) == LIGHT.idle
    x, y = place(charts, 0, 20.0, 7.0)
    around = {colour_at(image, x + dx, y + dy) for dx in range(8) for dy in range(8)}
    assert {LIGHT.bad, LIGHT.overflow} <= around
    QTest.mouseMove(charts.canvas.viewport(), QPoint(600, 120))
    crosshair = charts.canvas.chart_scene.crosshair
    shown = {figure.name: figure.value for group in crosshair.groups for figure in group}
    assert shown["held but not working"] == "6"
    assert shown["server idle in transaction"] == "6"


def test_fairness_sorts_the_clients_of_the_visible_part(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.choice.choose(["fairness"])
    for sample in samples([HOLDING] * 1200):
        replaced = type(sample)(
            **{name: getattr(sample, name) for name in sample.__struct_fields__}
            | {"per_client": {0: 1, 1: 3, 2: 2}}
        )
        recorder.add(SampleTaken(replaced))
    charts.set_recorder(recorder)
    charts.set_span(None)
    chart = charts.canvas.chart_scene.by_name["fairness"]
    assert [name.text for name in chart.names] == ["most 3600", "mean 2400", "least 1200"]
    image = painted(charts)
    third = chart.plot.width() / 3
    tops = []
    for bar in range(3):
        x = chart.plot.left() + (bar + 0.5) * third
        column = [
            y
            for y in range(int(chart.plot.height()) + 28)
            if colour_at(image, x, y) == LIGHT.throughput
        ]
        tops.append(min(column))
    assert tops == sorted(tops)
    assert tops[0] < tops[1] < tops[2]


@pytest.mark.parametrize("name", ["heatmap", "opened", "ages", "fairness", "server"])
def test_it_is_drawn_of_a_file_and_in_a_picture_and_empty_without_data(
    charts: ChartsWidget, tmp_path: Path, qtbot: QtBot, name: str
) -> None:
    charts.choice.choose([name])
    empty = painted(charts)
    path = tmp_path / "run.poolviz"
    with Recorder(path) as live:
        live.add(began())
        for sample in samples([HOLDING] * 1500):
            live.add(SampleTaken(sample))
        live.add(ended())
        charts.set_recorder(live)
        QApplication.processEvents()
        drawn_live = painted(charts)
    assert drawn_live != empty
    with Recorder.open(path) as stored:
        charts.set_recorder(stored, live=False)

        def is_drawn() -> bool:
            charts.refresh()
            return painted(charts) == drawn_live

        qtbot.waitUntil(is_drawn, timeout=20_000)
        assert png.png(stored, charts=(name,)).startswith(b"\x89PNG")
        charts.set_recorder(None)


def test_the_poolers_chart_shows_its_clients_and_connections_and_the_longest_wait(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.choice.choose(["pooler"])
    said = Tick(pooler=PoolerView(4, 7, 4, 1, 0, 2.5))
    charts.set_recorder(fed(recorder, *[said] * 200))
    painted(charts)
    chart = charts.canvas.chart_scene.by_name["pooler"]
    assert isinstance(chart, PoolerCounts)
    view = recorder.view(0.0, 10.0, 100)
    figures = {figure.name: figure.amount for figure in chart.figures(view, 20)}
    assert figures == {
        "clients waiting": 7,
        "clients served": 4,
        "backends in use": 4,
        "backends idle": 1,
        "longest wait": 2.5,
    }


def test_the_poolers_chart_is_empty_where_none_was_asked(
    charts: ChartsWidget, recorder: Recorder
) -> None:
    charts.choice.choose(["pooler"])
    charts.set_recorder(fed(recorder, *[Tick()] * 200))
    painted(charts)
    chart = charts.canvas.chart_scene.by_name["pooler"]
    assert chart.figures(recorder.view(0.0, 10.0, 100), 20) == []
    assert chart.names == []
