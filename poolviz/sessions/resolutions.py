"""A run at six resolutions, so that any part of it is drawn from a bounded number of bins.

Level 0 has one bin a sample, except that a sample which a change cut to less than half a tick is
merged into the bin before it: a rate over a millisecond says nothing. A bin of each further level
merges 4 samples, then 16, 64 …, always from a multiple of that number on: which samples a bin holds
never depends on what is viewed, so curves don't flicker while they scroll. Each level but the
coarsest drops its oldest bins. Percentiles of a bin are those of its merged histogram.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from poolviz.model.histogram import Durations, Histogram
from poolviz.model.sample import TICK, Sample
from poolviz.sessions.bins import (
    AGES,
    BITS,
    BUDGET,
    CAPACITY,
    HEIGHT,
    HIGHS,
    LEVELS,
    LOWS,
    MEAN_AGE,
    MEANS,
    OLDEST,
    PERCENTILES,
    RATES,
    RESOLUTIONS,
    SERVER,
    WAITS,
    Numbers,
    ServerSeen,
    T,
    bin_of,
    merged,
)

__all__ = ["LEVELS", "PERCENTILES", "RATES", "RESOLUTIONS", "Band", "Resolutions", "View"]

_ROOM = 24_000  # bins that a level keeps
FAR, _LOW = 4.0, 3.0  # a limit so many times the curves' height, which counts as that at least
SLACK = 1.01  # so that the resolution doesn't change back and forth while scrolling


@dataclass(frozen=True)
class Band:
    """A count in each bin: its lowest value, time-weighted mean and highest value."""

    low: Numbers
    mean: Numbers
    high: Numbers


@dataclass(frozen=True)
class View:
    """A part of a run as bins in ascending order.

    `t` is the end of each bin in seconds since the start, `bin` their nominal width in seconds.
    `levels` holds open, used, idle, overflow, pending, retrying and backlog. `lines` holds capacity
    (NaN: unlimited); server_active, server_total and server_budget, which is how many the server
    leaves to the run (NaN: unknown); wait_p50, wait_p95 and wait_p99 in seconds (NaN: nothing was
    counted); throughput, timeouts and errors per second; oldest_age and mean_age of the open
    connections in seconds (NaN: not recorded).
    """

    t: Numbers
    bin: float
    levels: dict[str, Band]
    lines: dict[str, Numbers]


class Resolutions:
    """The bins of a run at every resolution; each but the coarsest keeps the newest `room`.

    Not thread-safe.
    """

    def __init__(self, room: int = _ROOM) -> None:
        coarsest = RESOLUTIONS - 1
        self._resolutions = [
            _Resolution(room, grows=level == coarsest) for level in range(RESOLUTIONS)
        ]
        self._open_bins = [_OpenBin() for _ in range(1, RESOLUTIONS)]  # of levels 1 and up
        self._newest = _OpenBin()  # of level 0
        self._server = ServerSeen()

    def add(self, sample: Sample) -> None:
        """Add the next sample."""
        self._close_bins_before(sample.index)
        part = bin_of(sample, self._server)
        self._open_bins[0].add(part, sample.wait)
        joins = sample.span < TICK / 2 and bool(self._newest.parts)
        if not joins:
            self._newest.begin(sample.index)
        self._newest.add(part, sample.wait)
        self._resolutions[0].put(self._newest.figures(), replace_newest=joins)

    def view(self, start: float, end: float, points: int) -> View:
        """Return the bins in [start, end] and one more at each side, at the finest level that still
        has `start` and gives at most `points` bins (up to 1 % more)."""
        level = self._level_for(start, end, points)
        bins, newest = self._resolutions[level].cut(start, end)
        head = self._head(level) if newest else None
        if head is not None:
            bins = np.concatenate((bins, head[:, np.newaxis]), axis=1)
        return as_view(bins, TICK * (1 << (BITS * level)))

    def _close_bins_before(self, index: int) -> None:
        """Close the open bins that sample `index` doesn't belong to, from the finest level up."""
        for level, open_bin in enumerate(self._open_bins, start=1):
            key = index >> (BITS * level)
            if key == open_bin.key:
                return
            if open_bin.parts:
                bin_ = open_bin.figures()
                self._resolutions[level].put(bin_)
                if level < len(self._open_bins):
                    self._open_bins[level].add(bin_, open_bin.waits.pack())
            open_bin.begin(key)

    def _level_for(self, start: float, end: float, points: int) -> int:
        seconds = min(end, self._resolutions[0].newest) - max(start, 0.0)
        for level, resolution in enumerate(self._resolutions):
            width = TICK * (1 << (BITS * level))
            if seconds <= points * SLACK * width and resolution.has(start):
                return level
        return RESOLUTIONS - 1

    def _head(self, level: int) -> Numbers | None:
        """Return the bin of `level` that is still open; None if it is empty."""
        parts: list[Numbers] = []
        waits = Histogram()
        for open_bin in self._open_bins[:level]:
            parts = [*open_bin.parts, *([_merged(parts)] if parts else [])]
            waits.merge(open_bin.waits.pack())
        if not parts:
            return None
        head = _merged(parts)
        head[WAITS] = waits.percentiles(*PERCENTILES.values())
        return head


