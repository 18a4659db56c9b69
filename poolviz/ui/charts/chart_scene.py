"""The three charts on one time axis with their marks, as in the window and in exported images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter
from PySide6.QtWidgets import QGraphicsObject, QStyleOptionGraphicsItem, QWidget

from poolviz.model.sample import Mark
from poolviz.sessions.export.exporter import PICTURE
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.resolutions import View
from poolviz.ui.charts.axes import Frame, ago, clock
from poolviz.ui.charts.by_name import CHARTS
from poolviz.ui.charts.chart import Chart, Figure
from poolviz.ui.charts.crosshair import Crosshair
from poolviz.ui.charts.marks import MarksLayer, Room
from poolviz.ui.style.theme import Theme, ui_font
from poolviz.ui.unexpected import contained

GAP = 6.0  # pixels between two panels
_FINE = 1500  # bins at most, for counts
_COARSE = 300  # bins at most, for percentiles and rates, which need many operations
_CALM = 0.2  # seconds: their shortest bins, if at least _FEW are shown
_FEW = 60


class ChartScene(QGraphicsObject):
    """Draws part of a session, with all charts or those that are named. Following, mouse and keys
    are its owners' concern."""

    def __init__(self, theme: Theme, names: Sequence[str] = PICTURE) -> None:
        super().__init__()
        self.theme = theme
        last = names[-1]
        self.by_name = {name: CHARTS[name](theme, with_time_axis=name == last) for name in names}
        self.charts: tuple[Chart, ...] = tuple(self.by_name.values())
        self.share = sum(chart.share for chart in self.charts)  # of a picture's usual height
        self.marks = MarksLayer(theme)
        self.crosshair = Crosshair(theme)
        for chart in self.charts:
            chart.setParentItem(self)
        for layer in (self.marks, self.crosshair):
            layer.setParentItem(self)
        self._empty = _Empty(theme)
        self._empty.setParentItem(self)
        self.size = QRectF()
        self.frame = Frame(-60.0, 0.0, live=True)
        self._views: tuple[View, View] | None = None
        self._ghosts: tuple[View, View] | None = None  # of the session behind it
        self._marks: tuple[Mark, ...] = ()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        for chart in self.charts:
            chart.set_theme(theme)
        for layer in (self.marks, self.crosshair, self._empty):
            layer.theme = theme
            layer.update()

    def set_pixel_ratio(self, ratio: float) -> None:
        """Set the device pixels per pixel."""
        for chart in self.charts:
            chart.set_pixel_ratio(ratio)

    def place(self, width: float, height: float) -> None:
        """Give the charts `width` × `height` pixels."""
        self.prepareGeometryChange()
        self.size = QRectF(0, 0, width, height)
        room, top = height - GAP * (len(self.charts) - 1), 0.0
        whole = sum(chart.share for chart in self.charts)
        for chart in self.charts:
            last = chart is self.charts[-1]
            tall = height - top if last else round(room * chart.share / whole)
            chart.place(QRectF(0, top, width, tall))
            top += tall + GAP
        self.marks.place(self.size)
        self._empty.place(self.charts[0].plot)
        self._draw(calm=False)

    @property
    def plots(self) -> list[QRectF]:
        """The area of the curves of each chart."""
        return [chart.plot.translated(chart.pos()) for chart in self.charts]

    def show_frame(
        self,
        recorder: Recorder,
        frame: Frame,
        *,
        calm: bool = False,
        ghost: Recorder | None = None,
    ) -> None:
        """Draw the data of `recorder` in `frame`, and that of `ghost` paler. With `calm`, scales
        don't shrink at once."""
        self.frame = frame
        fine = recorder.view(frame.start, frame.end, _FINE)
        seconds = min(frame.end, recorder.duration) - max(frame.start, 0.0)
        few = min(max(int(seconds / _CALM), _FEW), _COARSE)
        self._views = (fine, recorder.view(frame.start, frame.end, few))
        self._ghosts = None
        if ghost is not None and ghost is not recorder:
            behind = ghost.view(frame.start, frame.end, _COARSE)
            self._ghosts = behind, ghost.view(frame.start, frame.end, few)
        self._marks = recorder.marks
        self._draw(calm=calm)

    def show_nothing(self, frame: Frame) -> None:
        """Draw empty charts and a hint."""
        self.frame, self._views, self._ghosts, self._marks = frame, None, None, ()
        self._draw(calm=False)

    def _draw(self, *, calm: bool) -> None:
        if self.size.isEmpty():
            return
        views = self._views
        self._empty.setVisible(views is None or not len(views[0].t))
        for chart in self.charts:
            with contained():  # the others are drawn even so
                self._draw_chart(chart, calm=calm)
        with contained():
            self._draw_marks()

    def _draw_chart(self, chart: Chart, *, calm: bool) -> None:
        view = self._views[0 if chart.fine else 1] if self._views is not None else None
        if view is None or not len(view.t):
            chart.show_nothing(self.frame)
            return
        ghost = self._ghosts[0 if chart.fine else 1] if self._ghosts is not None else None
        try:
            chart.show_view(view, self.frame, calm=calm, ghost=ghost)
        except BaseException:
            chart.show_nothing(self.frame)  # rather than old curves on a newer axis
            raise

    def _draw_marks(self) -> None:
        frame, plots = self.frame, self.plots
        shown = [
            (self.x_of(mark.t), mark) for mark in self._marks if frame.start <= mark.t <= frame.end
        ]
        chart = self.charts[0]
        room = Room(
            left=plots[0].left(),
            title_right=chart.title_width + 10,
            plot_right=plots[0].right(),
            right=chart.size.right() - 8,
            top=chart.pos().y() + 7,
        )
        self.marks.show_marks(shown, plots, room)

    def x_of(self, time: float) -> float:
        """Return the x position of a time of the session."""
        return self.charts[0].x_of(time - self.frame.end)

    def time_at(self, x: float) -> float:
        """Return the time of the session at an x position."""
        plot = self.plots[0]
        return self.frame.start + (x - plot.left()) / plot.width() * self.frame.span

    def point_at(self, at: QPointF) -> None:
        """Show the crosshair and its card at a position that has data."""
        plots, views = self.plots, self._views
        time = self.time_at(at.x())
        inside = plots[0].left() <= at.x() <= plots[0].right()
        if not inside or views is None or not _within(views[0], time):
            self.crosshair.setVisible(False)
            return
        groups: list[list[Figure]] = []
        for chart in self.charts:
            view = views[0 if chart.fine else 1]
            with contained():
                groups.append(chart.figures(view, _bin_at(view, time)))
        back = ago(round(self.frame.end - time, 1)) if self.frame.live else ""
        self.crosshair.show_figures(at, plots, (clock(time, 0.1), back), groups)

    def point_nowhere(self) -> None:
        """Hide the crosshair."""
        self.crosshair.setVisible(False)

    def boundingRect(self) -> QRectF:
        """Return the whole scene."""
        return self.size

    @contained()
    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Paint nothing: the parts paint themselves."""


class _Empty(QGraphicsObject):
    """The hint in empty charts."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self._rect = QRectF()
        self._strong, self._font = ui_font(14, QFont.Weight.Medium), ui_font(12)

    def place(self, rect: QRectF) -> None:
        self.prepareGeometryChange()
        self._rect = rect

    def boundingRect(self) -> QRectF:
        return self._rect

    @contained()
    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        middle = self._rect.center().y()
        line = QRectF(self._rect.left(), middle - 22, self._rect.width(), 22)
        words = "Start a run to see its curves here."
        wide = QFontMetricsF(self._font).horizontalAdvance(words) + 40
        painter.fillRect(
            QRectF(line.center().x() - wide / 2, line.top() - 6, wide, 56), QColor(self.theme.panel)
        )
        painter.setPen(QColor(self.theme.muted))
        painter.setFont(self._strong)
        painter.drawText(line, Qt.AlignmentFlag.AlignCenter, "No data yet")
        painter.setPen(QColor(self.theme.faint))
        painter.setFont(self._font)
        painter.drawText(line.translated(0, 22), Qt.AlignmentFlag.AlignCenter, words)


def _bin_at(view: View, time: float) -> int:
    """Return the bin that contains a time."""
    return min(int(np.searchsorted(view.t, time)), len(view.t) - 1)


def _within(view: View, time: float) -> bool:
    return bool(len(view.t)) and view.t[0] - view.bin <= time <= view.t[-1]
