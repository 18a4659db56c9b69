"""Whether what a session file says can be: a file from elsewhere may hold anything.

What fails here would make figures meaningless or have no end: times that don't rise, counts below
zero, histograms that contradict themselves. What a pool itself reports, and how many connections
its limits allow, isn't checked: a pool of the user's may say anything, and its session must open.
Each check raises Damage, which says where.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray

from poolviz.language import tr
from poolviz.model.histogram import BUCKETS, CELL, Durations
from poolviz.model.messages import RunStarted
from poolviz.model.sample import Level, Mark, PoolerView, Sample
from poolviz.sessions.file.format import Damage

_LATEST = 250_000_000_000.0  # Unix time, in the year 9892
_LONGEST = 320_000_000.0  # seconds, ten years
_SHORTEST = 1e-9  # seconds, the clock's unit
_MOST = 1e15  # of any count


def _fields(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(Sample) if field.type is kind)


_COUNTS = tuple(name for name in _fields(int) if name not in ("index", "segment"))
_LEVELS, _HISTOGRAMS = _fields(Level), _fields(Durations)


def check_start(began: RunStarted) -> None:
    """Raise Damage if a run can't have begun so."""
    if not 0 <= began.started <= _LATEST:
        raise Damage(
            tr("its run began at {started:g} s, which is no Unix time", started=began.started)
        )
    scenario = began.scenario
    for seconds in (scenario.duration or 0.0, *(change.at for change in scenario.changes)):
        if not 0 <= seconds < math.inf:
            raise Damage(tr("its scenario has a time of {seconds:g} s", seconds=seconds))


def check_mark(mark: Mark, number: int) -> None:
    """Raise Damage if a mark can't stand where it does."""
    if not 0 <= mark.t <= _LONGEST:
        raise Damage(tr("mark {number} is at {t:g} s", number=number, t=mark.t))


def check_samples(samples: Sequence[Sample], first: int, before: Sample | None) -> None:
    """Raise Damage if one of successive samples can't be, or can't follow the one before.

    `first` is the number of the first one, and `before` the sample that precedes it. Many are
    checked at once, which takes a few microseconds for each.
    """
    _check_order(samples, first, before)
    _check_numbers(samples, first)
    for name in _LEVELS:
        _check_levels(name, [getattr(sample, name) for sample in samples], first)
    for name in _HISTOGRAMS:
        _check_histograms(name, [getattr(sample, name) for sample in samples], first)
    for sample, number in zip(samples, range(first, first + len(samples)), strict=True):
        _check_words(sample, number)


def _check_order(samples: Sequence[Sample], first: int, before: Sample | None) -> None:
    last = before
    for number, sample in enumerate(samples, start=first):
        earlier = (-1, 0.0, 0) if last is None else (last.index, last.t, last.segment)
        span_can_be = sample.span == 0 or _SHORTEST <= sample.span <= _LONGEST
        if not (earlier[1] <= sample.t <= _LONGEST and span_can_be):
            raise Damage(
                tr(
                    "sample {number} is at {t:g} s and lasted {span:g} s, after one at "
                    "{earlier:g} s",
                    number=number,
                    t=sample.t,
                    span=sample.span,
                    earlier=earlier[1],
                )
            )
        numbers_can_be = earlier[0] < sample.index < _MOST and sample.segment < _MOST
        if not numbers_can_be or sample.segment < earlier[2]:
            raise Damage(tr("sample {number} is out of order", number=number))
        last = sample


def _check_numbers(samples: Sequence[Sample], first: int) -> None:
    what = tr("has a count that can't be")
    counts = [[getattr(sample, name) for name in _COUNTS] for sample in samples]
    _check_range(np.array(counts, dtype=np.float64), first, what)
    others = [(s.cpu, s.lag, s.oldest_age, s.mean_age) for s in samples]
    _check(np.isfinite(np.array(others, dtype=np.float64)), first, what)


def _check_levels(name: str, levels: Sequence[Level], first: int) -> None:
    table = np.array([(e.last, e.low, e.high, e.mean) for e in levels], dtype=np.float64)
    what = tr("has a count of {name} that can't be", name=name)
    _check(np.abs(table) <= _MOST, first, what)
    _check(table[:, 1] <= table[:, 2], first, what)


def _check_histograms(name: str, histograms: Sequence[Durations], first: int) -> None:
    what = tr("has {name} times that can't be", name=name)
    table = np.array([(h.count, h.total, h.low, h.high) for h in histograms], dtype=np.float64)
    _check_range(table, first, what)
    sizes = np.array([len(h.cells) for h in histograms], dtype=np.int64)
    _check(sizes % CELL.itemsize == 0, first, what)
    cells = np.frombuffer(b"".join(h.cells for h in histograms), dtype=CELL)
    filled = sizes // CELL.itemsize
    owner = np.repeat(np.arange(len(histograms)), filled)
    counted = np.bincount(owner, weights=cells["count"], minlength=len(histograms))
    wrong = owner[cells["bucket"] >= BUCKETS]
    right = (counted == table[:, 0]) & (table[:, 2] <= table[:, 3])
    right[wrong] = False
    # A bucket that is there twice would be counted once.
    rising = (np.diff(cells["bucket"].astype(np.int64)) > 0) | (np.diff(owner) > 0)
    right[owner[1:][~rising]] = False
    _check(right, first, what)


def _check_words(sample: Sample, number: int) -> None:
    counts: Iterable[float] = chain(
        sample.errors.values(),
        sample.timeout_names.values(),
        sample.per_client.values(),
        sample.longest_waits.values(),
        (kind.first for kind in sample.error_kinds),
        (count.count for count in sample.error_counts),
        (count.last for count in sample.error_counts),
    )
    clients = chain(sample.per_client, sample.longest_waits)
    if not (
        all(0 <= count <= _MOST for count in counts)
        and all(abs(client) <= _MOST for client in clients)
        and (sample.server is None or 0 <= sample.server.total <= _MOST)
        and (sample.pooler is None or all(0 <= n <= _MOST for n in _of_pooler(sample.pooler)))
    ):
        raise Damage(tr("sample {number} has a count that can't be", number=number))


def _of_pooler(view: PoolerView) -> Iterable[float]:
    """Return the numbers of a pooler's view that are there."""
    return (number for number in msgspec.structs.astuple(view) if number is not None)


def _check_range(table: NDArray[np.float64], first: int, what: str) -> None:
    _check((table >= 0) & (table <= _MOST), first, what)


def _check(right: NDArray[np.bool_], first: int, what: str) -> None:
    """Raise Damage that names the first sample of which anything is not right."""
    if not right.all():
        raise Damage(f"sample {first + int(np.nonzero(~right)[0].min())} {what}")
