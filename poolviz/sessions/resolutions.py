"""A run at six resolutions, so that any stretch of it is drawn from a bounded number of bins.

Level 0 holds one bin a sample, but a sample that a change cut short, to less than half a tick,
joins the bin before it: a rate over a millisecond says nothing. A bin of each further level merges
four samples, then 16, 64 …, always those whose numbers share a multiple of it: a bin's place never
depends on what is looked at, so curves don't shimmer while they scroll. Each level but the
coarsest forgets its oldest bins. Percentiles of a bin are those of its merged histogram.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from poolviz.model.histogram import Durations, Histogram
from poolviz.model.sample import TICK, Level, Sample

LEVELS = ("open", "used", "idle", "overflow", "pending", "retrying", "backlog")
RATES = ("throughput", "timeouts", "errors")
SHARES = {"wait_p50": 0.50, "wait_p95": 0.95, "wait_p99": 0.99}

RESOLUTIONS = 6
_BITS = 2  # a bin is made of 1 << _BITS bins of the level below
_ROOM = 24_000  # bins that a level remembers
_SERVER_KEPT = 1.5  # seconds that the server's last word is carried forward
_SLACK = 1.01  # a window of just so many points keeps its resolution while it scrolls

Numbers = NDArray[np.float64]


def _columns(first: int, count: int) -> slice:
    return slice(first, first + count)


# A bin is a column of figures, laid out so that each group is merged in its own way.
_T, _SPAN, _CAPACITY = 0, 1, 2
_MEANS = _columns(3, len(LEVELS) + len(RATES))  # weighted by span; a rate's span is its divisor
_SERVER = _columns(_MEANS.stop, 2)  # weighted by span, where it is known
_LOWS = _columns(_SERVER.stop, len(LEVELS))
_HIGHS = _columns(_LOWS.stop, len(LEVELS))
_WAITS = _columns(_HIGHS.stop, len(SHARES))
_HEIGHT = _WAITS.stop


@dataclass(frozen=True)
class Band:
    """A count in each bin: its lowest, its time-weighted mean, its highest."""

    low: Numbers
    mean: Numbers
    high: Numbers


@dataclass(frozen=True)
class View:
    """A stretch of a run as bins in ascending order.

    `t` is each bin's end in seconds since the start, `bin` their nominal width. `levels` holds
    open, used, idle, overflow, pending, retrying, backlog. `lines` holds capacity (NaN: unlimited);
    server_active and server_total (NaN: not known); wait_p50, wait_p95, wait_p99 in seconds (NaN:
    nothing was counted); throughput, timeouts, errors a second.
    """

    t: Numbers
    bin: float
    levels: dict[str, Band]
    lines: dict[str, Numbers]


class Resolutions:
    """The bins of a run, at every resolution; each but the coarsest remembers `room` of them.

    Not locked: its owner sees to that.
    """

    def __init__(self, room: int = _ROOM) -> None:
        coarsest = RESOLUTIONS - 1
        self._resolutions = [
            _Resolution(room, grows=level == coarsest) for level in range(RESOLUTIONS)
        ]
        self._open_bins = [_OpenBin() for _ in range(1, RESOLUTIONS)]  # of levels 1 and up
        self._newest = _OpenBin()  # of level 0
        self._server = (-math.inf, math.nan, math.nan)  # when it spoke last, active, total

    def add(self, sample: Sample) -> None:
        """Take one sample in."""
        self._close_bins_before(sample.index)
        part = self._part_of(sample)
        self._open_bins[0].add(part, sample.wait)
        joins = sample.span < TICK / 2 and bool(self._newest.parts)
        if not joins:
            self._newest.begin(sample.index)
        self._newest.add(part, sample.wait)
        self._resolutions[0].put(self._newest.figures(), in_place_of_newest=joins)

    def view(self, start: float, end: float, points: int) -> View:
        """The bins in [start, end] and one more at each side, at the finest level that remembers
        `start` and gives at most `points` (up to 1 % more, rather than switch while scrolling)."""
        level = self._level_for(start, end, points)
        bins, newest = self._resolutions[level].cut(start, end)
        head = self._head(level) if newest else None
        if head is not None:
            bins = np.concatenate((bins, head[:, np.newaxis]), axis=1)
        return _as_view(bins, TICK * (1 << (_BITS * level)))

    def _close_bins_before(self, index: int) -> None:
        """Close the bins that sample `index` no longer belongs to, from the finest level up."""
        for level, open_bin in enumerate(self._open_bins, start=1):
            key = index >> (_BITS * level)
            if key == open_bin.key:
                return
            if open_bin.parts:
                bin_ = open_bin.figures()
                self._resolutions[level].put(bin_)
                if level < len(self._open_bins):
                    self._open_bins[level].add(bin_, open_bin.waits.pack())
            open_bin.begin(key)

    def _part_of(self, sample: Sample) -> Numbers:
        """A sample as part of a bin, which then has its percentiles filled in."""
        counts: tuple[Level, ...] = (
            sample.open,
            sample.used,
            sample.idle,
            sample.overflow,
            sample.pending,
            sample.retrying,
            sample.backlog,
        )
        span = sample.span or TICK
        if sample.server is not None:
            self._server = (sample.t, sample.server.active, sample.server.total)
        elif sample.t - self._server[0] > _SERVER_KEPT:
            self._server = (-math.inf, math.nan, math.nan)
        return np.array(
            (
                sample.t,
                span,
                math.nan if sample.capacity is None else sample.capacity,
                *[count.mean for count in counts],
                sample.operations / span,
                sample.timeouts / span,
                sum(sample.errors.values()) / span,
                *self._server[1:],
                *[count.low for count in counts],
                *[count.high for count in counts],
                *[math.nan] * len(SHARES),
            )
        )

    def _level_for(self, start: float, end: float, points: int) -> int:
        seconds = min(end, self._resolutions[0].newest) - max(start, 0.0)
        for level, ring in enumerate(self._resolutions):
            width = TICK * (1 << (_BITS * level))
            if seconds <= points * _SLACK * width and ring.remembers(start):
                return level
        return RESOLUTIONS - 1

    def _head(self, level: int) -> Numbers | None:
        """The bin of `level` that is still being filled; None where there is none."""
        parts: list[Numbers] = []
        waits = Histogram()
        for open_bin in self._open_bins[:level]:
            parts = [*open_bin.parts, *([_merged(parts)] if parts else [])]
            waits.merge(open_bin.waits.pack())
        if not parts:
            return None
        head = _merged(parts)
        head[_WAITS] = waits.percentiles(*SHARES.values())
        return head


class _OpenBin:
    """A bin that is being filled with samples, or with bins of the level below."""

    def __init__(self) -> None:
        self.waits = Histogram()
        self.begin(-1)

    def begin(self, key: int) -> None:
        """Start afresh; `key` is the number of the bin."""
        self.key = key
        self.parts: list[Numbers] = []
        self.waits.clear()

    def add(self, part: Numbers, waits: Durations) -> None:
        """Take a part in, the latest."""
        self.parts.append(part)
        self.waits.merge(waits)

    def figures(self) -> Numbers:
        """The bin made of what was added."""
        bin_ = _merged(self.parts)
        bin_[_WAITS] = self.waits.percentiles(*SHARES.values())
        return bin_


class _Resolution:
    """The newest bins of one level, a column each; a growing one keeps them all."""

    def __init__(self, room: int, *, grows: bool) -> None:
        # Memory that was never written to costs nothing, so the room is made at once.
        self._bins = np.empty((_HEIGHT, room))
        self._count = 0
        self._grows = grows

    @property
    def newest(self) -> float:
        """When the last bin ended, in seconds since the start; 0 before the first."""
        return float(self._bins[_T, (self._count - 1) % self._room]) if self._count else 0.0

    @property
    def _room(self) -> int:
        return int(self._bins.shape[1])

    def put(self, bin_: Numbers, *, in_place_of_newest: bool = False) -> None:
        """Take a bin in, after the newest one or instead of it."""
        if in_place_of_newest:
            self._count -= 1
        if self._grows and self._count == self._room:
            self._bins = np.concatenate((self._bins, np.empty_like(self._bins)), axis=1)
        self._bins[:, self._count % self._room] = bin_
        self._count += 1

    def remembers(self, time: float) -> bool:
        """Whether every bin from `time` on is still there, and one before them."""
        return self._count <= self._room or bool(self._bins[_T, self._count % self._room] <= time)

    def cut(self, start: float, end: float) -> tuple[Numbers, bool]:
        """The bins that end in [start, end] and one at each side, and whether a bin after the
        newest would belong to them too."""
        turn = self._count % self._room
        older = self._bins[:, turn:] if self._count >= self._room else self._bins[:, :0]
        newer = self._bins[:, :turn]
        kept = int(older.shape[1])

        def place(time: float, side: Literal["left", "right"]) -> int:
            if kept and time <= older[_T, -1]:
                return int(np.searchsorted(older[_T], time, side=side))
            return kept + int(np.searchsorted(newer[_T], time, side=side))

        first, past = max(place(start, "left") - 1, 0), place(end, "right")
        last = past + 1
        bins = np.concatenate(
            (older[:, first:last], newer[:, max(first - kept, 0) : max(last - kept, 0)]), axis=1
        )
        return bins, past == kept + turn


def _merged(parts: Sequence[Numbers]) -> Numbers:
    """Bins that follow each other as one; its percentiles are yet to be filled in."""
    if len(parts) == 1:
        return parts[0].copy()
    table = np.array(parts)
    spans = table[:, _SPAN]
    merged: Numbers = table[-1].copy()  # the end, and the capacity in force then
    merged[_SPAN] = spans.sum()
    merged[_MEANS] = spans @ table[:, _MEANS] / merged[_SPAN]
    merged[_LOWS] = table[:, _LOWS].min(axis=0)
    merged[_HIGHS] = table[:, _HIGHS].max(axis=0)
    known = ~np.isnan(table[:, _SERVER.start])
    if known.any():
        merged[_SERVER] = spans[known] @ table[known, _SERVER] / spans[known].sum()
    return merged


def _as_view(bins: Numbers, width: float) -> View:
    """Columns of figures under their names."""
    rows = len(LEVELS)
    levels = {
        name: Band(
            low=bins[_LOWS.start + row],
            mean=bins[_MEANS.start + row],
            high=bins[_HIGHS.start + row],
        )
        for row, name in enumerate(LEVELS)
    }
    lines = {"capacity": bins[_CAPACITY]}
    lines |= zip(("server_active", "server_total"), bins[_SERVER], strict=True)
    lines |= zip(SHARES, bins[_WAITS], strict=True)
    lines |= zip(RATES, bins[_MEANS][rows:], strict=True)
    return View(t=bins[_T], bin=width, levels=levels, lines=lines)
