"""Lanes: one for each connection, coloured by what its client does with it.

A column of pixels shows in each lane which part of its time the connection was in each state, from
the busiest at the bottom up; near enough that is one state, the lane's whole height. Below them is
a lane for each client that waits. All lanes are painted as two images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QImage, QPainter, QPen
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from poolviz.language import tr, tr_noop
from poolviz.model.errors import InputError
from poolviz.model.lanes import STATES, USED, State
from poolviz.model.text import on_one_line
from poolviz.sessions.holds import US
from poolviz.sessions.lane_columns import Lane, lane_columns
from poolviz.sessions.lane_pieces import Shares
from poolviz.sessions.lane_states import LaneStates
from poolviz.sessions.lanes import Less
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.resolutions import View
from poolviz.ui.charts.axes import Floats, Frame, Tick, clock
from poolviz.ui.charts.chart import Chart, Figure, Name, Scale
from poolviz.ui.charts.lane_images import (
    STACK,
    name_colour,
    painted,
    painted_waits,
    palette,
    state_colour,
)
from poolviz.ui.style.units import time_with_unit
from poolviz.ui.unexpected import contained

_LOWEST, _HIGHEST = 3, 14  # pixels of a lane, with the gap to the next one
NAMES = {state: name for state, (name, _) in STATES.items()}
_LONGEST_HOLDER = {
    State.WORKING: tr_noop("client {client} has executed statements for {time}"),
    State.HELD: tr_noop("client {client} has held it without work for {time}"),
    State.IN_TRANSACTION: tr_noop("client {client} has left a transaction open for {time}"),
    State.LEAKED: tr_noop("client {client} has leaked it, {time} ago"),
}
_GAP = 5  # pixels between the lanes of connections and of waiting clients
_FEW = 3  # holders that a waiting client's card names
_NAME = 160  # pixels of a member's name at most


class Lanes(Chart):
    """One lane for each connection."""

    title = tr_noop("Lanes")
    topic = "lanes"
    subtitle = tr_noop("one for each connection")
    share = 0.24
    least = 112.0  # of which the names of states need most
    fine = True

    def build(self) -> None:
        """Begin without lanes."""
        self._image, self._waiting_image = QImage(), QImage()
        self._clients: list[Lane] = []  # that wait, in the order of their lanes
        self._rows: list[Lane] = []  # lanes that are drawn, from the top
        self._recorder: Recorder | None = None
        self._frame = Frame(-60.0, 0.0, live=True)
        self._lane_height = float(_HIGHEST)
        self._lanes = 0
        self._less: list[Less] = []  # parts of which less is known than lanes show elsewhere

    def colour(self) -> None:
        """Use the colours of the theme when the lanes are next drawn."""
        self._palette = palette(self.theme)

    def clear(self) -> None:
        """Show no lanes."""
        self._image, self._recorder, self.names, self._lanes = QImage(), None, [], 0
        self._less = []
        self._waiting_image, self._clients, self._rows = QImage(), [], []
        self.subtitle = type(self).subtitle
        self.scale_y = Scale()

    def read(self, recorder: Recorder, frame: Frame) -> None:
        """Take what is drawn of the record."""
        self._recorder, self._frame = recorder, frame

    def draw(self, view: View, x: Floats, frame: Frame, *, calm: bool) -> None:
        """Draw the lanes that there is room for."""
        recorder, plot = self._recorder, self.plot
        columns, height = int(plot.width()), int(plot.height())
        if recorder is None or columns < 1 or height < _LOWEST:
            self.clear()
            return
        marked = self.marked.lane if self.marked is not None else 0
        try:
            span, most = (frame.start, frame.end), max(height // _LOWEST, marked + 1)
            found = lane_columns(recorder, span, columns, most)
        except InputError as error:  # the file is gone, or was damaged since it was opened
            self._say(str(error))
            return
        if found is None:
            self._say(tr("zoom in to see them: there are too many to be read at once"))
            return
        coarse = 2 * frame.span / columns
        self._less = [each for each in found.less if each.width * US > coarse or not each.width]
        table, parts, clients = found.table, found.waits, found.clients
        if not (found.lanes or clients):
            said = self._said_of_less()
            self._say(said[0] if said else tr("nothing was recorded of them here"))
            return
        self._lanes = found.total
        if not self.shown(NAMES[State.WAITING]):
            parts, clients = parts[:, :0], []
        room = height - _GAP if clients else height
        number = self._lanes + len(clients)
        self._lane_height = min(max(room // number, _LOWEST), _HIGHEST)
        rows = room // int(self._lane_height)
        waiting = min(len(clients), max(rows - self._lanes, rows // 3))
        chosen = _chosen(found.lanes, min(self._lanes, rows - waiting), self._marked_lane())
        self._rows = [found.lanes[place] for place in chosen]
        self._draw_waiting(parts, clients, waiting)
        hidden = [state for state, name in NAMES.items() if not self.shown(name)]
        self._image = painted(table[:, chosen], *(int(self._lane_height), self._palette, hidden))
        self._describe(recorder, table.max(axis=(0, 1), initial=0) > 0, len(clients))

    def _marked_lane(self) -> Lane | None:
        return (self.marked.member, self.marked.lane) if self.marked is not None else None

    def _draw_waiting(self, parts: Shares, clients: list[Lane], rows: int) -> None:
        """Draw the lanes of clients that wait; where there is no room for all, of those that waited
        most, and of those that were drawn before rather than of others like them."""
        chosen = np.arange(len(clients))
        if rows < len(clients):
            waited = parts.sum(axis=0)
            waited[[each in self._clients for each in clients]] *= 2
            chosen = np.sort(np.argsort(-waited, kind="stable")[:rows])
        self._clients = [clients[place] for place in chosen.tolist()]
        self._waiting_image = painted_waits(
            parts[:, chosen], int(self._lane_height), state_colour(self.theme, State.WAITING)
        )

    def _say(self, what: str) -> None:
        self.clear()
        self.subtitle = what

    def _describe(self, recorder: Recorder, present: NDArray[np.bool_], waiting: int) -> None:
        """Set subtitle, the names of the states that are `present`, and the numbers of lanes."""
        said = self._said_of_less()
        said += [
            tr("{shown} of {total} connections", shown=len(self._rows), total=self._lanes)
            if len(self._rows) < self._lanes
            else tr("one for each connection")
        ]
        drawn = len(self._clients)
        if drawn < waiting:
            said.append(tr("{shown} of {total} clients that wait", shown=drawn, total=waiting))
        elif drawn:
            said.append(tr("below, one for each client that waits"))
        longest = next(iter(recorder.holders(self._frame.end, 1)), None)
        if longest is not None and longest.seconds >= 1:
            lasting = time_with_unit(longest.seconds)
            said.append(tr(_LONGEST_HOLDER[longest.state], client=longest.client, time=lasting))
        self.subtitle = " · ".join(said)
        height = max(self.plot.height(), 1.0)
        states = [state for state in STACK if present[state]]
        if waiting or not self.shown(NAMES[State.WAITING]):
            states.insert(0, State.WAITING)
        self.names = [
            Name(
                tr(NAMES[state]),
                name_colour(self.theme, state),
                1 - (place + 0.5) * 13 / height,
                NAMES[state],
            )
            for place, state in enumerate(states)
        ]
        ticks = [
            Tick(1 - (row + 0.5) * self._lane_height / height, str(lane + 1))
            for row, (_, lane) in enumerate(self._rows)
        ]
        top = len(self._rows) * self._lane_height + _GAP
        ticks += [
            Tick(1 - (top + (row + 0.5) * self._lane_height) / height, tr("c{n}", n=client))
            for row, (_, client) in enumerate(self._clients)
        ]
        self.scale_y = Scale(0.0, 1.0, ticks)

    def _said_of_less(self) -> list[str]:
        """Return what the hatching says of parts of which less than edges is known."""
        said = []
        damaged = [each for each in self._less if each.damaged]
        if damaged:
            begin, end = (clock(each * US, 0.1) for each in (damaged[0].begin, damaged[-1].end))
            said.append(tr("hatched: damaged from {begin} to {end}", begin=begin, end=end))
        kept = [each for each in self._less if not each.damaged]
        if any(each.width for each in kept):
            width = time_with_unit(max(each.width for each in kept) * US)
            said.append(tr("hatched: shares of {width} are all that is kept", width=width))
        elif kept:
            said.append(tr("hatched: nothing is kept of so long ago"))
        return said

    def latest(self, view: View) -> list[Figure]:
        """Return who holds a connection longest at the end of the visible part."""
        recorder = self._recorder
        if recorder is None:
            return []
        return [
            Figure(
                tr("longest holder"),
                tr(
                    _LONGEST_HOLDER[hold.state],
                    client=hold.client,
                    time=time_with_unit(hold.seconds),
                ),
                name_colour(self.theme, hold.state),
            )
            for hold in recorder.holders(self._frame.end, 1)
        ]

    def figures(self, view: View, index: int) -> list[Figure]:
        """Return who has the connection under the pointer."""
        at, recorder = self.pointer, self._recorder
        if at is None or recorder is None or not self.plot.contains(at):
            return []
        below = at.y() - self.plot.top() - len(self._rows) * self._lane_height - _GAP
        if self._clients and below >= 0:
            row = int(below / self._lane_height)
            return [
                line
                for member, client in self._clients[row : row + 1]
                for line in self._of_member(recorder, member, self._wait_figures, client, at.x())
            ]
        row = int((at.y() - self.plot.top()) / self._lane_height)
        if not 0 <= row < len(self._rows):
            return []
        member, lane = self._rows[row]
        return self._of_member(recorder, member, self._lane_figures, lane, at.x())

    def _of_member(
        self,
        recorder: Recorder,
        member: str,
        figures: Callable[[Recorder, int, float], list[Figure]],
        which: int,
        x: float,
    ) -> list[Figure]:
        """Return what a member's record says of a lane or a client, with the member's name."""
        if not member:
            return figures(recorder, which, x)
        name = Figure(tr("pool"), on_one_line(member), self.theme.text)
        return [name, *figures(recorder.member(member), which, x)]

    def _lane_figures(self, recorder: Recorder, lane: int, x: float) -> list[Figure]:
        seconds = self._seconds_at(x)
        moment = round(seconds / US)
        pieces = recorder.lane_pieces(moment, moment + 1)
        if pieces is None:
            return []
        now = (pieces.begin <= moment) & (moment < pieces.end)
        found = np.flatnonzero(now & (pieces.lane == lane))
        if not len(found) and recorder.less_of_lanes(moment, moment + 1):
            coarse = recorder.lane_states(moment, moment + 1)
            if coarse:
                return self._shares_of_states(coarse[0], lane, moment)
        if not len(found):
            return [Figure(tr("lane {n}", n=lane + 1), tr("no connection"), self.theme.muted)]
        place = found[0]
        state, number = State(int(pieces.state[place])), int(pieces.number[place])
        colour = name_colour(self.theme, state)
        what = tr("lane, by holder") if number < 0 else tr("connection")
        lines = [
            Figure(what, f"{lane + 1 if number < 0 else number}", colour),
            Figure(tr("state"), tr(NAMES[state]), colour),
        ]
        if state in USED:
            since = int(pieces.since[place]) * US
            held = time_with_unit(max(seconds - since, 0.0))
            lines += [
                Figure(tr("client"), str(int(pieces.client[place])), colour),
                Figure(tr("held since"), f"{clock(since, 0.1)} ({held})", colour),
            ]
            if recorder.last is not None and "statement" in recorder.last.load:
                lines.append(
                    Figure(tr("statement"), str(recorder.last.load["statement"])[:40], colour)
                )
        return lines

    def _shares_of_states(self, states: LaneStates, lane: int, moment: int) -> list[Figure]:
        """Return which part of a bin a lane was in which state, where no more is kept."""
        row = (moment - states.begin) // states.width
        lines = [Figure(tr("lane"), str(lane + 1), self.theme.muted)]
        if 0 <= row < len(states.lanes) and lane < states.lanes.shape[1]:
            part = states.lanes[row, lane]
            lines += [
                Figure(
                    tr(NAMES[each]),
                    tr("{share:.0f} % of the time", share=100 * float(part[each])),
                    name_colour(self.theme, each),
                )
                for each in STACK
                if part[each] > 0
            ]
        width = time_with_unit(states.width * US)
        return [*lines, Figure(tr("shares of"), width, self.theme.muted)]

    def _seconds_at(self, x: float) -> float:
        share = (x - self.plot.left()) / self.plot.width()
        return self._frame.start + share * self._frame.span

    def _wait_figures(self, recorder: Recorder, client: int, x: float) -> list[Figure]:
        """Return since when a client waits, and for whom."""
        seconds = self._seconds_at(x)
        moment = round(seconds / US)
        pieces = recorder.waits(moment, moment + 1)
        if pieces is None:
            return []
        own = (pieces.begin <= moment) & (moment < pieces.end) & (pieces.client == client)
        colour = name_colour(self.theme, State.WAITING)
        if not own.any():
            doesnt = tr("doesn't wait")
            return [Figure(tr("client {n}", n=client), doesnt, self.theme.muted)]
        since = int(pieces.since[own][0]) * US
        waited = time_with_unit(max(seconds - since, 0.0))
        holders = [
            tr("client {client} for {time}", client=hold.client, time=time_with_unit(hold.seconds))
            for hold in recorder.holders(seconds, _FEW)
        ]
        return [
            Figure(tr("client {n}", n=client), tr("waits"), colour),
            Figure(tr("waits since"), f"{clock(since, 0.1)} ({waited})", colour),
            *(Figure(tr("held by"), who, self.theme.text) for who in holders),
        ]

    @contained()
    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Paint the panel, and the lanes over its grid."""
        super().paint(painter, option, widget)
        if not self._image.isNull():
            plot = self.plot
            place = QRectF(plot.left(), plot.top(), plot.width(), self._image.height())
            painter.drawImage(place, self._image)
            place.translate(0, len(self._rows) * self._lane_height + _GAP)
            place.setHeight(self._waiting_image.height())
            painter.drawImage(place, self._waiting_image)
            self._paint_less(painter)
            self._paint_members(painter)
            self._paint_mark(painter)

    def _paint_members(self, painter: QPainter) -> None:
        """Name each member over the first of its lanes, and of its clients that wait, where there
        is room: the pointer says it too."""
        plot, groups = self.plot, self._groups()
        painter.save()
        painter.setFont(self._tick_font)
        metrics = QFontMetricsF(self._tick_font)
        for _, y, _ in groups:
            line = QRectF(plot.left(), y - 1, plot.width(), 1)
            painter.fillRect(line, QColor(self.theme.text))
        painter.setPen(QColor(self.theme.text))
        for member, y, height in groups:
            if height < metrics.height() - 2:
                continue
            room = _NAME * self.text_room
            name = metrics.elidedText(on_one_line(member), Qt.TextElideMode.ElideRight, room)
            width = metrics.horizontalAdvance(name) + 8
            size = QRectF(plot.left() + 1, y, width, min(metrics.height(), height - 1))
            painter.fillRect(size, QColor(self.theme.panel))
            painter.drawText(size, Qt.AlignmentFlag.AlignCenter, name)
        painter.restore()

    def _groups(self) -> list[tuple[str, float, float]]:
        """Return the members that lanes are drawn of, where their lanes begin and how high these
        are together, in pixels."""
        groups: list[tuple[str, float, float]] = []
        top = self.plot.top()
        for rows in (self._rows, self._clients):
            for member, lanes in groupby(rows, lambda row: row[0]):
                height = len(list(lanes)) * self._lane_height
                if member:
                    groups.append((member, top, height))
                top += height
            top += _GAP
        return groups

    def _paint_less(self, painter: QPainter) -> None:
        """Hatch the parts of which less is known."""
        plot, ink = self.plot, QColor(self.theme.text)
        ink.setAlpha(130)
        for each in self._less:
            left = max(self.x_of(each.begin * US - self._frame.end), plot.left())
            right = min(self.x_of(each.end * US - self._frame.end), plot.right())
            if right > left:
                part = QRectF(left, plot.top(), right - left, plot.height())
                painter.fillRect(part, QBrush(ink, Qt.BrushStyle.BDiagPattern))

    def _paint_mark(self, painter: QPainter) -> None:
        """Outline the hold that is marked, as far as it is visible, and point at its lane."""
        hold, plot, lane = self.marked, self.plot, self._marked_lane()
        if hold is None or lane not in self._rows:
            return
        top = plot.top() + self._rows.index(lane) * self._lane_height
        middle = top + (self._lane_height - 1) / 2
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.theme.accent))
        corners = [(-2.0, 0.0), (-8.0, -4.0), (-8.0, 4.0)]
        painter.drawPolygon([QPointF(plot.left() + x, middle + y) for x, y in corners])
        left = max(self.x_of(hold.since - self._frame.end), plot.left())
        right = min(self.x_of(hold.until - self._frame.end), plot.right())
        if right >= left:
            painter.setPen(QPen(QColor(self.theme.text), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(left, top - 1, max(right - left, 2), self._lane_height + 1))
        painter.restore()


def _chosen(lanes: Sequence[Lane], most: int, marked: Lane | None) -> list[int]:
    """Return which lanes are drawn where there is room for `most`: as many of each member, the
    first ones; of one without members those up to the one that is marked."""
    members = list(dict.fromkeys(member for member, _ in lanes))
    places = {each: place for place, each in enumerate(lanes)}
    chosen: list[int] = []
    for number, member in enumerate(members):
        own = [place for place, lane in enumerate(lanes) if lane[0] == member]
        room = (most - len(chosen)) // (len(members) - number)
        if marked in places and marked is not None and marked[0] == member:
            own = own[max(marked[1] - room + 1, 0) :]
        chosen += own[:room]
    return chosen
