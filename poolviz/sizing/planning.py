"""What a sweep will run on a server: which sizes, with which limits, and what is said about it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from poolviz.language import tr, tr_noop
from poolviz.load.fleet import processes_of
from poolviz.model.errors import InputError
from poolviz.model.parameters import Value
from poolviz.model.scenario import Scenario
from poolviz.pools.base import Pool
from poolviz.pools.registry import pool_class
from poolviz.runs.request import RunRequest
from poolviz.servers.target import Target
from poolviz.sessions.sweep_record import KeptNote
from poolviz.sizing.advice import nested_bound
from poolviz.sizing.notes import CHANGES_LEFT_OUT
from poolviz.sizing.swept_limits import (
    Range,
    check_range,
    limits_at,
    overflow_limits,
    size_limit,
)
from poolviz.sizing.target import Aim

DEFAULT_BUDGET = 120.0  # seconds
SHORTEST_BUDGET = 15.0  # of which starting and ending take some
WATCHERS = 2  # connections that watch a run
_MOST_CONNECTIONS = 40  # that are tried where the load doesn't say how many are of use


@dataclass(frozen=True)
class SizingRequest:
    """What to sweep and what to aim at, checked. `ranges` are the limits that the user named; none
    for the one that says how many connections the pool has."""

    request: RunRequest
    ranges: tuple[Range, ...] = ()
    aim: Aim = field(default_factory=Aim)
    budget: float = DEFAULT_BUDGET
    given: frozenset[str] = frozenset()  # limits that the user gave, which stay as they are
    notes: tuple[KeptNote, ...] = ()  # on what was made of them before

    def __post_init__(self) -> None:
        pool = pool_class(self.request.scenario.pool)
        if len(self.ranges) > 2:
            raise InputError(tr("At most two limits can be swept at once."))
        if len({each.key for each in self.ranges}) < len(self.ranges):
            raise InputError(tr("{key} is given twice.", key=self.ranges[0].key))
        if self.budget < SHORTEST_BUDGET:
            raise InputError(
                tr(
                    "--budget {given}: at least {least:g} s are needed.",
                    given=format(self.budget, "g"),
                    least=SHORTEST_BUDGET,
                )
            )
        for each in self.ranges:
            check_range(pool, each)
        if not self.ranges:
            size_limit(pool, self.request.scenario.limits)


@dataclass(frozen=True)
class Plan:
    """A sweep as it will run: the scenario with which it begins, the ranges as far as the server
    has room for them, the most connections that all pools open, and what is said about all that."""

    scenario: Scenario
    ranges: tuple[Range, ...]
    connections: int
    notes: tuple[KeptNote, ...]


def planned(wanted: SizingRequest, target: Target) -> Plan:
    """Return the sweep that `wanted` is on this server. InputError where it has no room for it."""
    scenario, notes = _plain(wanted.request.scenario)
    pool = pool_class(scenario.pool)
    ranges, scenario, more = _prepared(wanted, pool, scenario, target)
    highest = {**scenario.limits, **{each.key: each.high for each in ranges}}
    said = (*wanted.notes, *notes, *more)
    most = processes_of(scenario.fleet) * (pool.capacity(highest) or 0)
    return Plan(scenario, tuple(ranges), most, said)


def limits_to_use(
    pool: type[Pool],
    limits: Mapping[str, Value],
    keys: Sequence[str],
    sizes: Sequence[int],
    connections: int,
) -> dict[str, Value]:
    """Return what has to be changed of `limits` so that the pool has the size that was measured:
    the swept limits, and those for connections beyond them, which the sweep had at 0."""
    found = limits_at(pool, limits, keys, sizes)
    if (pool.capacity(found) or 0) > connections:
        found |= {key: 0 for key in overflow_limits(pool, keys[0], found) if key not in keys}
    return {key: value for key, value in found.items() if limits[key] != value}


def rules_of_the_field() -> tuple[tuple[str, int], ...]:
    """Return what the field's rules of thumb say for a server on this machine."""
    cores = os.cpu_count() or 1
    return (
        (tr_noop("HikariCP: 2 × cores + 1 disk"), 2 * cores + 1),
        (tr_noop("CockroachDB: 4 × cores"), 4 * cores),
        (tr_noop("Oracle: 10 × cores at most"), 10 * cores),
    )


