"""The charts on one time axis with their marks, as in the window and in exported images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter
from PySide6.QtWidgets import QGraphicsObject, QStyleOptionGraphicsItem, QWidget

from poolviz.language import tr
from poolviz.model.sample import Mark
from poolviz.sessions.export.exporter import USUAL
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.resolutions import View
from poolviz.ui.charts.axes import MINUS, Frame, ago, clock
from poolviz.ui.charts.by_name import CHARTS
from poolviz.ui.charts.chart import Chart, Figure
from poolviz.ui.charts.crosshair import Crosshair
from poolviz.ui.charts.gaps import GapsLayer
from poolviz.ui.charts.marks import LABEL_HEIGHT, MarksLayer, Room
from poolviz.ui.charts.reference_point import ReferencePoint
from poolviz.ui.charts.spans import SpansLayer
from poolviz.ui.style.theme import Theme, text_room, ui_font
from poolviz.ui.unexpected import contained

GAP = 6.0  # pixels between two panels
_FINE = 1500  # bins at most, for counts
_COARSE = 300  # bins at most, for percentiles and rates, which need many operations
_CALM = 0.2  # seconds: their shortest bins, if at least _FEW are shown
_FEW = 60
_ENOUGH = 10  # operations in a bin, for percentiles that don't jump from one bin to the next
_LEAST = 20  # bins
_STEADY = 1.25  # by which factor that many bins change, rather than with each operation


class ChartScene(QGraphicsObject):
    """Draws part of a session, with the usual charts or those that are named. Following, mouse and
    keys are its owners' concern. With `complete` a frame waits for all that is drawn of a file."""

    def __init__(
        self, theme: Theme, names: Sequence[str] = USUAL, *, complete: bool = False
    ) -> None:
        super().__init__()
        self.theme = theme
        self.by_name: dict[str, Chart] = {}  # those that were ever shown
        self.charts: tuple[Chart, ...] = ()
        self.share = 1.0  # of a picture's usual height
        self.spans = SpansLayer(theme)
        self.gaps = GapsLayer(theme)
        self.marks = MarksLayer(theme)
        self.reference = ReferencePoint(theme)
        self.crosshair = Crosshair(theme)
        self._empty = _Empty(theme)
        for layer in self._layers():
            layer.setParentItem(self)
            layer.setZValue(1.0)  # over charts that are made later
        self.size = QRectF()
        self.frame = Frame(-60.0, 0.0, live=True)
        self._ratio, self._complete = 1.0, complete
        self._recorder: Recorder | None = None
        self._enough = float(_LEAST)  # bins with enough operations each
        self._views: tuple[View, View] | None = None
        self._ghosts: tuple[View, View] | None = None  # of the session behind it
        self._marks: tuple[Mark, ...] = ()
        self._spans: tuple[tuple[float, float], ...] = ()  # that are highlighted
        self.show_charts(names)

    def show_charts(self, names: Sequence[str]) -> None:
        """Have these charts from above. Each is made when it is first shown; one that isn't shown
        costs nothing."""
        for name in names:
            if name not in self.by_name:
                chart = self.by_name[name] = CHARTS[name](self.theme)
                chart.setParentItem(self)
                chart.set_pixel_ratio(self._ratio)
                chart.complete = self._complete
        shown = tuple(self.by_name[name] for name in names)
        for chart in self.by_name.values():
            chart.setVisible(chart in shown)
        last = next((chart for chart in reversed(shown) if chart.timed), None)
        for chart in shown:
            chart.set_time_axis(chart is last)
            if chart.theme is not self.theme:
                chart.set_theme(self.theme)
        self.charts = shown
        self.share = sum(chart.share for chart in shown)
        self.point_nowhere()
        self.place(self.size.width(), self.size.height())

    @property
    def least_height(self) -> float:
        """The pixels that the charts need at least."""
        return sum(chart.least_height for chart in self.charts) + GAP * (len(self.charts) - 1)

    def _layers(
        self,
    ) -> tuple[SpansLayer | GapsLayer | MarksLayer | ReferencePoint | Crosshair | _Empty, ...]:
        """Return what lies over the charts, from below."""
        return self.spans, self.gaps, self.marks, self.reference, self.crosshair, self._empty

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        for chart in self.charts:
            chart.set_theme(theme)
        for layer in self._layers():
            layer.theme = theme
            layer.update()
        for texts in (self.marks, self.crosshair, self._empty):
            texts.set_fonts()
        self.place(self.size.width(), self.size.height())  # texts may have another size

    def set_pixel_ratio(self, ratio: float) -> None:
        """Set the device pixels per pixel."""
        self._ratio = ratio
        for chart in self.by_name.values():
            chart.set_pixel_ratio(ratio)

    def place(self, width: float, height: float) -> None:
        """Give the charts `width` × `height` pixels."""
        self.prepareGeometryChange()
        self.size = QRectF(0, 0, width, height)
        top = 0.0
        for chart, tall in zip(self.charts, self._heights(height), strict=True):
            chart.place(QRectF(0, top, width, tall))
            top += tall + GAP
        for layer in (self.spans, self.gaps, self.marks):
            layer.place(self.size)
        self.reference.place(self.size)
        self._empty.place(self.charts[0].plot)
        self._draw(calm=False)

    def _heights(self, height: float) -> list[float]:
        """Share the height as the charts want it, but none less than it needs, unless there is less
        than all need."""
        charts, room = self.charts, height - GAP * (len(self.charts) - 1)
        low = {chart for chart in charts if chart.least_height > room * chart.share / self.share}
        if len(low) == len(charts):
            low = set()
        while True:
            rest = room - sum(chart.least_height for chart in low)
            whole = sum(chart.share for chart in charts if chart not in low)
            more = {c for c in charts if c not in low and c.least_height > rest * c.share / whole}
            if not more or len(low | more) == len(charts):
                break
            low |= more
        tall = [round(c.least_height if c in low else rest * c.share / whole) for c in charts]
        return [*tall[:-1], room - sum(tall[:-1])]

    def _timed(self) -> list[Chart]:
        return [chart for chart in self.charts if chart.timed]

    @property
    def plots(self) -> list[QRectF]:
        """The area of the curves of each chart that has the time axis."""
        return [chart.plot.translated(chart.pos()) for chart in self._timed()]

    def chart_at(self, at: QPointF) -> Chart | None:
        """Return the chart at a position."""
        return next((c for c in self.charts if c.size.contains(at - c.pos())), None)

    def title_at(self, at: QPointF) -> Chart | None:
        """Return the chart whose title is at a position."""
        return next((c for c in self.charts if c.in_title(at - c.pos())), None)

    def curve_at(self, at: QPointF) -> tuple[Chart, str] | None:
        """Return the curve, and its chart, whose name is at a position."""
        chart = self.chart_at(at)
        curve = chart.name_at(at - chart.pos()) if chart is not None else None
        return (chart, curve) if chart is not None and curve is not None else None

    def toggle_curve(self, chart: Chart, curve: str) -> None:
        """Hide a curve of a chart, or show it again."""
        chart.toggle(curve)
        self._draw(calm=False)

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
        few = self._with_enough(few, fine)
        self._views = (fine, recorder.view(frame.start, frame.end, few))
        self._ghosts = None
        if ghost is not None and ghost is not recorder:
            behind = ghost.view(frame.start, frame.end, _COARSE)
            self._ghosts = behind, ghost.view(frame.start, frame.end, few)
        self._recorder, self._marks = recorder, recorder.marks
        self._draw(calm=calm)

    def _with_enough(self, bins: int, view: View) -> int:
        """Return how many bins percentiles and rates of `view` are drawn in, `bins` at most: fewer
        where few operations are done."""
        operations = float(np.nansum(view.lines["throughput"]) * view.bin)
        if operations < _ENOUGH:
            return bins
        wanted = max(operations / _ENOUGH, _LEAST)
        if not 1 / _STEADY < wanted / self._enough < _STEADY:
            self._enough = wanted
        return min(bins, int(self._enough))

    def show_nothing(self, frame: Frame) -> None:
        """Draw empty charts and a hint."""
        self.frame, self._views, self._ghosts, self._marks = frame, None, None, ()
        self._recorder = None
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
            self._draw_spans()
            self._draw_gaps()
        with contained():
            self._draw_reference()

    def _draw_chart(self, chart: Chart, *, calm: bool) -> None:
        view = self._views[0 if chart.fine else 1] if self._views is not None else None
        if view is None or not len(view.t) or self._recorder is None:
            chart.show_nothing(self.frame)
            return
        ghost = self._ghosts[0 if chart.fine else 1] if self._ghosts is not None else None
        try:
            chart.read(self._recorder, self.frame)
            chart.show_view(view, self.frame, calm=calm, ghost=ghost)
        except BaseException:
            chart.show_nothing(self.frame)  # rather than old curves on a newer axis
            raise

    def highlight(self, spans: Sequence[tuple[float, float]]) -> None:
        """Highlight parts of the session, in seconds since its start; none, nothing."""
        self._spans = tuple(spans)
        self._draw_spans()

    def _draw_spans(self) -> None:
        spans = [(self.x_of(begin), self.x_of(end)) for begin, end in self._spans]
        self.spans.show_spans(spans, self.plots)

    def _draw_gaps(self) -> None:
        gaps = [mark.gap for mark in self._marks]
        shown = [(self.x_of(gap[0]), self.x_of(gap[1])) for gap in gaps if gap is not None]
        self.gaps.show_gaps(shown, self.plots)

    def _draw_marks(self) -> None:
        frame, plots = self.frame, self.plots
        shown = [
            (self.x_of(mark.t), mark) for mark in self._marks if frame.start <= mark.t <= frame.end
        ]
        timed = self._timed()
        if not timed:
            self.marks.show_marks([], [], Room(0, 0, 0, 0, 0))
            return
        chart = timed[0]
        room = Room(
            left=plots[0].left(),
            title_right=chart.title_width + 10,
            plot_right=plots[0].right(),
            right=chart.size.right() - 8,
            top=chart.pos().y() + 7,
            tall=round(LABEL_HEIGHT * chart.text_room),
        )
        self.marks.show_marks(shown, plots, room)

    def x_of(self, time: float) -> float:
        """Return the x position of a time of the session."""
        return self.charts[0].x_of(time - self.frame.end)

    def time_at(self, x: float) -> float:
        """Return the time of the session at an x position."""
        plot = self.charts[0].plot
        return self.frame.start + (x - plot.left()) / plot.width() * self.frame.span

    def point_at(self, at: QPointF) -> None:
        """Show the crosshair and its card at a position that has data."""
        plots, views = self.plots, self._views
        time = self.time_at(at.x())
        inside = bool(plots) and plots[0].left() <= at.x() <= plots[0].right()
        if not inside or views is None or not _within(views[0], time):
            self.crosshair.setVisible(False)
            return
        for chart in self.charts:
            chart.pointer = at - chart.pos()
        groups = self._figures(views, time)
        since = self.reference.time
        if since is not None:
            apart = f"{MINUS if time < since else '+'}{clock(abs(time - since), 0.1)}"
            away = tr("{apart} from {time}", apart=apart, time=clock(since, 0.1))
            heading = (clock(time, 0.1), away)
        else:
            back = ago(round(self.frame.end - time, 1)) if self.frame.live else ""
            heading = (clock(time, 0.1), back)
        self.crosshair.show_figures(at, plots, heading, groups, self.reference.differences(groups))

    def _figures(self, views: tuple[View, View], time: float) -> list[list[Figure]]:
        groups: list[list[Figure]] = []
        for chart in self._timed():
            view = views[0 if chart.fine else 1]
            with contained():
                groups.append(chart.figures(view, _bin_at(view, time)))
        return [group for group in groups if group]

    def latest(self, chart: Chart) -> list[Figure]:
        """Return the figures of a chart at the end of the visible part."""
        view = self._views[0 if chart.fine else 1] if self._views is not None else None
        if view is None or not len(view.t):
            return [Figure(tr("No data yet"), "", self.theme.muted)]
        return chart.latest(view)

    def refer_to(self, time: float | None) -> bool:
        """Make a time with data the one to which the crosshair's card shows differences, or with
        None none; return whether there is one now."""
        views = self._views
        if time is not None and (views is None or not _within(views[0], time)):
            time = None
        self.reference.time = time
        self._draw_reference()
        return time is not None

    def _draw_reference(self) -> None:
        """Show the reference point, with the figures of now while it is visible."""
        time, views = self.reference.time, self._views
        if time is not None and views is not None and _within(views[0], time):
            self.reference.note(self._figures(views, time))
        frame = self.frame
        visible = time is not None and frame.start <= time <= frame.end
        self.reference.show_at(
            self.x_of(time) if visible and time is not None else None, self.plots
        )

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
        self.set_fonts()

    def set_fonts(self) -> None:
        self._strong, self._font = ui_font(14, QFont.Weight.Medium), ui_font(12)
        self._line = 22 * text_room()

    def place(self, rect: QRectF) -> None:
        self.prepareGeometryChange()
        self._rect = rect

    def boundingRect(self) -> QRectF:
        return self._rect

    @contained()
    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        tall, rect = self._line, self._rect
        words = tr("Start a run to see its curves here.")
        wrapped = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        hint = QFontMetricsF(self._font).boundingRect(rect, wrapped, words).size()
        strong = QFontMetricsF(self._strong).horizontalAdvance(tr("No data yet"))
        wide = min(max(hint.width(), strong) + 40, rect.width())
        top = max(rect.center().y() - (tall + hint.height()) / 2, rect.top())
        line = QRectF(rect.left(), top, rect.width(), tall)
        painter.fillRect(
            QRectF(rect.center().x() - wide / 2, top - 6, wide, tall + hint.height() + 12),
            QColor(self.theme.panel),
        )
        painter.setPen(QColor(self.theme.muted))
        painter.setFont(self._strong)
        painter.drawText(line, Qt.AlignmentFlag.AlignCenter, tr("No data yet"))
        painter.setFont(self._font)
        below = QRectF(rect.left(), line.bottom(), rect.width(), hint.height())
        painter.drawText(below, wrapped, words)


def _bin_at(view: View, time: float) -> int:
    """Return the bin that contains a time."""
    return min(int(np.searchsorted(view.t, time)), len(view.t) - 1)


def _within(view: View, time: float) -> bool:
    return bool(len(view.t)) and view.t[0] - view.bin <= time <= view.t[-1]
