"""What follows from a sweep: the size to choose, why, and what its neighbours would cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

import msgspec
import numpy as np

from poolviz.model.load_generator import CPU_LIMIT
from poolviz.model.parameters import Value
from poolviz.sizing.points import MeasuredPoint, Point

ENOUGH = 0.95  # of the best throughput
_TAIL = 0.025
_OVERLOADED = 0.2  # of the samples
_LOCKED = 0.3  # of the backends that execute a statement
_CPU_BUSY = 0.85  # of the cores
_RUNNING = 0.3  # of the connections in use: they execute and wait for nothing
_HELD = 0.6  # of the connections in use, without work
_FULL = 0.9  # of the connections in use
_GROWS = 1.03  # times as much throughput
_FEW_FAILURES = 0.001  # of the operations
_NOISY = 0.15  # of the throughput: half an interval


class Verdict(StrEnum):
    """What a sweep says."""

    RECOMMENDED = "recommended"
    TARGET_MISSED = "target_missed"
    TOO_NOISY = "too_noisy"
    GENERATOR = "load_generator"


class Bottleneck(StrEnum):
    """What keeps the throughput from growing."""

    POOL = "pool"
    CPU = "server_cpu"
    LOCKS = "locks"
    HOLD = "held_without_work"
    GENERATOR = "load_generator"
    CLIENTS = "clients"
    NOT_KNOWN = "not_known"


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """The size to choose, with its 95 % interval; None where there is none, which `verdict` says.
    `sizes` are the values of all limits that were swept."""

    verdict: Verdict
    sizes: tuple[int, ...] | None
    low: int | None
    high: int | None


Meets = Callable[[Point], bool]


def recommend(points: Sequence[MeasuredPoint], meets: Meets) -> Recommendation:
    """Return the smallest size with 95 % of the best throughput that meets the target and at which
    no more operations fail than have to."""
    rates = smooth([each.point.throughput_per_s.value or 0.0 for each in points])
    allowed = [meets(each.point) and _succeeds(each.point, points) for each in points]
    place = _smallest(rates, allowed)
    if place is None:
        return Recommendation(verdict=Verdict.TARGET_MISSED, sizes=None, low=None, high=None)
    low, high = _interval(points, allowed, place)
    verdict = Verdict.RECOMMENDED
    if _noisy(points[place].point):
        verdict = Verdict.TOO_NOISY
    elif points[place].point.generator_cpu > CPU_LIMIT:
        verdict = Verdict.GENERATOR
    return Recommendation(verdict=verdict, sizes=points[place].point.sizes, low=low, high=high)


def _succeeds(point: Point, points: Sequence[MeasuredPoint]) -> bool:
    """Whether no more operations fail than at the size with the fewest failures."""
    shares = [each.point.failures / max(each.point.operations, 1) for each in points]
    return point.failures / max(point.operations, 1) <= min(shares) + _FEW_FAILURES


def _noisy(point: Point) -> bool:
    rate = point.throughput_per_s
    if rate.low is None or rate.high is None or not rate.value:
        return True
    return (rate.high - rate.low) / 2 / rate.value > _NOISY


def _smallest(rates: Sequence[float], allowed: Sequence[bool]) -> int | None:
    best = max((rate for rate, may in zip(rates, allowed, strict=True) if may), default=None)
    if best is None:
        return None
    return next(
        place
        for place, (rate, may) in enumerate(zip(rates, allowed, strict=True))
        if may and rate >= ENOUGH * best
    )


def _interval(
    points: Sequence[MeasuredPoint], allowed: Sequence[bool], place: int
) -> tuple[int, int]:
    """Return between which sizes the recommendation lies, by the bootstrap of every size."""
    rows = [each.replicates["throughput_per_s"] for each in points]
    first = points[place].point.sizes[0]
    if any(row is None for row in rows):
        return first, first
    table = np.array([row for row in rows if row is not None])
    chosen = []
    for column in table.T:
        found = _smallest(smooth(column.tolist()), allowed)
        assert found is not None
        chosen.append(points[found].point.sizes[0])
    low, high = np.quantile(chosen, (_TAIL, 1 - _TAIL), method="nearest")
    return min(int(low), first), max(int(high), first)


def smooth(rates: Sequence[float]) -> list[float]:
    """Return `rates` without chance's ups and downs: growing up to the best one and falling after
    it, each as near as can be (isotonic regression by pooling adjacent violators)."""
    peak = max(range(len(rates)), key=lambda place: rates[place], default=0)
    grown = _grown(rates[: peak + 1])
    fallen = _grown(rates[peak:][::-1])[::-1]
    return [*grown[:-1], max(grown[-1], fallen[0]), *fallen[1:]] if rates else []


def _grown(rates: Sequence[float]) -> list[float]:
    pools: list[tuple[float, int]] = []
    for rate in rates:
        pools.append((rate, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (second, many), (first, few) = pools.pop(), pools.pop()
            pools.append(((first * few + second * many) / (few + many), few + many))
    return [rate for rate, count in pools for _ in range(count)]


def bottleneck(points: Sequence[Point], chosen: Point) -> Bottleneck:
    """Return what keeps the throughput from growing beyond that of the size that is `chosen`."""
    largest = points[-1]
    busiest = max(points, key=lambda each: each.used_mean)
    if max(chosen.generator_cpu, largest.generator_cpu) > CPU_LIMIT:
        return Bottleneck.GENERATOR
    if _locked(busiest) > _LOCKED:
        return Bottleneck.LOCKS
    if _computes(busiest):
        return Bottleneck.CPU
    held = _held(chosen)
    if held is not None and held > _HELD:
        return Bottleneck.HOLD
    # Late timers alone come last: a machine whose processors are busy makes them late too.
    if max(chosen.overloaded_share, largest.overloaded_share) > _OVERLOADED:
        return Bottleneck.GENERATOR
    before = points[-2] if len(points) > 1 else chosen
    rates = [each.throughput_per_s.value or 0.0 for each in (before, largest)]
    if largest.utilisation > _FULL:
        return Bottleneck.POOL if rates[1] > rates[0] * _GROWS else Bottleneck.NOT_KNOWN
    return Bottleneck.CLIENTS


def _locked(point: Point) -> float:
    """Return which share of the backends that execute a statement waited for a lock."""
    server = point.server
    return server.locked / server.active if server is not None and server.active > 0 else 0.0


def _computes(point: Point) -> bool:
    """Whether the processors are busy, and many of the connections in use are a reason of it."""
    server = point.server
    if server is None or server.cpu is None or server.cpu < _CPU_BUSY:
        return False
    return server.running > _RUNNING * point.used_mean


def _held(point: Point) -> float | None:
    """Return which share of the connections in use did no work; None where it isn't known."""
    if point.server is None or point.used_mean <= 0:
        return None
    return max(1 - point.server.active / point.used_mean, 0.0)


def nested_bound(load: Mapping[str, Value]) -> int:
    """Return the number of connections below which clients that hold one and wait for another can
    all wait for one another: `clients · (checkouts − 1) + 1`."""
    return int(load["clients"]) * (int(load["checkouts"]) - 1) + 1