def _plain(scenario: Scenario) -> tuple[Scenario, list[KeptNote]]:
    """Return the scenario without changes, conditions and end, and what is said about that."""
    notes = []
    if scenario.changes:
        notes.append(KeptNote(CHANGES_LEFT_OUT, {"n": len(scenario.changes)}))
    return msgspec.structs.replace(scenario, changes=(), fail_if=(), duration=None), notes


def _prepared(
    wanted: SizingRequest, pool: type[Pool], scenario: Scenario, target: Target
) -> tuple[list[Range], Scenario, list[KeptNote]]:
    """Return what is swept on this server, the scenario with which it begins, and notes."""
    notes: list[KeptNote] = []
    limits = dict(scenario.limits)
    ranges = list(wanted.ranges)
    if not ranges:
        size = size_limit(pool, limits)
        for key in overflow_limits(pool, size, limits):
            if key not in wanted.given and limits[key]:
                notes.append(KeptNote("no_overflow", {"key": key, "size": size}))
                limits[key] = 0
        ranges = [Range(size, 1, most_of_use(scenario))]
    else:
        swept = {each.key for each in ranges}
        for key in overflow_limits(pool, ranges[0].key, limits):
            if key not in swept and limits[key]:
                notes.append(KeptNote("more_connections", {"key": key, "value": int(limits[key])}))
    if len(ranges) == 1:
        ranges = [_without_deadlocks(pool, scenario, limits, ranges[0], notes)]
    room = target.free_connections
    if room is not None:
        room = max(room - WATCHERS, 0)
        processes = processes_of(scenario.fleet)
        ranges = _with_room(pool, limits, ranges, room, notes, processes=processes)
    start = limits_at(pool, limits, [each.key for each in ranges], [each.low for each in ranges])
    return ranges, msgspec.structs.replace(scenario, limits=start), notes


def most_of_use(scenario: Scenario) -> int:
    """Return how many connections could be of use to the load."""
    if scenario.load["arrivals"] == "open":
        return _MOST_CONNECTIONS
    return max(int(scenario.load["clients"]) * int(scenario.load["checkouts"]), 2)


def _without_deadlocks(
    pool: type[Pool],
    scenario: Scenario,
    limits: Mapping[str, Value],
    swept: Range,
    notes: list[KeptNote],
) -> Range:
    """Return the part of a range in which clients that hold several connections at once can't all
    wait for one another."""
    bound = nested_bound(scenario.load) if pool.nests else 1
    at_low = pool.capacity({**limits, swept.key: swept.low})
    if at_low is None or at_low >= bound:
        return swept
    notes.append(KeptNote("deadlocks", {"bound": bound}))
    low = swept.low + bound - at_low
    return replace(swept, low=low, high=max(swept.high, low + 1))


def _with_room(
    pool: type[Pool],
    limits: Mapping[str, Value],
    ranges: Sequence[Range],
    room: int,
    notes: list[KeptNote],
    *,
    processes: int,
) -> list[Range]:
    """Return the ranges, the first of them no higher than the server has `room` for, which all
    processes share alike."""
    first, *others = ranges
    highest = {**limits, **{each.key: each.high for each in ranges}}
    most = pool.capacity(highest)
    if most is None or processes * most <= room:
        return list(ranges)
    fitting = first.high - (most - room // processes)
    if fitting <= first.low:
        raise InputError(
            tr(
                "There is no room for this sweep: it would need up to {most} connections, and the "
                "server has {room} for it. Sweep fewer, or free some.",
                most=processes * most,
                room=room,
            )
        )
    note = KeptNote("no_room", {"key": first.key, "fitting": fitting, "room": room})
    if processes > 1:
        values = {**note.values, "processes": processes}
        note = KeptNote("no_room_for_processes", values)
    notes.append(note)
    return [replace(first, high=fitting), *others]
