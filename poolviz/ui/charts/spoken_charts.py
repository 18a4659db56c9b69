"""What a screen reader says of the charts, which are one picture to it otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from poolviz.language import tr
from poolviz.ui.charts.chart import Figure
from poolviz.ui.charts.chart_scene import ChartScene

_EVERY = 1.0  # seconds between two texts while a session grows


class SpokenCharts:
    """Gives each chart of a canvas an invisible widget of its place, with its title as name and its
    latest values as description, and the widget that has the focus the values of all."""

    def __init__(self, scene: ChartScene, canvas: QWidget, focused: QWidget) -> None:
        self._scene, self._canvas, self._focused = scene, canvas, focused
        self._widgets: list[QWidget] = []
        self._said_at = 0.0

    def follow(self, *, calm: bool) -> None:
        """Say the present values; with `calm` not more than once a second."""
        now = monotonic()
        if calm and now - self._said_at < _EVERY:
            return
        self._said_at = now
        charts, said = self._scene.charts, []
        while len(self._widgets) < len(charts):
            self._widgets.append(self._place_holder())
        for chart, widget in zip(charts, self._widgets, strict=False):
            widget.setGeometry(chart.size.translated(chart.pos()).toRect())
            title, values = tr(chart.title), [tr(chart.subtitle)]
            values += _as_text(self._scene.latest(chart))
            widget.setAccessibleName(title)
            widget.setAccessibleDescription("; ".join(filter(None, values)))
            widget.show()
            said.append(f"{title}: {widget.accessibleDescription()}")
        for widget in self._widgets[len(charts) :]:
            widget.hide()
        if not self._scene.crosshair.isVisible():
            self._focused.setAccessibleDescription(". ".join(said))

    def point(self) -> None:
        """Say the values at the crosshair, if there is one."""
        crosshair = self._scene.crosshair
        if crosshair.isVisible():
            values = [text for group in crosshair.groups for text in _as_text(group)]
            heading = " ".join(filter(None, crosshair.heading))
            self._focused.setAccessibleDescription("; ".join((heading, *values)))
        else:
            self.follow(calm=False)

    def _place_holder(self) -> QWidget:
        widget = QWidget(self._canvas)
        widget.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        widget.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        return widget


def _as_text(figures: Sequence[Figure]) -> list[str]:
    return [f"{figure.name} {figure.value}" for figure in figures]
