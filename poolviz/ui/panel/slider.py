"""The slider and the switch, painted in the theme's colours."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QSizePolicy, QWidget

from poolviz.ui.style.theme import Theme
from poolviz.ui.unexpected import contained

_KNOB = 14  # pixels across
_GROOVE = 3
_STEPS: dict[int, int] = {
    Qt.Key.Key_Left: -1,
    Qt.Key.Key_Down: -1,
    Qt.Key.Key_Right: 1,
    Qt.Key.Key_Up: 1,
    Qt.Key.Key_PageDown: -10,
    Qt.Key.Key_PageUp: 10,
}


class Slider(QAbstractSlider):
    """A horizontal slider whose knob goes where it is pressed, between two stops.

    Keys and wheel don't move it: `stepped` says by how many steps they would.
    """

    stepped = Signal(int)

    def __init__(self, theme: Theme, last: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._stops = (0, last)
        self.setOrientation(Qt.Orientation.Horizontal)
        self.setRange(0, last)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    def sizeHint(self) -> QSize:
        """Return the height of the knob with its halo."""
        return QSize(120, _KNOB + 1)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        self.update()

    def set_stops(self, low: int, high: int) -> None:
        """Set the positions at which the knob stops. The groove doesn't change."""
        self._stops = (max(low, self.minimum()), min(high, self.maximum()))

    @contained()
    def sliderChange(self, change: QAbstractSlider.SliderChange) -> None:
        """Repaint the knob at its position."""
        super().sliderChange(change)
        self.update()

    def clamped(self, position: int) -> int:
        """Return `position`, limited to the stops."""
        low, high = self._stops
        return min(max(position, low), high)

    def x_of(self, position: int) -> float:
        """Return the x position of the knob's centre."""
        return _KNOB / 2 + (self.width() - _KNOB) * position / max(self.maximum(), 1)

    @contained()
    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the knob to the pointer."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self._follow(event)

    @contained()
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the knob."""
        if self.isSliderDown():
            self._follow(event)

    @contained()
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Release the knob, which emits `sliderReleased`."""
        if event.button() == Qt.MouseButton.LeftButton and self.isSliderDown():
            self.setSliderDown(False)

    @contained()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Emit `stepped`: a step of the value may be larger than one position."""
        steps = _STEPS.get(event.key())
        if steps is None:
            event.ignore()
        else:
            self.stepped.emit(steps)

    @contained()
    def wheelEvent(self, event: QWheelEvent) -> None:
        """Ignore the wheel without focus, so that scrolling the panel changes nothing."""
        if self.hasFocus() and event.angleDelta().y():
            self.stepped.emit(1 if event.angleDelta().y() > 0 else -1)
            event.accept()
        else:
            event.ignore()

    def _follow(self, event: QMouseEvent) -> None:
        share = (event.position().x() - _KNOB / 2) / max(self.width() - _KNOB, 1)
        self.setSliderPosition(self.clamped(round(share * self.maximum())))

    @contained()
    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the groove, its filled part and the knob."""
        theme, x, y = self._theme, self.x_of(self.sliderPosition()), self.height() / 2
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        accent = QColor(theme.accent if self.isEnabled() else theme.faint)
        for width, colour in ((float(self.width()), QColor(theme.line)), (x, accent)):
            painter.setBrush(colour)
            painter.drawRoundedRect(QRectF(0, y - _GROOVE / 2, width, _GROOVE), 1.5, 1.5)
        if self.isEnabled() and (self.hasFocus() or self.underMouse() or self.isSliderDown()):
            halo = QColor(accent)
            halo.setAlpha(60)
            painter.setBrush(halo)
            painter.drawEllipse(QPointF(x, y), _KNOB / 2 + 1, _KNOB / 2 + 1)
        painter.setPen(QPen(accent, 2))
        painter.setBrush(accent if self.hasFocus() else QColor(theme.panel))
        painter.drawEllipse(QPointF(x, y), _KNOB / 2 - 1, _KNOB / 2 - 1)


class Toggle(QAbstractButton):
    """A switch, on or off."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setCheckable(True)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:
        """Return the usual size, with a pixel around it for the focus ring."""
        return QSize(32, 19)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        self.update()

    @contained()
    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the track and the thumb."""
        theme, on = self._theme, self.isChecked()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        track = QRectF(1, 1, self.width() - 2, self.height() - 2)
        painter.setPen(QPen(QColor(theme.accent), 1) if self.hasFocus() else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.accent if on and self.isEnabled() else theme.line))
        painter.drawRoundedRect(track, track.height() / 2, track.height() / 2)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.panel))
        thumb = track.height() - 4
        left = track.right() - thumb - 2 if on else track.left() + 2
        painter.drawEllipse(QRectF(left, track.top() + 2, thumb, thumb))
