"""A model of a pool, fitted to sizes that were measured, which predicts what others would do.

What an operation takes while so many connections are busy follows the Universal Scalability Law
(`usl.py`); what clients wait follows from it by the queue that fits the load (`queueing.py`). How
much times vary is fitted to the waits that were measured, for their mean and their tail apart.
What the pool does when it is exhausted decides on the queue: callers wait for as long as it takes,
give up after a timeout, or are refused at once (`losses.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import msgspec
import numpy as np

from poolviz.load.shapes import shape_of
from poolviz.model.parameters import Value
from poolviz.pools.base import Pool
from poolviz.sizing import losses, queueing
from poolviz.sizing.points import Point
from poolviz.sizing.queueing import Equilibrium
from poolviz.sizing.usl import Usl, fit

_VARIABILITIES = np.geomspace(0.05, 8, 60)
_SHORTEST_WAIT = 2e-4  # seconds: shorter ones are the acquire's own time, no queue
_RARE = 1e-6  # of the waits: if fewer reach the timeout, it is as if there was none
_LOST = 1e-3  # of the operations: beyond it, waits say more of the timeout than of variability
_JITTER = 0.75  # of the longest pause before a retry: its mean
_DOUBLED = 6  # times at most
_MOST_REFUSALS = 64  # of one operation that count for its mean pause
_ROUNDS = 12  # until the share of refused attempts is known
_FULL = 0.98  # of the connections in use: there the wait doesn't depend on how times vary


class Queue(StrEnum):
    """Which queue a model is: where its clients come from, and what they do when the pool is
    exhausted."""

    CLOSED = "closed"
    CLOSED_GIVING_UP = "closed_giving_up"
    CLOSED_REFUSING = "closed_refusing"
    OPEN = "open"
    OPEN_GIVING_UP = "open_giving_up"
    OPEN_REFUSING = "open_refusing"


class Exhausted(msgspec.Struct, frozen=True, kw_only=True):
    """What happens when every connection is in use: callers wait for at most `patience` seconds, 0
    if they are refused at once, None for as long as it takes. A client that got none pauses for
    `pause` seconds; or, where `backoff` isn't None, tries again after so many on average, twice as
    many after each further refusal."""

    patience: float | None = None
    pause: float = 0.0
    backoff: float | None = None

    @classmethod
    def of(
        cls, pool: type[Pool], limits: Mapping[str, Value], load: Mapping[str, Value]
    ) -> Exhausted:
        """Return what happens in a pool with these limits to the clients of a load."""
        patience = pool.patience(limits)
        retries = load.get("on_exhausted") == "retry" and (not pool.waits or bool(pool.refused))
        return cls(
            patience=None if math.isinf(patience) else patience,
            pause=float(load.get("error_pause", 0.0)),
            backoff=_JITTER * float(load["retry_backoff"]) if patience == 0 and retries else None,
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
    where nobody waits. The rest is the law of the connections, how much times vary, and what
    happens when all connections are in use."""

    law: Usl
    clients: int
    think: float
    rate: float | None
    overhead: float
    variability: float = 1.0
    tail: float = 1.0
    exhausted: Exhausted = FOR_EVER

    @property
    def queue(self) -> Queue:
        """Which queue it is."""
        patience = self.exhausted.patience
        if patience is None:
            return Queue.CLOSED if self.rate is None else Queue.OPEN
        if patience > 0:
            return Queue.CLOSED_GIVING_UP if self.rate is None else Queue.OPEN_GIVING_UP
        return Queue.CLOSED_REFUSING if self.rate is None else Queue.OPEN_REFUSING

    def at(self, connections: int) -> Equilibrium:
        """Return what a pool of so many connections does."""
        patience = self.exhausted.patience
        if patience == 0:
            return self._with_overhead(self._refusing(connections))
        found = self._exponential(connections)
        if patience is not None and self._may_reach(patience, found, connections):
            return self._with_overhead(self._giving_up(patience, connections))
        return replace(
            self._varied(found, connections, self.variability),
            wait_mean=self._varied(found, connections, self.variability).wait_mean + self.overhead,
            wait_p95=self._varied(found, connections, self.tail).wait_p95 + self.overhead,
        )

    def _with_overhead(self, found: Equilibrium) -> Equilibrium:
        """Return it with what acquiring takes where nobody waits."""
        served_mean, served_p95 = found.served_wait_mean, found.served_wait_p95
        return replace(
            found,
            wait_mean=found.wait_mean + self.overhead,
            wait_p95=found.wait_p95 + self.overhead,
            served_wait_mean=None if served_mean is None else served_mean + self.overhead,
            served_wait_p95=None if served_p95 is None else served_p95 + self.overhead,
        )

    def _refusing(self, connections: int) -> Equilibrium:
        """Return what a pool does that refuses; how much times vary hardly matters there."""
        capacity, retries = self.law.capacity, self.exhausted.backoff is not None
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
        full = self.law.capacity(
            min(connections, self.clients) if self.rate is None else connections
        )
        if self.rate is not None:
            left = (full - self.rate) * patience / max(self.variability, 1.0)
            return left <= 0 or found.waiting_share * math.exp(-left) > _RARE
        turns = self.clients - connections
        if turns <= 0:
            return False
        return float(queueing.takes_longer(np.arange(1.0, turns + 1), patience * full)[-1]) > _RARE

    def _giving_up(self, patience: float, connections: int) -> Equilibrium:
        """Return what a pool does whose callers give up, with times that are exponential. Where
        arrivals are open, variability stretches waits, which is as if patience was shorter."""
        if self.rate is None:
            think, pause = self.think + self.overhead, self.exhausted.pause + self.overhead
            return losses.closed_giving_up(
                *(self.clients, think, pause, connections),
                capacity=self.law.capacity,
                patience=patience,
            )
        found, tail = (
            losses.open_giving_up(self.rate, connections, self.law.capacity, patience / each)
            for each in (self.variability, self.tail)
        )
        mean, p95 = found.served_wait_mean or 0.0, tail.served_wait_p95 or 0.0
        return replace(
            found,
            wait_mean=found.wait_mean * self.variability,
            wait_p95=tail.wait_p95 * self.tail,
            pending=found.pending * self.variability,
            served_wait_mean=mean * self.variability,
            served_wait_p95=p95 * self.tail,
        )

    def _exponential(self, connections: int) -> Equilibrium:
        """Return what a pool does with times that are exponential."""
        if self.rate is not None:
            return queueing.open_arrivals(self.rate, connections, self.law.capacity)
        think = self.think + self.overhead
        return queueing.closed(self.clients, think, connections, self.law.capacity)

    def _varied(self, found: Equilibrium, connections: int, variability: float) -> Equilibrium:
        """Return the same with times that vary otherwise."""
        if self.rate is not None:
            return queueing.open_varied(found, variability)
        return queueing.closed_varied(
            found,
            variability,
            clients=self.clients,
            think=self.think + self.overhead,
            connections=connections,
            capacity=self.law.capacity,
        )

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


