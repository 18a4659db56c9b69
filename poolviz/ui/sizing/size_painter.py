"""Paints a chart over size, on a widget or in a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPolygonF

from poolviz.language import tr
from poolviz.sizing.charts import Curve, Dot, Kind, SizeChart, Vertical
from poolviz.ui.charts.axes import LEFT, snapped, spread, with_room
from poolviz.ui.sizing.size_scales import SizeAxis, ValueAxis
from poolviz.ui.style.theme import Theme, ui_font

_TITLE = QPointF(12, 19)  # its baseline, from the panel's corner
_TOP, _BOTTOM, _ROW = 30.0, 38.0, 14.0
_NARROWEST, _WIDEST = 60.0, 150.0  # the room for the names at the right
_NAME_GAP, _TICK_ROOM = 13.0, 12.0
_RADIUS, _DOT, _NEAR = 9.0, 3.0, 24.0
_MIDDLE = Qt.AlignmentFlag.AlignVCenter


def room_for_names(charts: Sequence[SizeChart]) -> float:
    """Return the width that the names of the curves of these charts take."""
    metrics = QFontMetricsF(ui_font(11, QFont.Weight.DemiBold))
    widths = [metrics.horizontalAdvance(curve.name) for each in charts for curve in each.curves]
    return min(max([*widths, _NARROWEST - 14]) + 14, _WIDEST)


class SizePainter:
    """Lays out and paints one chart. Used by the GUI thread alone. `names_room` is the width for
    the names of curves, as `room_for_names` returns it for charts that stand above one another."""

    def __init__(self, chart: SizeChart, theme: Theme, names_room: float | None = None) -> None:
        self.chart, self.theme = chart, theme
        self.size = QRectF()
        self._x, self._y = SizeAxis.of(chart), ValueAxis.of(chart)
        self._title_font = ui_font(12, QFont.Weight.DemiBold)
        self._font, self._bold = ui_font(11), ui_font(11, QFont.Weight.DemiBold)
        self._metrics, self._names = QFontMetricsF(self._font), QFontMetricsF(self._bold)
        self._right = room_for_names([chart]) if names_room is None else names_room
        self._labels: list[tuple[Vertical, QRectF]] = []
        self._rows = 1

    @property
    def plot(self) -> QRectF:
        """Where the curves are, in pixels from the panel's corner."""
        top = _TOP + self._rows * _ROW
        return self.size.adjusted(LEFT + 4, top, -self._right, -_BOTTOM)

    def place(self, width: float, height: float) -> None:
        """Give the chart so many pixels."""
        self.size = QRectF(0, 0, width, height)
        self._labels = self._placed_labels()

    def point_at(self, at: QPointF) -> int | None:
        """Return the number of the point that is measured nearest to a position; None if none is
        near."""
        found: tuple[float, int] | None = None
        for dot in self.chart.dots:
            away = (self.place_of(dot) - at).toTuple()
            distance = math.hypot(*away)
            if distance <= _NEAR and (found is None or distance < found[0]):
                found = distance, dot.point
        return None if found is None else found[1]

    def place_of(self, dot: Dot) -> QPointF:
        """Return where a dot is."""
        return QPointF(self._x_of(dot.x), self._y_of(dot.y))

    def paint(self, painter: QPainter, selected: int | None = None) -> None:
        """Paint the chart, with the point of that number marked."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(self.theme.line), 1))
        painter.setBrush(QColor(self.theme.panel))
        painter.drawRoundedRect(self.size.adjusted(0.5, 0.5, -0.5, -0.5), _RADIUS, _RADIUS)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        self._paint_axes(painter)
        self._paint_verticals(painter)
        self._paint_levels(painter)
        for curve in sorted(self.chart.curves, key=lambda each: not each.dashed):
            self._paint_curve(painter, curve)
        for curve in self.chart.curves:
            self._paint_dots(painter, curve, selected)
        self._paint_names(painter)

    def _x_of(self, size: float) -> float:
        return self.plot.left() + self._x.place(size) * self.plot.width()

    def _y_of(self, value: float) -> float:
        return self.plot.bottom() - self._y.place(value) * self.plot.height()

    def _paint_axes(self, painter: QPainter) -> None:
        theme, plot = self.theme, self.plot
        painter.setPen(QColor(theme.text))
        painter.setFont(self._title_font)
        painter.drawText(_TITLE, self.chart.title)
        width = QFontMetricsF(self._title_font).horizontalAdvance(self.chart.title)
        painter.setPen(QColor(theme.muted))
        painter.setFont(self._font)
        unit = {"s": tr("ms, log"), "/s": "/s"}.get(self.chart.unit, "")
        painter.drawText(_TITLE + QPointF(width + 6, 0), unit)
        y_at = {tick.at: self._tick_height(tick.at) for tick in self._y.ticks}
        values = with_room(self._y.ticks, y_at.__getitem__, _TICK_ROOM)
        widest = max((self._metrics.horizontalAdvance(t.text) for t in self._x.ticks), default=0)
        sizes = with_room(self._x.ticks, self._x_of, widest + 8)
        painter.setPen(QPen(QColor(theme.grid), 1))
        painter.drawLines(
            [QLineF(plot.left(), y_at[t.at], plot.right(), y_at[t.at]) for t in values]
        )
        painter.setPen(QColor(theme.muted))
        for tick in values:
            place = QRectF(0, y_at[tick.at] - 8, plot.left() - 7, 16)
            painter.drawText(place, _MIDDLE | Qt.AlignmentFlag.AlignRight, tick.text)
        for tick in sizes:
            place = QRectF(self._x_of(tick.at) - 45, plot.bottom() + 4, 90, 14)
            painter.drawText(place, _MIDDLE | Qt.AlignmentFlag.AlignHCenter, tick.text)
        place = QRectF(plot.left(), plot.bottom() + 18, plot.width(), 16)
        painter.drawText(place, _MIDDLE | Qt.AlignmentFlag.AlignHCenter, self.chart.axis)

    def _tick_height(self, at: float) -> float:
        share = (at - self._y.low) / (self._y.high - self._y.low)
        return snapped(self.plot.bottom() - share * self.plot.height())

    def _placed_labels(self) -> list[tuple[Vertical, QRectF]]:
        """Return the vertical lines that are in sight, and where their names are: in rows above the
        plot, so that none overlaps another."""
        shown = [v for v in self.chart.verticals if 0 <= self._x.place(v.x) <= 1]
        shown.sort(key=lambda each: each.kind is not Kind.RECOMMENDED)
        self._rows, places = 1, []
        ends: list[list[QRectF]] = [[]]
        for each in shown:
            width = min(self._names.horizontalAdvance(each.name) + 2, self.plot.width())
            left = self._x_of(each.x) + 3
            if left + width > self.size.right() - 8:
                left = self._x_of(each.x) - 3 - width
            left = max(left, self.plot.left())
            wanted = QRectF(left, 0, width, _ROW)
            row = next(
                (
                    number
                    for number, taken in enumerate(ends)
                    if not any(wanted.adjusted(-8, 0, 8, 0).intersects(other) for other in taken)
                ),
                len(ends),
            )
            if row == len(ends):
                ends.append([])
            ends[row].append(wanted)
            places.append((each, wanted.translated(0, _TOP - 4 + row * _ROW)))
        self._rows = len(ends)
        return places

    def _paint_verticals(self, painter: QPainter) -> None:
        theme, plot = self.theme, self.plot
        for each, place in self._labels:
            chosen = each.kind is Kind.RECOMMENDED
            if chosen and each.low is not None and each.high is not None:
                left, right = (
                    min(max(self._x_of(end), plot.left()), plot.right())
                    for end in (each.low, each.high)
                )
                painter.fillRect(
                    QRectF(left, plot.top(), max(right - left, 2.0), plot.height()),
                    QColor(theme.selected),
                )
            colour = QColor(
                theme.accent if chosen else theme.bad if each.kind is Kind.BOUND else theme.faint
            )
            style = Qt.PenStyle.SolidLine if chosen else Qt.PenStyle.DashLine
            painter.setPen(QPen(colour, 1.5 if chosen else 1, style))
            x = snapped(self._x_of(each.x))
            painter.drawLine(QLineF(x, place.top() + 1, x, plot.bottom()))
        for each, place in self._labels:
            chosen = each.kind is Kind.RECOMMENDED
            painter.fillRect(place, QColor(theme.panel))
            painter.setPen(QColor(theme.accent if chosen else theme.muted))
            painter.setFont(self._bold if chosen else self._font)
            elided = self._names.elidedText(each.name, Qt.TextElideMode.ElideRight, place.width())
            painter.drawText(place, _MIDDLE | Qt.AlignmentFlag.AlignLeft, elided)

    def _paint_levels(self, painter: QPainter) -> None:
        plot = self.plot
        for level in self.chart.levels:
            y = snapped(self._y_of(level.y))
            painter.setPen(QPen(QColor(self.theme.wait), 1, Qt.PenStyle.DashDotLine))
            painter.drawLine(QLineF(plot.left(), y, plot.right(), y))
            painter.setFont(self._font)
            place = QRectF(plot.left() + 4, y - 15, plot.width() - 8, 14)
            if place.top() < plot.top():
                place.moveTop(y + 1)
            painter.drawText(place, _MIDDLE | Qt.AlignmentFlag.AlignRight, level.name)

    def _paint_curve(self, painter: QPainter, curve: Curve) -> None:
        style = Qt.PenStyle.DashLine if curve.dashed else Qt.PenStyle.SolidLine
        pen = QPen(QColor(getattr(self.theme, curve.colour)), 1.5, style)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        for part in _unbroken(curve):
            line = [QPointF(self._x_of(x), self._y_of(y)) for x, y in part]
            painter.drawPolyline(QPolygonF(line))

    def _paint_dots(self, painter: QPainter, curve: Curve, selected: int | None) -> None:
        colour = QColor(getattr(self.theme, curve.colour))
        for dot in curve.dots:
            at = self.place_of(dot)
            painter.setPen(QPen(colour, 1.2))
            if dot.low is not None and dot.high is not None:
                top, bottom = self._y_of(dot.high), self._y_of(dot.low)
                painter.drawLine(QLineF(at.x(), top, at.x(), bottom))
                for y in (top, bottom):
                    painter.drawLine(QLineF(at.x() - 3, y, at.x() + 3, y))
            chosen = dot.point == selected
            painter.setBrush(colour)
            if chosen:
                painter.setPen(QPen(QColor(self.theme.text), 2))
            painter.drawEllipse(at, _DOT + 2 * chosen, _DOT + 2 * chosen)
            painter.setBrush(Qt.BrushStyle.NoBrush)

    def _paint_names(self, painter: QPainter) -> None:
        plot, curves = self.plot, [each for each in self.chart.curves if _last(each) is not None]
        wanted = [self._y_of(_last(each) or 0.0) for each in curves]
        painter.setFont(self._bold)
        heights = spread(wanted, _NAME_GAP, plot.top(), plot.bottom() - 2)
        for curve, y in zip(curves, heights, strict=True):
            painter.setPen(QColor(getattr(self.theme, curve.colour)))
            place = QRectF(plot.right() + 7, round(y) - 8, self._right - 10, 16)
            name = self._names.elidedText(curve.name, Qt.TextElideMode.ElideRight, place.width())
            painter.drawText(place, _MIDDLE | Qt.AlignmentFlag.AlignLeft, name)


def _unbroken(curve: Curve) -> list[list[tuple[float, float]]]:
    """Return the parts of a curve between its gaps."""
    parts: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(curve.x, curve.y, strict=True):
        if math.isfinite(y):
            parts[-1].append((x, y))
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if len(part) > 1]


def _last(curve: Curve) -> float | None:
    """Return the last value of a curve that is known."""
    known: Sequence[float] = [y for y in curve.y if math.isfinite(y)]
    return known[-1] if known else None
