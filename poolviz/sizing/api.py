"""Finding the size of a pool, for the command line and Python alike."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from poolviz.language import tr, tr_noop
from poolviz.model.errors import InputError, PoolvizError
from poolviz.model.messages import Report
from poolviz.model.parameters import Value
from poolviz.model.scenario import Scenario
from poolviz.pools.base import Pool
from poolviz.pools.registry import pool_class
from poolviz.runs.arguments import Arguments, ScenarioLike
from poolviz.runs.request import RunRequest
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner, kept_session
from poolviz.runs.warnings import RunWarning
from poolviz.servers.dispatch import monitor_for
from poolviz.servers.target import Target
from poolviz.sessions.sweep_record import KeptNote, SweepRecord
from poolviz.sizing.advice import nested_bound
from poolviz.sizing.notes import CHANGES_LEFT_OUT, ENDED_EARLY, SERVER_UNKNOWN
from poolviz.sizing.server_sampler import ServerSampler
from poolviz.sizing.sizing import Sizing, sizing_of
from poolviz.sizing.sweep import Progress, Refusals, Sweep, SweepCancelled
from poolviz.sizing.swept_limits import (
    Range,
    check_range,
    limits_at,
    overflow_limits,
    size_limit,
)
from poolviz.sizing.target import Aim

DEFAULT_BUDGET = 120.0  # seconds
SHORTEST_BUDGET = 10.0
_MOST_CONNECTIONS = 40  # that are tried where the load doesn't say how many are of use
_WATCHERS = 2  # connections that watch a run
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SizingRequest:
    """What to sweep and what to aim at, checked. `ranges` are the limits that the user named; none
    for the one that says how many connections the pool has."""

    request: RunRequest
    ranges: tuple[Range, ...] = ()
    aim: Aim = field(default_factory=Aim)
    budget: float = DEFAULT_BUDGET
    given: frozenset[str] = frozenset()  # limits that the user gave, which stay as they are

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


class SizingListener:
    """Hears of a sweep; the base class keeps silent. Called by the threads that `RunListener` says,
    `measuring` by that of the sweep."""

    def progressed(self, sentence: str) -> None:
        """Before the load starts, something that takes its time has begun."""

    def warned(self, warning: RunWarning) -> None:
        """Something the user should know, before the load starts."""

    def reported(self, run: Run, report: Report) -> None:
        """The engine sent a report."""

    def began(self, sweep: Sweep) -> None:
        """The sweep begins; `sweep.cancel` ends it."""

    def measuring(self, progress: Progress) -> None:
        """A size is measured now."""


def size(
    scenario_or_path: ScenarioLike = None,
    *,
    sweep: Mapping[str, tuple[int, int]] | None = None,
    target: str | Sequence[str] = (),
    budget: float = DEFAULT_BUDGET,
    pool: str | None = None,
    own_pool: Mapping[str, str] | None = None,
    limits: Mapping[str, object] | None = None,
    load: Mapping[str, object] | None = None,
    connect: Mapping[str, object] | None = None,
    dsn: str | None = None,
    seed: int | None = None,
    create_tables: bool = False,
    keep: bool = False,
) -> Sizing:
    """Find out how large a pool should be, and return what was measured.

    `sweep` names up to two limits with the lowest and highest value that is tried of each; without
    it the limit is swept that says how many connections the pool has. `target` has conditions that
    a size must meet, such as `"wait_p95 < 20ms"`. Measuring takes `budget` seconds, and some more.
    The other arguments are those of `poolviz.run`; changes of a scenario are left out.

    Raises `poolviz.PoolvizError`: InputError for mistakes in the request, ServerError where there
    is no server.
    """
    given = {
        "pool": pool,
        "own_pool": own_pool,
        "dsn": dsn,
        "seed": seed,
        "limits": limits,
        "load": load,
        "connect": connect,
    }
    with Runner() as runner:
        draft, _ = Arguments(scenario_or_path, given).draft(runner)
        draft = draft.with_fields(changes=[])
        wanted = SizingRequest(
            RunRequest.of(draft),
            tuple(Range.of(key, *ends) for key, ends in (sweep or {}).items()),
            Aim.parse(*([target] if isinstance(target, str) else target)),
            budget,
            frozenset(draft.limits),
        )
        runner.warm_up(wanted.request.scenario.pool)
        return find_size(wanted, runner, _Log(), keep=keep, create_tables=create_tables)


def find_size(
    wanted: SizingRequest,
    runner: Runner,
    listener: SizingListener,
    *,
    keep: bool = True,
    create_tables: bool = False,
) -> Sizing:
    """Sweep and return what was found; with a sweep that was cancelled or whose run ended, what was
    measured until then. Blocks for the budget and some seconds. PoolvizError where there is no
    server or nothing was measured."""
    scenario, notes = _plain(wanted.request.scenario)
    target = runner.reach(wanted.request.dsn, listener.progressed)
    pool = pool_class(scenario.pool)
    ranges, scenario, more = _prepared(wanted, pool, scenario, target)
    heard = Refusals(listener)
    run = Run(scenario, target, heard, may_create_tables=create_tables)
    session = wanted.request.session
    runner.begin(run, session, keep_at=kept_session(run) if keep and session is None else None)
    assert run.recorder is not None
    kept = SweepRecord(
        tuple((each.key, each.low, each.high) for each in ranges),
        tuple(map(str, wanted.aim.conditions)),
        wanted.budget,
        target.free_connections,
        target.max_connections,
        nested_bound(scenario.load) if pool.nests else 1,
        rules_of_the_field() if target.embedded else (),
        (*notes, *more),
    )
    with run.recorder as recorder:
        sampler = ServerSampler(
            lambda: monitor_for(target.conninfo, run.name),
            lambda: recorder.duration,
            local=target.embedded,
        )

        def so_far(sweep: Sweep, **more: Any) -> SweepRecord:
            visits, seen = tuple(sweep.visits), tuple(sampler.observations)
            return msgspec.structs.replace(kept, visits=visits, observations=seen, **more)

        with _ending(runner), sampler:
            sweep = Sweep(
                runner,
                run,
                heard,
                ranges,
                wanted.budget,
                scenario.seed,
                lambda: list(sampler.observations),
                listener.measuring,
                lambda sweep: recorder.keep_sweep(so_far(sweep)),
            )
            listener.began(sweep)
            early = _measured(sweep)
        if early is not None:
            notes.append(early)
        if sampler.problem:
            notes.append(KeptNote(SERVER_UNKNOWN, {"problem": sampler.problem}))
        recorder.keep_sweep(so_far(sweep, complete=early is None, notes=(*notes, *more)))
        found = sizing_of(recorder, aim=wanted.aim)
        if found is None:
            raise PoolvizError(tr("Nothing was measured."))
        path = recorder.path
        there = path is not None and path.exists()
        return found if there else msgspec.structs.replace(found, session=None)


@contextmanager
def _ending(runner: Runner) -> Iterator[None]:
    """End the run after this block."""
    try:
        yield
    finally:
        runner.end_run()


def _measured(sweep: Sweep) -> KeptNote | None:
    """Measure; return why that ended early, None if it didn't. PoolvizError if nothing was measured
    until then."""
    try:
        sweep.measure()
    except SweepCancelled:
        return KeptNote("cancelled")
    except PoolvizError as error:
        if not sweep.visits:
            raise
        return KeptNote(ENDED_EARLY, {"reason": str(error)})
    return None


class _Log(SizingListener):
    """Logs what is said."""

    def warned(self, warning: RunWarning) -> None:
        """Log a warning."""
        _logger.warning("%s", warning.sentence)


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
        ranges = [Range(size, 1, _highest(scenario))]
    else:
        swept = {each.key for each in ranges}
        for key in overflow_limits(pool, ranges[0].key, limits):
            if key not in swept and limits[key]:
                notes.append(KeptNote("more_connections", {"key": key, "value": int(limits[key])}))
    if len(ranges) == 1:
        ranges = [_without_deadlocks(pool, scenario, limits, ranges[0], notes)]
    room = target.free_connections
    if room is not None:
        room = max(room - _WATCHERS, 0)
        ranges = _with_room(pool, limits, ranges, room, notes)
    start = limits_at(pool, limits, [each.key for each in ranges], [each.low for each in ranges])
    return ranges, msgspec.structs.replace(scenario, limits=start), notes


def _highest(scenario: Scenario) -> int:
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
) -> list[Range]:
    """Return the ranges, the first of them no higher than the server has `room` for."""
    first, *others = ranges
    highest = {**limits, **{each.key: each.high for each in ranges}}
    most = pool.capacity(highest)
    if most is None or most <= room:
        return list(ranges)
    fitting = first.high - (most - room)
    if fitting <= first.low:
        raise InputError(
            tr(
                "There is no room for this sweep: it would need up to {most} connections, and the "
                "server has {room} for it. Sweep fewer, or free some.",
                most=most,
                room=room,
            )
        )
    notes.append(KeptNote("no_room", {"key": first.key, "fitting": fitting, "room": room}))
    return [replace(first, high=fitting), *others]
