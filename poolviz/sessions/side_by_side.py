"""The figures of two runs beside each other, with what differs, as text."""

from __future__ import annotations

import math
from typing import NamedTuple

from poolviz.language import number, tr, trc
from poolviz.model.parameters import shown_time
from poolviz.sessions.differences_in_words import percent
from poolviz.sessions.summary import RunSummary

_SMALLEST = 0.005  # of a figure: less than that is no difference worth a number


class Pair(NamedTuple):
    """A figure of the run before and of the one after it, and the difference; "" where it says
    nothing."""

    name: str
    before: str
    after: str
    difference: str


def side_by_side(before: RunSummary, after: RunSummary) -> list[Pair]:
    """Return the figures that matter most of two runs, which may have gone on for different
    times: sums are given for a minute."""
    waits = before.wait_time_s, after.wait_time_s
    first, second = before.connections, after.connections
    return [
        Pair(tr("pool"), before.pool or "", after.pool or "", ""),
        Pair(
            trc("figure", "measured"), _seconds(before.duration_s), _seconds(after.duration_s), ""
        ),
        _pair(tr("operations a second"), before.throughput_per_s, after.throughput_per_s),
        *(
            _pair(
                tr("wait {name}", name=name),
                getattr(waits[0], name),
                getattr(waits[1], name),
                time=True,
            )
            for name in ("p50", "p95", "p99", "max")
        ),
        _pair(
            tr("timeouts a minute"),
            _a_minute(before, before.timeouts),
            _a_minute(after, after.timeouts),
        ),
        _pair(
            tr("errors a minute"),
            *(_a_minute(each, sum(each.errors.values())) for each in (before, after)),
        ),
        _pair(tr("used, on average"), first.used_mean, second.used_mean),
        _pair(tr("open, on average"), first.open_mean, second.open_mean),
        _pair(tr("open, at most"), first.open_max, second.open_max),
        _pair(
            tr("opened a minute"), _a_minute(before, first.opened), _a_minute(after, second.opened)
        ),
        _pair(tr("waiting, at most"), first.pending_max, second.pending_max),
    ]


def _a_minute(summary: RunSummary, count: int) -> float | None:
    return count / summary.duration_s * 60 if summary.duration_s else None


def _pair(name: str, before: float | None, after: float | None, *, time: bool = False) -> Pair:
    show = _time if time else _number
    differs = "" if before is None or after is None else _difference(before, after)
    return Pair(name, show(before), show(after), differs)


def _difference(before: float, after: float) -> str:
    if before <= 0:
        return "" if after <= 0 else "new"
    share = after / before - 1
    return "=" if math.fabs(share) < _SMALLEST else percent(share)


def _time(value: float | None) -> str:
    return "–" if value is None else shown_time(float(f"{value:.3g}"))


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return number(value, ",.0f" if value == int(value) or value >= 100 else ",.3g")


def _seconds(value: float) -> str:
    return f"{number(value, ',.1f')} s"
