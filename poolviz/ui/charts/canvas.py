"""The widget that paints the charts, and emits what mouse and wheel ask for."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QContextMenuEvent, QMouseEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QFrame, QGraphicsView, QWidget

from poolviz.ui.charts.chart_scene import ChartScene
from poolviz.ui.style.theme import Theme
from poolviz.ui.unexpected import contained

_NOTCH = 120.0  # one click of an ordinary wheel
_ZOOM = 1.25  # a notch
_PAN = 0.1  # of the width, a notch


class Canvas(pg.GraphicsView):  # type: ignore[misc]
    """Shows a ChartScene. Emits requests of the pointer; the owner decides what to do."""

    panned = Signal(float)  # seconds, to the past if negative
    zoomed = Signal(float, float)  # factor, and the time that stays at its place
    follow_requested = Signal()
    clicked = Signal(QPointF)  # without moving
    expand_requested = Signal(QPointF)  # by a double click on a chart's title
    pointed = Signal(object)  # QPointF, or None when the pointer leaves
    laid_out = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=None, useOpenGL=False)
        self.chart_scene = ChartScene(theme)
        self._pressed: QPointF | None = None
        self._dragged_from: QPointF | None = None
        self.scene().addItem(self.chart_scene)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.MinimalViewportUpdate)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMouseTracking(True)
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.setBackgroundBrush(QColor(theme.bg))
        self.chart_scene.set_theme(theme)

    def topic_at(self, at: QPoint | None) -> str:
        """Return the topic of the help on the chart at a place, or on the uppermost one."""
        charts = self.chart_scene.charts
        for chart in charts if at is not None else ():
            if chart.sceneBoundingRect().contains(self.mapToScene(at)):
                return chart.topic
        return charts[0].topic

    @contained()
    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Leave the menu to the window: no curve has one of its own."""
        event.ignore()

    @contained()
    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Give the scene the size of the canvas, one unit a pixel."""
        super().resizeEvent(event)
        if event is not None:
            self.chart_scene.place(self.width(), self.height())
            self.laid_out.emit()

    def event(self, event: QEvent) -> bool:
        """Keep the apparent width of pens when the window moves to another screen."""
        with contained():
            self._follow_screen(event)
        return bool(super().event(event))

    def _follow_screen(self, event: QEvent) -> None:
        if event.type() in _RATIO_EVENTS:
            self.chart_scene.set_pixel_ratio(self.devicePixelRatioF())

    @contained()
    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom around the pointer; sideways or with Shift, pan."""
        turned, at = event.angleDelta(), event.position()
        sideways = turned.x() or (turned.y() if event.modifiers() & _SHIFT else 0)
        if sideways:
            self.panned.emit(-sideways / _NOTCH * _PAN * self.chart_scene.frame.span)
        elif turned.y():
            self.zoomed.emit(_ZOOM ** (-turned.y() / _NOTCH), self.chart_scene.time_at(at.x()))
        event.accept()

    @contained()
    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Start dragging the time axis."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed = self._dragged_from = event.position()

    @contained()
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Pan while dragging, otherwise move the crosshair."""
        if self._dragged_from is None:
            self.pointed.emit(event.position())
            return
        if self._pressed is not None:
            apart = event.position() - self._pressed
            if apart.manhattanLength() < QApplication.startDragDistance():
                return
            self._pressed = None
        moved = event.position().x() - self._dragged_from.x()
        if moved:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self._dragged_from = event.position()
            self.panned.emit(
                -moved / self.chart_scene.plots[0].width() * self.chart_scene.frame.span
            )
            self.pointed.emit(event.position())

    @contained()
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Stop dragging; if nothing was dragged it was a click."""
        if event.button() == Qt.MouseButton.LeftButton:
            pressed, self._pressed, self._dragged_from = self._pressed, None, None
            self.unsetCursor()
            if pressed is not None:
                self.clicked.emit(pressed)

    @contained()
    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Expand the chart whose title was hit; elsewhere follow the session's end again."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if self.chart_scene.title_at(event.position()) is not None:
            self.expand_requested.emit(event.position())
        else:
            self.follow_requested.emit()

    @contained()
    def leaveEvent(self, event: QEvent) -> None:
        """Hide the crosshair."""
        self.pointed.emit(None)


_RATIO_EVENTS = (QEvent.Type.DevicePixelRatioChange, QEvent.Type.Show)
_SHIFT = Qt.KeyboardModifier.ShiftModifier
