"""Marks over the charts: a line through all of them, and a label at the top.

The line is dashed; that of a fault is whole, its label framed, and both are red.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from poolviz.model.sample import Mark, MarkKind
from poolviz.ui.charts.axes import snapped
from poolviz.ui.style.theme import Theme, ui_font
from poolviz.ui.unexpected import contained

LABEL_HEIGHT = 17.0
_PAD = 6.0  # inside a label, left and right
_GAP = 4.0  # between two labels, and from the line to its label
_WIDEST = 190.0
_ROWS = 2
_NEAR = 3.0  # pixels from the line of a mark that still count as the mark
_LONGEST = 200  # characters that are measured; a label has room for some thirty


@dataclass(frozen=True)
class Label:
    """A label and its position; `hidden` is the number of marks near it that have no label."""

    rect: QRectF
    text: str
    kind: MarkKind
    hidden: int = 0
    time: float | None = None  # of the mark


@dataclass(frozen=True)
class Room:
    """The area for labels: rows from `top` down. The first row is beside the title and may extend
    over the curves' names; the others are over the plot. Each is `tall` pixels high."""

    left: float
    title_right: float
    plot_right: float
    right: float
    top: float
    tall: float = LABEL_HEIGHT


def arrange(marks: Sequence[tuple[float, Mark]], room: Room, metrics: QFontMetricsF) -> list[Label]:
    """Return labels of `marks`, (x, mark) pairs in order of time, so that none overlaps another.

    The newest come first, so that a mark that leaves on the left moves no label.
    """
    labels: list[Label] = []
    hidden = 0
    for x, mark in reversed(marks):
        text = metrics.elidedText(mark.words[:_LONGEST], Qt.TextElideMode.ElideRight, _WIDEST)
        width = metrics.horizontalAdvance(text) + 2 * _PAD
        rect = _free_place(x, width, room, labels)
        if rect is None:
            hidden += 1
            continue
        labels.append(Label(rect, text, mark.kind, time=mark.t))
    if hidden and labels:
        labels = _with_hidden(labels, hidden, room, metrics)
    return labels


def _free_place(x: float, width: float, room: Room, taken: Sequence[Label]) -> QRectF | None:
    """Return the first row in which a label at `x` overlaps no other."""
    for row in range(_ROWS):
        right = room.right if row == 0 else room.plot_right
        rect = QRectF(
            min(x + _GAP, right - width), room.top + row * (room.tall + 2), width, room.tall
        )
        if rect.left() < (room.title_right if row == 0 else room.left):
            continue
        around = rect.adjusted(-_GAP, 0, _GAP, 0)
        if not any(around.intersects(label.rect) for label in taken):
            return rect
    return None


def _with_hidden(
    labels: list[Label], hidden: int, room: Room, metrics: QFontMetricsF
) -> list[Label]:
    """Return `labels`, with the number of marks without a label where there is room for it."""
    text = f"+{hidden}"
    width = metrics.horizontalAdvance(text) + 2 * _PAD
    for beside in reversed(labels):
        rect = QRectF(beside.rect.right() + _GAP, beside.rect.top(), width, room.tall)
        around = rect.adjusted(-_GAP + 1, 0, _GAP, 0)
        free = not any(around.intersects(label.rect) for label in labels)
        right = room.right if rect.top() == room.top else room.plot_right
        if free and rect.right() <= right:
            return [*labels, Label(rect, text, MarkKind.NOTE, hidden)]
    return labels


class MarksLayer(QGraphicsItem):
    """Paints the marks over all charts."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.labels: list[Label] = []
        self.set_fonts()
        self._size = QRectF()
        self._places: list[tuple[float, float]] = []  # x and time of each mark
        self._plots: list[QRectF] = []
        self._lines: dict[bool, list[QLineF]] = {
            False: [],
            True: [],
        }  # by whether the mark is a fault

    def set_fonts(self) -> None:
        """Take fonts in the size that texts have now."""
        self._font = ui_font(11)
        self._metrics = QFontMetricsF(self._font)

    def place(self, size: QRectF) -> None:
        """Set the size of the charts."""
        self.prepareGeometryChange()
        self._size = size

    def show_marks(
        self, marks: Sequence[tuple[float, Mark]], plots: Sequence[QRectF], room: Room
    ) -> None:
        """Show `marks`, (x, mark) pairs in order of time, as lines through all `plots`."""
        self.labels = arrange(marks, room, self._metrics)
        self._places = [(x, mark.t) for x, mark in marks]
        self._plots = list(plots)
        self._lines = {False: [], True: []}
        for x, mark in marks:
            lines = self._lines[mark.kind is MarkKind.FAULT]
            for index, plot in enumerate(plots):
                into_title = 8.0 if index == 0 and x > room.title_right else 0.0
                top = plot.top() - into_title
                lines.append(QLineF(snapped(x), top, snapped(x), plot.bottom()))
        self.update()

    def mark_at(self, at: QPointF) -> float | None:
        """Return the time of the mark whose label or line is at a position; None without one."""
        for label in self.labels:
            if label.time is not None and label.rect.contains(at):
                return label.time
        near = [(abs(x - at.x()), time) for x, time in self._places if abs(x - at.x()) <= _NEAR]
        inside = any(plot.contains(at) for plot in self._plots)
        return min(near)[1] if near and inside else None

    def boundingRect(self) -> QRectF:
        """Return the area of the charts."""
        return self._size

    @contained()
    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Paint the lines, then the labels."""
        theme = self.theme
        dashed = QPen(QColor(theme.muted), 1)
        dashed.setDashPattern([3, 3])
        for fault, pen in ((False, dashed), (True, QPen(QColor(theme.bad), 1))):
            painter.setPen(pen)
            painter.drawLines(self._lines[fault])
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._font)
        for label in self.labels:
            fault = label.kind is MarkKind.FAULT
            ground, words = (theme.bad_bg, theme.bad) if fault else (theme.hover, theme.text)
            painter.setPen(QPen(QColor(words), 1) if fault else Qt.PenStyle.NoPen)
            painter.setBrush(QColor(ground))
            edge = 0.5 if fault else 0.0
            painter.drawRoundedRect(label.rect.adjusted(edge, edge, -edge, -edge), 4, 4)
            painter.setPen(QColor(words))
            painter.drawText(label.rect, Qt.AlignmentFlag.AlignCenter, label.text)
