"""The frame around what a step of the tour points at."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractScrollArea, QWidget

from poolviz.ui.style.theme import Theme
from poolviz.ui.unexpected import contained

_MARGIN, _PEN, _RADIUS = 4, 2.0, 7.0
_FOLLOWED = (
    *(QEvent.Type.Move, QEvent.Type.Resize, QEvent.Type.Show, QEvent.Type.Hide),
    *(QEvent.Type.LayoutRequest, QEvent.Type.ParentChange),
)


class Highlight(QWidget):
    """A frame around a widget of the same window, without an effect on pointer and keys.

    It follows the widget, and is cut off where a part that scrolls cuts the widget off.
    """

    def __init__(self, window: QWidget, theme: Theme) -> None:
        super().__init__(window)
        self._colour = QColor(theme.accent)
        self._target: QWidget | None = None
        self._watched: list[QWidget] = []
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.hide()

    @property
    def target(self) -> QWidget | None:
        """What it is around."""
        return self._target

    def set_theme(self, theme: Theme) -> None:
        """Change the colour."""
        self._colour = QColor(theme.accent)
        self.update()

    def point_at(self, target: QWidget | None) -> None:
        """Put the frame around `target`; with None, hide it."""
        if target is not self._target:
            for watched in self._watched:
                watched.removeEventFilter(self)
            self._watched = []
            self._target = target
            part = target
            while part is not None and part is not self.window():
                part.installEventFilter(self)
                self._watched.append(part)
                part = part.parentWidget()
            if target is not None:
                target.destroyed.connect(self._forget)
        self._place()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the target and what it is in."""
        if event.type() in _FOLLOWED:
            with contained():
                self._place()
        return False

    def _forget(self) -> None:
        self._target, self._watched = None, []
        self.hide()

    def _place(self) -> None:
        target = self._target
        window = self.window()
        if target is None or not target.isVisibleTo(window):
            self.hide()
            return
        place = target.rect().translated(target.mapTo(window, target.rect().topLeft()))
        place = place.adjusted(-_MARGIN, -_MARGIN, _MARGIN, _MARGIN)
        part = target.parentWidget()
        while part is not None and part is not window:
            around = part.parentWidget()
            if isinstance(around, QAbstractScrollArea):  # which shows a part of it
                seen = part.rect().translated(part.mapTo(window, part.rect().topLeft()))
                place = place.intersected(seen)
            part = around
        self.setGeometry(place)
        self.setVisible(not place.isEmpty())
        self.raise_()

    @contained()
    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the frame."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._colour, _PEN))
        inset = _PEN / 2
        frame = QRectF(self.rect()).adjusted(inset, inset, -inset, -inset)
        painter.drawRoundedRect(frame, _RADIUS, _RADIUS)