def fitted(
    points: Sequence[Point], load: Mapping[str, Value], exhausted: Exhausted = FOR_EVER
) -> Model:
    """Return the model that fits `points` best. ValueError if nothing was measured at any."""
    useful = [each for each in points if each.operations and each.used_mean > 0]
    if not useful:
        raise ValueError("nothing was measured")
    law = fit(
        [each.used_mean for each in useful],
        [each.use_mean_s for each in useful],
        [float(each.operations) ** 0.5 for each in useful],
    )
    waits = [each.wait_mean_s.value for each in useful if each.wait_mean_s.value is not None]
    overhead = min([*waits, _SHORTEST_WAIT])
    clients = int(load["clients"])
    model = Model(
        law,
        clients,
        _think(useful, clients, overhead, exhausted),
        _rate(useful, load),
        overhead,
        exhausted=exhausted,
    )
    if exhausted.patience == 0:
        return model  # there are no waits to fit
    return replace(
        model,
        variability=_variability(model, useful, "wait_mean"),
        tail=_variability(model, useful, "wait_p95"),
    )


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


def _variability(model: Model, points: Sequence[Point], figure: str) -> float:
    """Return the variability with which the model's waits are nearest to those that were measured;
    1, that of exponential times, where no wait says anything about it."""
    measured = []
    for each in points:
        interval = each.wait_mean_s if figure == "wait_mean" else each.wait_p95_s
        long = interval.value is not None and interval.value > model.overhead + _SHORTEST_WAIT
        lost = each.failures > _LOST * each.operations
        if long and not lost and each.utilisation < _FULL:
            found = model._exponential(each.connections)
            weight = math.sqrt(each.operations)
            measured.append((found, each.connections, interval.value or 0.0, weight))
    if not measured:
        return 1.0
    costs = []
    for variability in _VARIABILITIES:
        cost = 0.0
        for found, connections, wait, weight in measured:
            predicted = getattr(model._varied(found, connections, float(variability)), figure)
            predicted = max(predicted + model.overhead, 1e-6)
            if math.isfinite(predicted):
                cost += weight * min(math.log(predicted / wait) ** 2, 4.0)
        costs.append(cost)
    return float(_VARIABILITIES[int(np.argmin(costs))])
