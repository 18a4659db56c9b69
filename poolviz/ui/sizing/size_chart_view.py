"""The widget that shows a chart over size."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QToolTip, QWidget

from poolviz.language import tr
from poolviz.sizing.charts import Dot, SizeChart
from poolviz.ui.sizing.size_painter import SizePainter
from poolviz.ui.sizing.size_scales import shown_value
from poolviz.ui.style.theme import Theme
from poolviz.ui.unexpected import contained


class SizeChartView(QWidget):
    """Shows one chart. The point at the pointer is described; a click or the arrow keys select one,
    a double click or Enter opens it. Points are named by their number among those of the sizing."""

    selected = Signal(int)
    opened = Signal(int)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._painter: SizePainter | None = None
        self._names_room: float | None = None
        self._selected: int | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)

    @property
    def chart(self) -> SizeChart | None:
        """What is shown."""
        return None if self._painter is None else self._painter.chart

    def show_chart(self, chart: SizeChart | None, names_room: float | None = None) -> None:
        """Show this chart in place of the one before; None shows nothing. `names_room` is the width
        for the names of curves (`room_for_names`), by default what this chart's need."""
        self._names_room = names_room
        self._painter = None if chart is None else SizePainter(chart, self._theme, names_room)
        self.setAccessibleName("" if chart is None else chart.title)
        self._place()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        self.show_chart(self.chart, self._names_room)

    def select(self, point: int | None) -> None:
        """Mark a point, without a signal."""
        self._selected = point
        described = [self._described(dot) for dot in self._dots_of(point)]
        self.setAccessibleDescription("; ".join(described))
        self.update()

    def sizeHint(self) -> QSize:
        """Return a size at which everything can be read."""
        return QSize(560, 240)

    def minimumSizeHint(self) -> QSize:
        """Return the smallest size of use."""
        return QSize(260, 150)

    @contained()
    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the chart, and a frame while it has the focus."""
        painter = QPainter(self)
        if self._painter is not None:
            self._painter.paint(painter, self._selected)
        if self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(self._theme.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), 9, 9)
        painter.end()

    @contained()
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the chart the size of the widget."""
        self._place()

    @contained()
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Describe the point at the pointer."""
        at = event.position()
        dots = self._dots_of(self._point_at(at))
        text = "\n".join(self._described(dot) for dot in dots)
        QToolTip.showText(event.globalPosition().toPoint(), text, self)

    @contained()
    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select the point at the pointer."""
        point = self._point_at(event.position())
        if point is not None and event.button() == Qt.MouseButton.LeftButton:
            self._choose(point)

    @contained()
    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Open the point at the pointer."""
        point = self._point_at(event.position())
        if point is not None:
            self.opened.emit(point)

    @contained()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Select and open points by keys; others are the page's."""
        points = sorted({dot.point for dot in self.chart.dots}) if self.chart is not None else []
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        ends = {Qt.Key.Key_Home: 0, Qt.Key.Key_End: -1}
        key = Qt.Key(event.key())
        if points and key in steps:
            now = points.index(self._selected) if self._selected in points else -steps[key] // 2
            self._choose(points[min(max(now + steps[key], 0), len(points) - 1)])
        elif points and key in ends:
            self._choose(points[ends[key]])
        elif self._selected in points and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit(self._selected)
        else:
            event.ignore()

    @contained()
    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the focus."""
        self.update()

    @contained()
    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Show that the focus has gone."""
        self.update()

    def changeEvent(self, event: QEvent) -> None:
        """Make the chart again when fonts change."""
        super().changeEvent(event)
        with contained():
            if event.type() == QEvent.Type.FontChange:
                self.show_chart(self.chart, self._names_room)

    def _place(self) -> None:
        if self._painter is not None:
            self._painter.place(self.width(), self.height())
        self.update()

    def _point_at(self, at: QPointF) -> int | None:
        return None if self._painter is None else self._painter.point_at(at)

    def _dots_of(self, point: int | None) -> list[Dot]:
        if self.chart is None or point is None:
            return []
        return [dot for dot in self.chart.dots if dot.point == point]

    def _choose(self, point: int) -> None:
        self.select(point)
        self.selected.emit(point)

    def _described(self, dot: Dot) -> str:
        """Return what a dot says."""
        assert self.chart is not None
        curve = next(each for each in self.chart.curves if dot in each.dots)
        unit = self.chart.unit
        size = f"{self.chart.axis} {dot.x:g}"
        value = shown_value(dot.y, unit)
        if dot.low is None or dot.high is None:
            return tr("{size}, {curve}: {value}", size=size, curve=curve.name, value=value)
        return tr(
            "{size}, {curve}: {value} ({low} to {high})",
            size=size,
            curve=curve.name,
            value=value,
            low=shown_value(dot.low, unit),
            high=shown_value(dot.high, unit),
        )
