"""The icons of the buttons, drawn as paths: sharp on every screen, in any colour."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap, QPolygonF

_SIDE = 14  # pixels
_SCALES = (1, 2, 3)  # device pixels per pixel


def icon(name: str, colour: str, faded: str | None = None) -> QIcon:
    """Return the icon `name` in a colour, and in `faded` for a disabled button."""
    icon = QIcon()
    for mode, paint in ((QIcon.Mode.Normal, colour), (QIcon.Mode.Disabled, faded or colour)):
        for scale in _SCALES:
            icon.addPixmap(_pixmap(name, paint, scale), mode)
    return icon


def _pixmap(name: str, colour: str, scale: int) -> QPixmap:
    pixmap = QPixmap(_SIDE * scale, _SIDE * scale)
    pixmap.setDevicePixelRatio(scale)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colour))
    _DRAWN[name](painter)
    painter.end()
    return pixmap


def _play(painter: QPainter) -> None:
    path = QPainterPath()
    path.addPolygon(QPolygonF([QPointF(3.5, 2), QPointF(12, 7), QPointF(3.5, 12)]))
    painter.drawPath(path)


def _stop(painter: QPainter) -> None:
    painter.drawRoundedRect(QRectF(2.5, 2.5, 9, 9), 1.2, 1.2)


def _dot(painter: QPainter) -> None:
    painter.drawEllipse(QPointF(7, 7), 4, 4)


def _flag(painter: QPainter) -> None:
    painter.drawRoundedRect(QRectF(2.5, 1, 1.4, 12), 0.7, 0.7)
    path = QPainterPath(QPointF(3.9, 1.8))
    path.cubicTo(6.5, 0.6, 8.5, 3.4, 12, 1.9)
    path.lineTo(12, 7.9)
    path.cubicTo(8.5, 9.4, 6.5, 6.6, 3.9, 7.8)
    path.closeSubpath()
    painter.drawPath(path)


def _download(painter: QPainter) -> None:
    _outline(painter)
    painter.drawLine(QPointF(7, 1.8), QPointF(7, 9))
    painter.drawPolyline(QPolygonF([QPointF(3.9, 6), QPointF(7, 9.1), QPointF(10.1, 6)]))
    painter.drawLine(QPointF(2.2, 12), QPointF(11.8, 12))


def _menu(painter: QPainter) -> None:
    _outline(painter)
    for y in (3.5, 7, 10.5):
        painter.drawLine(QPointF(1.8, y), QPointF(12.2, y))


def _charts(painter: QPainter) -> None:
    _outline(painter)
    for bottom in (4.5, 9, 13.5):
        points = ((1.5, -0.5), (4.5, -2.5), (7.5, -0.8), (12.5, -3))
        painter.drawPolyline(QPolygonF([QPointF(x, bottom + y) for x, y in points]))


def _outline(painter: QPainter) -> None:
    pen = QPen(painter.brush().color(), 1.5)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)


_DRAWN: dict[str, Callable[[QPainter], None]] = {
    "play": _play,
    "stop": _stop,
    "dot": _dot,
    "flag": _flag,
    "download": _download,
    "menu": _menu,
    "charts": _charts,
}
