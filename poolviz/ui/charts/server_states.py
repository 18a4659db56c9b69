"""The server's backends of this run by state, beside what the pool has in use."""

from __future__ import annotations

import numpy as np

from poolviz.language import tr, tr_noop, trc
from poolviz.sessions.details import DetailView
from poolviz.sessions.resolutions import View, is_near
from poolviz.ui.charts.axes import (
    CalmRange,
    Floats,
    Frame,
    highest,
    latest,
    nice_top,
    steps,
    ticks_up,
)
from poolviz.ui.charts.chart import Figure, Name, Scale
from poolviz.ui.charts.connections import as_count, far_above
from poolviz.ui.charts.detailed import DetailedChart

# What is stacked, from below: the name, its sum and its colour.
_STATES = (
    ("active", "server_active", "used"),
    ("idle in transaction", "server_idle_in_transaction", "overflow"),
    ("other", "server_other", "backlog"),
    ("idle", "server_idle", "idle"),
)
_WORDS = {"overflow": "overflow", "backlog": "backlog_name", "idle": "idle_name"}
_HELD, _USED, _BUDGET = "not working", "in use", "budget"  # the curves beside the states
_LEAST = 5.0
_LATEST = 2.0


class ServerStates(DetailedChart):
    """Backends that are active, idle in a transaction, in another state and idle, stacked; over
    them what the pool has in use, and how many the server leaves. What the pool has more in use
    than are active is held but not working.
    """

    title = tr_noop("The server's view")
    subtitle = tr_noop("hatched: held but not working")
    share = 0.3
    least = 90.0
    topic = "server_view"

    def build(self) -> None:
        """Create the areas back to front, what is held over them, and the line."""
        super().build()
        self._states = {name: self.area() for name, _, _ in reversed(_STATES)}
        self._held, self._active = self.area(), self.area()
        self._used = self.line()
        self._budget = self.line(gaps=True, joined=True)
        self._top = CalmRange(0.0, _LEAST)

    def colour(self) -> None:
        """Use the theme's colours; what is held is hatched."""
        for name, _, colour in _STATES:
            self._states[name].set_colour(getattr(self.theme, colour))
        self._held.set_colour(self.theme.bad, hatched=True)
        self._active.set_colour(self.theme.used)
        self._used.setPen(self.pen(self.theme.text))
        self._budget.setPen(self.pen(self.theme.server, dashed=True))

    def clear(self) -> None:
        """Remove all but the axes."""
        super().clear()
        for area in (*self._states.values(), self._held, self._active):
            area.clear()
        self._used.clear()
        self._budget.clear()
        self._top = CalmRange(0.0, _LEAST)
        self._set_scale()

    def curve_title(self, curve: str) -> str:
        """Return a state of backends, or what else is drawn."""
        return tr(curve) if curve in (_HELD, _USED, _BUDGET) else _state(curve, whole=True)

    def draw(self, view: View, x: Floats, frame: Frame, *, calm: bool) -> None:
        """Stack the states; the active ones are painted over what is held, from zero."""
        details = self.details
        if details is None:
            self.clear()
            return
        at, means, used = details.t - frame.end, _means(details), details.rate("used")
        bins = max(round(_LATEST / details.bin), 1)
        below = np.zeros(len(at))
        self.names = [Name(tr("in use"), self.theme.text, latest(used, bins), _USED)]
        for name, _, colour in _STATES:
            part = np.nan_to_num(means[name]) * self.shown(name)
            middle = latest(below + part / 2, bins)
            below = below + part
            self._states[name].setVisible(bool(part.any()))
            self._states[name].setData(at, below)
            if highest(np.nan_to_num(means[name])) > 0:
                words = getattr(self.theme, _WORDS.get(colour, colour))
                self.names.append(Name(_state(name), words, middle, name))
        active = np.nan_to_num(means["active"]) * self.shown("active")
        held = np.where(np.isnan(means["active"]), 0.0, np.maximum(used, active))
        idle_hands = held - active
        visible = self.shown(_HELD) and bool((idle_hands > 0.05).any())
        self._held.setVisible(visible)
        self._active.setVisible(visible and self.shown("active"))
        self._held.setData(at, held)
        self._active.setData(at, active)
        if highest(idle_hands) > 0.05:
            middle = latest(active + idle_hands / 2, bins)
            self.names.append(Name(tr("not working"), self.theme.bad, middle, _HELD))
        self._used.setVisible(self.shown(_USED))
        self._used.setData(at, used)
        reach = max(highest(below), highest(used) * self.shown(_USED))
        budget = view.lines["server_budget"]
        near = self.shown(_BUDGET) and is_near(budget, reach)
        top = max(nice_top(max(reach, highest(budget) * near)), _LEAST)
        self._top.fit(0.0, top, frame.end, calm=calm)
        self._set_scale()
        self._budget.setVisible(self.shown(_BUDGET))
        self._budget.setData(*steps(x, budget))
        if np.isfinite(left := latest(budget)):
            text = tr("budget {budget:.0f}", budget=left)
            name = text if near or not self.shown(_BUDGET) else far_above(text, left)
            place = left if near else self.scale_y.high
            self.names.insert(0, Name(name, self.theme.server, place, _BUDGET))

    def _set_scale(self) -> None:
        top = self._top.high
        self.scale_y = Scale(0.0, top * 1.05, ticks_up(top, 4, whole=True))

    def figures(self, view: View, index: int) -> list[Figure]:
        """Return the backends by state, and how many connections are held without work."""
        found = self.detail_at(view, index)
        if found is None:
            return []
        details, bin_ = found
        means = _means(details)
        figures = []
        for name, _, colour in _STATES:
            value = float(means[name][bin_])
            if not np.isfinite(value):
                return []
            words = getattr(self.theme, _WORDS.get(colour, colour))
            title = tr("server {state}", state=_state(name, whole=True))
            figures.append(Figure(title, as_count(value), words, value, as_count))
        held = max(float(details.rate("used")[bin_] - means["active"][bin_]), 0.0)
        figures.append(
            Figure(tr("held but not working"), as_count(held), self.theme.bad, held, as_count)
        )
        if np.isfinite(budget := float(view.lines["server_budget"][index])):
            figures.append(
                Figure(tr("budget"), as_count(budget), self.theme.server, budget, as_count)
            )
        return figures


def _state(name: str, *, whole: bool = False) -> str:
    """Return a state of backends in the language in use, short unless `whole`."""
    if name == "idle in transaction" and not whole:
        return tr("in transaction")
    return {
        "active": trc("backends", "active"),
        "idle in transaction": trc("backends", "idle in transaction"),
        "other": trc("backends", "other"),
        "idle": trc("backends", "idle"),
    }[name]


def _means(details: DetailView) -> dict[str, Floats]:
    return {name: details.mean(sums, "server_known") for name, sums, _ in _STATES}
