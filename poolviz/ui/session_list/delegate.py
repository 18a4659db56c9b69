"""Paints the cells of the table of sessions: small pictures, and two lines of text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import (
    QLineEdit,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from poolviz.language import tr
from poolviz.sessions.file.label import LONGEST_NAME
from poolviz.sessions.kept_session import Ending, KeptSession
from poolviz.ui.session_list.contents import Preview
from poolviz.ui.session_list.model import SESSION_ROLE, Column, SessionsModel, details, shown
from poolviz.ui.style.theme import Theme, ui_font
from poolviz.ui.unexpected import contained

ROW = 54  # pixels
PICTURE = QSize(124, 40)
_INSET = 8
_RADIUS = 5.0
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_SELECTED = QStyle.StateFlag.State_Selected

Index = QModelIndex | QPersistentModelIndex


class SessionDelegate(QStyledItemDelegate):
    """Paints one cell of the table, and edits names."""

    def __init__(self, model: SessionsModel, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._model, self.theme = model, theme
        self._name_font, self._small = ui_font(13), ui_font(12)
        self._name_font.setWeight(self._name_font.Weight.Medium)
        # Of each picture the points, made once: a table is painted whenever the pointer moves.
        self._shapes: dict[int, tuple[Preview, tuple[QPolygonF, ...]]] = {}

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Return the height of a row."""
        return QSize(super().sizeHint(option, index).width(), ROW)

    @contained()
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint a cell."""
        session: KeptSession = index.data(SESSION_ROLE)
        painter.save()
        try:
            place = QRect(option.rect)
            if option.state & _SELECTED:
                painter.fillRect(place, QColor(self.theme.selected))
            painter.setPen(QPen(QColor(self.theme.grid), 1))
            painter.drawLine(place.bottomLeft(), place.bottomRight())
            match Column(index.column()):
                case Column.PICTURE:
                    self._paint_picture(painter, place, session)
                case Column.SESSION:
                    self._paint_lines(painter, place, session)
                case column:
                    self._paint_text(painter, place, session, column)
        finally:
            painter.restore()

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        """Return the field in which a session is named."""
        editor = super().createEditor(parent, option, index)
        if isinstance(editor, QLineEdit):
            editor.setMaxLength(LONGEST_NAME)
            editor.setPlaceholderText(tr("Name"))
            editor.setAccessibleName(tr("Name of the session"))
        return editor

    def updateEditorGeometry(
        self, editor: QWidget, option: QStyleOptionViewItem, index: Index
    ) -> None:
        """Put the field in the middle of its row."""
        place: QRect = option.rect
        height = editor.sizeHint().height()
        editor.setGeometry(
            place.left() + 2, place.center().y() - height // 2, place.width() - 8, height
        )

    def _paint_lines(self, painter: QPainter, place: QRect, session: KeptSession) -> None:
        inner = QRectF(place).adjusted(_INSET, 8, -_INSET, -8)
        half = inner.height() / 2
        unreadable = session.ending is Ending.UNREADABLE
        lines = (
            (self._name_font, self.theme.text, shown(session, Column.SESSION)),
            (self._small, self.theme.bad if unreadable else self.theme.muted, details(session)),
        )
        for number, (font, colour, text) in enumerate(lines):
            painter.setFont(font)
            painter.setPen(QColor(colour))
            line = QRectF(inner.left(), inner.top() + number * half, inner.width(), half)
            end = Qt.TextElideMode.ElideRight
            elided = QFontMetricsF(font).elidedText(text, end, line.width())
            painter.drawText(line, _LEFT, elided)

    def _paint_text(
        self, painter: QPainter, place: QRect, session: KeptSession, column: Column
    ) -> None:
        theme = self.theme
        colour = theme.muted
        if column is Column.ENDING:
            colour = {
                Ending.FAILED: theme.bad,
                Ending.UNREADABLE: theme.bad,
                Ending.KILLED: theme.wait,
                Ending.RECORDING: theme.throughput,
            }.get(session.ending, theme.muted)
        right = column in (Column.LENGTH, Column.SIZE)
        painter.setFont(self._small)
        painter.setPen(QColor(colour))
        inner = QRectF(place).adjusted(_INSET, 0, -_INSET, 0)
        text = QFontMetricsF(self._small).elidedText(
            shown(session, column), Qt.TextElideMode.ElideRight, inner.width()
        )
        across = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
        painter.drawText(inner, across | Qt.AlignmentFlag.AlignVCenter, text)

    def _paint_picture(self, painter: QPainter, place: QRect, session: KeptSession) -> None:
        theme = self.theme
        frame = QRectF(0, 0, PICTURE.width(), PICTURE.height())
        frame.moveCenter(QRectF(place).center())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.setBrush(QColor(theme.panel))
        painter.drawRoundedRect(frame.adjusted(0.5, 0.5, -0.5, -0.5), _RADIUS, _RADIUS)
        if session.ending is Ending.RECORDING:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.throughput))
            painter.drawEllipse(frame.center(), 4, 4)
            return
        preview = self._model.preview(session)
        if preview is None:
            return
        painter.setPen(Qt.PenStyle.NoPen)
        painter.translate(frame.topLeft())
        colours = (theme.idle, theme.used, theme.wait)
        for shape, colour in zip(self._shape(preview), colours, strict=True):
            painter.setBrush(QColor(colour))
            painter.drawPolygon(shape)

    def _shape(self, preview: Preview) -> tuple[QPolygonF, ...]:
        """Return the areas of open, used and waiting within a picture."""
        found = self._shapes.get(id(preview))
        if found is None or found[0] is not preview:
            found = preview, _areas(preview)
            self._shapes[id(preview)] = found
        return found[1]


def _areas(preview: Preview) -> tuple[QPolygonF, ...]:
    room = QRectF(3, 3, PICTURE.width() - 6, PICTURE.height() - 6)
    up = max(float(np.max(preview.open)), 1.0)
    down = float(np.max(preview.waiting))
    # Below zero as in the chart: on the same scale, unless far more wait than are connected.
    below = min(down, up) if down > 0.05 else 0.0
    scale = room.height() / (up + below)
    zero = room.top() + up * scale
    squeezed = below / down if below else 0.0
    return (
        _area(room, zero, -preview.open * scale),
        _area(room, zero, -preview.used * scale),
        _area(room, zero, preview.waiting * squeezed * scale),
    )


def _area(room: QRectF, zero: float, heights: NDArray[np.float64]) -> QPolygonF:
    xs = np.linspace(room.left(), room.right(), len(heights))
    points = [QPointF(float(x), zero + float(y)) for x, y in zip(xs, heights, strict=True)]
    return QPolygonF([QPointF(room.left(), zero), *points, QPointF(room.right(), zero)])
