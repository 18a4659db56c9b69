"""Pools whose callers give up after a timeout, or are refused when every connection is in use.

Times of service, thinking and pauses are exponential; a timeout is the same for all. Erlang A has
exponential patience instead: with a timeout it is M/M/c+D, whose wait has a closed form (Baccelli
and Hebuterne, On queues with impatient customers, 1981), also where arrivals depend on how many are
at the pool (Movaghar, On queueing with customer impatience until the beginning of service, 1998).

A pool that refuses is Erlang's loss system for open arrivals. For clients that come back it is
Engset's, generalised to clients that pause after a refusal for another time than they think (Cohen,
The generalized Engset formulae, 1957): a chain of the connections in use and the clients that
pause, solved level by level (Latouche and Ramaswami, Introduction to Matrix Analytic Methods,
1999, chapter 10).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from poolviz.sizing.queueing import (
    Capacity,
    Equilibrium,
    Numbers,
    chances_of,
    deaths_in,
    log_factorials,
)

_SHORTEST = 1e-6  # of an operation: what clients think or pause at least
_SHARE = 0.95
_STEPS = 50  # of a bisection
_ROUNDS = 30  # until the share of those who give up has settled
_SETTLED = 1e-6


def open_giving_up(
    rate: float, connections: int, capacity: Capacity, patience: float
) -> Equilibrium:
    """Return what happens with `rate` arrivals a second that give up after `patience` seconds.

    What an arrival would wait has the density `full · exp((rate − full) · x)` up to its patience,
    times the chance that exactly all connections are in use, and falls by `full` beyond.
    """
    states = np.arange(connections + 1, dtype=np.float64)
    deaths = deaths_in(states, connections, capacity)
    chances = chances_of(np.full(connections, rate), deaths[1:])
    full = float(deaths[-1])
    drift = (rate - full) * patience
    scale = math.exp(-max(drift, 0.0))  # so that nothing overflows
    some, all_of_it, moment = _integrals(drift)
    free, lost = float(chances[:-1].sum()) * scale, float(chances[-1]) * all_of_it
    served = float(chances[-1]) * full * patience * some
    whole = free + served + lost
    mean = float(chances[-1]) * patience * (full * patience * moment + all_of_it) / whole

    def quantile(share: float) -> float:
        beyond = (share * whole - free) / (float(chances[-1]) * full * patience)
        if beyond <= 0:
            return 0.0
        return patience * min(_place(drift, beyond), 1.0)

    lost_share, throughput = lost / whole, rate * (free + served) / whole
    found = Equilibrium(
        throughput,
        mean,
        patience if lost_share > 1 - _SHARE else quantile(_SHARE),
        float(chances[:-1] @ states[:-1]) * scale / whole + connections * (1 - free / whole),
        rate * mean,
        1 - free / whole,
        lost_share,
    )
    return _with_served(found, patience, quantile(_SHARE * (1 - lost_share)))


def closed_giving_up(
    clients: int,
    think: float,
    pause: float,
    connections: int,
    *,
    capacity: Capacity,
    patience: float,
) -> Equilibrium:
    """Return what happens with `clients` that give up after `patience` seconds and come back
    `think` seconds after an operation, `pause` seconds after they gave up.

    Exact where both times are the same. Else the time until they come back enters by its mean, of
    which the share of those who gave up is a part, and which is found by bisection.
    """
    least = _SHORTEST / capacity(1)

    def found(share: float) -> Equilibrium:
        away = max((1 - share) * think + share * pause, least)
        return _closed_with_patience(clients, away, connections, capacity, patience)

    low, high = 0.0, 1.0
    said = found(low)
    for _ in range(_ROUNDS):
        if think == pause or said.lost_share <= _SETTLED or high - low < _SETTLED:
            break
        middle = (low + high) / 2
        said = found(middle)
        low, high = (middle, high) if said.lost_share > middle else (low, middle)
    return said


def _closed_with_patience(
    clients: int, away: float, connections: int, capacity: Capacity, patience: float
) -> Equilibrium:
    """Return what happens with clients that come back after `away` seconds in any case.

    With `n` waiting, `full · P(≥ n − 1) / P(≥ n)` leave a second, served or not, where `P(≥ n)` is
    the chance of at least so many completions within the patience.
    """
    states = np.arange(clients + 1, dtype=np.float64)
    deaths = served = deaths_in(states, connections, capacity)
    births = (clients - states) / away
    places = max(clients - connections, 0)
    full = float(served[min(connections, clients)])
    within = _log_at_least(full * patience, places + 2)
    if places:
        deaths = served.copy()
        deaths[connections + 1 :] = full * np.exp(within[:places] - within[1 : places + 1])
    chances = chances_of(births[:-1], deaths[1:])
    arrivals = float(chances @ births)
    ahead = chances * births / arrivals
    throughput = float(chances @ served)
    lost = max(1 - throughput / arrivals, 0.0)
    pending = float(chances @ np.maximum(states - connections, 0))
    free = float(ahead[:connections].sum())
    with np.errstate(divide="ignore"):
        waiting = np.log(ahead[connections : connections + places]) - within[:places]

    def until(time: float) -> float:
        """The share of arrivals that are served after at most so long."""
        sooner = _log_at_least(full * time, places + 1)[1:]
        return free + float(np.exp(waiting + sooner).sum())

    found = Equilibrium(
        throughput,
        pending / arrivals,
        _quantile(until, _SHARE, patience),
        float(chances @ np.minimum(states, connections)),
        pending,
        1 - free,
        lost,
    )
    return _with_served(found, patience, _quantile(until, _SHARE * (1 - lost), patience))


def open_refusing(rate: float, connections: int, capacity: Capacity) -> Equilibrium:
    """Return what happens with arrivals that a full pool refuses: Erlang B."""
    states = np.arange(connections + 1, dtype=np.float64)
    deaths = deaths_in(states, connections, capacity)
    chances = chances_of(np.full(connections, rate), deaths[1:])
    lost = float(chances[-1])
    return Equilibrium(rate * (1 - lost), 0.0, 0.0, float(chances @ states), 0.0, 0.0, lost)


def closed_refusing(
    clients: int, think: float, pause: float, connections: int, capacity: Capacity
) -> Equilibrium:
    """Return what happens with `clients` that a full pool refuses, and that come back `think`
    seconds after an operation and `pause` seconds after a refusal."""
    connections = min(connections, clients)
    least = _SHORTEST / capacity(1)
    pausing = np.arange(clients - connections + 1, dtype=np.float64)
    again = pausing / max(pause, least)
    rates = [0.0, *(capacity(busy) for busy in range(1, connections + 1))]

    def asking(busy: int) -> Numbers:
        asked: Numbers = np.maximum(clients - busy - pausing, 0.0) / max(think, least)
        return asked

    # What a level of busy connections has is that of the next one times its matrix.
    matrices: list[Numbers] = []
    below = np.zeros((len(pausing), len(pausing)))
    for busy in range(connections):
        fresh = asking(busy)
        leaving = np.diag(fresh + again + rates[busy]) - below
        back = rates[busy + 1] * np.linalg.inv(leaving)
        matrices.append(back.astype(np.float64))
        below = back @ (np.diag(fresh) + np.diag(again[1:], -1))
    fresh = asking(connections)
    full = below + np.diag(fresh[:-1], 1) - np.diag(fresh + rates[connections])
    full[:, 0] = 1.0  # one equation says nothing that the others don't: the sum is 1 instead
    top = np.linalg.solve(full.T, np.identity(len(pausing))[0])
    levels = [np.maximum(top, 0.0)]
    for matrix in reversed(matrices):
        level: Numbers = (levels[-1] @ matrix).astype(np.float64)
        levels.append(level)
    levels.reverse()
    whole = sum(float(level.sum()) for level in levels)
    chances = np.array([float(level.sum()) for level in levels]) / whole
    throughput = float(chances @ np.array(rates))
    refused = float(levels[-1] @ (fresh + again)) / whole
    used = float(chances @ np.arange(connections + 1))
    return Equilibrium(throughput, 0.0, 0.0, used, 0.0, 0.0, refused / (refused + throughput))


def _with_served(found: Equilibrium, patience: float, p95: float) -> Equilibrium:
    """Return it with the waits of those who are served; all others wait for their patience."""
    share = 1 - found.lost_share
    mean = (found.wait_mean - found.lost_share * patience) / share if share > 0 else patience
    return replace(found, served_wait_mean=max(mean, 0.0), served_wait_p95=p95)


def _integrals(drift: float) -> tuple[float, float, float]:
    """Return the integrals of `exp(drift · u)` and of `u` times that from 0 to 1, with its last
    value between them, all divided by its largest value."""
    if abs(drift) < 1e-5:
        return 1 - abs(drift) / 2, math.exp(min(drift, 0.0)), 0.5 + drift / 3 - max(drift, 0.0) / 2
    last, first = math.exp(min(drift, 0.0)), math.exp(-max(drift, 0.0))
    return (last - first) / drift, last, (last * (drift - 1) + first) / drift**2


def _place(drift: float, part: float) -> float:
    """Return up to where `exp(drift · u)`, divided by its largest value, has the integral `part`;
    infinity if it never has."""
    if abs(drift) < 1e-5:
        return part
    if drift > 0:
        return float(np.logaddexp(0.0, math.log(drift * part) + drift)) / drift
    return math.log1p(drift * part) / drift if drift * part > -1 else math.inf


def _quantile(until: Callable[[float], float], share: float, longest: float) -> float:
    """Return after what time `until` has reached `share`; `longest` if it never does."""
    if until(0.0) >= share:
        return 0.0
    low, high = 0.0, longest
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if until(middle) < share else (low, middle)
    return high


def _log_at_least(mean: float, count: int) -> Numbers:
    """Return the logarithms of the chances that a number with Poisson's distribution is at least 0,
    1, … below `count`."""
    if mean <= 0:
        return np.where(np.arange(count) > 0, -math.inf, 0.0)
    most = max(mean, float(count))
    numbers = math.ceil(most + 12 * math.sqrt(most) + 40)
    logs = np.arange(numbers) * math.log(mean) - mean - log_factorials(numbers)
    found: Numbers = np.minimum(np.logaddexp.accumulate(logs[::-1])[::-1][:count], 0.0)
    return found
