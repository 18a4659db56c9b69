"""The charts as a real widget, and what is painted at a place in them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from poolviz.model.messages import SampleTaken
from poolviz.model.sample import ServerView
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.style.theme import LIGHT
from tests.sessions.builders import Tick, began, samples
from tests.ui.running import until


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
def charts(qtbot: QtBot) -> ChartsWidget:
    made = ChartsWidget(LIGHT)
    qtbot.addWidget(made)
    made.resize(996, 690)
    made.show()
    qtbot.waitExposed(made)
    until(qtbot, made.canvas.isVisible)  # made after the first paint
    QApplication.processEvents()
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
    """Return `recorder` with what `ticks` make, after `since` samples that were there before."""
    for sample in list(samples((*[Tick()] * since, *ticks)))[since:]:
        recorder.add(SampleTaken(sample))
    return recorder


def painted(charts: ChartsWidget) -> QImage:
    QApplication.processEvents()
    return charts.canvas.grab().toImage()


def colour_at(image: QImage, x: float, y: float) -> str:
    return image.pixelColor(int(x), int(y)).name()


def place(
    charts: ChartsWidget, chart_index: int, seconds: float, value: float
) -> tuple[float, float]:
    """The pixel of a value in a chart, `seconds` before the right end."""
    chart = charts.canvas.chart_scene.charts[chart_index]
    return chart.x_of(-seconds), chart.pos().y() + chart.y_of(value)


def looks(charts: ChartsWidget, seconds: float, value: float) -> str:
    """The colour in the chart of connections."""
    return colour_at(painted(charts), *place(charts, 0, seconds, value))


def wheel(charts: ChartsWidget, notches: float, x: float = 600) -> None:
    at = QPointF(x, 100)
    event = QWheelEvent(
        at,
        QPointF(charts.canvas.mapToGlobal(at.toPoint())),
        QPoint(),
        QPoint(0, round(notches * 120)),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(charts.canvas.viewport(), event)


def drag(charts: ChartsWidget, pixels: int) -> None:
    surface, start = charts.canvas.viewport(), QPoint(500, 100)
    QTest.mousePress(surface, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(surface, start + QPoint(pixels // 2, 0))
    QTest.mouseMove(surface, start + QPoint(pixels, 0))
    QTest.mouseRelease(surface, Qt.MouseButton.LeftButton, pos=start + QPoint(pixels, 0))


def names(charts: ChartsWidget, chart_index: int) -> list[str]:
    return [name.text for name in charts.canvas.chart_scene.charts[chart_index].names]
