"""The whole session as a small curve with its marks. The visible part can be dragged."""

from __future__ import annotations

from PySide6.QtCore import QLineF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from poolviz.language import tr
from poolviz.model.sample import MarkKind
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.axes import LEFT, RIGHT, Floats, Frame, highest, lasting, snapped
from poolviz.ui.style.theme import Theme, text_room, ui_font
from poolviz.ui.unexpected import contained

_HEIGHT = 34
_TROUGH = 24.0
_INSET = 4.0
_THINNEST = 6.0  # pixels: seconds of a session of hours remain visible


class Overview(QWidget):
    """Redraws its curve only when the session has grown by a pixel."""

    moved = Signal(float)  # the end of the visible part, in seconds since the start

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._font = ui_font(11)
        self._duration = 0.0
        self._frame = Frame(-60.0, 0.0, live=True)
        self._curve: tuple[Floats, Floats] | None = None
        self._marks: tuple[tuple[float, bool], ...] = ()  # when, and whether it is a fault
        self._shown_as = (0, 0.0, 0)  # recorder, duration, marks: the source of the curve
        self._grip: float | None = None  # seconds from the pointer to the end of the visible part
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(tr("The whole session. Drag the visible part to look back."))
        self.setAccessibleName(tr("The whole session"))

    def sizeHint(self) -> QSize:
        """Return the usual size."""
        return QSize(400, _HEIGHT)

    @property
    def trough(self) -> QRectF:
        """The area of the session."""
        left, right = round(LEFT * text_room()), round(RIGHT * text_room())  # as the charts have
        return QRectF(left, 4, self.width() - left - right, _TROUGH)

    @property
    def window_rect(self) -> QRectF:
        """The area of the visible part."""
        trough = self.trough.adjusted(1, 1, -1, -1)
        left, right = self._x_of(self._frame.start), self._x_of(self._frame.end)
        left = max(min(left, right - _THINNEST), trough.left())
        return QRectF(left, trough.top(), max(right - left, _THINNEST), trough.height())

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        self._font = ui_font(11)
        self._shown_as = (0, 0.0, 0)  # its width may be another
        self.update()

    def show_session(self, recorder: Recorder | None, duration: float, frame: Frame) -> None:
        """Show a session of `duration` seconds, `frame` of it as the visible part."""
        if recorder is None:
            self._curve, self._marks, self._duration = None, (), 0.0
            self._shown_as = (0, 0.0, 0)
        elif self._is_news(recorder, duration):
            view = recorder.view(0.0, duration, max(int(self.trough.width() / 2), 50))
            self._curve = (view.t.copy(), view.levels["used"].mean.copy())
            self._marks = tuple((m.t, m.kind is MarkKind.FAULT) for m in recorder.marks)
            self._shown_as = (id(recorder), duration, len(self._marks))
        elif frame == self._frame:
            return
        self._duration, self._frame = duration, frame
        self.update()

    def _is_news(self, recorder: Recorder, duration: float) -> bool:
        shown, until, marks = self._shown_as
        if shown != id(recorder) or marks != len(recorder.marks) or duration < until:
            return True
        return duration - until > max(duration / max(self.trough.width(), 1), 0.24)

    def _x_of(self, time: float) -> float:
        trough = self.trough.adjusted(_INSET, 0, -_INSET, 0)
        return trough.left() + time / max(self._duration, 1e-9) * trough.width()

    def _time_at(self, x: float) -> float:
        trough = self.trough.adjusted(_INSET, 0, -_INSET, 0)
        return (x - trough.left()) / trough.width() * self._duration

    @contained()
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Redraw with one bin for each pixel at the next refresh."""
        self._shown_as = (0, 0.0, 0)

    @contained()
    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Start dragging the visible part, moved to the pointer if that is elsewhere."""
        if event.button() != Qt.MouseButton.LeftButton or not self._duration:
            return
        time = self._time_at(event.position().x())
        inside = self.window_rect.contains(event.position())
        self._grip = self._frame.end - time if inside else self._frame.span / 2
        self.setCursor(Qt.CursorShape.ClosedHandCursor)
        if not inside:
            self.moved.emit(time + self._grip)

    @contained()
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the visible part."""
        if self._grip is not None:
            self.moved.emit(self._time_at(event.position().x()) + self._grip)

    @contained()
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Stop dragging."""
        self._grip = None
        self.unsetCursor()

    @contained()
    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the background, the curve, the marks, the visible part and the duration."""
        theme = self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.setBrush(QColor(theme.panel))
        painter.drawRoundedRect(self.trough.adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
        if self._curve is None or not len(self._curve[0]) or not self._duration:
            return
        self._paint_curve(painter)
        accent = QColor(theme.accent)
        painter.setPen(QPen(accent, 1))
        accent.setAlphaF(0.13)
        painter.setBrush(accent)
        painter.drawRoundedRect(self.window_rect.adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        painter.setPen(QColor(theme.muted))
        painter.setFont(self._font)
        place = QRectF(
            self.trough.right() + 7,
            self.trough.top(),
            self.width() - self.trough.right() - 9,
            _TROUGH,
        )
        painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, lasting(self._duration))

    def _paint_curve(self, painter: QPainter) -> None:
        assert self._curve is not None
        times, values = self._curve
        inner = self.trough.adjusted(_INSET, 4, -_INSET, -4)
        x = inner.left() + times / self._duration * inner.width()
        y = inner.bottom() - values / max(highest(values), 1.0) * inner.height()
        top, bottom = self.trough.top() + 1, self.trough.bottom() - 1
        for faults, colour in ((False, self._theme.faint), (True, self._theme.bad)):
            places = [snapped(self._x_of(time)) for time, fault in self._marks if fault is faults]
            painter.setPen(QPen(QColor(colour), 1))
            painter.drawLines([QLineF(place, top, place, bottom) for place in places])
        painter.setPen(QPen(QColor(self._theme.used), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        # Imported here since pyqtgraph takes a third of a start, and the window is painted before.
        from pyqtgraph.functions import arrayToQPolygonF  # noqa: PLC0415

        painter.drawPolyline(arrayToQPolygonF(x, y))
