"""A page with a title, charts and sentences, which becomes a PNG, SVG or PDF."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from poolviz.ui.charts.gui_thread import painted
from poolviz.ui.charts.png import as_png
from poolviz.ui.charts.vector import as_pdf, as_svg
from poolviz.ui.style.colours import LIGHT

if TYPE_CHECKING:
    from PySide6.QtCore import QSizeF
    from PySide6.QtGui import QImage, QPaintDevice, QPainter

WIDTH, EDGE, LINE = 1280.0, 16.0, 18.0  # pixels
HEAD = 46.0  # of the title
_SCALE = 2  # device pixels for each of these
_CORNER = 90.0  # the room of the name in the corner
_BESIDE = 30.0  # the room that no line of text takes


class Sheet(ABC):
    """Paints a page, of which `size` is that in pixels. Used by the GUI thread alone."""

    size: QSizeF

    def __init__(self) -> None:
        from PySide6.QtGui import QFontMetricsF  # noqa: PLC0415 - loads Qt

        from poolviz.ui.style.theme import ui_font  # noqa: PLC0415

        self.small = ui_font(12)
        self._metrics = QFontMetricsF(self.small)

    @property
    @abstractmethod
    def title(self) -> str:
        """What is shown."""

    @abstractmethod
    def paint(self, painter: QPainter) -> None:
        """Paint what stands below the title."""

    def render(self, device: QPaintDevice) -> None:
        """Paint the page. Raises what a part that can't be drawn raises."""
        from PySide6.QtGui import QPainter  # noqa: PLC0415

        from poolviz.ui.unexpected import collected  # noqa: PLC0415

        with collected():
            painter = QPainter(device)
            try:
                self._paint_title(painter)
                self.paint(painter)
            finally:
                painter.end()

    def _paint_title(self, painter: QPainter) -> None:
        from PySide6.QtCore import QPointF, QRectF, Qt  # noqa: PLC0415
        from PySide6.QtGui import QColor, QFont, QFontMetricsF  # noqa: PLC0415

        from poolviz.ui.style.theme import ui_font  # noqa: PLC0415

        painter.fillRect(QRectF(0, 0, WIDTH, self.size.height()), QColor(LIGHT.bg))
        painter.setPen(QColor(LIGHT.faint))
        painter.setFont(ui_font(13, QFont.Weight.DemiBold))
        corner = QRectF(EDGE, 16, WIDTH - 2 * EDGE, 20)
        painter.drawText(corner, Qt.AlignmentFlag.AlignRight, "poolviz")
        painter.setPen(QColor(LIGHT.text))
        painter.setFont(ui_font(18, QFont.Weight.DemiBold))
        room = WIDTH - 2 * EDGE - _CORNER
        elide = QFontMetricsF(painter.font()).elidedText
        title = elide(self.title, Qt.TextElideMode.ElideRight, room)
        painter.drawText(QPointF(EDGE + 2, 32), title)
        painter.setFont(self.small)

    def elided(self, line: str, beside: float = 8.0) -> str:
        """Return as much of a line as there is room for, but for so many pixels."""
        from PySide6.QtCore import Qt  # noqa: PLC0415

        room = WIDTH - 2 * EDGE - beside
        return self._metrics.elidedText(line, Qt.TextElideMode.ElideRight, room)

    def wrapped(self, sentence: str) -> list[str]:
        """Return a sentence in lines."""
        lines, line = [], ""
        for word in sentence.split():
            longer = f"{line} {word}".strip()
            if line and self._metrics.horizontalAdvance(longer) > WIDTH - 2 * EDGE - _BESIDE:
                lines.append(line)
                longer = word
            line = longer
        return [self.elided(each) for each in (*lines, line)]


def as_png_sheet(make: Callable[[float], Sheet]) -> bytes:
    """Return a page as PNG; `make` gets the scale of its pixels. May be called from any thread.
    PoolvizError if Qt can't be loaded or the window is too busy to paint."""

    def paint() -> QImage:
        from PySide6.QtGui import QImage  # noqa: PLC0415 - loads Qt

        sheet = make(_SCALE)
        image = QImage((sheet.size * _SCALE).toSize(), QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(_SCALE)
        sheet.render(image)
        return image

    return as_png(painted(paint))


def as_svg_sheet(make: Callable[[float], Sheet]) -> bytes:
    """Return a page as SVG; see `as_png_sheet`."""
    return painted(lambda: as_svg(lambda: _made(make)))


def as_pdf_sheet(make: Callable[[float], Sheet]) -> bytes:
    """Return a page as a PDF of one page; see `as_png_sheet`."""
    return painted(lambda: as_pdf(lambda: _made(make)))


def _made(make: Callable[[float], Sheet]) -> tuple[Sheet, QSizeF]:
    sheet = make(1)
    return sheet, sheet.size
