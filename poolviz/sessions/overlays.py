"""What charts of a comparison draw: a figure of every session over one axis.

The bins of sessions are those of their own samples. A common axis has the widest of them, and each
place on it has of each session the bin that ends nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from poolviz.language import tr, tr_noop
from poolviz.model.errors import InputError
from poolviz.model.mark_text import mark_in_words
from poolviz.model.sample import MarkKind
from poolviz.sessions.bins import Numbers
from poolviz.sessions.comparison import Compared
from poolviz.sessions.resolutions import View

_CALM, _FEW = 0.2, 60  # seconds: the shortest bins of rates, if at least so many are shown


@dataclass(frozen=True)
class Overlay:
    """A chart: one figure of every session. `unit` is "s" for times, of which the axis is
    logarithmic; a `calm` figure needs wide bins, because it needs many operations."""

    name: str
    title: str
    unit: str
    figure: Callable[[View], Numbers]
    calm: bool = False


@dataclass(frozen=True)
class Overlaid:
    """A common axis, `t` in seconds, and a row of figures for each session; NaN where it has
    none."""

    t: Numbers
    rows: list[Numbers]


@dataclass(frozen=True)
class OverlaidMark:
    """A change, a fault or a note, at `t` on the common axis; `session` is the number of its
    session, None if all have it at about that time."""

    t: float
    kind: MarkKind
    text: str
    session: int | None

    @property
    def words(self) -> str:
        """What it says, in the user's language; a note as it was written."""
        return self.text if self.kind is MarkKind.NOTE else mark_in_words(self.text)


def _line(name: str, view: View) -> Numbers:
    return view.lines[name]


def _mean(name: str, view: View) -> Numbers:
    return view.levels[name].mean


def _wrong(view: View) -> Numbers:
    return view.lines["timeouts"] + view.lines["errors"]


OVERLAYS = (
    Overlay("throughput", tr_noop("Throughput"), "/s", partial(_line, "throughput"), calm=True),
    Overlay(
        "wait_p95", tr_noop("Wait to acquire, p95"), "s", partial(_line, "wait_p95"), calm=True
    ),
    Overlay(
        "wait_p50", tr_noop("Wait to acquire, p50"), "s", partial(_line, "wait_p50"), calm=True
    ),
    Overlay(
        "wait_p99", tr_noop("Wait to acquire, p99"), "s", partial(_line, "wait_p99"), calm=True
    ),
    Overlay("used", tr_noop("Active connections"), "", partial(_mean, "used")),
    Overlay("pending", tr_noop("Waiting clients"), "", partial(_mean, "pending")),
    Overlay("open", tr_noop("Open connections"), "", partial(_mean, "open")),
    Overlay("wrong", tr_noop("Timeouts and errors"), "/s", _wrong, calm=True),
)


# What shows in a comparison what a chart of a session shows, by the name of that.
_OF_SESSIONS = {
    "connections": ("used", "open", "pending"),
    "waiting": ("pending",),
    "wait": ("wait_p95", "wait_p50", "wait_p99"),
    "throughput": ("throughput", "wrong"),
}
CHARTS = tuple(dict.fromkeys((*_OF_SESSIONS, *(each.name for each in OVERLAYS))))


def check_charts(names: Sequence[str]) -> None:
    """Raise InputError if one of these isn't the name of a chart of a comparison."""
    for name in names:
        if name not in CHARTS:
            raise InputError(
                tr(
                    "There is no chart {name!r} in a comparison: they are {charts}.",
                    name=name,
                    charts=", ".join(CHARTS),
                )
            )


def overlays_of(compared: Compared) -> tuple[Overlay, ...]:
    """Return the charts of a comparison: those that were chosen, or all."""
    names = {each for name in compared.charts for each in _OF_SESSIONS.get(name, (name,))}
    return tuple(each for each in OVERLAYS if not names or each.name in names)


def overlaid(compared: Compared, start: float, end: float, points: int) -> dict[str, Overlaid]:
    """Return every chart of a comparison from `start` to `end` of the common axis, in seconds, with
    about `points` places; rates and percentiles have fewer."""
    seconds = end - start
    few = min(max(int(seconds / _CALM), _FEW), max(points // 4, _FEW))
    found: dict[str, Overlaid] = {}
    for calm, most in ((False, points), (True, few)):
        views = [
            recorder.view(start + zero, end + zero, most)
            for recorder, zero in zip(compared.recorders, compared.zeros, strict=True)
        ]
        width = max(view.bin for view in views)
        t: Numbers = start + width * np.arange(1, int(np.ceil(seconds / width * (1 - 1e-9))) + 1.0)
        places = [
            _nearest(view.t - zero, t, width)
            for view, zero in zip(views, compared.zeros, strict=True)
        ]
        for overlay in overlays_of(compared):
            if overlay.calm == calm:
                rows = [
                    _placed(overlay.figure(view), place)
                    for view, place in zip(views, places, strict=True)
                ]
                found[overlay.name] = Overlaid(t, rows)
    return found


def marks(compared: Compared) -> list[OverlaidMark]:
    """Return the marks of all sessions in order of time; one that all have is there once."""
    near = 0.01 * max(compared.end - compared.start, 1e-9)
    found: list[OverlaidMark] = []
    by_session = [
        [(mark.t - zero, mark) for mark in recorder.marks]
        for recorder, zero in zip(compared.recorders, compared.zeros, strict=True)
    ]
    for number, those in enumerate(by_session):
        for t, mark in those:
            common = all(
                any(other.text == mark.text and abs(at - t) <= near for at, other in others)
                for others in by_session
            )
            if not common or number == 0:
                session = None if common else number
                found.append(OverlaidMark(t, mark.kind, mark.text, session))
    return sorted(found, key=lambda mark: mark.t)


def _nearest(ends: Numbers, t: Numbers, width: float) -> Sequence[int]:
    """Return for each of `t` the number of the bin that ends nearest; -1 if none is near."""
    if not len(ends):
        return [-1] * len(t)
    after = np.clip(np.searchsorted(ends, t), 0, len(ends) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(abs(ends[before] - t) <= abs(ends[after] - t), before, after)
    near: Sequence[int] = np.where(abs(ends[nearest] - t) <= 0.75 * width, nearest, -1).tolist()
    return near


def _placed(values: Numbers, places: Sequence[int]) -> Numbers:
    with_gap: Numbers = np.append(values, np.nan)
    return with_gap[list(places)]
