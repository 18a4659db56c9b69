"""A model of a pool, fitted to sizes that were measured, which predicts what others would do.

What an operation takes while so many connections are busy follows the Universal Scalability Law
(`usl.py`); what clients wait follows from it by the queue that fits the load (`queueing.py`). How
much times vary is fitted to the waits that were measured, for their mean and their tail apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from poolviz.load.shapes import shape_of
from poolviz.model.parameters import Value
from poolviz.sizing import queueing
from poolviz.sizing.points import Point
from poolviz.sizing.queueing import Equilibrium
from poolviz.sizing.usl import Usl, fit

_VARIABILITIES = np.geomspace(0.05, 8, 60)
_SHORTEST_WAIT = 2e-4  # seconds: shorter ones are the acquire's own time, no queue
_FULL = 0.98  # of the connections in use: there the wait doesn't depend on how times vary


@dataclass(frozen=True)
class Model:
    """A fitted model. `clients` come back `think` seconds after an operation (closed), or `rate`
    operations a second arrive (open, where `rate` isn't None). `overhead` is what acquiring takes
    where nobody waits. The rest is the law of the connections, and how much times vary."""

    law: Usl
    clients: int
    think: float
    rate: float | None
    overhead: float
    variability: float = 1.0
    tail: float = 1.0

    def at(self, connections: int) -> Equilibrium:
        """Return what a pool of so many connections does."""
        found = self._exponential(connections)
        return replace(
            self._varied(found, connections, self.variability),
            wait_mean=self._varied(found, connections, self.variability).wait_mean + self.overhead,
            wait_p95=self._varied(found, connections, self.tail).wait_p95 + self.overhead,
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


def fitted(points: Sequence[Point], load: Mapping[str, Value]) -> Model:
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
        _think(useful, clients, overhead),
        _rate(useful, load),
        overhead,
    )
    return replace(
        model,
        variability=_variability(model, useful, "wait_mean"),
        tail=_variability(model, useful, "wait_p95"),
    )


def _think(points: Sequence[Point], clients: int, overhead: float) -> float:
    """Return what clients do between operations, by Little's law: what is left of their cycle."""
    left = []
    for each in points:
        rate = each.throughput_per_s.value
        if rate:
            # By the number of those who wait, which has also those who are never served.
            wait = max(each.pending_mean / rate, overhead)
            left.append(clients / rate - each.use_mean_s - wait)
    return max(float(np.median(left)), 0.0) if left else 0.0


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
        if long and each.utilisation < _FULL:
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
