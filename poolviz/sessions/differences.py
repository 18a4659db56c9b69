"""What differs between two parts of runs, with 95 % intervals: each figure of the one and of the
other, the difference, and whether it is clear."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import msgspec
import numpy as np

from poolviz.language import tr
from poolviz.model.parameters import both
from poolviz.sessions.batches import (
    FEWEST_BATCHES,
    FIGURES,
    SHORTEST_BATCH,
    Batches,
    is_percentile,
    is_time,
)
from poolviz.sessions.bins import Numbers
from poolviz.sessions.statistics import (
    NOT_KNOWN,
    Interval,
    blurs,
    interval,
    resamplings,
    widened,
    widest,
)

_SEED = 20_260_511  # so that a session always has the same intervals
_SMALLEST = 0.02  # of a figure: a bucket of the histograms; a smaller difference isn't named
_SHORTEST = 1e-4  # seconds: nor is one that is shorter; two runs differ by it on any machine
_LONGER = (2, 4)  # times the length of a batch, for what changes slowly
_LEAST_FREEDOM = 6
_FEWEST = 0.05  # connections or clients on average: nor is one that is smaller


class Outcome(StrEnum):
    """Whether two parts differ in a figure."""

    CLEAR = "clear"
    NOT_CLEAR = "no_clear_difference"
    TOO_FEW = "too_few_samples"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a run of which figures were made, from `from_s` to `to_s`, both seconds since its
    start. The `settling_s` before it are left out."""

    from_s: float
    to_s: float
    settling_s: float
    batches: int
    operations: int
    waits: int
    timeouts: int
    errors: int


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A figure before and after, or of a baseline and of another run. `change` is after − before,
    `relative` what that is of the figure before; None where that is zero. It is clear if zero
    isn't in the 95 % interval of `change`, and it is at least 2 %, and 0.1 ms of a time or 0.05 of
    a count."""

    figure: str
    outcome: Outcome
    before: Interval
    after: Interval
    change: Interval
    relative: Interval | None


@dataclass(frozen=True)
class Measured:
    """Batches of a part of a run, from `begin` to `end` in seconds, and how much before it was left
    out as `settling`. `seed` is that of the bootstrap: parts have different ones."""

    batches: Batches
    begin: float
    end: float
    settling: float
    seed: tuple[int, ...]

    @property
    def enough(self) -> bool:
        """Whether there are batches enough for intervals."""
        return self.batches.freedom >= FEWEST_BATCHES - 1

    @property
    def seconds(self) -> float:
        """How much was measured."""
        return self.batches.total("seconds")

    @cached_property
    def part(self) -> Part:
        """What is said of it."""
        counts = {
            name: round(self.batches.total(name))
            for name in ("operations", "waits", "timeouts", "errors")
        }
        return Part(
            from_s=self.begin,
            to_s=self.end,
            settling_s=self.settling,
            batches=len(self.batches),
            **counts,
        )

    @cached_property
    def figures(self) -> dict[str, Interval]:
        """Every figure with its interval; times in seconds."""
        return {name: self._interval(name) for name in FIGURES}

    def _interval(self, figure: str) -> Interval:
        value, replicates = self._values[figure], self.replicates[figure]
        if replicates is not None:
            return interval(value, replicates)
        return NOT_KNOWN if math.isnan(value) else Interval(value, None, None)

    @cached_property
    def replicates(self) -> dict[str, Numbers | None]:
        """Every figure's bootstrap, as wide as it has to be; None for too few samples."""
        strata = self.batches.strata
        if not self.enough:
            return dict.fromkeys(FIGURES)
        levels = [
            (level.figures(np.identity(len(level))), level.strata) for level in self._levels()
        ]
        drawn = self.batches.figures(resamplings(strata, (_SEED, *self.seed)))
        found: dict[str, Numbers | None] = {}
        for number, (name, value) in enumerate(self._values.items()):
            known = np.where(np.isnan(drawn[name]), value, drawn[name])
            if is_percentile(name):
                known *= blurs((_SEED, *self.seed, number))
            factor = widest([(figures[name], of) for figures, of in levels])
            enough = self.batches.enough(name)
            found[name] = widened(value, known, factor) if enough else None
        return found

    def _levels(self) -> Iterator[Batches]:
        """Yield the batches, and longer ones as long as they are enough to tell their spread."""
        yield self.batches
        for times in _LONGER:
            longer = self.batches.longer(times)
            if longer.freedom >= _LEAST_FREEDOM:
                yield longer

    @cached_property
    def _values(self) -> dict[str, float]:
        found = self.batches.figures(np.ones((1, len(self.batches))))
        return {name: float(found[name][0]) for name in FIGURES}


def differences(before: Measured, after: Measured) -> list[Difference]:
    """Return every figure of two parts, and what differs."""
    return [_difference(figure, before, after) for figure in FIGURES]


def too_few(before: Measured, after: Measured, names: Sequence[str] = ()) -> str:
    """Return in words which of two parts has too few samples; "" if neither has."""
    short = [
        tr("{seconds:.1f} s {which}", seconds=each.seconds, which=name)
        for name, each in zip(names or (tr("before"), tr("after")), (before, after), strict=True)
        if not each.enough
    ]
    if not short:
        return ""
    return tr(
        "too few samples: {short}, {needed:g} s needed",
        short=both(short),
        needed=FEWEST_BATCHES * SHORTEST_BATCH,
    )


def _difference(figure: str, before: Measured, after: Measured) -> Difference:
    first, second = before.figures[figure], after.figures[figure]
    was, is_ = before.replicates[figure], after.replicates[figure]
    if was is None or is_ is None or first.value is None or second.value is None:
        few = Outcome.TOO_FEW
        return Difference(
            figure=figure, outcome=few, before=first, after=second, change=NOT_KNOWN, relative=None
        )
    moved = second.value - first.value
    change = interval(moved, is_ - was)
    relative = None
    if first.value > 0 and (was > 0).all():
        relative = interval(moved / first.value, is_ / was - 1)
    assert change.low is not None and change.high is not None
    least = _SHORTEST if is_time(figure) else 0.0 if figure.endswith("_per_s") else _FEWEST
    large = abs(moved) >= max(_SMALLEST * max(first.value, second.value), least)
    clear = large and not change.low <= 0 <= change.high
    return Difference(
        figure=figure,
        outcome=Outcome.CLEAR if clear else Outcome.NOT_CLEAR,
        before=first,
        after=second,
        change=change,
        relative=relative,
    )
