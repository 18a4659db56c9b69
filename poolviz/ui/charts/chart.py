"""The parts that all charts share: panel, title, grid, curves, and names at the curves' ends.

To add a chart, write one subclass of `Chart` in a file of its own, and name it in
`CHARTS` of `by_name.py`. What it draws comes from `View.lines` (see `sessions/resolutions.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QGraphicsObject, QStyleOptionGraphicsItem, QWidget

from poolviz.language import number, tr
from poolviz.sessions.holds import Hold
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.resolutions import View
from poolviz.ui.charts.area import Area, paint_areas
from poolviz.ui.charts.axes import (
    BOTTOM,
    LEFT,
    RIGHT,
    TIME_AXIS,
    TOP,
    Floats,
    Frame,
    Tick,
    snapped,
    spread,
    time_ticks,
    with_room,
)
from poolviz.ui.charts.curve import Bars, Curve
from poolviz.ui.charts.plot_area import PlotArea
from poolviz.ui.style.theme import Theme, text_room, ui_font
from poolviz.ui.unexpected import contained

TITLE_AT = QPointF(12, 19)  # the baseline of the title, from the panel's corner
_RADIUS = 9.0
_PALE = 0.45  # opacity of the curves of a session behind
_TICK_ROOM = 12  # pixels from one number on the y axis to the next, at least
_NAME_GAP = 13.0  # pixels between the baselines of two names
_MIDDLE = Qt.AlignmentFlag.AlignVCenter


def short_number(value: float) -> str:
    """Return a value as text, with three digits at least."""
    return number(value, ",.3g")


@dataclass(frozen=True)
class Name:
    """A curve's name at its right end, if possible at the value `y` of the curve's scale.

    `key` is what the curve is known by if its name changes with its values. A click on the name
    hides the curve.
    """

    text: str
    colour: str
    y: float
    key: str = ""

    @property
    def curve(self) -> str:
        """The name by which the curve is hidden."""
        return self.key or self.text


@dataclass(frozen=True)
class Figure:
    """One line of the card beside the crosshair. With an `amount`, its difference to that at the
    reference point is shown as `show` writes it."""

    name: str
    value: str
    colour: str
    amount: float = math.nan
    show: Callable[[float], str] = short_number


@dataclass
class Scale:
    """The y axis: its range and ticks in the units of the curves."""

    low: float = 0.0
    high: float = 1.0
    ticks: Sequence[Tick] = field(default_factory=list)


class Chart(QGraphicsObject):
    """One chart. Subclasses own the curves, this class everything around them."""

    title = ""
    subtitle = ""
    topic = ""  # of the help
    share = 0.25  # of the height, in proportion to the other charts
    least = 76.0  # pixels of height
    timed = True  # its x axis is the time that all timed charts share
    fine = False  # draws counts, which allow narrow bins; percentiles and rates need wide ones

    def __init__(self, theme: Theme, *, with_time_axis: bool = False) -> None:
        super().__init__()
        self.theme = theme
        self.size = QRectF()
        self.scale_y = Scale()
        self.names: list[Name] = []
        self._time_ticks: list[Tick] = []
        self._bottom = TIME_AXIS if with_time_axis else BOTTOM
        self._with_time_axis = with_time_axis
        self._span = 60.0
        self.pixel_ratio = 1.0
        self.ghost: View | None = None  # of another session, to be drawn paler
        self.complete = False  # whether it waits for all that it draws, as a picture does
        self.pointer: QPointF | None = None  # in the panel, while the crosshair shows figures
        self.hidden: set[str] = set()  # curves that aren't drawn
        self.marked: Hold | None = None  # that is outlined, where holds are drawn
        self._areas: list[Area] = []
        self._curves: list[Curve | Bars] = []
        self._ground: QPixmap | None = None  # what rarely changes
        self._ground_key: object = None  # what it was painted from
        self._set_fonts()
        self.build()
        self.set_theme(theme)

    # To be defined by subclasses

    def build(self) -> None:
        """Create the curves. Called once."""

    def colour(self) -> None:
        """Give the curves the colours of `self.theme`."""

    def read(self, recorder: Recorder, frame: Frame) -> None:
        """Take what is drawn of `recorder` and isn't in a `View`. Called before each `draw`."""

    def draw(self, view: View, x: Floats, frame: Frame, *, calm: bool) -> None:
        """Set curves, scale and names from `view`, and the pale ones from `self.ghost`; `x` is
        relative to the end."""

    def clear(self) -> None:
        """Remove all data from the curves."""

    def figures(self, view: View, index: int) -> list[Figure]:
        """Return the card's lines for the bin `index`."""
        raise NotImplementedError

    def latest(self, view: View) -> list[Figure]:
        """Return what a screen reader says of the newest bin."""
        return self.figures(view, len(view.t) - 1)

    # Common to all charts

    def _set_fonts(self) -> None:
        """Take fonts in the size that texts have now, and leave them room."""
        self.text_room = text_room()
        self._title_font = ui_font(12, QFont.Weight.DemiBold)
        self._subtitle_font = ui_font(12)
        self._tick_font = ui_font(11)
        self._name_font = ui_font(11, QFont.Weight.DemiBold)
        self._hidden_font = ui_font(11)
        self._hidden_font.setStrikeOut(True)

    @property
    def least_height(self) -> float:
        """The pixels of height that it needs."""
        return self.least * self.text_room

    @property
    def _title_at(self) -> QPointF:
        return QPointF(TITLE_AT.x(), round(TITLE_AT.y() * self.text_room))

    @property
    def plot(self) -> QRectF:
        """The area of the curves, in pixels from the panel's corner."""
        room = self.text_room
        return self.size.adjusted(
            *(round(LEFT * room), round(TOP * room)),
            *(-round(RIGHT * room), -round(self._bottom * room)),
        )

    @property
    def title_width(self) -> float:
        """The right end of title and subtitle, in pixels from the panel's left side."""
        title = QFontMetricsF(self._title_font).horizontalAdvance(tr(self.title))
        subtitle = QFontMetricsF(self._subtitle_font).horizontalAdvance(tr(self.subtitle))
        return TITLE_AT.x() + title + 6 * self.text_room + subtitle

    def set_time_axis(self, on: bool) -> None:
        """Show the numbers of the time axis below the curves, or leave their room to the curves."""
        self._with_time_axis, self._bottom = on, TIME_AXIS if on else BOTTOM

    def in_title(self, at: QPointF) -> bool:
        """Whether a position in the panel belongs to its title."""
        return self.size.contains(at) and at.y() < TOP * self.text_room

    def name_at(self, at: QPointF) -> str | None:
        """Return the curve whose name is at a position in the panel."""
        if not self.plot.right() < at.x() <= self.size.right():
            return None
        for name, y in zip(self.names, self.name_heights(), strict=True):
            if abs(at.y() - y) <= _NAME_GAP * self.text_room / 2:
                return name.curve
        return None

    def curve_title(self, curve: str) -> str:
        """Return the name of a curve in the language in use, without values."""
        return tr(curve)

    def toggle(self, curve: str) -> None:
        """Hide a curve, or show it again. It is drawn so the next time."""
        self.hidden ^= {curve}

    def shown(self, curve: str) -> bool:
        """Whether a curve is drawn."""
        return curve not in self.hidden

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self._set_fonts()
        self.colour()
        self.update()

    def set_pixel_ratio(self, ratio: float) -> None:
        """Set the device pixels per pixel, which is the width of the curves' pens."""
        self.pixel_ratio = ratio
        self.colour()

    def place(self, rect: QRectF) -> None:
        """Move and resize the panel to `rect`."""
        self.prepareGeometryChange()
        self.setPos(rect.topLeft())
        self.size = QRectF(0, 0, rect.width(), rect.height())

    def show_view(self, view: View, frame: Frame, *, calm: bool, ghost: View | None = None) -> None:
        """Draw `view` in `frame`, and `ghost` of another session paler. With `calm`, the scale
        doesn't shrink at once."""
        self.ghost = ghost if ghost is not None and len(ghost.t) else None
        self._show_frame(frame)
        self.draw(view, view.t - frame.end, frame, calm=calm)
        self.update()

    def show_nothing(self, frame: Frame) -> None:
        """Draw only the axes."""
        self._show_frame(frame)
        self.clear()
        self.update()

    def _show_frame(self, frame: Frame) -> None:
        self._span = frame.span
        self._time_ticks = time_ticks(
            frame, most=max(int(self.plot.width() / (95 * self.text_room)), 2)
        )

    def x_of(self, relative: float) -> float:
        """Return the x position in the panel of a time relative to the frame's end."""
        return self.plot.left() + (relative + self._span) / self._span * self.plot.width()

    def y_of(self, value: float) -> float:
        """Return the y position in the panel of a value."""
        scale, plot = self.scale_y, self.plot
        return plot.bottom() - (value - scale.low) / (scale.high - scale.low) * plot.height()

    def boundingRect(self) -> QRectF:
        """Return the panel's area."""
        return self.size

    @contained()
    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Paint the panel, its title, grid and labels, and the curves over it."""
        if widget is not None:
            painter.drawPixmap(0, 0, self._ground_for(painter.device().devicePixelRatioF()))
        else:
            self._paint_ground(painter)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        self._paint_names(painter)
        self._paint_curves(painter)

    def _paint_curves(self, painter: QPainter) -> None:
        scale = self.scale_y
        plot = PlotArea(self.plot, self._span, scale.low, scale.high, self.pixel_ratio)
        paint_areas(painter, self._areas, plot)
        painter.save()
        painter.setClipRect(plot.rect)
        for curve in self._curves:
            curve.paint(painter, plot)
        painter.restore()

    def _paint_ground(self, painter: QPainter) -> None:
        self._paint_panel(painter)
        self._paint_grid(painter)

    def _ground_for(self, ratio: float) -> QPixmap:
        """Return panel, title and grid, which are painted again only if they look different."""
        scale, ticks = self.scale_y, tuple(self._time_ticks)
        theme = self.theme
        face = (
            self.size.size(),
            ratio,
            theme,
            self._tick_font.pixelSize(),
            self.title,
            self.subtitle,
        )
        axes = (scale.low, scale.high, tuple(scale.ticks), ticks, self._span, self._bottom)
        if self._ground is None or self._ground_key != (face, axes):
            pixels = self.size.size() * ratio
            ground = QPixmap(math.ceil(pixels.width()), math.ceil(pixels.height()))
            ground.setDevicePixelRatio(ratio)
            ground.fill(QColor(self.theme.bg))
            painter = QPainter(ground)
            painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
            self._paint_ground(painter)
            painter.end()
            self._ground, self._ground_key = ground, (face, axes)
        return self._ground

    def _paint_panel(self, painter: QPainter) -> None:
        theme = self.theme
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.setBrush(QColor(theme.panel))
        painter.drawRoundedRect(self.size.adjusted(0.5, 0.5, -0.5, -0.5), _RADIUS, _RADIUS)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QColor(theme.text))
        painter.setFont(self._title_font)
        painter.drawText(self._title_at, tr(self.title))
        width = QFontMetricsF(self._title_font).horizontalAdvance(tr(self.title))
        painter.setPen(QColor(theme.muted))
        painter.setFont(self._subtitle_font)
        place = self._title_at + QPointF(width + 6 * self.text_room, 0)
        room = self.size.right() - _RADIUS - place.x()
        elided = QFontMetricsF(self._subtitle_font).elidedText(
            tr(self.subtitle), Qt.TextElideMode.ElideRight, room
        )
        painter.drawText(place, elided)

    def _paint_grid(self, painter: QPainter) -> None:
        plot, room = self.plot, self.text_room
        ticks = with_room(self.scale_y.ticks, self.y_of, _TICK_ROOM * room)
        heights = [(snapped(self.y_of(tick.at)), tick.text) for tick in ticks]
        places = [(snapped(self.x_of(tick.at)), tick.text) for tick in self._time_ticks]
        painter.setPen(QPen(QColor(self.theme.grid), 1))
        painter.drawLines([QLineF(plot.left(), y, plot.right(), y) for y, _ in heights])
        painter.drawLines([QLineF(x, plot.top(), x, plot.bottom()) for x, _ in places])
        painter.setPen(QColor(self.theme.muted))
        painter.setFont(self._tick_font)
        for y, text in heights:
            place = QRectF(0, y - 8 * room, plot.left() - 7, 16 * room)
            painter.drawText(place, _MIDDLE | Qt.AlignmentFlag.AlignRight, text)
        if self._with_time_axis:
            for x, text in places:
                place = QRectF(x - 45 * room, plot.bottom() + 4, 90 * room, 16 * room)
                painter.drawText(place, _MIDDLE | Qt.AlignmentFlag.AlignHCenter, text)

    def _paint_names(self, painter: QPainter) -> None:
        room, right = self.text_room, self.plot.right()
        for name, y in zip(self.names, self.name_heights(), strict=True):
            shown = self.shown(name.curve)
            painter.setFont(self._name_font if shown else self._hidden_font)
            painter.setPen(QColor(name.colour if shown else self.theme.muted))
            painter.drawText(
                QRectF(right + 7, y - 8 * room, self.size.width() - right - 9, 16 * room),
                _MIDDLE | Qt.AlignmentFlag.AlignLeft,
                name.text,
            )

    def name_heights(self) -> list[float]:
        """Return the y positions of the names' centres, so that none overlaps another."""
        wanted = [self.y_of(name.y) for name in self.names]
        return [
            round(y)
            for y in spread(
                wanted, _NAME_GAP * self.text_room, self.plot.top(), self.plot.bottom() - 2
            )
        ]

    # For subclasses, to create their curves

    def line(self, *, gaps: bool = False, joined: bool = False) -> Curve:
        """Return a new curve, as `Curve` says, over those that were made before."""
        self._curves.append(curve := Curve(gaps=gaps, joined=joined))
        return curve

    def bars(self) -> Bars:
        """Return new bars, over the curves that were made before."""
        self._curves.append(bars := Bars())
        return bars

    def area(self) -> Area:
        """Return a new area between curve and zero, over those that were made before and below all
        curves."""
        self._areas.append(area := Area())
        return area

    def draw_ghost(self, curves: Mapping[Curve, Callable[[View], Floats]], end: float) -> None:
        """Draw curves of `self.ghost`, each of what its function takes from the view; none without
        it. `end` is that of the frame."""
        for curve, values in curves.items():
            curve.setVisible(self.ghost is not None)
            if self.ghost is not None:
                curve.setData(self.ghost.t - end, values(self.ghost))

    def pen(self, colour: str, *, dashed: bool = False, pale: bool = False) -> QPen:
        """Return a pen for curves. It is cosmetic: the axes' scales don't affect its width."""
        paint = QColor(colour)
        if pale:
            paint.setAlphaF(_PALE)
        made = QPen(paint, self.pixel_ratio)
        made.setCosmetic(True)
        if dashed:
            made.setDashPattern([5, 3])
            made.setCapStyle(Qt.PenCapStyle.FlatCap)
        return made