class _OpenBin:
    """A bin to which samples, or bins of the level below, are still added."""

    def __init__(self) -> None:
        self.waits = Histogram()
        self.begin(-1)

    def begin(self, key: int) -> None:
        """Start the bin of number `key`, empty."""
        self.key = key
        self.parts: list[Numbers] = []
        self.waits.clear()

    def add(self, part: Numbers, waits: Durations) -> None:
        """Add the next part."""
        self.parts.append(part)
        self.waits.merge(waits)

    def figures(self) -> Numbers:
        """Return the bin of what was added."""
        bin_ = _merged(self.parts)
        bin_[WAITS] = self.waits.percentiles(*PERCENTILES.values())
        return bin_


class _Resolution:
    """The newest bins of one level, a column each; one that `grows` keeps them all."""

    def __init__(self, room: int, *, grows: bool) -> None:
        # Memory that is never written to costs nothing, so all of it is allocated at once.
        self._bins = np.empty((HEIGHT, room))
        self._count = 0
        self._grows = grows

    @property
    def newest(self) -> float:
        """End of the last bin in seconds since the start; 0 before the first."""
        return float(self._bins[T, (self._count - 1) % self._room]) if self._count else 0.0

    @property
    def _room(self) -> int:
        return int(self._bins.shape[1])

    def put(self, bin_: Numbers, *, replace_newest: bool = False) -> None:
        """Add a bin, after the newest or in its place."""
        if replace_newest:
            self._count -= 1
        if self._grows and self._count == self._room:
            self._bins = np.concatenate((self._bins, np.empty_like(self._bins)), axis=1)
        self._bins[:, self._count % self._room] = bin_
        self._count += 1

    def has(self, time: float) -> bool:
        """Whether every bin from `time` on is still there, and one before them."""
        return self._count <= self._room or bool(self._bins[T, self._count % self._room] <= time)

    def cut(self, start: float, end: float) -> tuple[Numbers, bool]:
        """Return the bins that end in [start, end] and one at each side, and whether the open bin
        would belong to them too."""
        turn = self._count % self._room
        older = self._bins[:, turn:] if self._count >= self._room else self._bins[:, :0]
        newer = self._bins[:, :turn]
        kept = int(older.shape[1])

        def place(time: float, side: Literal["left", "right"]) -> int:
            if kept and time <= older[T, -1]:
                return int(np.searchsorted(older[T], time, side=side))
            return kept + int(np.searchsorted(newer[T], time, side=side))

        first, past = max(place(start, "left") - 1, 0), place(end, "right")
        last = past + 1
        bins = np.concatenate(
            (older[:, first:last], newer[:, max(first - kept, 0) : max(last - kept, 0)]), axis=1
        )
        return bins, past == kept + turn


def _merged(parts: list[Numbers]) -> Numbers:
    """Return successive bins merged into one, without its percentiles."""
    return parts[0].copy() if len(parts) == 1 else merged(np.array(parts).T, [0])[:, 0]


def is_near(limit: Numbers, reach: float) -> bool:
    """Whether a limit is to be in the picture of curves that reach so high; of one that is far
    above them nothing would be left."""
    known = limit[np.isfinite(limit)]
    return not len(known) or float(known.max()) <= FAR * max(reach, _LOW)


def no_view() -> View:
    """Return a view of nothing."""
    return as_view(np.empty((HEIGHT, 0)), TICK)


def as_view(bins: Numbers, width: float) -> View:
    """Return bins as a view."""
    rows = len(LEVELS)
    levels = {
        name: Band(
            low=bins[LOWS.start + row],
            mean=bins[MEANS.start + row],
            high=bins[HIGHS.start + row],
        )
        for row, name in enumerate(LEVELS)
    }
    lines = {"capacity": bins[CAPACITY], "server_budget": bins[BUDGET]}
    lines |= zip(("server_active", "server_total"), bins[SERVER], strict=True)
    lines |= zip(PERCENTILES, bins[WAITS], strict=True)
    lines |= zip(RATES, bins[MEANS][rows:], strict=True)
    lines |= zip(AGES, (bins[OLDEST], bins[MEAN_AGE]), strict=True)
    return View(t=bins[T], bin=width, levels=levels, lines=lines)
