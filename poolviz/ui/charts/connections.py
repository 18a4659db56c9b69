"""Connections: open ones stacked upwards, waiting clients downwards, the limit, the server and its
budget."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from poolviz.language import number, tr, tr_noop
from poolviz.sessions.resolutions import Band, View, is_near
from poolviz.ui.charts.area import Area
from poolviz.ui.charts.axes import (
    CalmRange,
    Floats,
    Frame,
    Tick,
    highest,
    latest,
    nice_step,
    nice_top,
    plain,
    steps,
    ticks_up,
)
from poolviz.ui.charts.chart import Chart, Figure, Name, Scale
from poolviz.ui.charts.curve import Curve

_DEEPEST = 0.75  # the most height below zero, as a share of that above
_HEADROOM = 1.14
_MANY = 1000  # connections
_LEAST_UP, _LEAST_DOWN = 5.0, 2.0
_LATEST = 1.0  # seconds of which a name shows the mean, so that it doesn't jump


@dataclass(frozen=True)
class _Stack:
    """The cumulative curves, outwards from zero."""

    kept: Floats  # in use, among the connections that the pool keeps
    used: Floats
    open: Floats
    waiting: Floats
    delayed: Floats  # waiting, and backing off before another attempt
    due: Floats  # all these, and requests that no client has started


class Connections(Chart):
    """Active, overflow and idle connections above zero; below it the clients that wait or retry,
    and the requests of an open load that no client has started."""

    title = tr_noop("Connections")
    subtitle = tr_noop("waiting below zero")
    topic = "connections"
    share = 0.48
    least = 130.0
    fine = True

    def build(self) -> None:
        """Create the areas back to front: each covers the lower part of the one behind it."""
        self._idle, self._overflow, self._kept = (self.area() for _ in range(3))
        self._crowd, self._backlog, self._retrying, self._waiting = (self.area() for _ in range(4))
        self._limit, self._server = self.line(gaps=True, joined=True), self.line(gaps=True)
        self._budget = self.line(gaps=True, joined=True)
        # Over the areas, which would hide them.
        self._ghost_used, self._ghost_waiting = self.line(), self.line()
        self._zero = self.line()
        self._range = CalmRange(-_LEAST_DOWN, _LEAST_UP)
        self._squeeze = 1.0  # height of a client below zero over that of a connection above

    def colour(self) -> None:
        """Set the theme's colours."""
        theme = self.theme
        for area, colour in (
            (self._idle, theme.idle),
            (self._overflow, theme.overflow),
            (self._kept, theme.used),
            (self._crowd, theme.wait_peak),
            (self._backlog, theme.backlog),
            (self._retrying, theme.retrying),
            (self._waiting, theme.wait),
        ):
            area.set_colour(colour)
        for curve in (self._ghost_used, self._ghost_waiting):
            curve.setPen(self.pen(theme.text, pale=True))
        self._limit.setPen(self.pen(theme.text, dashed=True))
        self._server.setPen(self.pen(theme.server))
        self._budget.setPen(self.pen(theme.server, dashed=True))
        self._zero.setPen(self.pen(theme.muted))

    def clear(self) -> None:
        """Remove all but the axes."""
        for curve in self._drawn():
            curve.clear()
        self.names = []
        self._range = CalmRange(-_LEAST_DOWN, _LEAST_UP)
        self._rescale()

    def _drawn(self) -> list[Area | Curve]:
        fills = [self._idle, self._overflow, self._kept]
        below = [self._crowd, self._backlog, self._retrying, self._waiting]
        lines = [self._limit, self._budget, self._server]
        return [*fills, *below, *lines, self._ghost_used, self._ghost_waiting, self._zero]

    def draw(self, view: View, x: Floats, frame: Frame, *, calm: bool) -> None:
        """Stack the counts, and draw the limits and the server's count over them."""
        stack = _stack(view, self.hidden)
        limit, server = view.lines["capacity"], view.lines["server_total"]
        budget = view.lines["server_budget"]
        tallest = highest(stack.open if self.hidden else view.levels["open"].high)
        reach = max(tallest, highest(server) * self.shown("server"), 1.0)
        shown_limit = highest(limit) if self.shown("limit") and is_near(limit, reach) else 0.0
        near = max(reach, shown_limit)
        shown_budget = highest(budget) if self.shown("budget") and is_near(budget, near) else 0.0
        peaks = view.levels["pending"].high * self.shown("waiting")
        waiting = highest(_waiting(self.ghost)) if self.ghost is not None else 0.0
        if self.ghost is not None:
            reach = max(reach, highest(_used(self.ghost)))
        up = max(nice_top(max(reach, shown_limit, shown_budget)), _LEAST_UP)
        down = max(nice_top(max(highest(peaks), highest(stack.due), waiting)), _LEAST_DOWN)
        self._range.fit(-down, up, frame.end, calm=calm)
        self._rescale()
        for fill, heights in (
            (self._idle, stack.open),
            (self._overflow, stack.used),
            (self._kept, stack.kept),
            (self._crowd, -peaks * self._squeeze),
            (self._backlog, -stack.due * self._squeeze),
            (self._retrying, -stack.delayed * self._squeeze),
            (self._waiting, -stack.waiting * self._squeeze),
        ):
            fill.setVisible(bool(heights.any()))
            fill.setData(x, heights)
        self._limit.setVisible(self.shown("limit"))
        self._server.setVisible(self.shown("server"))
        self._limit.setData(*steps(x, limit))
        self._budget.setVisible(self.shown("budget"))
        self._server.setData(*steps(x, server))
        self._budget.setData(*steps(x, budget))
        ghosts = {
            self._ghost_used: _used,
            self._ghost_waiting: lambda behind: -_waiting(behind) * self._squeeze,
        }
        self.draw_ghost(ghosts, frame.end)
        self._zero.setData(np.array((-frame.span, 0.0)), np.zeros(2))
        self.names = [
            *self._limits(view, {"limit": shown_limit > 0, "budget": shown_budget > 0}),
            *self._names(view, _stack(view)),
        ]

    def _rescale(self) -> None:
        """Use one scale above and below zero, unless far more clients wait than there are
        connections."""
        up, down = self._range.high, -self._range.low
        self._squeeze = min(1.0, _DEEPEST * up / down)
        low, high = -down * self._squeeze * _HEADROOM, up * _HEADROOM
        below = down / (down + up / self._squeeze)
        step = nice_step(down, max(round(6 * below), 1), whole=True)
        if self._squeeze == 1.0:
            step = nice_step(up, 4, whole=True)
        count = math.floor(down / step + 1e-9)
        under = [Tick(-n * step * self._squeeze, plain(n * step)) for n in range(count, 0, -1)]
        self.scale_y = Scale(low, high, [*under, *ticks_up(up, 4, whole=True)])
        own = self._squeeze < 1.0
        self.subtitle = (
            tr_noop("waiting below zero, on its own scale")
            if own
            else tr_noop("waiting below zero")
        )

    def _limits(self, view: View, near: Mapping[str, bool]) -> list[Name]:
        """Return the names of limit and budget; an arrow stands with one that is far above."""
        theme, names = self.theme, []
        limit, budget = latest(view.lines["capacity"]), latest(view.lines["server_budget"])
        for curve, value, colour, text in (
            ("budget", budget, theme.server, tr("budget {budget:.0f}", budget=budget)),
            ("limit", limit, theme.text, tr("limit {limit:.0f}", limit=limit)),
        ):
            if not math.isnan(value):
                far = not near[curve]
                name = far_above(text, value) if far and self.shown(curve) else text
                names.append(Name(name, colour, self.scale_y.high if far else value, curve))
        return names

    def _names(self, view: View, stack: _Stack) -> list[Name]:
        theme, squeeze = self.theme, self._squeeze
        bins = max(round(_LATEST / view.bin), 1)
        kept, used, open_ = (latest(a, bins) for a in (stack.kept, stack.used, stack.open))
        waiting, delayed, due = (latest(a, bins) for a in (stack.waiting, stack.delayed, stack.due))
        server = latest(view.lines["server_total"])
        names = []
        if not math.isnan(server):
            names.append(Name(tr("server"), theme.server, server, "server"))
        if highest(stack.open - stack.used) > 0.05:
            names.append(Name(tr("idle"), theme.idle_name, (used + open_) / 2, "idle"))
        if highest(stack.used - stack.kept) > 0.05:
            names.append(Name(tr("overflow"), theme.overflow, (kept + used) / 2, "overflow"))
        names.append(Name(tr("active"), theme.used, kept / 2, "active"))
        if highest(stack.waiting) > 0.05:
            names.append(Name(tr("waiting"), theme.wait, -waiting * squeeze / 2, "waiting"))
        if highest(stack.delayed - stack.waiting) > 0.05:
            names.append(
                Name(
                    tr("retrying"),
                    theme.retrying_name,
                    -(waiting + delayed) * squeeze / 2,
                    "retrying",
                )
            )
        if highest(stack.due - stack.delayed) > 0.05:
            names.append(
                Name(
                    tr("not started"),
                    theme.backlog_name,
                    -(delayed + due) * squeeze / 2,
                    "not started",
                )
            )
        return names

    def figures(self, view: View, index: int) -> list[Figure]:
        """Return the counts of one bin."""
        theme = self.theme
        stack = _stack(view)
        limit, server = view.lines["capacity"][index], view.lines["server_total"][index]
        kept, used, open_ = (float(a[index]) for a in (stack.kept, stack.used, stack.open))
        waiting, delayed, due = (float(a[index]) for a in (stack.waiting, stack.delayed, stack.due))
        found = [
            _figure(tr("active"), used, theme.used, _peak(used, view.levels["used"], index)),
            _figure(tr("of them overflow"), used - kept, theme.overflow),
            _figure(tr("idle"), open_ - used, theme.idle_name),
            _figure(
                tr("waiting"), waiting, theme.wait, _peak(waiting, view.levels["pending"], index)
            ),
        ]
        if highest(stack.delayed - stack.waiting) > 0:
            found.append(_figure(tr("retrying"), delayed - waiting, theme.retrying_name))
        if highest(stack.due - stack.delayed) > 0:
            peak = _peak(due - delayed, view.levels["backlog"], index)
            found.append(_figure(tr("not started"), due - delayed, theme.backlog_name, peak))
        if not math.isnan(limit):
            found.append(_figure(tr("limit"), float(limit), theme.text))
        if not math.isnan(server):
            found.append(_figure(tr("server"), float(server), theme.server))
        if not math.isnan(budget := float(view.lines["server_budget"][index])):
            found.append(_figure(tr("budget"), budget, theme.server))
        return found


