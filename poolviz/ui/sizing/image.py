"""A sizing as one picture: its answer, its charts, and what stands beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.server_name import server_in_words
from poolviz.sessions.recorder import Recorder
from poolviz.sizing.answer import ended_early, facts, title_of
from poolviz.sizing.charts import SizeChart, size_charts
from poolviz.sizing.sizing import Sizing, sizing_of
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
from poolviz.ui.style.colours import LIGHT

if TYPE_CHECKING:
    from PySide6.QtGui import QPainter

_CHART, _GAP = 270.0, 10.0
_MOST_NOTES = 12


def png(sizing: Sizing) -> bytes:
    """Return a sizing as PNG. May be called from any thread. PoolvizError if Qt can't be loaded or
    the window is too busy to paint."""
    return as_png_sheet(_maker(sizing))


def svg(sizing: Sizing) -> bytes:
    """Return a sizing as SVG; see `png`."""
    return as_svg_sheet(_maker(sizing))


def pdf(sizing: Sizing) -> bytes:
    """Return a sizing as a PDF of one page; see `png`."""
    return as_pdf_sheet(_maker(sizing))


def _maker(sizing: Sizing) -> Callable[[float], SizingImage]:
    charts = size_charts(sizing)  # by the caller's thread: a model may take a second
    return lambda _scale: SizingImage(sizing, charts)


def write_png(recorder: Recorder, paths: Sequence[Path]) -> None:
    """Write the sizing of a session as PNG, as an export format does."""
    _write(recorder, paths, png)


def write_svg(recorder: Recorder, paths: Sequence[Path]) -> None:
    """Write the sizing of a session as SVG, as an export format does."""
    _write(recorder, paths, svg)


def write_pdf(recorder: Recorder, paths: Sequence[Path]) -> None:
    """Write the sizing of a session as a PDF, as an export format does."""
    _write(recorder, paths, pdf)


def _write(recorder: Recorder, paths: Sequence[Path], made: Callable[[Sizing], bytes]) -> None:
    sizing = sizing_of(recorder)
    if sizing is None:
        raise InputError(tr("Nothing was measured."))
    paths[0].write_bytes(made(sizing))


class SizingImage(Sheet):
    """Paints a sizing. Used by the GUI thread alone."""

    def __init__(self, sizing: Sizing, charts: Sequence[SizeChart]) -> None:
        from PySide6.QtCore import QSizeF  # noqa: PLC0415 - loads Qt

        from poolviz.ui.sizing.size_painter import SizePainter, room_for_names  # noqa: PLC0415

        super().__init__()
        self._sizing = sizing
        room = room_for_names(charts)
        self._charts = [SizePainter(chart, LIGHT, room) for chart in charts]
        for chart in self._charts:
            chart.place(WIDTH - 2 * EDGE, _CHART)
        self._head = self.wrapped(sizing.sentence)
        self._early = [] if sizing.complete else [ended_early()]
        notes = [f"{name}: {text}" for name, text in facts(sizing)]
        self._foot = [line for note in notes[:_MOST_NOTES] for line in self.wrapped(note)]
        self._top = HEAD + (len(self._head) + len(self._early) + 1) * LINE + 6
        tall = len(self._charts) * (_CHART + _GAP)
        self.size = QSizeF(WIDTH, self._top + tall + len(self._foot) * LINE + EDGE)

    @property
    def title(self) -> str:
        """What was sized."""
        return title_of(self._sizing)

    def paint(self, painter: QPainter) -> None:
        """Paint the answer, the charts, and what stands beside them."""
        from PySide6.QtCore import QPointF  # noqa: PLC0415
        from PySide6.QtGui import QColor  # noqa: PLC0415

        left, y = EDGE + 2, HEAD + 8
        for lines, colour in (
            ([self.elided(self._words)], LIGHT.muted),
            (self._head, LIGHT.text),
            (self._early, LIGHT.bad),
        ):
            painter.setPen(QColor(colour))
            for line in lines:
                painter.drawText(QPointF(left, y), line)
                y += LINE
        for number, chart in enumerate(self._charts):
            painter.save()
            painter.translate(EDGE, self._top + number * (_CHART + _GAP))
            chart.paint(painter)
            painter.restore()
        painter.setFont(self.small)
        painter.setPen(QColor(LIGHT.muted))
        top = self._top + len(self._charts) * (_CHART + _GAP)
        for number, line in enumerate(self._foot):
            painter.drawText(QPointF(left, top + number * LINE + 12), line)

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
