"""The crosshair through all charts, and the card with the values there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from poolviz.ui.charts.axes import snapped
from poolviz.ui.charts.chart import Figure
from poolviz.ui.style.theme import Theme, text_room, ui_font
from poolviz.ui.unexpected import contained

_PAD_X, _PAD_Y = 12.0, 9.0
_LINE = 17.0
_GROUP_GAP = 6.0
_SWATCH = 7.0
_BESIDE = 14.0  # pixels between the crosshair and the card
_COLUMN = 14.0  # pixels between a value and its difference
_SHADOW = 3


class Crosshair(QGraphicsItem):
    """Visible while the pointer is over the charts."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.heading = ("", "")
        self.groups: Sequence[Sequence[Figure]] = ()
        self.card = QRectF()
        self.differences: Mapping[str, str] = {}
        self._apart = 0.0  # the width of the column of differences
        self._lines: list[QLineF] = []
        self.set_fonts()
        self.setVisible(False)

    def set_fonts(self) -> None:
        """Take fonts in the size that texts have now."""
        self._font = ui_font(11)
        self._strong = ui_font(11, QFont.Weight.DemiBold)
        self._metrics = QFontMetricsF(self._strong)
        self._line = round(_LINE * text_room())

    def show_figures(
        self,
        at: QPointF,
        plots: Sequence[QRectF],
        heading: tuple[str, str],
        groups: Sequence[Sequence[Figure]],
        differences: Mapping[str, str],
        *,
        further: Sequence[QLineF] = (),
    ) -> None:
        """Show a line at `at` through all `plots`, and the card beside it, within the plots.
        `differences` to the reference point are by the figures' names; `further` are lines in
        other plots."""
        self.prepareGeometryChange()
        self.heading, self.groups, self.differences = heading, groups, differences
        self._lines = [
            QLineF(snapped(at.x()), plot.top(), snapped(at.x()), plot.bottom()) for plot in plots
        ]
        self._lines += further
        width, height = self._card_size()
        left = at.x() + _BESIDE
        if left + width > plots[0].right():
            left = at.x() - _BESIDE - width
        lowest = plots[-1].bottom() - height
        top = max(min(at.y() + _BESIDE, lowest), plots[0].top())
        self.card = QRectF(round(left), round(top), round(width), round(height))
        self.setVisible(True)
        self.update()

    def _card_size(self) -> tuple[float, float]:
        advance = self._metrics.horizontalAdvance
        figures = [figure for group in self.groups for figure in group]
        names = max((advance(figure.name) for figure in figures), default=0.0)
        values = max((advance(figure.value) for figure in figures), default=0.0)
        self._apart = max(map(advance, self.differences.values()), default=-_COLUMN) + _COLUMN
        heading = advance(self.heading[0]) + 14 + advance(self.heading[1])
        rows = (len(figures) + 1) * self._line + len(self.groups) * _GROUP_GAP
        width = max(_SWATCH + 7 + names + 20 + max(values, 40) + self._apart, heading, 150)
        return width + 2 * _PAD_X, rows + 2 * _PAD_Y

    def boundingRect(self) -> QRectF:
        """Return the area of line and card."""
        bounds = self.card.adjusted(-_SHADOW - 2, -_SHADOW - 2, _SHADOW + 2, _SHADOW + 4)
        for line in self._lines:
            bounds = bounds.united(QRectF(line.p1(), line.p2()).adjusted(-1, -1, 1, 1))
        return bounds

    @contained()
    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Paint the line, then the card with its shadow and rows."""
        theme = self.theme
        painter.setPen(QPen(QColor(theme.faint), 1))
        painter.drawLines(self._lines)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        for ring in range(_SHADOW, 0, -1):
            painter.setBrush(QColor(10, 15, 25, 10))
            painter.drawRoundedRect(self.card.adjusted(-ring, 1 - ring, ring, ring + 2), 9, 9)
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.setBrush(QColor(theme.panel))
        painter.drawRoundedRect(self.card.adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        self._paint_rows(painter)

    def _paint_rows(self, painter: QPainter) -> None:
        theme = self.theme
        inner = self.card.adjusted(_PAD_X, _PAD_Y, -_PAD_X, -_PAD_Y)
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        middle = Qt.AlignmentFlag.AlignVCenter
        row = QRectF(inner.left(), inner.top(), inner.width(), self._line)
        painter.setFont(self._strong)
        painter.setPen(QColor(theme.text))
        painter.drawText(row, left | middle, self.heading[0])
        painter.setFont(self._font)
        painter.setPen(QColor(theme.muted))
        painter.drawText(row, right | middle, self.heading[1])
        for group in self.groups:
            row.translate(0, _GROUP_GAP)
            for figure in group:
                row.translate(0, self._line)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(figure.colour))
                swatch = QRectF(row.left(), row.center().y() - _SWATCH / 2, _SWATCH, _SWATCH)
                painter.drawRoundedRect(swatch, 2, 2)
                painter.setPen(QColor(theme.muted))
                painter.setFont(self._font)
                painter.drawText(row.adjusted(_SWATCH + 7, 0, 0, 0), left | middle, figure.name)
                painter.setPen(QColor(theme.text))
                painter.setFont(self._strong)
                values = row.adjusted(0, 0, -self._apart, 0)
                painter.drawText(values, right | middle, figure.value)
                if figure.name in self.differences:
                    painter.setPen(QColor(theme.accent))
                    painter.drawText(row, right | middle, self.differences[figure.name])