def far_above(name: str, value: float) -> str:
    """Return the name of a limit that is out of the picture. One of many digits has no room for
    more."""
    return f"{name} ↑" if value < _MANY else name


def _stack(view: View, hidden: Collection[str] = ()) -> _Stack:
    """Return what is stacked, without the parts of the curves that are hidden."""
    levels = view.levels
    used, open_ = levels["used"].mean, levels["open"].mean
    beyond = np.minimum(levels["overflow"].mean, used)
    parts = {
        "active": used - beyond,
        "overflow": beyond,
        "idle": open_ - used,
        "waiting": levels["pending"].mean,
        "retrying": levels["retrying"].mean,
        "not started": levels["backlog"].mean,
    }
    kept, beyond, idle, waiting, retrying, backlog = (
        part * (name not in hidden) for name, part in parts.items()
    )
    delayed = waiting + retrying
    return _Stack(kept, kept + beyond, kept + beyond + idle, waiting, delayed, delayed + backlog)


def _used(view: View) -> Floats:
    return view.levels["used"].mean


def _waiting(view: View) -> Floats:
    return view.levels["pending"].mean


def _figure(name: str, count: float, colour: str, peak: str = "") -> Figure:
    return Figure(name, as_count(count) + peak, colour, count, as_count)


def _peak(mean: float, band: Band, index: int) -> str:
    """Return the highest count as text, if it rounds to another number than the mean."""
    high = float(band.high[index])
    return tr(", peak {high:,.0f}", high=high) if high - mean >= 0.95 else ""


def as_count(value: float) -> str:
    """Return a mean count as text, without its sign: `12`, `12.5`."""
    whole = abs(value) >= 100 or abs(value - round(value)) < 0.05
    return number(abs(value), ",.0f" if whole else ".1f")
