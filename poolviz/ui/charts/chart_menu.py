"""The menu in which the charts and their curves are chosen."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from poolviz.language import tr
from poolviz.sessions.export.exporter import PICTURE, USUAL
from poolviz.ui.charts.charts_widget import ChartsWidget

_KEYS = {"heatmap": "H"}


class ChartMenu(QMenu):
    """Shows and hides charts and curves, and expands a chart to the whole room.

    Its shortcuts work in all of `window`. The charts' classes are imported when it is first shown.
    """

    def __init__(self, charts: ChartsWidget, window: QWidget) -> None:
        super().__init__(tr("Charts"), window)
        self._charts, self._window = charts, window
        self._shown = {name: self._chart_action(name) for name in PICTURE}
        self.addSeparator()
        self._expand = self._add(tr("Expand a chart"), "E", charts.toggle_expanded)
        self._expand.setCheckable(True)
        self._curves = self.addMenu(tr("Curves"))
        self._curves.setToolTip(tr("A click on a curve's name at its right end does the same."))
        self.addSeparator()
        self._usual = self._add(tr("Usual charts"), "", lambda: charts.choice.choose(USUAL))
        self.aboutToShow.connect(self._fill)
        charts.choice.changed.connect(self._check)
        self._check()

    def _add(self, text: str, key: str, act: Callable[[], object]) -> QAction:
        action = QAction(text, self._window)
        if key:
            action.setShortcut(QKeySequence(key))
        action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        action.triggered.connect(lambda _checked=False: act())
        self._window.addAction(action)
        self.addAction(action)
        return action

    def _chart_action(self, name: str) -> QAction:
        key = _KEYS.get(name, "")
        action = self._add(name.capitalize(), key, lambda: self._toggle(name))
        action.setObjectName(f"chart {name}")
        action.setCheckable(True)
        return action

    def _toggle(self, name: str) -> None:
        """Show or hide a chart. The last one stays, and its action says so."""
        self._charts.choice.toggle(name)
        self._check()

    def _check(self) -> None:
        for name, action in self._shown.items():
            action.setChecked(name in self._charts.choice.names)
        self._usual.setEnabled(tuple(self._charts.choice.names) != tuple(USUAL))

    def _fill(self) -> None:
        """Show the state of now: titles, which are known once charts are imported, and curves."""
        from poolviz.ui.charts.by_name import CHARTS  # noqa: PLC0415 - for a quick start

        for name, action in self._shown.items():
            action.setText(tr(CHARTS[name].title))
        self._check()
        self._expand.setChecked(self._charts.expanded is not None)
        self._curves.clear()
        for chart in self._charts.canvas.chart_scene.charts:
            for curve in (name.curve for name in chart.names):
                action = self._curves.addAction(
                    tr("{chart}: {curve}", chart=tr(chart.title), curve=chart.curve_title(curve))
                )
                action.setCheckable(True)
                action.setChecked(chart.shown(curve))
                action.triggered.connect(
                    lambda _=False, of=chart, curve=curve: self._charts.toggle_curve(of, curve)
                )
        self._curves.setEnabled(not self._curves.isEmpty())
