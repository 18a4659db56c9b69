"""A model of a pool, fitted to sizes that were measured, which predicts what others would do.

What an operation takes while so many connections are busy follows the Universal Scalability Law
(`usl.py`). How its time varies is as it was measured, what clients think as their load says, and
what the pool does when it is exhausted is as its limits say: callers wait for as long as it takes,
give up after a timeout, or are refused, at once or where too many wait already. Clients with these
times are simulated (`simulation.py`). Formulas of the same queues (`queueing.py`, `losses.py`) say
what happens with times that are exponential, at once, and of loads that are too large to simulate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import lru_cache

import msgspec
import numpy as np

from poolviz.load.shapes import shape_of
from poolviz.model.parameters import Value
from poolviz.pools.base import Pool
from poolviz.sizing import losses, queueing
from poolviz.sizing.points import Point
from poolviz.sizing.queueing import Equilibrium
from poolviz.sizing.simulation import EXPONENTIAL, MOST_CLIENTS, System, Times, simulated
from poolviz.sizing.usl import Usl, fit
from poolviz.sizing.variation import gaps_of, think_times_of

_SHORTEST_WAIT = 2e-4  # seconds: shorter ones are the acquire's own time, no queue
_RARE = 1e-6  # of the waits: if fewer reach the timeout, it is as if there was none
_JITTER = 0.75  # of the longest pause before a retry: its mean
_DOUBLED = 6  # times at most
_MOST_REFUSALS = 64  # of one operation that count for its mean pause
_ROUNDS = 12  # until the share of refused attempts is known
_FULL = 0.9  # of the connections in use
_QUEUE = 2.0  # waiting clients: with fewer, a connection that is free may lack a client
_MANY = 2000  # who wait: as if there was no bound
_STABLE = 0.98  # of what the connections complete: with more arrivals, they are too many
_SOON = 200.0  # requests that arrive while one waits
_CONTROL = 1.5  # by trials with M/G/1, of which the waits are known
_BEYOND = 8.0  # standard deviations of the connections in use: more than these are never needed


class Queue(StrEnum):
    """Which queue a model is: where its clients come from, and what they do when the pool is
    exhausted."""

    CLOSED = "closed"
    CLOSED_GIVING_UP = "closed_giving_up"
    CLOSED_REFUSING = "closed_refusing"
    OPEN = "open"
    OPEN_GIVING_UP = "open_giving_up"
    OPEN_REFUSING = "open_refusing"
    CLOSED_BOUNDED = "closed_bounded"
    OPEN_BOUNDED = "open_bounded"


class Exhausted(msgspec.Struct, frozen=True, kw_only=True):
    """What happens when every connection is in use: callers wait for at most `patience` seconds, 0
    if they are refused at once, None for as long as it takes; and as long as `most_waiting` wait,
    None for any number, they are refused too. A client that got none pauses for `pause` seconds;
    or, if it was refused and `backoff` isn't None, tries again after so many on average, twice as
    many after each further refusal."""

    patience: float | None = None
    most_waiting: int | None = None
    pause: float = 0.0
    backoff: float | None = None

    @classmethod
    def of(
        cls, pool: type[Pool], limits: Mapping[str, Value], load: Mapping[str, Value]
    ) -> Exhausted:
        """Return what happens in a pool with these limits to the clients of a load."""
        patience = pool.patience(limits)
        most_waiting = pool.most_waiting(limits) if patience > 0 else None
        refuses = patience == 0 or most_waiting is not None
        retries = load.get("on_exhausted") == "retry" and (not pool.waits or bool(pool.refused))
        return cls(
            patience=None if math.isinf(patience) else patience,
            most_waiting=most_waiting,
            pause=float(load.get("error_pause", 0.0)),
            backoff=_JITTER * float(load["retry_backoff"]) if refuses and retries else None,
        )

    def pauses(self, refused: float) -> float:
        """Return the mean pause after a refusal, if that share of all attempts is refused."""
        if self.backoff is None:
            return self.pause
        often = refused ** np.arange(_MOST_REFUSALS)
        doubled = 2.0 ** np.minimum(np.arange(_MOST_REFUSALS), _DOUBLED)
        return self.backoff * float(often @ doubled / often.sum())


FOR_EVER = Exhausted()


@dataclass(frozen=True)
class Model:
    """A fitted model. `clients` come back `think` seconds after an operation (closed), or `rate`
    operations a second arrive (open, where `rate` isn't None). `overhead` is what acquiring takes
    where nobody waits, on average, and `overhead_p95` what it takes at most, but for 5 % of the
    time; `hand_over` is how long a connection that is given back isn't lent although
    a client waits for it. The rest is the law of the connections, what happens when all connections
    are in use, and how times vary."""

    law: Usl
    clients: int
    think: float
    rate: float | None
    overhead: float
    overhead_p95: float = 0.0
    hand_over: float = 0.0
    exhausted: Exhausted = FOR_EVER
    use_times: Times = EXPONENTIAL
    think_times: Times = EXPONENTIAL
    gaps: Times = EXPONENTIAL
    simulates: bool = True  # else formulas answer

    @property
    def queue(self) -> Queue:
        """Which queue it is."""
        exhausted, closed = self.exhausted, self.rate is None
        if exhausted.patience == 0:
            return Queue.CLOSED_REFUSING if closed else Queue.OPEN_REFUSING
        if exhausted.most_waiting is not None:
            return Queue.CLOSED_BOUNDED if closed else Queue.OPEN_BOUNDED
        if exhausted.patience is None:
            return Queue.CLOSED if closed else Queue.OPEN
        return Queue.CLOSED_GIVING_UP if closed else Queue.OPEN_GIVING_UP

    def at(self, connections: int) -> Equilibrium:
        """Return what a pool of so many connections does. Takes a tenth of a second."""
        return self.at_each((connections,))[0]

    def at_each(self, sizes: Sequence[int]) -> list[Equilibrium]:
        """Return what pools of these sizes do, together in less time than one by one: up to a
        second. The last answers are kept."""
        return list(_at_each(self, tuple(sizes)))

    def by_formula(self, connections: int) -> Equilibrium:
        """Return what formulas say of a pool of so many connections, at once: mean value analysis,
        M/M/c with Allen and Cunneen's correction, M/M/c + D, Engset, Erlang B. How many may wait
        isn't regarded."""
        apart = self.think_times if self.rate is None else self.gaps
        variability = (self.use_times.variability + apart.variability) / 2
        return self._with_overhead(self._by_formula(connections, variability))

    def _by_formula(self, connections: int, variability: float) -> Equilibrium:
        patience = self.exhausted.patience
        if patience == 0:
            found = self._refusing(connections)
        else:
            found = self._waiting(connections, 1.0)
            if patience is not None and self._may_reach(patience, found, connections):
                found = self._giving_up(patience, connections)
            elif variability != 1.0:
                found = self._waiting(connections, variability)
        # What is handed over isn't in use.
        share = self.law.alone / (self.law.alone + self.hand_over)
        return replace(found, used=found.used * share)

    def _capacity(self, busy: float) -> float:
        """Return how many operations a second so many connections complete that never idle."""
        return busy / (self.law.seconds(busy) + self.hand_over)

    def _simulates(self, connections: int) -> bool:
        """Whether a size is simulated: neither are too many clients, nor a queue without an end,
        nor requests that are tried again until they are served."""
        if self.rate is None or not self.simulates:
            return self.simulates and self.clients <= MOST_CLIENTS
        exhausted = self.exhausted
        if exhausted.most_waiting is None and self.rate >= self._capacity(connections) * _STABLE:
            wait = math.inf if exhausted.patience is None else exhausted.patience
            return self.rate * wait < _SOON  # else it takes too long to become full
        return self.rate > 0 and exhausted.backoff is None

    def _of_use(self, connections: int) -> int:
        """Return how many of the connections are ever used."""
        if self.rate is None:
            return min(connections, self.clients)
        busy = self.rate * self.law.seconds(1)
        for _ in range(_ROUNDS):
            busy = min(self.rate * (self.law.seconds(busy) + self.hand_over), float(connections))
        return min(connections, math.ceil(busy + _BEYOND * math.sqrt(busy)) + 1)

    def _system(self) -> System:
        exhausted = self.exhausted
        patience, most = exhausted.patience, exhausted.most_waiting
        return System(
            self.clients,
            self.think + self.overhead,
            self.rate,
            self.law.seconds,
            hand_over=self.hand_over,
            patience=math.inf if patience is None else patience,
            most_waiting=math.inf if most is None or most > _MANY else float(most),
            pause=exhausted.pause + self.overhead,
            backoff=exhausted.backoff,
            use_times=self.use_times,
            think_times=self.think_times,
            gaps=self.gaps,
        )

    def _with_overhead(self, found: Equilibrium) -> Equilibrium:
        """Return it with what acquiring takes where nobody waits."""
        mean, p95 = found.served_wait_mean, found.served_wait_p95
        return replace(
            found,
            wait_mean=found.wait_mean + self.overhead,
            wait_p95=max(found.wait_p95 + self.overhead, self.overhead_p95),
            served_wait_mean=None if mean is None else mean + self.overhead,
            served_wait_p95=None if p95 is None else max(p95 + self.overhead, self.overhead_p95),
        )

    def _refusing(self, connections: int) -> Equilibrium:
        """Return what a pool does that refuses."""
        capacity, retries = self._capacity, self.exhausted.backoff is not None
        if self.rate is not None:
            if retries:  # whoever is refused comes back until served
                served = min(self.rate, capacity(connections))
                found = losses.open_refusing(self.rate, connections, capacity)
                used = served / capacity(connections) * connections
                return replace(found, throughput=served, used=used, lost_share=0.0)
            return losses.open_refusing(self.rate, connections, capacity)
        low, high = 0.0, 1.0
        for _ in range(_ROUNDS if retries else 1):
            refused = (low + high) / 2
            pause = self.exhausted.pauses(refused) + self.overhead
            think = self.think + self.overhead
            found = losses.closed_refusing(self.clients, think, pause, connections, capacity)
            low, high = (refused, high) if found.lost_share > refused else (low, refused)
        return replace(found, lost_share=0.0) if retries else found

    def _may_reach(self, patience: float, found: Equilibrium, connections: int) -> bool:
        """Whether callers would wait for longer than `patience` in a pool without a timeout."""
        full = self._capacity(min(connections, self.clients) if self.rate is None else connections)
        if self.rate is not None:
            left = (full - self.rate) * patience
            return left <= 0 or found.waiting_share * math.exp(-left) > _RARE
        turns = self.clients - connections
        if turns <= 0:
            return False
        return float(queueing.takes_longer(np.arange(1.0, turns + 1), patience * full)[-1]) > _RARE

    def _giving_up(self, patience: float, connections: int) -> Equilibrium:
        """Return what a pool does whose callers give up."""
        if self.rate is not None:
            return losses.open_giving_up(self.rate, connections, self._capacity, patience)
        think, pause = self.think + self.overhead, self.exhausted.pause + self.overhead
        return losses.closed_giving_up(
            *(self.clients, think, pause, connections),
            capacity=self._capacity,
            patience=patience,
        )

    def _waiting(self, connections: int, variability: float) -> Equilibrium:
        """Return what a pool does whose callers wait for as long as it takes."""
        capacity = self._capacity
        if self.rate is not None:
            return queueing.open_arrivals(self.rate, connections, capacity, variability)
        think = self.think + self.overhead
        return queueing.closed(self.clients, think, connections, capacity, variability)

    def _simulated(self, sizes: Sequence[int]) -> list[Equilibrium]:
        """Return what the simulation says. Where there is an exact formula for exponential times,
        it is by how much the same simulation of such times is off that is taken from it: chance
        alone makes queues of open arrivals differ by a tenth."""
        system = self._system()
        said = simulated(system, sizes)
        exhausted = self.exhausted
        if self.rate is None or exhausted.most_waiting is not None:
            return said
        plain = replace(system, use_times=EXPONENTIAL, gaps=EXPONENTIAL)
        others = simulated(plain, sizes)
        exact = [self._by_formula(each, 1.0) for each in sizes]
        return [_corrected(*each) for each in zip(said, others, exact, strict=True)]

    def with_load(self, *, clients: float = 1.0, use: float = 1.0, think: float = 1.0) -> Model:
        """Return the model of another load: so many times the clients or arrivals, the time that an
        operation takes, and the time that clients think."""
        return replace(
            self,
            clients=max(round(self.clients * clients), 1),
            rate=None if self.rate is None else self.rate * clients,
            think=self.think * think,
            law=replace(self.law, alone=self.law.alone * use),
        )


def _corrected(said: Equilibrium, other: Equilibrium, exact: Equilibrium) -> Equilibrium:
    """Return `said`, less what `other` is off what is `exact`: a control variate. What is smaller
    in `said`, because its times vary less, is off by less."""
    found = {}
    for each in fields(Equilibrium):
        value, off, true = (getattr(of, each.name) for of in (said, other, exact))
        if true is None:  # all are served
            true = getattr(exact, each.name.removeprefix("served_"))
        weight = min(value / off, 1.0) ** _CONTROL if off > 0 else 1.0
        found[each.name] = max(value + weight * (true - off), 0.0)
    return Equilibrium(**found)


@lru_cache(maxsize=32)
def _at_each(model: Model, sizes: tuple[int, ...]) -> tuple[Equilibrium, ...]:
    found = {each: model.by_formula(each) for each in set(sizes) if not model._simulates(each)}
    asked = {each: model._of_use(each) for each in sizes if each not in found}
    if asked:
        different = sorted(set(asked.values()))
        said = dict(zip(different, model._simulated(different), strict=True))
        found |= {each: model._with_overhead(said[used]) for each, used in asked.items()}
    return tuple(found[each] for each in sizes)


def fitted(
    points: Sequence[Point],
    load: Mapping[str, Value],
    exhausted: Exhausted = FOR_EVER,
    use_times: Times = EXPONENTIAL,
    *,
    simulates: bool = True,
) -> Model:
    """Return the model that fits `points` best, which simulates or takes formulas. ValueError if
    nothing was measured at any."""
    useful = [each for each in points if each.operations and each.used_mean > 0]
    if not useful:
        raise ValueError("nothing was measured")
    law = fit(
        [each.used_mean for each in useful],
        [each.use_mean_s for each in useful],
        [float(each.operations) ** 0.5 for each in useful],
    )
    waits = [each.wait_mean_s.value for each in useful if each.wait_mean_s.value is not None]
    hand_over = _hand_over(useful)
    clients = int(load["clients"])
    think = _think(useful, clients, min([*waits, _SHORTEST_WAIT]), exhausted)
    model = Model(
        law,
        clients,
        max(think - hand_over, 0.0),
        _rate(useful, load),
        0.0,
        hand_over=hand_over,
        exhausted=exhausted,
        use_times=use_times,
        think_times=think_times_of(load),
        gaps=gaps_of(load),
        simulates=simulates,
    )
    return _with_overhead(model, useful)


def _with_overhead(model: Model, points: Sequence[Point]) -> Model:
    """Return the model with what acquiring takes by itself: what was waited, where clients wait for
    one another least, beyond what they do so. In an open load it has how late the load generator
    is."""
    said = [model.by_formula(each.connections) for each in points]
    place = min(range(len(points)), key=lambda place: (said[place].wait_mean, -place))
    mean, p95 = points[place].wait_mean_s.value, points[place].wait_p95_s.value
    overhead = 0.0 if mean is None else max(mean - said[place].wait_mean, 0.0)
    queues = said[place].wait_p95 > overhead
    return replace(
        model,
        overhead=overhead,
        overhead_p95=0.0 if queues or p95 is None else p95,
    )


def _hand_over(points: Sequence[Point]) -> float:
    """Return how long a connection isn't in use between two clients, although there is always one
    that waits: where it is so, what is left of the connections' time."""
    left = [
        (each.connections - each.used_mean) / each.throughput_per_s.value
        for each in points
        if each.throughput_per_s.value
        and each.pending_mean > max(_QUEUE, each.connections / 2)
        and each.utilisation > _FULL
    ]
    return max(float(np.median(left)), 0.0) if left else 0.0


def _think(points: Sequence[Point], clients: int, overhead: float, exhausted: Exhausted) -> float:
    """Return what clients do between operations, by Little's law: what is left of their cycle, in
    which they also pause after what failed. How long they pause between retries isn't known: there
    it is what is left where they do so least."""
    left = []
    for each in points:
        rate = each.throughput_per_s.value
        if rate:
            # By the number of those who wait, which has also those who are never served.
            wait = max(each.pending_mean / rate, overhead)
            paused = each.failures / each.operations * exhausted.pause
            left.append(clients / rate - each.use_mean_s - wait - paused)
    if not left:
        return 0.0
    return max(min(left) if exhausted.backoff is not None else float(np.median(left)), 0.0)


def _rate(points: Sequence[Point], load: Mapping[str, Value]) -> float | None:
    """Return the arrivals a second of an open load; None for a closed one."""
    if load["arrivals"] != "open":
        return None
    served = max(each.throughput_per_s.value or 0.0 for each in points)
    asked = float(load["rate"])
    constant = shape_of(load).highest == 1.0
    return asked if constant else served
