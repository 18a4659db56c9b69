"""A comparison as one picture: what was compared, the charts, and what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolviz.language import tr
from poolviz.model.server_name import server_in_words
from poolviz.sessions.comparison import START, Compared
from poolviz.ui.charts.sheet import (
    EDGE,
    HEAD,
    LINE,
    WIDTH,
    Sheet,
    as_pdf_sheet,
    as_png_sheet,
    as_svg_sheet,
)
from poolviz.ui.style.colours import LIGHT, SESSIONS

if TYPE_CHECKING:
    from PySide6.QtGui import QPainter

_ROW, _LOWEST = 215.0, 360.0  # pixels: the height of a row of charts, and of all at least


def png(compared: Compared) -> bytes:
    """Return a comparison as PNG. May be called from any thread. PoolvizError if Qt can't be
    loaded or the window is too busy to paint."""
    assert compared.comparison  # made by the caller's thread
    return as_png_sheet(lambda scale: ComparisonImage(compared, scale))


def svg(compared: Compared) -> bytes:
    """Return a comparison as SVG; see `png`."""
    assert compared.comparison
    return as_svg_sheet(lambda scale: ComparisonImage(compared, scale))


def pdf(compared: Compared) -> bytes:
    """Return a comparison as a PDF of one page; see `png`."""
    assert compared.comparison
    return as_pdf_sheet(lambda scale: ComparisonImage(compared, scale))


class ComparisonImage(Sheet):
    """Paints a comparison. Used by the GUI thread alone."""

    def __init__(self, compared: Compared, scale: float) -> None:
        import pyqtgraph as pg  # noqa: PLC0415 - loads Qt
        from PySide6.QtCore import QSizeF  # noqa: PLC0415

        from poolviz.ui.comparison.overlay_charts import OverlayCharts  # noqa: PLC0415

        super().__init__()
        self._compared = compared
        self._charts = OverlayCharts(compared, LIGHT)
        self._charts.set_pixel_ratio(scale)
        self._tall = max(_ROW * self._charts.rows, _LOWEST)
        self._charts.place(WIDTH - 2 * EDGE, self._tall)
        self._scene = pg.GraphicsScene()
        self._scene.addItem(self._charts)
        self._head = self._sessions()
        self._foot = [part for each in self._sentences() for part in self.wrapped(each)]
        self._top = HEAD + len(self._head) * LINE + 10
        height = self._top + self._tall + 14 + len(self._foot) * LINE + EDGE
        self.size = QSizeF(WIDTH, height)

    @property
    def title(self) -> str:
        """What is compared."""
        return tr("{names}, compared", names=" and ".join(self._compared.names))

    def paint(self, painter: QPainter) -> None:
        """Paint the names of the sessions, the charts, and what differs."""
        from PySide6.QtCore import QPointF, QRectF  # noqa: PLC0415
        from PySide6.QtGui import QColor  # noqa: PLC0415

        left = EDGE + 2
        for number, line in enumerate(self._head):
            y = HEAD + number * LINE
            ink = QColor(getattr(LIGHT, SESSIONS[number]))
            painter.fillRect(QRectF(left, y + 4, 10, 10), ink)
            painter.setPen(QColor(LIGHT.text))
            painter.drawText(QPointF(left + 17, y + 13), self.elided(line, 24))
        place = QRectF(EDGE, self._top, WIDTH - 2 * EDGE, self._tall)
        self._scene.render(painter, place, self._charts.size)
        painter.setFont(self.small)
        painter.setPen(QColor(LIGHT.muted))
        for number, line in enumerate(self._foot):
            y = self._top + self._tall + 14 + number * LINE + 12
            painter.drawText(QPointF(left, y), line)

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


def _started(utc: str | None) -> str:
    """Return when a session began, as its table has it."""
    return (utc or "")[:19].replace("T", " ")
