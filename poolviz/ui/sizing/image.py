"""A sizing as one picture: its answer, its charts, and what stands beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolviz.language import tr
from poolviz.model.server_name import server_in_words
from poolviz.sizing.answer import facts
from poolviz.sizing.charts import size_charts
from poolviz.sizing.sizing import Sizing
from poolviz.ui.charts.gui_thread import painted
from poolviz.ui.charts.png import as_png
from poolviz.ui.charts.vector import as_pdf, as_svg
from poolviz.ui.style.colours import LIGHT

if TYPE_CHECKING:
    from PySide6.QtCore import QSizeF
    from PySide6.QtGui import QImage, QPaintDevice, QPainter

_WIDTH, _EDGE, _LINE = 1280.0, 16.0, 18.0
_HEAD, _CHART, _GAP = 46.0, 270.0, 10.0
_SCALE = 2  # device pixels for each of these
_MOST_NOTES = 12


def png(sizing: Sizing) -> bytes:
    """Return a sizing as PNG. May be called from any thread. PoolvizError if Qt can't be loaded or
    the window is too busy to paint."""

    def paint() -> QImage:
        from PySide6.QtGui import QImage  # noqa: PLC0415 - loads Qt

        picture = SizingImage(sizing)
        image = QImage((picture.size * _SCALE).toSize(), QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(_SCALE)
        picture.render(image)
        return image

    return as_png(painted(paint))


def svg(sizing: Sizing) -> bytes:
    """Return a sizing as SVG; see `png`."""
    return painted(lambda: as_svg(lambda: _made(sizing)))


def pdf(sizing: Sizing) -> bytes:
    """Return a sizing as a PDF of one page; see `png`."""
    return painted(lambda: as_pdf(lambda: _made(sizing)))


def _made(sizing: Sizing) -> tuple[SizingImage, QSizeF]:
    picture = SizingImage(sizing)
    return picture, picture.size


class SizingImage:
    """Paints a sizing. Used by the GUI thread alone."""

    def __init__(self, sizing: Sizing) -> None:
        from PySide6.QtCore import QSizeF  # noqa: PLC0415 - loads Qt
        from PySide6.QtGui import QFontMetricsF  # noqa: PLC0415

        from poolviz.ui.sizing.size_painter import SizePainter, room_for_names  # noqa: PLC0415
        from poolviz.ui.style.theme import ui_font  # noqa: PLC0415

        self._sizing = sizing
        self._small = ui_font(12)
        self._metrics = QFontMetricsF(self._small)
        charts = size_charts(sizing)
        room = room_for_names(charts)
        self._charts = [SizePainter(chart, LIGHT, room) for chart in charts]
        for chart in self._charts:
            chart.place(_WIDTH - 2 * _EDGE, _CHART)
        self._head = self._wrapped(sizing.sentence)
        notes = [f"{name}: {text}" for name, text in facts(sizing)]
        self._foot = [line for note in notes[:_MOST_NOTES] for line in self._wrapped(note)]
        self._top = _HEAD + (len(self._head) + 1) * _LINE + 6
        tall = len(self._charts) * (_CHART + _GAP)
        self.size = QSizeF(_WIDTH, self._top + tall + len(self._foot) * _LINE + _EDGE)

    @property
    def title(self) -> str:
        """What was sized."""
        return tr("How large {pool} should be", pool=self._sizing.pool)

    def render(self, device: QPaintDevice) -> None:
        """Paint the picture. Raises what a part that can't be drawn raises."""
        from PySide6.QtGui import QPainter  # noqa: PLC0415

        from poolviz.ui.unexpected import collected  # noqa: PLC0415

        with collected():
            painter = QPainter(device)
            try:
                self._paint(painter)
            finally:
                painter.end()

    def _paint(self, painter: QPainter) -> None:
        from PySide6.QtCore import QPointF, QRectF, Qt  # noqa: PLC0415
        from PySide6.QtGui import QColor, QFont, QFontMetricsF  # noqa: PLC0415

        from poolviz.ui.style.theme import ui_font  # noqa: PLC0415

        left = _EDGE + 2
        painter.fillRect(QRectF(0, 0, _WIDTH, self.size.height()), QColor(LIGHT.bg))
        painter.setPen(QColor(LIGHT.faint))
        painter.setFont(ui_font(13, QFont.Weight.DemiBold))
        corner = QRectF(_EDGE, 16, _WIDTH - 2 * _EDGE, 20)
        painter.drawText(corner, Qt.AlignmentFlag.AlignRight, "poolviz")
        painter.setPen(QColor(LIGHT.text))
        painter.setFont(ui_font(18, QFont.Weight.DemiBold))
        elide = QFontMetricsF(painter.font()).elidedText
        room = _WIDTH - 2 * _EDGE - 90
        painter.drawText(QPointF(left, 32), elide(self.title, Qt.TextElideMode.ElideRight, room))
        painter.setFont(self._small)
        painter.setPen(QColor(LIGHT.muted))
        painter.drawText(QPointF(left, _HEAD + 8), self._elided(self._words))
        painter.setPen(QColor(LIGHT.text))
        for number, line in enumerate(self._head, 1):
            painter.drawText(QPointF(left, _HEAD + 8 + number * _LINE), line)
        for number, chart in enumerate(self._charts):
            painter.save()
            painter.translate(_EDGE, self._top + number * (_CHART + _GAP))
            chart.paint(painter)
            painter.restore()
        painter.setFont(self._small)
        painter.setPen(QColor(LIGHT.muted))
        top = self._top + len(self._charts) * (_CHART + _GAP)
        for number, line in enumerate(self._foot):
            painter.drawText(QPointF(left, top + number * _LINE + 12), line)

    @property
    def _words(self) -> str:
        sizing = self._sizing
        seconds = sum(each.seconds for each in sizing.points)
        measured = tr(
            "{sizes} sizes measured, {seconds:.0f} s of load",
            sizes=len(sizing.points),
            seconds=seconds,
        )
        words = (server_in_words(sizing.server), " × ".join(sizing.limits), sizing.target, measured)
        return " · ".join(filter(None, words))

    def _elided(self, line: str) -> str:
        from PySide6.QtCore import Qt  # noqa: PLC0415

        room = _WIDTH - 2 * _EDGE - 8
        return self._metrics.elidedText(line, Qt.TextElideMode.ElideRight, room)

    def _wrapped(self, sentence: str) -> list[str]:
        lines, line = [], ""
        for word in sentence.split():
            longer = f"{line} {word}".strip()
            if line and self._metrics.horizontalAdvance(longer) > _WIDTH - 2 * _EDGE - 30:
                lines.append(line)
                longer = word
            line = longer
        return [self._elided(each) for each in (*lines, line)]
