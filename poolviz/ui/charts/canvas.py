"""The widget that the charts are painted on: turns mouse and wheel into moves along time."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QGraphicsView, QWidget

from poolviz.ui.charts.chart_scene import ChartScene
from poolviz.ui.style.theme import Theme

_NOTCH = 120.0  # one click of an ordinary wheel
_ZOOM = 1.25  # a notch
_PAN = 0.1  # of the width, a notch


class Canvas(pg.GraphicsView):  # type: ignore[misc]
    """Shows a ChartScene; says what the pointer asks for, and decides nothing."""

    panned = Signal(float)  # seconds; to the past where negative
    zoomed = Signal(float, float)  # factor, the moment that stays where it is
    follow_asked = Signal()
    pointed = Signal(object)  # QPointF, or None when the pointer leaves
    laid_out = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=None, useOpenGL=False)
        self.chart_scene = ChartScene(theme)
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

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Lay the scene over the whole canvas, one unit a pixel."""
        super().resizeEvent(event)
        if event is not None:
            self.chart_scene.place(self.width(), self.height())
            self.laid_out.emit()

    def event(self, event: QEvent) -> bool:
        """Keep pens as wide as they look when the window goes to another screen."""
        if event.type() in _RATIO_EVENTS:
            self.chart_scene.set_pixel_ratio(self.devicePixelRatioF())
        return bool(super().event(event))

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom around the pointer; sideways, or with Shift, move along."""
        turned, at = event.angleDelta(), event.position()
        sideways = turned.x() or (turned.y() if event.modifiers() & _SHIFT else 0)
        if sideways:
            self.panned.emit(-sideways / _NOTCH * _PAN * self.chart_scene.frame.span)
        elif turned.y():
            self.zoomed.emit(_ZOOM ** (-turned.y() / _NOTCH), self.chart_scene.time_at(at.x()))
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of the time axis."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._dragged_from = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the time axis, or move the crosshair."""
        if self._dragged_from is None:
            self.pointed.emit(event.position())
            return
        moved = event.position().x() - self._dragged_from.x()
        if moved:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self._dragged_from = event.position()
            self.panned.emit(
                -moved / self.chart_scene.plots[0].width() * self.chart_scene.frame.span
            )
            self.pointed.emit(event.position())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._dragged_from = None
            self.unsetCursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Back to the session's end."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.follow_asked.emit()

    def leaveEvent(self, event: QEvent) -> None:
        """Take the crosshair away."""
        self.pointed.emit(None)


_RATIO_EVENTS = (QEvent.Type.DevicePixelRatioChange, QEvent.Type.Show)
_SHIFT = Qt.KeyboardModifier.ShiftModifier
