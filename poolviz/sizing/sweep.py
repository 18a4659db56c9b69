"""A sweep: one run during which a limit is set to one size after the other, in random blocks.

Sizes are measured at least three times each, in an order that is drawn anew for each block, so that
a machine that becomes slower isn't taken for an effect of the size. Then sizes between those around
the knee are measured too, and what is left of the budget goes to where it is least known.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from time import monotonic
from typing import Any

from poolviz.language import tr
from poolviz.load.fleet import processes_of
from poolviz.model.errors import PoolvizError
from poolviz.model.messages import ChangeRefused, Report
from poolviz.model.sample import Sample
from poolviz.model.scenario import Scenario
from poolviz.pools.registry import pool_class
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.sweep_record import KeptObservation, KeptVisit
from poolviz.sizing.points import MeasuredPoint, measured_points
from poolviz.sizing.swept_limits import Range, in_order, limits_at

BLOCKS = 3
SHORTEST_VISIT, LONGEST_VISIT = 2.5, 10.0  # seconds
_REFINEMENTS = 2
_BY_BLOCKS = 0.6  # of the budget for the sizes that are tried first
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

    `allowed` has the values of the swept limits that the run may be given. After `measure`, or
    when that was cancelled, `points` returns what was measured.
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
        self._began = monotonic()

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
        self._began = monotonic()
        sizes = [tuple(each) for each in product(*(swept.values() for swept in self.ranges))]
        length = self.budget * _BY_BLOCKS / (BLOCKS * len(sizes))
        length = min(max(length, SHORTEST_VISIT), LONGEST_VISIT)
        self._measure_blocks(sizes, length)
        for _ in range(_REFINEMENTS):
            if between := self._around_the_knee():
                self._measure_blocks(between, length)
        while self.budget - (monotonic() - self._began) > length and (vague := self._vaguest()):
            self._visit(vague, length)

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

    def _measure_blocks(self, sizes: Sequence[Sizes], length: float) -> None:
        for _ in range(BLOCKS):
            for each in self._random.sample(sizes, len(sizes)):
                self._visit(each, length)

    def _visit(self, sizes: Sizes, length: float) -> None:
        """Have the limits in force, and let the run go on with them for `length` seconds. A visit
        during which a pause began is made again after it."""
        while True:
            self._wait_for_pause()
            done = monotonic() - self._began
            self.on_progress(Progress(sizes, len(self.visits) + 1, done, self.budget))
            self._put_in_force(sizes)
            begin = max((each.t for each in self._newest()), default=0.0)
            while self._recorder.duration - begin < length and not self._pausing.is_set():
                self._wait_shortly()
            if not self._pausing.is_set():
                break
        self._newest()  # all of them are there
        end = self._recorder.duration
        self.visits.append(KeptVisit(sizes, self._connections(sizes), begin, end))
        self.on_measured(self)

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
        since, load = monotonic(), self.scenario.load
        key = "rate" if load["arrivals"] == "open" else "clients"
        self.run.change(key, 0)
        self._idle = True
        try:
            while self._pausing.is_set():
                self._wait_shortly()
        finally:
            self._idle = False
            self._began += monotonic() - since
        self.run.change(key, load[key])

    def _in_force(self) -> bool:
        """Whether the newest sample of every process has the limits that are wanted, and no more
        connections."""
        capacity = self._pool.capacity(self._now)
        newest = self._newest()
        return bool(newest) and all(
            each.limits == self._now
            and each.load == self.scenario.load
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
        """Return the size whose throughput is least known for what it is; None if all are known
        within 2.5 %."""
        widths: dict[Sizes, float] = {}
        for each in self.points():
            rate = each.point.throughput_per_s
            if rate.low is None or rate.high is None or not rate.value:
                widths[each.point.sizes] = 1.0
            else:
                widths[each.point.sizes] = (rate.high - rate.low) / 2 / rate.value
        vague = max(widths, key=lambda sizes: widths[sizes])
        return vague if widths[vague] > 0.025 else None
