"""A simulation of clients at a pool, driven by the times that were measured.

The queues of `queueing.py` and `losses.py` have exponential times. Those of real loads vary more or
less, on which percentiles of the wait depend. Here the same clients are simulated with their own
times: many copies of the pool side by side, of every size at once, an arrival of each at a step. A
client has one arrival that is due, and the earliest of all is the next one to be served; so the
steps follow the order in which a pool lends, which is that of arrival.

All sizes see the same random numbers, so that their differences are those of the size, and the same
question has the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolviz.sizing.queueing import Equilibrium, Numbers

Switches = NDArray[np.bool_]

MOST_CLIENTS = 200  # beyond it, chance hardly matters, and the formulas are quicker
_SEED = 20_261_128
_ARRIVALS = 60_000  # of each size
_CYCLES = 60  # of each client, a quarter of which are left out
_FEWEST_STEPS = 600
_FEWEST_COPIES, _MOST_COPIES = 4, 48
_OPEN_COPIES = 24
_SETTLING = 0.25  # of the steps
_DOUBLED = 6  # times at most
_SHORTEST = 1e-7  # of a pause in seconds, so that time goes on


@dataclass(frozen=True)
class Times:
    """How a time varies: `values` as multiples of its mean, and the probability of each."""

    values: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()

    def drawn(self, uniform: Numbers) -> Numbers:
        """Return the times, of mean 1, at these places of the distribution; exponential ones where
        nothing is known."""
        if not self.values:
            found: Numbers = -np.log1p(-uniform)
            return found
        places = np.searchsorted(np.cumsum(self.shares)[:-1], uniform, side="right")
        picked: Numbers = np.asarray(self.values)[places]
        return picked

    @property
    def variability(self) -> float:
        """The squared coefficient of variation: 1 for exponential times, 0 for constant ones."""
        if not self.values:
            return 1.0
        values, shares = np.asarray(self.values), np.asarray(self.shares)
        mean = float(values @ shares)
        return max(float(values**2 @ shares) / mean**2 - 1, 0.0) if mean > 0 else 0.0


EXPONENTIAL = Times()
CONSTANT = Times((1.0,), (1.0,))


@dataclass(frozen=True)
class System:
    """What is simulated. Times are in seconds.

    `clients` come back `think` seconds after an operation; or, where `rate` isn't None, so many
    operations arrive a second. `seconds` says how long an operation has its connection while so
    many are busy, and `hand_over` how long it takes then until the next one has it. Clients wait
    for at most `patience`, and not at all where `most_waiting` wait already. One that got no
    connection comes back `pause` seconds later; or, if it was refused and `backoff` isn't None,
    tries again after so many, twice as many after each further refusal.
    """

    clients: int
    think: float
    rate: float | None
    seconds: Callable[[float], float]
    hand_over: float = 0.0
    patience: float = math.inf
    most_waiting: float = math.inf
    pause: float = 0.0
    backoff: float | None = None
    use_times: Times = EXPONENTIAL
    think_times: Times = EXPONENTIAL
    pause_times: Times = CONSTANT
    gaps: Times = EXPONENTIAL


class _Step(NamedTuple):
    """What became of an arrival of each copy of each size. `at` is when it came; one that is
    `lost` got no connection, and one that was `refused` didn't wait for it."""

    at: Numbers
    wait: Numbers
    use: Numbers
    lost: Switches
    refused: Switches


