"""A sweep: one run during which a limit is set to one size after the other, in random blocks.

Sizes are measured at least three times each, in an order that is drawn anew for each block, so that
a machine that becomes slower isn't taken for an effect of the size. Then sizes between those around
the knee are measured too, and what is left of the budget goes to where it is least known. A budget
that is short for that has fewer sizes measured, not shorter times.
"""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from time import monotonic
from typing import Any

from poolviz.language import tr
from poolviz.load.fleet import processes_of
from poolviz.load.spacings import spacing_class
from poolviz.model.errors import PoolvizError
from poolviz.model.messages import ChangeRefused, Report
from poolviz.model.parameters import Value
from poolviz.model.sample import Sample
from poolviz.model.scenario import Scenario
from poolviz.pools.registry import pool_class
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.statistics import Interval
from poolviz.sessions.sweep_record import KeptObservation, KeptVisit
from poolviz.sizing.points import MeasuredPoint, measured_points
from poolviz.sizing.swept_limits import Range, in_order, limits_at

BLOCKS = 3
SHORTEST_VISIT, LONGEST_VISIT = 2.0, 10.0  # seconds
_LEAST = 1.0  # seconds of a measurement where the budget allows no longer one
_FEWEST_SIZES = 3
_CHANGE = 0.25  # seconds until other limits are in force, at first
_AFTERWARDS = 2.0  # seconds of the budget for the end of the run and the answer
_REFINEMENTS = 2
_BY_BLOCKS = 0.6  # of the budget for the sizes that are tried first
_KNOWN, _KNOWN_WAIT = 0.025, 0.10  # half an interval: of the throughput, and of the wait's p95
_WAIT_COUNTS = 1e-3  # seconds from which on a wait is that of a queue
_MOST_VAGUE = 4.0  # times as vague as it should be: waits may be more, and never become known
_DRAINED_LIMIT = 10.0  # seconds for requests that wait to be served, before the next size
_NEAR = 0.95  # of the best throughput: there the knee is
_LOOK = 0.05  # seconds between two looks at the run
_IN_FORCE_LIMIT = 30.0  # seconds for a change of limits to be in force
_logger = logging.getLogger(__name__)

Sizes = tuple[int, ...]


class SweepCancelled(PoolvizError):
    """A sweep was cancelled; what was measured until then is kept."""

    def __init__(self) -> None:
        super().__init__(tr("The sweep was cancelled."))


@dataclass(frozen=True)
class Progress:
    """How far a sweep is: which size is measured, and how much time is left of the budget."""

    sizes: Sizes
    visit: int
    done_s: float
    budget_s: float


class Refusals:
    """Hears of a run (a `RunListener`): keeps why a change was refused. Called from the engine's
    reader thread; `last` is read by the sweep's."""

    def __init__(self, listener: Any) -> None:
        self._listener = listener
        self.last = ""

    def progressed(self, sentence: str) -> None:
        """Pass it on."""
        self._listener.progressed(sentence)

    def warned(self, warning: Any) -> None:
        """Pass it on."""
        self._listener.warned(warning)

    def reported(self, run: Run, report: Report) -> None:
        """Keep a refusal, and pass everything on."""
        if isinstance(report, ChangeRefused):
            self.last = report.reason
        self._listener.reported(run, report)


