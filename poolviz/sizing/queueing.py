"""Queues in equilibrium: what clients wait at a pool of so many connections.

Arrivals and completions in a state, which is the number of clients at the pool, make a chain of
births and deaths whose probabilities have a closed form (Kleinrock, Queueing Systems I, 1975,
chapter 3). That covers what pools are used for: clients that come back after they have thought
(closed; the same as exact mean value analysis with a station that depends on its load, Reiser and
Lavenberg 1980) and arrivals at a given rate (M/M/c). Pools whose callers give up or are refused are
in `losses.py`.

Times that vary less or more than exponential ones are accounted for as Allen and Cunneen do it for
an open queue (Allen 1990, 5.2): the wait is in proportion to `variability`, half of the sum of the
squared coefficients of variation of both times. In a closed queue this holds for what the wait is
beyond that of a queue without any chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Capacity = Callable[[float], float]  # completions a second with so many busy connections

_TINY = 1e-12
_TAIL = 1e-9  # of the probability that may lie beyond the states of an open queue
_MOST_STATES = 20_000
_STEPS = 60  # of a bisection: more than a double has bits


@dataclass(frozen=True)
class Equilibrium:
    """What a pool does in the long run. Rates are per second, times in seconds, counts means.

    `waiting_share` is the share of arriving clients that have to wait, `lost_share` that of those
    who give up or are refused. Waits are, as measured, of all who get a connection or give up; the
    `served` ones are of those who get one, None where these are all.
    """

    throughput: float
    wait_mean: float
    wait_p95: float
    used: float
    pending: float
    waiting_share: float
    lost_share: float
    served_wait_mean: float | None = None
    served_wait_p95: float | None = None


def closed(
    clients: int, think: float, connections: int, capacity: Capacity, variability: float = 1.0
) -> Equilibrium:
    """Return what happens with `clients` that come back `think` seconds after an operation."""
    states = np.arange(clients + 1, dtype=np.float64)
    deaths = deaths_in(states, connections, capacity)
    if think <= _TINY:  # all of them are always there
        chances = np.zeros(clients + 1)
        chances[-1] = 1.0
        ahead = np.roll(chances, -1)
    else:
        births = (clients - states) / think
        chances = chances_of(births[:-1], deaths[1:])
        ahead = chances * births
        ahead /= ahead.sum()
    found = _equilibrium(chances, ahead, deaths, connections)
    return closed_varied(
        found,
        variability,
        clients=clients,
        think=think,
        connections=connections,
        capacity=capacity,
    )


def closed_varied(
    found: Equilibrium,
    variability: float,
    *,
    clients: int,
    think: float,
    connections: int,
    capacity: Capacity,
) -> Equilibrium:
    """Return what `closed` finds with that variability; `found` is what it finds with 1."""
    if found.throughput <= 0 or variability == 1.0:
        return found
    full = capacity(min(clients, connections))
    regular = max(clients / full - think - min(clients, connections) / full, 0.0)
    varied = open_varied(found, variability, regular)
    use = found.used / found.throughput  # a client that waits for less comes back sooner
    throughput = min(clients / (think + varied.wait_mean + use), full)
    return replace(
        varied,
        throughput=throughput,
        used=throughput * use,
        pending=throughput * varied.wait_mean,
    )


def open_arrivals(
    rate: float, connections: int, capacity: Capacity, variability: float = 1.0
) -> Equilibrium:
    """Return what happens with `rate` arrivals a second that wait for as long as it takes. The wait
    is infinite if the pool can't serve them."""
    full = capacity(connections)
    if rate >= full * (1 - 1e-9):
        used = float(connections)
        return Equilibrium(full, math.inf, math.inf, used, math.inf, 1.0, 0.0)
    beyond = math.ceil(math.log(_TAIL) / math.log(rate / full)) if rate > 0 else 0
    states = np.arange(connections + min(beyond, _MOST_STATES) + 2, dtype=np.float64)
    deaths = deaths_in(states, connections, capacity)
    chances = chances_of(np.full(len(states) - 1, rate), deaths[1:])
    return open_varied(_equilibrium(chances, chances, deaths, connections), variability)


def deaths_in(states: Numbers, connections: int, capacity: Capacity) -> Numbers:
    """Return the completions a second in each state."""
    rates = np.array([0.0, *(capacity(busy) for busy in range(1, connections + 1))])
    found: Numbers = rates[np.minimum(states, connections).astype(np.int64)]
    return found


def chances_of(births: Numbers, deaths: Numbers) -> Numbers:
    """Return the probability of each state; `births` lead from it, `deaths` to it."""
    with np.errstate(divide="ignore"):
        logs = np.concatenate(([0.0], np.cumsum(np.log(births) - np.log(deaths))))
    weights = np.exp(logs - logs.max())
    found: Numbers = weights / weights.sum()
    return found


def _equilibrium(
    chances: Numbers, ahead: Numbers, deaths: Numbers, connections: int
) -> Equilibrium:
    """Return the figures of a chain; `ahead` is the probability that an arriving client finds so
    many others."""
    states = np.arange(len(chances), dtype=np.float64)
    throughput = float(chances @ deaths)
    pending = float(chances @ np.maximum(states - connections, 0))
    waiting = ahead[connections:]
    return Equilibrium(
        throughput,
        pending / throughput if throughput > 0 else 0.0,
        _quantile(waiting, float(deaths[min(connections, len(deaths) - 1)]), 0.95),
        float(chances @ np.minimum(states, connections)),
        pending,
        float(waiting.sum()),
        0.0,
    )


def _quantile(waiting: Numbers, rate: float, share: float) -> float:
    """Return the quantile of the wait of clients of whom `waiting[k]` is the share that has to wait
    for k + 1 completions, at `rate` a second; all others don't wait."""
    beyond = 1 - share
    if waiting.sum() <= beyond or rate <= 0:
        return 0.0
    turns = np.arange(1, len(waiting) + 1, dtype=np.float64)
    low, high = 0.0, (len(waiting) + 40 * math.sqrt(len(waiting)) + 40) / rate
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if float(waiting @ takes_longer(turns, middle * rate)) > beyond:
            low = middle
        else:
            high = middle
    return high


def takes_longer(turns: Numbers, time: float) -> Numbers:
    """Return the probability that `turns` completions, one a second, take longer than `time`: that
    fewer than so many happen until then (Poisson)."""
    counts = turns - 1
    logs = counts * math.log(time) - time - log_factorials(len(turns)) if time > 0 else None
    if logs is None:
        return np.ones(len(turns))
    found: Numbers = np.minimum(np.cumsum(np.exp(logs)), 1.0)
    return found


def log_factorials(count: int) -> Numbers:
    """Return the logarithms of 0!, 1!, … of so many numbers."""
    logs = np.zeros(count)
    logs[1:] = np.cumsum(np.log(np.arange(1, count, dtype=np.float64)))
    return logs


def open_varied(found: Equilibrium, variability: float, regular: float = 0.0) -> Equilibrium:
    """Return the figures with times that vary otherwise; `regular` is the wait without chance."""
    if variability == 1.0:
        return found
    mean = regular + variability * max(found.wait_mean - regular, 0.0)
    p95 = regular + variability * max(found.wait_p95 - regular, 0.0)
    return replace(found, wait_mean=mean, wait_p95=p95, pending=found.throughput * mean)