def simulated(system: System, sizes: Sequence[int]) -> list[Equilibrium]:
    """Return what pools of these `sizes` do. Takes up to a second where there are many clients."""
    copies = _OPEN_COPIES
    steps = _ARRIVALS // copies
    if system.rate is None:
        steps = max(system.clients * _CYCLES, _FEWEST_STEPS)
        copies = min(max(_ARRIVALS // steps, _FEWEST_COPIES), _MOST_COPIES)
    run = (_Closed if system.rate is None else _Open)(system, sizes, copies)
    random = np.random.default_rng(_SEED)
    run.begin(random)
    settled = round(steps * _SETTLING)
    drawn = [
        np.concatenate([_evenly(random, (each, copies)) for each in (settled, steps - settled)])
        for _ in range(3)
    ]
    used = system.use_times.drawn(drawn[0])
    apart = system.gaps if system.rate is not None else system.think_times
    thought, paused = apart.drawn(drawn[1]), system.pause_times.drawn(drawn[2])
    shape = (steps - settled, len(sizes), copies)
    wait, use = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
    lost, refused = np.empty(shape, dtype=bool), np.empty(shape, dtype=bool)
    first = last = np.zeros(shape[1:])
    for step, times in enumerate(zip(used, thought, paused, drawn[2], strict=True)):
        taken, number = run.step(*times), step - settled
        if number < 0:
            continue
        wait[number], use[number], lost[number], refused[number] = taken[1:]
        first, last = (taken.at if not number else first), taken.at
    return [
        _equilibrium(
            float((last - first)[place].sum()),
            *(wait[:, place], use[:, place]),
            *(lost[:, place], refused[:, place]),
            retries=system.backoff is not None,
        )
        for place in range(len(sizes))
    ]


def _evenly(random: np.random.Generator, shape: tuple[int, int]) -> Numbers:
    """Return numbers between 0 and 1 in random order that are spread evenly, so that the times at
    these places have the mean and the spread of their distribution."""
    count = shape[0] * shape[1]
    found: Numbers = ((random.permutation(count) + 0.5) / count).reshape(shape)
    return found


def _equilibrium(
    seconds: float,
    wait: NDArray[np.float32],
    use: NDArray[np.float32],
    lost: Switches,
    refused: Switches,
    *,
    retries: bool,
) -> Equilibrium:
    """Return the figures of the arrivals of one size during so many `seconds` of all copies; rows
    are steps, columns copies."""
    arrivals = (len(wait) - 1) * wait.shape[1] / max(seconds, 1e-12)
    share = float((~lost).mean())
    tried = float((~refused).mean()) if retries else 1.0  # once and for all
    waits, served = wait[~refused], wait[~lost]
    throughput = arrivals * share
    return Equilibrium(
        throughput,
        _mean(waits),
        _p95(waits),
        throughput * _mean(use[~lost]),
        arrivals * _mean(wait),
        float((wait > 0).mean()),
        max(1 - share / tried, 0.0) if tried > 0 else 1.0,
        _mean(served),
        _p95(served),
    )


def _mean(values: NDArray[np.float32]) -> float:
    return float(values.mean(dtype=np.float64)) if len(values) else 0.0


def _p95(values: NDArray[np.float32]) -> float:
    if not len(values):
        return 0.0
    place = min(int(0.95 * len(values)), len(values) - 1)
    return float(np.partition(values, place)[place])


class _Copies:
    """Copies of the pool of each size: `free` says when each connection is lent next, infinity for
    those that a size doesn't have."""

    def __init__(self, system: System, sizes: Sequence[int], copies: int) -> None:
        self._system, self._shape = system, (len(sizes), copies)
        most = max(sizes)
        self._free = np.zeros((*self._shape, most))
        for place, size in enumerate(sizes):
            self._free[place, :, size:] = math.inf
        self._without = most - np.array(sizes)[:, np.newaxis]
        self._flat = self._free.reshape(-1)
        self._rows = (np.arange(len(sizes) * copies) * most).reshape(self._shape)
        seconds = np.array([system.seconds(busy) for busy in range(1, most + 2)])
        self._seconds = seconds
        self._steady = bool(np.ptp(seconds) <= 1e-9 * seconds[0])

    def _lend(
        self, at: Numbers, drawn: Numbers, waiting: Numbers | None
    ) -> tuple[Numbers, Numbers, Switches, Switches]:
        """Return from when on each arrival would have a connection, how long it has it, and whether
        it got none; and whether it was refused at once."""
        system = self._system
        place = self._rows + self._free.argmin(axis=2)
        free = self._flat[place]
        begin = np.maximum(at, free)
        refused = np.zeros(self._shape, dtype=bool)
        if system.patience <= 0:
            refused = begin > at
        elif waiting is not None:
            refused = (begin > at) & (waiting >= system.most_waiting)
        lost = refused | (begin - at > system.patience)
        if self._steady:
            use = np.broadcast_to(self._seconds[0] * drawn, self._shape)
        else:
            busy = (self._free > begin[..., np.newaxis]).sum(axis=2) - self._without
            use = self._seconds[np.maximum(busy, 0)] * drawn
        self._flat[place] = np.where(lost, free, begin + use + system.hand_over)
        return begin, use, lost, refused


class _Closed(_Copies):
    """Clients that come back. `due` is when each of them asks next."""

    def __init__(self, system: System, sizes: Sequence[int], copies: int) -> None:
        super().__init__(system, sizes, copies)
        self._due = np.zeros((*self._shape, system.clients))
        self._asks = self._due.reshape(-1)
        self._of = (np.arange(len(sizes) * copies) * system.clients).reshape(self._shape)
        # Until when each client waits, if the number of those who wait matters.
        counts = math.isfinite(system.most_waiting)
        self._waits = np.zeros_like(self._due) if counts else None
        self._refusals = np.zeros(len(self._asks)) if system.backoff is not None else None

    def begin(self, random: np.random.Generator) -> None:
        """Have all clients think, each for a part of its time."""
        uniform = random.random((2, self._shape[1], self._system.clients))
        thinks = self._system.think_times.drawn(uniform[0]) * self._system.think
        use = self._system.seconds(1)
        self._due += np.maximum(thinks, use) * uniform[1]

    def step(self, used: Numbers, thought: Numbers, paused: Numbers, chance: Numbers) -> _Step:
        """Serve the next arrival of each copy. Times are multiples of their means, and `chance` is
        between 0 and 1: a number for each copy."""
        system = self._system
        who = self._of + self._due.argmin(axis=2)
        at = self._asks[who]
        waiting = None
        if self._waits is not None:
            waiting = (self._waits > at[..., np.newaxis]).sum(axis=2)
        begin, use, lost, refused = self._lend(at, used, waiting)
        wait = np.where(refused, 0.0, np.minimum(begin - at, system.patience))
        gone = at + wait
        if self._waits is not None:
            self._waits.reshape(-1)[who] = gone
        pause = np.broadcast_to(system.pause * paused, self._shape)
        if self._refusals is not None:
            often = self._refusals[who]
            jitter = (0.5 + 0.5 * chance) / 0.75
            backoff = (system.backoff or 0.0) * 2.0 ** np.minimum(often, _DOUBLED) * jitter
            self._refusals[who] = np.where(refused, often + 1, 0)
            pause = np.where(refused, backoff, pause)
        away = np.where(
            lost, np.maximum(pause, _SHORTEST), use + system.hand_over + thought * system.think
        )
        self._asks[who] = gone + away
        return _Step(at, wait, use, lost, refused)


class _Open(_Copies):
    """Arrivals at a rate. `gone` has when the latest ones no longer waited, as many as may wait:
    the oldest of them waits still if all do, because they leave in their order."""

    def __init__(self, system: System, sizes: Sequence[int], copies: int) -> None:
        super().__init__(system, sizes, copies)
        self._at = np.zeros(copies)
        self._gone: Numbers | None = None
        if 0 < system.most_waiting < math.inf:
            self._gone = np.zeros((int(system.most_waiting), *self._shape))
        self._next = np.zeros(self._shape, dtype=np.int64)

    def begin(self, random: np.random.Generator) -> None:
        """Begin with an empty pool."""

    def step(
        self,
        used: Numbers,
        thought: Numbers,
        paused: Numbers,  # noqa: ARG002 - who is lost doesn't come back
        chance: Numbers,  # noqa: ARG002
    ) -> _Step:
        """Serve the next arrival of each copy. Times are multiples of their means."""
        system = self._system
        self._at = self._at + thought / (system.rate or 1.0)
        at = np.broadcast_to(self._at, self._shape)
        waiting = None
        if self._gone is not None:
            oldest = np.take_along_axis(self._gone, self._next[np.newaxis], axis=0)[0]
            waiting = np.where(oldest > at, system.most_waiting, 0.0)
        elif system.most_waiting <= 0:
            waiting = np.zeros(self._shape)
        begin, use, lost, refused = self._lend(at, used, waiting)
        wait = np.where(refused, 0.0, np.minimum(begin - at, system.patience))
        if self._gone is not None:
            kept = np.take_along_axis(self._gone, self._next[np.newaxis], axis=0)[0]
            new = np.where(refused, kept, at + wait)
            np.put_along_axis(self._gone, self._next[np.newaxis], new[np.newaxis], axis=0)
            self._next = np.where(refused, self._next, (self._next + 1) % len(self._gone))
        return _Step(at, wait, use, lost, refused)
