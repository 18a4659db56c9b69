"""Segments in steps and in batches: what their settled figures and the spread of these are made of.

A segment has up to 120 steps of at least five samples. The first of them, until throughput and
waiting clients have settled, are left out; the others are joined into up to 30 batches of at least
half a second, long enough that one says little of the next.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolviz.language import tr_noop
from poolviz.model.histogram import BUCKETS, MIDDLES
from poolviz.model.sample import TICK
from poolviz.sessions.bins import Numbers
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.statistics import settled_from

SHORTEST_BATCH = 0.5  # seconds
FEWEST_BATCHES = 5  # of which an interval is made
_MOST_BATCHES = 30
_MOST_STEPS = 120
_SHORTEST_STEP = 5 * TICK
_BEYOND = 10  # waits above a percentile, at least

RULE = tr_noop(
    "The time after a change until throughput and waiting clients have settled is left out, by "
    "MSER-5: at most half of a segment; nothing after a fault that happens once, because that time "
    "shows what it did. 95 % intervals are those of a bootstrap over up to 30 batches of at least "
    "0.5 s, widened for few batches and for what one says of the next, as much as batches of that "
    "length, of twice and of four times it show. A difference is clear if "
    "zero isn't in its interval, and it is at least 2 %, and 0.1 ms of a time or 0.05 of a count."
)

_AREAS = ("used", "open", "pending")
_SHARES = {"wait_p50_s": 0.50, "wait_p95_s": 0.95, "wait_p99_s": 0.99}
_RATIOS = {
    "throughput_per_s": ("operations", "seconds"),
    "wait_mean_s": ("wait_total", "waits"),
    "use_mean_s": ("use_total", "uses"),
    "used_mean": ("used", "seconds"),
    "open_mean": ("open", "seconds"),
    "pending_mean": ("pending", "seconds"),
    "timeouts_per_s": ("timeouts", "seconds"),
    "errors_per_s": ("errors", "seconds"),
}
FIGURES = ("throughput_per_s", *_SHARES, *list(_RATIOS)[1:])
_SUMS = tuple(dict.fromkeys(name for pair in _RATIOS.values() for name in pair))


def is_time(figure: str) -> bool:
    """Whether a figure is a time, in seconds."""
    return figure.startswith(("wait_", "use_"))


def is_percentile(figure: str) -> bool:
    """Whether a figure is read from a histogram, within 1 %."""
    return figure in _SHARES


@dataclass(frozen=True)
class Batches:
    """Successive batches. `sums` holds by name what was counted in each; `cells` how many waits
    each has in the histogram's `buckets`. Batches of several segments are `strata`: how many of
    them are of the same one."""

    sums: dict[str, Numbers]
    buckets: NDArray[np.int64]
    cells: Numbers
    strata: tuple[int, ...]

    @classmethod
    def joined(cls, parts: Sequence[Batches]) -> Batches:
        """Return the batches of all parts, which are at least one."""
        buckets = np.unique(np.concatenate([part.buckets for part in parts]))
        cells = np.zeros((sum(len(part) for part in parts), len(buckets)))
        row = 0
        for part in parts:
            cells[row : row + len(part), np.searchsorted(buckets, part.buckets)] = part.cells
            row += len(part)
        sums = {name: np.concatenate([part.sums[name] for part in parts]) for name in _SUMS}
        return cls(sums, buckets, cells, tuple(n for part in parts for n in part.strata))

    def __len__(self) -> int:
        return sum(self.strata)

    @property
    def freedom(self) -> int:
        """The degrees of freedom that an interval has."""
        return len(self) - len(self.strata)

    def longer(self, times: int) -> Batches:
        """Return batches of which each joins `times` successive ones of a segment, or a few more
        where their number makes it so."""
        strata = tuple(max(count // times, 1) for count in self.strata)
        firsts = np.cumsum((0, *self.strata[:-1]))
        starts = np.concatenate(
            [
                first + np.arange(made) * count // made
                for first, made, count in zip(firsts, strata, self.strata, strict=True)
            ]
        )
        sums = {name: np.add.reduceat(values, starts) for name, values in self.sums.items()}
        return Batches(sums, self.buckets, np.add.reduceat(self.cells, starts), strata)

    def total(self, name: str) -> float:
        """Return a sum over all batches."""
        return float(self.sums[name].sum())

    def enough(self, figure: str) -> bool:
        """Whether so much was counted that the figure says something of what it was."""
        share = _SHARES.get(figure)
        if share is not None:
            return self.total("waits") * (1 - share) >= _BEYOND * (1 - 1e-9)
        return self.total(_RATIOS[figure][1]) > 0

    def figures(self, weights: Numbers) -> dict[str, Numbers]:
        """Return every figure of each row of `weights`, which says how often it has each batch; NaN
        where nothing is counted for it."""
        sums = {name: weights @ values for name, values in self.sums.items()}
        found = dict(zip(_SHARES, self._percentiles(weights), strict=True))
        with np.errstate(divide="ignore", invalid="ignore"):
            for name, (counted, over) in _RATIOS.items():
                found[name] = np.where(sums[over] > 0, sums[counted] / sums[over], math.nan)
        return found

    def _percentiles(self, weights: Numbers) -> list[Numbers]:
        if not len(self.buckets):
            return [np.full(len(weights), math.nan)] * len(_SHARES)
        up_to = weights @ np.cumsum(self.cells, axis=1)
        counted = up_to[:, -1]
        found = []
        for share in _SHARES.values():
            ranks = np.maximum(np.ceil(share * counted * (1 - 1e-12)), 1)
            places = (up_to >= ranks[:, np.newaxis]).argmax(axis=1)
            found.append(np.where(counted > 0, MIDDLES[self.buckets[places]], math.nan))
        return found


@dataclass(frozen=True)
class Steps:
    """The steps of a segment in which anything was sampled, at least one. `begins` and `ends` are
    their bounds in seconds since the start of the run."""

    begins: Numbers
    ends: Numbers
    sums: dict[str, Numbers]
    buckets: NDArray[np.int64]
    cells: Numbers

    def __len__(self) -> int:
        return len(self.begins)

    def settled(self) -> int:
        """Return from which step on the segment has settled."""
        seconds = np.maximum(self.sums["seconds"], 1e-9)
        return max(settled_from(self.sums[name] / seconds) for name in ("operations", "pending"))

    def batches(self, first: int = 0) -> Batches:
        """Return the steps from number `first` on in batches, which are at least one."""
        left = len(self) - first
        length = float(self.sums["seconds"][first:].sum())
        count = min(_MOST_BATCHES, left, int(length / SHORTEST_BATCH * (1 + 1e-6)))
        starts = first + np.arange(max(count, 1)) * left // max(count, 1)
        sums = {name: np.add.reduceat(values, starts) for name, values in self.sums.items()}
        return Batches(sums, self.buckets, np.add.reduceat(self.cells, starts), (len(starts),))


def steps_of(
    parts: Iterable[Columns], ends: Sequence[float], start: float = 0.0
) -> Iterator[Steps]:
    """Yield the steps of each segment, of which `ends` are the ends in seconds; the first one
    begins at `start`. What was sampled
    after the load had ended is left out, and so are samples after the last segment."""
    bounds = np.asarray(ends, dtype=np.float64)
    builder = _Builder(start, ends[0]) if ends else None
    number = 0
    for part in parts:
        places = np.searchsorted(bounds, part["t"], side="left")
        places[part["ending"] > 0] = len(ends)
        cells = np.concatenate(([0], np.cumsum(part["wait.filled"])))
        turns = np.flatnonzero(np.diff(places)) + 1
        for begin, end in zip([0, *turns], [*turns, part.count], strict=True):
            place = int(places[begin])
            if builder is None or not number <= place < len(ends):
                continue
            while number < place:
                yield builder.steps()
                builder, number = _Builder(ends[number], ends[number + 1]), number + 1
            builder.add(part, slice(begin, end), slice(int(cells[begin]), int(cells[end])))
    if builder is not None:
        yield builder.steps()
        for begin, end in pairwise(ends[number:]):
            yield _Builder(begin, end).steps()


class _Builder:
    """Sums up the samples of one segment in its steps."""

    def __init__(self, begin: float, end: float) -> None:
        length = max(end - begin, 0.0)
        self._count = min(max(int(length / _SHORTEST_STEP * (1 + 1e-6)), 1), _MOST_STEPS)
        self._begin, self._width = begin, max(length / self._count, TICK)
        self._sums = {name: np.zeros(self._count) for name in _SUMS}
        self._begins = np.full(self._count, math.inf)
        self._ends = np.full(self._count, -math.inf)
        self._cells = np.zeros(self._count * BUCKETS)

    def add(self, part: Columns, rows: slice, cells: slice) -> None:
        """Add successive samples, and the cells of their waits."""
        t, spans = part["t"][rows], part["span"][rows]
        middle = (t - spans / 2 - self._begin) / self._width
        step = np.clip(np.nan_to_num(middle), 0, self._count - 1).astype(np.int64)
        np.minimum.at(self._begins, step, t - spans)
        np.maximum.at(self._ends, step, t)
        for name, values in self._values(part, rows, spans):
            self._sums[name] += np.bincount(step, values, self._count)
        found = part["wait.cells"][cells]
        if len(found):
            of_cells = np.repeat(step, part["wait.filled"][rows])
            keys = of_cells * BUCKETS + found["bucket"]
            self._cells += np.bincount(keys, found["count"], len(self._cells))

    def _values(self, part: Columns, rows: slice, spans: Numbers) -> Iterator[tuple[str, Any]]:
        yield "seconds", spans
        yield "operations", part["operations"][rows]
        yield "timeouts", part["timeouts"][rows]
        yield "waits", part["wait.count"][rows]
        yield "wait_total", part["wait.total"][rows]
        yield "uses", part["use.count"][rows]
        yield "use_total", part["use.total"][rows]
        for name in _AREAS:
            yield name, part[f"{name}.mean"][rows] * spans
        errors = np.zeros(len(spans))
        for number, counts in part.rare.get("errors", {}).items():
            if rows.start <= number < rows.stop:
                errors[number - rows.start] = sum(counts.values())
        yield "errors", errors

    def steps(self) -> Steps:
        """Return the steps in which there are samples."""
        some = self._sums["seconds"] > 0
        if not some.any():  # one that is empty
            some[0], self._begins[0], self._ends[0] = True, self._begin, self._begin
        table = self._cells.reshape(self._count, BUCKETS)[some]
        buckets = np.flatnonzero(table.any(axis=0))
        return Steps(
            self._begins[some],
            self._ends[some],
            {name: values[some] for name, values in self._sums.items()},
            buckets,
            table[:, buckets],
        )
