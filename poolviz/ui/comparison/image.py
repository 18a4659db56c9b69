"""A comparison as one picture: what was compared, the charts, and what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolviz.language import tr
from poolviz.model.server_name import server_in_words
from poolviz.sessions.comparison import START, Compared
from poolviz.ui.charts.gui_thread import painted
from poolviz.ui.charts.png import as_png
from poolviz.ui.charts.vector import as_pdf, as_svg
from poolviz.ui.style.colours import LIGHT, SESSIONS

if TYPE_CHECKING:
    from PySide6.QtCore import QSizeF
    from PySide6.QtGui import QImage, QPaintDevice, QPainter

_WIDTH, _EDGE, _LINE = 1280.0, 16.0, 18.0
_ROW, _LOWEST = 215.0, 360.0  # pixels: the height of a row of charts, and of all at least
_SCALE = 2  # device pixels for each of these
_HEAD = 46.0


def png(compared: Compared) -> bytes:
    """Return a comparison as PNG. May be called from any thread. PoolvizError if Qt can't be
    loaded or the window is too busy to paint."""
    differing = compared.comparison  # made by the caller's thread

    def paint() -> QImage:
        from PySide6.QtGui import QImage  # noqa: PLC0415 - loads Qt

        picture = ComparisonImage(compared, _SCALE)
        image = QImage((picture.size * _SCALE).toSize(), QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(_SCALE)
        picture.render(image)
        return image

    assert differing
    return as_png(painted(paint))


def svg(compared: Compared) -> bytes:
    """Return a comparison as SVG; see `png`."""
    assert compared.comparison
    return painted(lambda: as_svg(lambda: _made(compared)))


def pdf(compared: Compared) -> bytes:
    """Return a comparison as a PDF of one page; see `png`."""
    assert compared.comparison
    return painted(lambda: as_pdf(lambda: _made(compared)))


def _made(compared: Compared) -> tuple[ComparisonImage, QSizeF]:
    picture = ComparisonImage(compared, 1)
    return picture, picture.size


class ComparisonImage:
    """Paints a comparison. Used by the GUI thread alone."""

    def __init__(self, compared: Compared, scale: float) -> None:
        import pyqtgraph as pg  # noqa: PLC0415 - loads Qt
        from PySide6.QtCore import QSizeF  # noqa: PLC0415
        from PySide6.QtGui import QFontMetricsF  # noqa: PLC0415

        from poolviz.ui.comparison.overlay_charts import OverlayCharts  # noqa: PLC0415
        from poolviz.ui.style.theme import ui_font  # noqa: PLC0415

        self._compared = compared
        self._small = ui_font(12)
        self._metrics = QFontMetricsF(self._small)
        self._charts = OverlayCharts(compared, LIGHT)
        self._charts.set_pixel_ratio(scale)
        self._tall = max(_ROW * self._charts.rows, _LOWEST)
        self._charts.place(_WIDTH - 2 * _EDGE, self._tall)
        self._scene = pg.GraphicsScene()
        self._scene.addItem(self._charts)
        self._head = self._sessions()
        self._foot = self._wrapped(self._sentences())
        self._top = _HEAD + len(self._head) * _LINE + 10
        height = self._top + self._tall + 14 + len(self._foot) * _LINE + _EDGE
        self.size = QSizeF(_WIDTH, height)

    @property
    def title(self) -> str:
        """What is compared."""
        return tr("{names}, compared", names=" and ".join(self._compared.names))

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
        room = _WIDTH - 2 * _EDGE - 90
        elide = QFontMetricsF(painter.font()).elidedText
        painter.drawText(QPointF(left, 32), elide(self.title, Qt.TextElideMode.ElideRight, room))
        painter.setFont(self._small)
        for number, line in enumerate(self._head):
            y = _HEAD + number * _LINE
            ink = QColor(getattr(LIGHT, SESSIONS[number]))
            painter.fillRect(QRectF(left, y + 4, 10, 10), ink)
            painter.setPen(QColor(LIGHT.text))
            painter.drawText(QPointF(left + 17, y + 13), self._fitting(line))
        place = QRectF(_EDGE, self._top, _WIDTH - 2 * _EDGE, self._tall)
        self._scene.render(painter, place, self._charts.size)
        painter.setFont(self._small)
        painter.setPen(QColor(LIGHT.muted))
        for number, line in enumerate(self._foot):
            y = self._top + self._tall + 14 + number * _LINE + 12
            painter.drawText(QPointF(left, y), line)

    def _fitting(self, line: str) -> str:
        from PySide6.QtCore import Qt  # noqa: PLC0415

        room = _WIDTH - 2 * _EDGE - 24
        return self._metrics.elidedText(line, Qt.TextElideMode.ElideRight, room)

    def _sessions(self) -> list[str]:
        found = []
        for number, each in enumerate(self._compared.comparison.sessions):
            facts = [
                each.name,
                *([tr("baseline")] if not number else []),
                each.pool or tr("nothing was run"),
                *filter(None, [server_in_words(each.server), _started(each.started_utc)]),
                tr("{n:.1f} s", n=each.duration_s),
                *filter(None, [each.note]),
            ]
            found.append(" · ".join(facts))
        return found

    def _sentences(self) -> list[str]:
        comparison = self._compared.comparison
        found = [
            f"{part.title}, {side.name}: {side.sentence}"
            for part in comparison.parts[:4]
            for side in part.sides
            if side.sentence
        ]
        if comparison.align != START:
            found.append(tr("Aligned at {align}.", align=comparison.align))
        return [*found, *comparison.notes, comparison.method]

    def _wrapped(self, sentences: list[str]) -> list[str]:
        lines = []
        for sentence in sentences:
            line = ""
            for word in sentence.split():
                longer = f"{line} {word}".strip()
                if line and self._metrics.horizontalAdvance(longer) > _WIDTH - 2 * _EDGE - 30:
                    lines.append(line)
                    longer = word
                line = longer
            lines.append(line)
        return [self._fitting(line) for line in lines]


def _started(utc: str | None) -> str:
    """Return when a session began, as its table has it."""
    return (utc or "")[:19].replace("T", " ")
