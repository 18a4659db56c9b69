"""The small picture of a preset: its counts in a run, painted in the theme's colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from poolviz.system.resources import resource
from poolviz.ui.style.theme import Theme
from poolviz.ui.unexpected import contained

SIZE = QSize(132, 64)
_RADIUS = 6.0
_INSET = 4.0


class Counts(msgspec.Struct, frozen=True):
    """The counts of a recorded run in bins of equal width."""

    open: list[float]
    used: list[float]
    waiting: list[float]


def counts_by_preset() -> Mapping[str, Counts]:
    """Return what was recorded of each preset by `python -m tests.screenshots.presets`."""
    data = resource("presets/pictures.json").read_bytes()
    return msgspec.json.decode(data, type=dict[str, Counts])


class Picture(QWidget):
    """Open and used connections above zero, and waiting clients below."""

    def __init__(self, counts: Counts | None, theme: Theme) -> None:
        super().__init__()
        self._counts, self._theme = counts, theme
        self.setFixedSize(SIZE)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        self.update()

    @contained()
    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the areas, each before the one that covers a part of it."""
        theme, counts = self._theme, self._counts
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.setBrush(QColor(theme.bg))
        painter.drawRoundedRect(frame, _RADIUS, _RADIUS)
        if counts is None:
            return
        room = frame.adjusted(_INSET, _INSET, -_INSET, -_INSET)
        up, down = max([*counts.open, 1.0]), max([*counts.waiting, 0.0])
        # On the same scale below zero, unless far more wait than are connected.
        below = min(down, up) if down > 0.05 else 0.0
        scale = room.height() / (up + below)
        zero = room.top() + up * scale
        painter.setPen(Qt.PenStyle.NoPen)
        for values, colour, height in (
            (counts.open, theme.idle, -scale),
            (counts.used, theme.used, -scale),
            (counts.waiting, theme.wait, scale * below / down if below else 0.0),
        ):
            painter.setBrush(QColor(colour))
            painter.drawPolygon(_area(room, zero, values, height))


def _area(room: QRectF, zero: float, values: Sequence[float], height: float) -> QPolygonF:
    step = room.width() / max(len(values) - 1, 1)
    points = [QPointF(room.left() + n * step, zero + v * height) for n, v in enumerate(values)]
    return QPolygonF([QPointF(room.left(), zero), *points, QPointF(room.right(), zero)])
