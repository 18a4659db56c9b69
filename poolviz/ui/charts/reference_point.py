"""The moment to which the crosshair's card shows differences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from poolviz.ui.charts.axes import MINUS, snapped
from poolviz.ui.charts.chart import Figure
from poolviz.ui.style.theme import Theme
from poolviz.ui.unexpected import contained

_HEAD = 5.0  # pixels: half the width of the triangle over the line


class ReferencePoint(QGraphicsItem):
    """A line through all charts at `time`, in seconds since the session's start; None without one.
    Knows the figures there."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.time: float | None = None
        self._amounts: dict[str, float] = {}
        self._size = QRectF()
        self._lines: list[QLineF] = []
        self.setVisible(False)

    def place(self, size: QRectF) -> None:
        """Set the size of the charts."""
        self.prepareGeometryChange()
        self._size = size

    def note(self, groups: Sequence[Sequence[Figure]]) -> None:
        """Take the figures at the reference point."""
        self._amounts = {figure.name: figure.amount for group in groups for figure in group}

    def differences(self, groups: Sequence[Sequence[Figure]]) -> dict[str, str]:
        """Return how much figures are above or below those at the reference point, by name: only
        those that both have."""
        if self.time is None:
            return {}
        found = {}
        for figure in (figure for group in groups for figure in group):
            apart = figure.amount - self._amounts.get(figure.name, math.nan)
            if not math.isnan(apart):
                size = figure.show(abs(apart))
                sign = "±" if size == figure.show(0.0) else "+" if apart > 0 else MINUS
                found[figure.name] = f"{sign}{size}"
        return found

    def show_at(self, x: float | None, plots: Sequence[QRectF]) -> None:
        """Show the line at `x` through all `plots`; None hides it."""
        self._lines = (
            [QLineF(snapped(x), plot.top(), snapped(x), plot.bottom()) for plot in plots]
            if x is not None
            else []
        )
        self.setVisible(bool(self._lines))
        self.update()

    def boundingRect(self) -> QRectF:
        """Return the area of the charts."""
        return self._size

    @contained()
    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Paint the line, and a triangle over it that tells it from other lines."""
        accent = QColor(self.theme.accent)
        painter.setPen(QPen(accent, 1))
        painter.drawLines(self._lines)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(accent)
        top = self._lines[0].p1()
        painter.drawPolygon(
            QPolygonF([top + QPointF(-_HEAD, -_HEAD), top + QPointF(_HEAD, -_HEAD), top])
        )