@dataclass
class Sweep:
    """Measures sizes in a run that has begun, called by one thread; `cancel`, `pause` and `go_on`
    by any.

    `budget` are seconds from `since` on, a reading of the monotonic clock, in which all is to be
    over but for pauses. After `measure`, or when that was cancelled, `points` returns what was
    measured.
    """

    runner: Runner
    run: Run
    refusals: Refusals
    ranges: Sequence[Range]
    budget: float
    seed: int
    observed: Callable[[], Sequence[KeptObservation]]
    on_progress: Callable[[Progress], None]
    on_measured: Callable[[Sweep], None]
    since: float
    visits: list[KeptVisit] = field(default_factory=list)

    def __post_init__(self) -> None:
        scenario = self.run.scenario
        self._processes = processes_of(scenario.fleet)
        self._pool, self._limits = pool_class(scenario.pool), dict(scenario.limits)
        self._now = dict(scenario.limits)
        self._keys = [each.key for each in self.ranges]
        self._random = random.Random(self.seed)
        self._cancelled = threading.Event()
        self._pausing = threading.Event()
        self._idle = False
        self._load = dict(scenario.load)
        self._change = _CHANGE  # seconds until other limits are in force

    @property
    def scenario(self) -> Scenario:
        """What runs."""
        return self.run.scenario

    def cancel(self) -> None:
        """End the sweep at the next look. May be called from any thread."""
        self._cancelled.set()

    def pause(self) -> None:
        """Stop the load at the next look, until `go_on`. The size that is measured then is measured
        anew. May be called from any thread."""
        self._pausing.set()

    def go_on(self) -> None:
        """Go on after a pause. May be called from any thread."""
        self._pausing.clear()

    @property
    def idle(self) -> bool:
        """The load is stopped for a pause. May be read by any thread."""
        return self._idle

    def measure(self) -> None:
        """Measure all sizes. SweepCancelled if it was cancelled, PoolvizError if the run ended."""
        # What is changed before the load starts has no effect.
        while len(self._newest()) < self._processes:
            self._wait_shortly()
        # What starting took is part of the budget, but leaves at least half of it.
        self.since = max(self.since, monotonic() - self.budget / 2)
        sizes = affordable(self.ranges, self._left)
        self._measure_blocks(sizes, _BY_BLOCKS * self._left)
        for number in range(_REFINEMENTS):
            between = self._around_the_knee()
            share = self._left / (_REFINEMENTS + 1 - number)
            if between and share >= BLOCKS * len(between) * (SHORTEST_VISIT + self._change):
                self._measure_blocks(between, share)
        while self._left - self._change > _LEAST and (vague := self._vaguest()):
            usual = min(max(self._left / 4, SHORTEST_VISIT), LONGEST_VISIT)
            rest = self._left - self._change
            self._visit(vague, rest if rest < usual + SHORTEST_VISIT else usual)

    def points(self) -> list[MeasuredPoint]:
        """Return what was measured so far."""
        return measured_points(self._recorder, self.visits, self.observed())

    @property
    def _recorder(self) -> Recorder:
        assert self.run.recorder is not None
        return self.run.recorder

    def _connections(self, sizes: Sizes) -> int:
        limits = limits_at(self._pool, self._limits, self._keys, sizes)
        capacity = self._pool.capacity(limits)
        assert capacity is not None
        return capacity

    @property
    def _left(self) -> float:
        """How many seconds of the budget are left for measuring."""
        return self.budget - _AFTERWARDS - (monotonic() - self.since)

    def _measure_blocks(self, sizes: Sequence[Sizes], seconds: float) -> None:
        """Measure sizes in random order, each as often as there are blocks, in so many seconds."""
        end, number = self._left - seconds, BLOCKS * len(sizes)
        for _ in range(BLOCKS):
            for each in self._random.sample(sizes, len(sizes)):
                length = (self._left - end) / number - self._change
                # The last measurement of all isn't longer than what is left.
                least = min(SHORTEST_VISIT, self._left / number - self._change)
                self._visit(each, min(max(length, least, _LEAST), LONGEST_VISIT))
                number -= 1

    def _visit(self, sizes: Sizes, length: float) -> None:
        """Have the limits in force, and let the run go on with them for `length` seconds. A visit
        during which a pause began is made again after it."""
        while True:
            self._wait_for_pause()
            asked = monotonic()
            done = asked - self.since
            self.on_progress(Progress(sizes, len(self.visits) + 1, done, self.budget))
            self._drain()
            self._put_in_force(sizes)
            self._change = 0.7 * self._change + 0.3 * min(monotonic() - asked, LONGEST_VISIT)
            begin = max((each.t for each in self._newest()), default=0.0)
            while self._recorder.duration - begin < length and not self._pausing.is_set():
                self._wait_shortly()
            if not self._pausing.is_set():
                break
        self._newest()  # all of them are there
        end = self._recorder.duration
        self.visits.append(KeptVisit(sizes, self._connections(sizes), begin, end))
        self.on_measured(self)

    def _drain(self) -> None:
        """Have requests served that a size was too small for, so that the next one doesn't begin
        with them: with the highest limits, and no further requests meanwhile."""
        few = self._pool.capacity(self._now) or 0
        if self._load["arrivals"] != "open" or self._waiting <= few:
            return
        key = spacing_class(self._load).rate_key
        rate = self._load[key]
        self._change_load(key, 0)
        self._put_in_force(tuple(each.high for each in self.ranges))
        limit = monotonic() + _DRAINED_LIMIT
        while self._waiting and monotonic() < limit:
            self._wait_shortly()
        self._change_load(key, rate)

    @property
    def _waiting(self) -> int:
        """How many requests wait, in the process that has the most."""
        return max((each.pending.last + each.backlog.last for each in self._newest()), default=0)

    def _change_load(self, key: str, value: Value) -> None:
        self.run.change(key, value)
        self._load[key] = value

    def _put_in_force(self, sizes: Sizes) -> None:
        wanted = limits_at(self._pool, self._limits, self._keys, sizes)
        self.refusals.last = ""
        for key, value in in_order(self._pool, self._now, wanted):
            self.run.change(key, value)
        self._now = wanted
        limit = monotonic() + _IN_FORCE_LIMIT
        while not self._in_force():
            self._wait_shortly()
            if not self._newest():
                limit = monotonic() + _IN_FORCE_LIMIT  # the load hasn't started yet
            if self.refusals.last:
                raise PoolvizError(
                    tr("The pool refused a size: {reason}", reason=self.refusals.last)
                )
            if monotonic() > limit:
                raise PoolvizError(
                    tr("The pool didn't take {sizes} within 30 s.", sizes=self._said(sizes))
                )

    def _wait_for_pause(self) -> None:
        """Stop the load while there is a pause; that time isn't counted."""
        if not self._pausing.is_set():
            return
        since = monotonic()
        key = spacing_class(self._load).rate_key if self._load["arrivals"] == "open" else "clients"
        before = self._load[key]
        self._change_load(key, 0)
        self._idle = True
        try:
            while self._pausing.is_set():
                self._wait_shortly()
        finally:
            self._idle = False
            self.since += monotonic() - since
        self._change_load(key, before)

    def _in_force(self) -> bool:
        """Whether the newest sample of every process has the limits that are wanted, and no more
        connections."""
        capacity = self._pool.capacity(self._now)
        newest = self._newest()
        return bool(newest) and all(
            each.limits == self._now
            and each.load == self._load
            and (capacity is None or each.open.last <= capacity)
            for each in newest
        )

    def _newest(self) -> list[Sample]:
        """Return the newest sample of each process that has begun. PoolvizError if one has ended
        though the run goes on: what the others measure is another load."""
        recorder = self._recorder
        if self._processes == 1 and not recorder.members:
            return [] if recorder.last is None else [recorder.last]
        members = [recorder.member(name) for name in recorder.members]
        if any(each.ended is not None for each in members) and not self.run.stop_asked:
            raise PoolvizError(tr("One of the processes has ended."))
        return [each.last for each in members if each.last is not None]

    def _wait_shortly(self) -> None:
        """Wait for a moment. Raises if the sweep was cancelled, or the run is over."""
        if self._cancelled.is_set() or self.run.stop_asked:
            raise SweepCancelled
        if self.runner.wait(self.run, _LOOK):
            ended = self.run.ended
            reason = ended.failure if ended is not None else ""
            raise PoolvizError(reason or tr("The run ended before every size was measured."))

    def _said(self, sizes: Sizes) -> str:
        return ", ".join(f"{key}={size}" for key, size in zip(self._keys, sizes, strict=True))

    def _around_the_knee(self) -> list[Sizes]:
        """Return sizes between the smallest one that is nearly the best and its neighbours."""
        if len(self.ranges) > 1:
            return []  # a grid is measured as it is
        rates = {
            each.point.sizes[0]: each.point.throughput_per_s.value or 0.0 for each in self.points()
        }
        known = sorted(rates)
        best = max(rates.values())
        knee = next(size for size in known if rates[size] >= _NEAR * best)
        place = known.index(knee)
        around = known[max(place - 1, 0) : place + 2]
        between = {(low + high) // 2 for low, high in pairwise(around)}
        return [(size,) for size in sorted(between - set(known))]

    def _vaguest(self) -> Sizes | None:
        """Return the size of which least is known; None if throughput is known within 2.5 % and the
        wait's p95 within 10 %, wherever there is a queue."""
        found: dict[Sizes, float] = {}
        for each in self.points():
            rate, wait = each.point.throughput_per_s, each.point.wait_p95_s
            queues = wait.value is not None and wait.value >= _WAIT_COUNTS
            vague = _width(wait) / _KNOWN_WAIT if queues else 0.0
            found[each.point.sizes] = max(_width(rate) / _KNOWN, min(vague, _MOST_VAGUE))
        vaguest = max(found, key=lambda sizes: found[sizes])
        return vaguest if found[vaguest] > 1 else None


def affordable(ranges: Sequence[Range], seconds: float) -> list[Sizes]:
    """Return the sizes that a sweep begins with: as many as there is time for."""
    values = [list(swept.values()) for swept in ranges]
    most = seconds / (BLOCKS * (SHORTEST_VISIT + _CHANGE))
    while math.prod(map(len, values)) > most:
        longest = max(values, key=len)
        if len(longest) <= (_FEWEST_SIZES if len(values) == 1 else 2):
            break
        del longest[_densest(longest)]
    return [tuple(each) for each in product(*values)]


def _width(figure: Interval) -> float:
    """Return half of an interval as a share of its figure; 1 if that isn't known."""
    if figure.low is None or figure.high is None or not figure.value:
        return 1.0
    return (figure.high - figure.low) / 2 / figure.value


def _densest(values: Sequence[int]) -> int:
    """Return the place of the value between the first and the last that is nearest to both of its
    neighbours, in proportion."""

    def apart(place: int) -> float:
        return (values[place + 1] + 1) / (values[place - 1] + 1)  # a limit may be 0

    return min(range(1, len(values) - 1), key=apart)
