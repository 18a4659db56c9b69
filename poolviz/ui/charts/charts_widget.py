"""The charts and the overview in one widget, which draws a recorder's data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QApplication, QMenu, QSizePolicy, QVBoxLayout, QWidget

from poolviz.language import tr
from poolviz.sessions.holds import Hold
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.axes import Frame
from poolviz.ui.charts.charts_room import ChartsRoom
from poolviz.ui.charts.choice import ChartChoice
from poolviz.ui.charts.choice_button import ChoiceButton
from poolviz.ui.charts.overview import Overview
from poolviz.ui.charts.timeline import Timeline
from poolviz.ui.help_places import set_topic
from poolviz.ui.style.theme import Theme
from poolviz.ui.unexpected import contained

if TYPE_CHECKING:
    from poolviz.ui.charts.canvas import Canvas
    from poolviz.ui.charts.chart import Chart
    from poolviz.ui.charts.chart_scene import ChartScene
    from poolviz.ui.charts.spoken_charts import SpokenCharts

_MARGINS = (10, 8, 10, 2)
_ZOOM = 1.5  # a key press
_CTRL = Qt.KeyboardModifier.ControlModifier
_REASON = Qt.FocusReason
_KEYS = (_REASON.TabFocusReason, _REASON.BacktabFocusReason, _REASON.ShortcutFocusReason)
_RETURNS = (_REASON.ActiveWindowFocusReason, _REASON.PopupFocusReason)


class ChartsWidget(QWidget):
    """The charts that are chosen and the overview, on one time axis.

    Draws only in `refresh`, and there only if something has changed. The wheel and dragging stop
    following, but never the recording; a double click, End or `follow` follows again. A click sets
    the reference point, one on a curve's name hides the curve, and a double click on a chart's
    title expands the chart to the room of all, until Escape is pressed. Charts that the room is too
    small for are scrolled.

    The canvas is made once the widget was painted without it: importing pyqtgraph takes a third
    of a start, and the rest of the window is there meanwhile.
    """

    following_changed = Signal(bool)
    frame_changed = Signal()  # another part of the session is shown, or other charts
    mark_chosen = Signal(float)  # by a click or by Return: when it was set

    def __init__(
        self, theme: Theme, parent: QWidget | None = None, choice: ChartChoice | None = None
    ) -> None:
        super().__init__(parent)
        self.choice = choice or ChartChoice(parent=self)
        self.choice.changed.connect(self._show_charts)
        self.expanded: str | None = None  # the chart that has all the room
        self._marked: float | None = None  # the mark that the crosshair was moved to by keys
        self._referred: tuple[float | None, float | None] = (None, None)  # before, and now
        self._recorder: Recorder | None = None
        self._ghost: Recorder | None = None
        self._live = True
        self._timeline = Timeline()
        self._pointer: QPointF | None = None
        self._drawn: object = None  # what the charts were last drawn from
        self._framed: Frame | None = None  # as last emitted by frame_changed
        self._was_following = True  # as last emitted by following_changed
        self._theme = theme
        self._canvas: Canvas | None = None
        self._spoken: SpokenCharts | None = None  # made with the canvas
        self._by_keys = False  # the focus came by them
        self._canvas_due = False
        self._room = ChartsRoom()
        self.overview = Overview(theme, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*_MARGINS)
        layout.setSpacing(4)
        layout.addWidget(self._room, 1)
        layout.addWidget(self.overview)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(tr("Charts"))
        set_topic(self, "connections")
        self.overview.moved.connect(self._move_to)
        self.button = ChoiceButton(theme, self.overview)
        self._redraw()

    @property
    def canvas(self) -> Canvas:
        """The widget of the charts, made when it is first asked for."""
        if self._canvas is None:
            from poolviz.ui.charts.canvas import Canvas  # noqa: PLC0415 - see the class
            from poolviz.ui.charts.spoken_charts import SpokenCharts  # noqa: PLC0415 - as above

            canvas = self._canvas = Canvas(self._theme, self)
            self._spoken = SpokenCharts(canvas.chart_scene, canvas.viewport(), self)
            canvas.panned.connect(self._pan)
            canvas.zoomed.connect(self._zoom)
            canvas.follow_requested.connect(self._follow_by_pointer)
            canvas.pointed.connect(self._point)
            canvas.clicked.connect(self._click)
            canvas.expand_requested.connect(self._expand_at)
            self._show_charts()
            self._room.setWidget(canvas)
            canvas.show()
            self._room.lay_out()  # now, so that who asked for the canvas finds it in its size
            self._redraw()
        return self._canvas

    def set_menu(self, menu: QMenu) -> None:
        """Have a button below the charts open the menu in which they are chosen."""
        self.button.open_menu(menu)

    def _show_charts(self) -> None:
        """Have the charts that are chosen, or the one that is expanded."""
        if self.expanded not in (None, *self.choice.names):
            self.expanded = None
        if self._canvas is None:
            return
        self._canvas.chart_scene.show_charts(self.shown)
        self._canvas.setMinimumHeight(round(self._canvas.chart_scene.least_height))
        self._pointer = None
        self._redraw()
        self.frame_changed.emit()

    def expand(self, name: str | None) -> None:
        """Give one of the charts that are shown all the room; None shows all of them again."""
        if name is not None and name not in self.choice.names:
            raise ValueError(f"the chart {name!r} isn't shown")
        if name != self.expanded:
            self.expanded = name
            self._show_charts()

    def toggle_expanded(self) -> None:
        """Expand the chart under the crosshair, or else the first one; or show all again."""
        at = self._pointer
        scene = self.canvas.chart_scene
        under = scene.chart_at(at) if at is not None else None
        self.expand(None if self.expanded else self._name_of(under or scene.charts[0]))

    def _expand_at(self, at: QPointF) -> None:
        chart = self.canvas.chart_scene.title_at(at)
        if chart is not None:
            self.expand(None if self.expanded else self._name_of(chart))

    def _name_of(self, chart: Chart) -> str:
        by_name = self.canvas.chart_scene.by_name
        return next(name for name, each in by_name.items() if each is chart)

    def toggle_curve(self, chart: Chart, curve: str) -> None:
        """Hide a curve of a chart, or show it again."""
        self.canvas.chart_scene.toggle_curve(chart, curve)

    def step_back(self) -> bool:
        """Undo the last of what is shown for a while: remove the reference point, show all charts
        again, or hide the crosshair. Return whether there was anything."""
        if self.reference is not None:
            self._refer_to(None)
        elif self.expanded is not None:
            self.expand(None)
        elif self._pointer is not None:
            self._point(None)
        else:
            return False
        return True

    @property
    def reference(self) -> float | None:
        """The time to which differences are shown, in seconds since the session's start."""
        return self._referred[1]

    def _refer_to(self, time: float | None) -> None:
        there = self.canvas.chart_scene.refer_to(time)
        self._referred = (self.reference, time if there else None)
        if self._pointer is not None:
            self.canvas.chart_scene.point_at(self._pointer)

    def _click(self, at: QPointF) -> None:
        """Choose the mark that was hit, hide the curve whose name was, or set the reference
        point."""
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        scene = self.canvas.chart_scene
        marked = scene.marks.mark_at(at)
        if marked is not None:
            self.mark_chosen.emit(marked)
            return
        named = scene.curve_at(at)
        if named is not None:
            self.toggle_curve(*named)
        elif any(plot.contains(at) for plot in scene.plots):
            self._refer_to(scene.time_at(at.x()))

    def _follow_by_pointer(self) -> None:
        """Follow again, and take back what the first of the two clicks has set."""
        self._refer_to(self._referred[0])
        self.follow()

    @contained()
    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the focus if keys moved it here; one that comes back with the window is as
        before."""
        if event.reason() not in _RETURNS:
            self._by_keys = event.reason() in _KEYS
        self.update()

    @contained()
    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Show no focus any more."""
        self.update()

    @contained()
    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a frame while the keys move the charts, and have the canvas made after the widget
        was painted for the first time."""
        super().paintEvent(event)
        if self.hasFocus() and self._by_keys:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(self._theme.accent), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(4, 2, -4, -1), 9, 9)
        if not self._canvas_due:
            self._canvas_due = True
            QTimer.singleShot(0, self, self._make_canvas)

    def _make_canvas(self) -> None:
        _ = self.canvas

    @property
    def shown(self) -> tuple[str, ...]:
        """The names of the charts that are shown: those that are chosen, or the expanded one."""
        return (self.expanded,) if self.expanded else self.choice.names

    @property
    def following(self) -> bool:
        """The newest sample is at the right edge, and stays there."""
        return self._timeline.following

    @property
    def behind(self) -> float:
        """Seconds from the right edge to the newest sample."""
        return self._timeline.behind

    @property
    def span(self) -> float | None:
        """Seconds shown while following; None for the whole session."""
        return self._timeline.span

    @property
    def shows_all(self) -> bool:
        """Nothing of the session is outside of the visible part."""
        return self._timeline.shows_all

    @property
    def frame(self) -> Frame:
        """The visible part, in seconds since the session's start."""
        return self._timeline.frame

    def set_recorder(self, recorder: Recorder | None, *, live: bool = True) -> None:
        """Show another session and follow it; None shows empty charts.

        `live`: the session grows until it has ended. A recorded one doesn't, even if the program
        that wrote it ended before the session did.
        """
        self._recorder, self._live = recorder, live
        self._timeline.follow()
        self._redraw()
        if self._canvas is not None:
            self._refer_to(None)

    def change_recorder(self, recorder: Recorder | None) -> None:
        """Show another record of the same time, such as one of several pools of a run."""
        self._recorder = recorder
        self._redraw()

    def set_ghost(self, recorder: Recorder | None) -> None:
        """Draw another session paler behind the one that is shown, from the same start; None draws
        none."""
        self._ghost = recorder
        self._redraw()

    def refresh(self) -> None:
        """Draw what has changed. Costs almost nothing if nothing has."""
        if self._recorder is not None:
            self._redraw_changes(calm=True)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        if self._canvas is not None:
            self._canvas.set_theme(theme)
            self._canvas.setMinimumHeight(round(self._canvas.chart_scene.least_height))
        self.overview.set_theme(theme)
        self.button.set_theme(theme)
        self._redraw()

    def set_span(self, seconds: float | None) -> None:
        """Show `seconds` of the session, or with None all of it."""
        self._timeline.set_span(seconds)
        self._redraw()

    def follow(self) -> None:
        """Go back to the session's end and follow it."""
        self._timeline.follow()
        self._redraw()

    def set_paused(self, paused: bool) -> None:
        """Stop the view while the recording goes on, or follow again."""
        if paused:
            self._timeline.pause()
        else:
            self._timeline.follow()
        self._redraw()

    @contained()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move along time, step and fix the crosshair, walk through the charts, or go back.

        End follows, Home goes to the start, + − 0 zoom, ← → step the crosshair, Return sets the
        reference point there, ↑ ↓ show the next chart in full size, or scroll.
        """
        frame = self._timeline.frame
        match event.key():
            case Qt.Key.Key_End:
                self.follow()
            case Qt.Key.Key_Home:
                self._move_to(frame.span)
            case Qt.Key.Key_Plus | Qt.Key.Key_Equal:
                self._zoom(1 / _ZOOM, self._focus_time())
            case Qt.Key.Key_Minus:
                self._zoom(_ZOOM, self._focus_time())
            case Qt.Key.Key_0:
                self.set_span(60.0)
                self.follow()
            case Qt.Key.Key_Left | Qt.Key.Key_Right if event.modifiers() & _CTRL:
                self._step_mark(1 if event.key() == Qt.Key.Key_Right else -1)
            case Qt.Key.Key_Return | Qt.Key.Key_Enter if self._marked is not None:
                self.mark_chosen.emit(self._marked)
            case Qt.Key.Key_Left:
                self._step(-1)
            case Qt.Key.Key_Right:
                self._step(1)
            case Qt.Key.Key_Return | Qt.Key.Key_Enter if self._pointer is not None:
                self._refer_to(self._focus_time())
            case Qt.Key.Key_Up | Qt.Key.Key_Down if self.expanded is not None:
                self._expand_next(1 if event.key() == Qt.Key.Key_Down else -1)
            case Qt.Key.Key_Up | Qt.Key.Key_Down | Qt.Key.Key_PageUp | Qt.Key.Key_PageDown:
                QApplication.sendEvent(self._room.verticalScrollBar(), event)
            case Qt.Key.Key_Escape if self.step_back():
                pass
            case _:
                super().keyPressEvent(event)

    def _expand_next(self, step: int) -> None:
        names = self.choice.names
        if self.expanded is not None:
            self.expand(names[(names.index(self.expanded) + step) % len(names)])

    def _focus_time(self) -> float:
        """Return the time under the crosshair, or in the middle if there is none."""
        if self._pointer is not None:
            return self.canvas.chart_scene.time_at(self._pointer.x())
        return self.frame.end - self.frame.span / 2

    def _step(self, direction: int) -> None:
        """Move the crosshair by two pixels, or by one sample if that is more."""
        plot = self.canvas.chart_scene.charts[0].plot
        step = max(2.0, plot.width() * 0.05 / self.frame.span)
        at = self._pointer or QPointF(plot.right(), plot.top() + 20)
        x = min(max(at.x() + direction * step, plot.left()), plot.right())
        self._point(QPointF(x, at.y()))

    def _step_mark(self, direction: int) -> None:
        """Move the crosshair to the next mark, and show the part that it is in."""
        marks = self._recorder.marks if self._recorder is not None else ()
        here = self._focus_time() if self._pointer is not None else self.frame.end
        here = here if self._marked is None else self._marked
        beyond = [mark.t for mark in marks if (mark.t - here) * direction > 1e-6]
        if not beyond:
            return
        time = min(beyond) if direction > 0 else max(beyond)
        self.reveal(time)
        scene = self.canvas.chart_scene
        self._point(QPointF(scene.x_of(time), scene.charts[0].plot.top() + 20))
        self._marked = time

    def x_of(self, time: float) -> float:
        """Return the x position of a time of the session in this widget."""
        canvas = self.canvas
        return float(canvas.mapTo(self, QPoint(round(canvas.chart_scene.x_of(time)), 0)).x())

    def reveal(self, time: float, start: float | None = None, end: float | None = None) -> None:
        """Show that time, with the part from `start` to `end` if it isn't visible already."""
        frame = self.frame
        if frame.start <= time <= frame.end:
            return
        span = frame.span
        begin = time - span / 2 if start is None else start
        finish = time + span / 2 if end is None else end
        self._timeline.show_part(min(begin, time), max(finish, time))
        self._redraw_changes(calm=False)

    def show_part(self, start: float, end: float) -> None:
        """Show the part from `start` to `end`, in seconds since the start, with some time around
        it."""
        self.refresh()  # which takes in how long the session is
        around = (end - start) / 2
        self._timeline.show_part(max(start - around, 0.0), end + around)
        self._redraw_changes(calm=False)

    def highlight(self, spans: Sequence[tuple[float, float]]) -> None:
        """Highlight parts of the session, in seconds since its start; none, nothing."""
        if spans or self._canvas is not None:
            self.canvas.chart_scene.highlight(spans)

    @property
    def shows_lanes(self) -> bool:
        """Whether the chart of lanes is among those that are shown."""
        return "lanes" in ((self.expanded,) if self.expanded else self.choice.names)

    def scroll_to(self, name: str) -> None:
        """Have a chart that is shown be visible, where there is no room for all of them."""
        chart = self.canvas.chart_scene.by_name[name]
        top = round(chart.pos().y())
        self._room.show_part(top, top + round(chart.size.height()))

    def mark_hold(self, hold: Hold | None) -> None:
        """Outline a hold on the chart of lanes; None, none."""
        lanes = self.canvas.chart_scene.by_name.get("lanes") if self._canvas is not None else None
        if lanes is None or lanes.marked == hold:
            return
        before, lanes.marked = lanes.marked, hold
        if before is not None and hold is not None and before.lane == hold.lane:
            lanes.update()
        else:
            self._redraw()  # with others of so many lanes that not all are visible

    def _pan(self, seconds: float) -> None:
        self._timeline.pan(seconds)
        self._redraw_changes(calm=False)

    def _zoom(self, factor: float, around: float) -> None:
        self._timeline.zoom(factor, around)
        self._redraw_changes(calm=False)

    def _move_to(self, end: float) -> None:
        self._timeline.move_to(end)
        self._redraw_changes(calm=False)

    def _point(self, at: QPointF | None) -> None:
        self._pointer, self._marked = at, None
        if at is None:
            self.canvas.chart_scene.point_nowhere()
        else:
            self.canvas.chart_scene.point_at(at)
        if self._spoken is not None:
            self._spoken.point()

    def _redraw(self) -> None:
        """Draw even if nothing has changed."""
        self._drawn = None
        self._redraw_changes(calm=False)

    def _draw_scene(self, scene: ChartScene, frame: Frame, *, calm: bool) -> None:
        if self._recorder is None or not self._timeline.duration:
            scene.show_nothing(frame)
        else:
            scene.show_frame(self._recorder, frame, calm=calm, ghost=self._ghost)
        if self._pointer is not None:
            scene.point_at(self._pointer)

    def _redraw_changes(self, *, calm: bool) -> None:
        recorder, timeline = self._recorder, self._timeline
        if recorder is not None:
            timeline.duration = recorder.duration
            timeline.over = not self._live or recorder.ended is not None
        else:
            timeline.duration, timeline.over = 0.0, False
        frame = timeline.frame
        revision = recorder.revision if recorder is not None else -1
        moves = timeline.following or not self._live  # a file's details are read little by little
        news = (frame, revision if moves else len(recorder.marks if recorder else ()))
        if frame != self._framed:
            self._framed = frame
            self.frame_changed.emit()
        if news != self._drawn and self._canvas is not None:
            self._drawn = news
            with contained():
                self._draw_scene(self._canvas.chart_scene, frame, calm=calm)
            if self._spoken is not None:
                with contained():
                    self._spoken.follow(calm=calm)
        with contained():
            self.overview.show_session(recorder, timeline.duration, frame)
        if timeline.following != self._was_following:
            self._was_following = timeline.following
            self.following_changed.emit(self._was_following)
