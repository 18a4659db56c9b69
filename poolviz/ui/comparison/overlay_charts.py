"""The charts of a comparison in two columns on one time axis, with the marks of all sessions."""

from __future__ import annotations

from PySide6.QtCore import QLineF, QPointF, QRectF
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QGraphicsObject, QStyleOptionGraphicsItem, QWidget

from poolviz.model.sample import Mark
from poolviz.sessions.comparison import Compared
from poolviz.sessions.overlays import OverlaidMark, marks, overlaid, overlays_of
from poolviz.ui.charts.axes import RIGHT, Frame, snapped
from poolviz.ui.charts.chart_scene import GAP
from poolviz.ui.charts.crosshair import Crosshair
from poolviz.ui.charts.marks import LABEL_HEIGHT, MarksLayer, Room
from poolviz.ui.comparison.overlay_chart import OverlayChart, time_text
from poolviz.ui.style.theme import Theme

_COLUMNS, _POINTS = 2, 800
SHORTEST = 0.5  # seconds of the axis
_ORDER = ("throughput", "used", "wait_p50", "pending", "wait_p95", "open", "wait_p99", "wrong")


class OverlayCharts(QGraphicsObject):
    """Draws part of sessions that are compared. Mouse and keys are its owner's concern."""

    def __init__(self, compared: Compared, theme: Theme) -> None:
        super().__init__()
        self.compared = compared
        self.size = QRectF()
        drawn = sorted(overlays_of(compared), key=lambda each: _ORDER.index(each.name))
        self._columns = min(_COLUMNS, len(drawn))
        self.rows = -(-len(drawn) // self._columns)
        self.charts = [
            OverlayChart(
                overlay,
                len(compared.names),
                theme,
                with_time_axis=place >= len(drawn) - self._columns,
            )
            for place, overlay in enumerate(drawn)
        ]
        self._marks: list[OverlaidMark] = marks(compared)
        self._layers = [MarksLayer(theme) for _ in range(self._columns)]
        self.crosshair = Crosshair(theme)
        for item in (*self.charts, *self._layers, self.crosshair):
            item.setParentItem(self)
        self.whole = Frame(compared.start, max(compared.end, compared.start + SHORTEST), live=False)
        self.frame = self.whole

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        for chart in self.charts:
            chart.set_theme(theme)
        for layer in self._layers:
            layer.theme = theme
        self.crosshair.theme = theme
        self.show_frame(self.frame)

    def set_pixel_ratio(self, ratio: float) -> None:
        """Set the device pixels per pixel."""
        for chart in self.charts:
            chart.set_pixel_ratio(ratio)

    def place(self, width: float, height: float) -> None:
        """Give the charts `width` × `height` pixels."""
        self.prepareGeometryChange()
        self.size = QRectF(0, 0, width, height)
        wide = (width - GAP * (self._columns - 1)) / self._columns
        tall = (height - GAP * (self.rows - 1)) / self.rows
        for place, chart in enumerate(self.charts):
            row, column = divmod(place, self._columns)
            left, top = round(column * (wide + GAP)), round(row * (tall + GAP))
            chart.place(QRectF(left, top, round(wide), round(tall)))
        for column, layer in enumerate(self._layers):
            layer.setPos(self.charts[column].pos())
            layer.place(QRectF(0, 0, round(wide), height))
        self.show_frame(self.frame)

    def show_frame(self, frame: Frame) -> None:
        """Draw what is in `frame` of the common axis."""
        self.frame = frame
        self.crosshair.setVisible(False)
        if self.size.isEmpty():
            return
        drawn = overlaid(self.compared, frame.start, frame.end, _POINTS)
        for chart in self.charts:
            chart.show_overlaid(drawn[chart.overlay.name], self.compared.names, frame)
        shown = [mark for mark in self._marks if frame.start <= mark.t <= frame.end]
        for column, layer in enumerate(self._layers):
            first, *_ = charts = self.charts[column :: self._columns]
            plots = [chart.plot.translated(chart.pos() - first.pos()) for chart in charts]
            room = Room(
                left=first.plot.left(),
                title_right=first.title_width + 8,
                plot_right=first.plot.right(),
                right=first.size.width() - RIGHT * first.text_room / 4,
                top=5.0,
                tall=round(LABEL_HEIGHT * first.text_room),
            )
            placed = [(first.x_of(mark.t - frame.end), self._as_mark(mark)) for mark in shown]
            layer.show_marks(placed, plots, room)

    def zoom(self, factor: float, around: float) -> None:
        """Show `factor` times as much. The time `around` stays at its place."""
        span = min(max(self.frame.span * factor, SHORTEST), self.whole.span)
        share = (around - self.frame.start) / self.frame.span
        self._move_to(around - share * span, span)

    def pan(self, seconds: float) -> None:
        """Move what is shown, to the past if negative."""
        self._move_to(self.frame.start + seconds, self.frame.span)

    def time_at(self, place: QPointF) -> float:
        """Return the time at a place in the charts."""
        plot = self._plots_at(place)[0]
        share = min(max((place.x() - plot.left()) / max(plot.width(), 1.0), 0.0), 1.0)
        return self.frame.start + share * self.frame.span

    def point_at(self, place: QPointF) -> None:
        """Show the time at a place in all charts, and what each session has then in the one that is
        there."""
        pointed = [chart for chart in self.charts if _plot_of(chart).contains(place)]
        self.crosshair.setVisible(False)
        if not pointed:
            return
        time, plots = self.time_at(place), self._plots_at(place)
        lines = []
        for chart in self.charts:
            plot = _plot_of(chart)
            if plot not in plots:
                x = snapped(plot.left() + place.x() - plots[0].left())
                lines.append(QLineF(x, plot.top(), x, plot.bottom()))
        heading = (time_text(time, 0.1), pointed[0].title)
        figures, differences = pointed[0].values_at(time, self.compared.names)
        self.crosshair.show_figures(place, plots, heading, [figures], differences, further=lines)

    def point_nowhere(self) -> None:
        """Show no values."""
        self.crosshair.setVisible(False)

    def _plots_at(self, place: QPointF) -> list[QRectF]:
        """Return where the curves are of each chart in the column at a place."""
        starts = [chart.pos().x() for chart in self.charts[: self._columns]]
        column = max(sum(start <= place.x() for start in starts), 1) - 1
        return [_plot_of(chart) for chart in self.charts[column :: self._columns]]

    def _move_to(self, start: float, span: float) -> None:
        start = min(max(start, self.whole.start), self.whole.end - span)
        self.show_frame(Frame(start, start + span, live=False))

    def _as_mark(self, mark: OverlaidMark) -> Mark:
        names = self.compared.names
        text = mark.words if mark.session is None else f"{names[mark.session]}: {mark.words}"
        return Mark(t=mark.t, kind=mark.kind, text=text)

    def boundingRect(self) -> QRectF:
        """Return the area of the charts."""
        return self.size

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Paint nothing: the charts paint themselves."""


def _plot_of(chart: OverlayChart) -> QRectF:
    """Return where the curves of a chart are, in the coordinates of all charts."""
    return chart.plot.translated(chart.pos())
