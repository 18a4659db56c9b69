"""The widget that paints the charts of a comparison, and zooms and moves them."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QWidget

from poolviz.language import tr
from poolviz.ui.comparison.overlay_charts import OverlayCharts
from poolviz.ui.style.theme import Theme
from poolviz.ui.unexpected import contained

_NOTCH, _ZOOM, _STEP = 120.0, 1.25, 0.25


class ComparisonCanvas(pg.GraphicsView):  # type: ignore[misc]
    """Shows OverlayCharts: the wheel and + and − zoom, dragging and the arrow keys move, a double
    click and 0 show the whole. The values at the pointer are shown beside it."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=None, useOpenGL=False)
        self.overlays: OverlayCharts | None = None
        self._theme = theme
        self._dragged_from: QPointF | None = None
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(tr("Charts of the sessions"))
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        self.setBackgroundBrush(QColor(theme.bg))
        if self.overlays is not None:
            self.overlays.set_theme(theme)

    def show_overlays(self, overlays: OverlayCharts | None) -> None:
        """Show these charts in place of those before; None shows nothing."""
        if self.overlays is not None:
            self.scene().removeItem(self.overlays)
        self.overlays = overlays
        if overlays is not None:
            self.scene().addItem(overlays)
            overlays.set_pixel_ratio(self.devicePixelRatioF())
            overlays.place(self.width(), self.height())

    @contained()
    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Give the charts the size of the widget, one unit a pixel."""
        super().resizeEvent(event)
        if event is not None and self.overlays is not None:
            self.overlays.place(self.width(), self.height())

    def event(self, event: QEvent) -> bool:
        """Keep the apparent width of pens when the window moves to another screen."""
        with contained():
            if event.type() == QEvent.Type.DevicePixelRatioChange and self.overlays is not None:
                self.overlays.set_pixel_ratio(self.devicePixelRatioF())
        return bool(super().event(event))

    @contained()
    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom around the pointer."""
        turned = event.angleDelta().y()
        if self.overlays is not None and turned:
            around = self.overlays.time_at(event.position())
            self.overlays.zoom(_ZOOM ** (-turned / _NOTCH), around)
            self.overlays.point_at(event.position())
        event.accept()

    @contained()
    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Start dragging the time axis."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._dragged_from = event.position()
            self.setFocus()

    @contained()
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the time axis while dragging; else show the values at the pointer."""
        if self.overlays is None:
            return
        if self._dragged_from is None:
            self.overlays.point_at(event.position())
            return
        moved = event.position().x() - self._dragged_from.x()
        self._dragged_from = event.position()
        width = max(self.overlays.charts[0].plot.width(), 1.0)
        self.overlays.pan(-moved / width * self.overlays.frame.span)

    @contained()
    def leaveEvent(self, event: QEvent) -> None:
        """Show no values once the pointer has left."""
        if self.overlays is not None:
            self.overlays.point_nowhere()

    @contained()
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Stop dragging."""
        self._dragged_from = None

    @contained()
    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the whole of all sessions."""
        if self.overlays is not None:
            self.overlays.show_frame(self.overlays.whole)

    @contained()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Zoom and move by keys; others are the page's."""
        overlays = self.overlays
        if overlays is None or not self._moved(overlays, event.text(), event.key()):
            event.ignore()

    def _moved(self, overlays: OverlayCharts, text: str, key: int) -> bool:
        span = overlays.frame.span
        middle = overlays.frame.start + span / 2
        match text, key:
            case ("+" | "=", _):
                overlays.zoom(1 / _ZOOM, middle)
            case ("-", _):
                overlays.zoom(_ZOOM, middle)
            case ("0", _):
                overlays.show_frame(overlays.whole)
            case (_, Qt.Key.Key_Left):
                overlays.pan(-_STEP * span)
            case (_, Qt.Key.Key_Right):
                overlays.pan(_STEP * span)
            case _:
                return False
        return True
