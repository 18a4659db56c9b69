"""Finding the size of a pool, for the command line and Python alike."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from time import monotonic

import msgspec

from poolviz.language import tr
from poolviz.model.errors import PoolvizError
from poolviz.model.messages import Report
from poolviz.runs.arguments import Arguments, ScenarioLike
from poolviz.runs.request import RunRequest
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner, kept_session
from poolviz.runs.warnings import RunWarning
from poolviz.sizing.measurement import Measurement
from poolviz.sizing.planning import DEFAULT_BUDGET, SizingRequest, planned
from poolviz.sizing.sizing import Sizing, sizing_of
from poolviz.sizing.sweep import Progress, Refusals, Sweep
from poolviz.sizing.swept_limits import Range
from poolviz.sizing.target import Aim

_logger = logging.getLogger(__name__)


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
    processes: int | None = None,
    create_tables: bool = False,
    keep: bool = False,
) -> Sizing:
    """Find out how large a pool should be, and return what was measured.

    `sweep` names up to two limits with the lowest and highest value that is tried of each; without
    it the limit is swept that says how many connections the pool has. `target` has conditions that
    a size must meet, such as `"wait_p95 < 20ms"`. With `processes` so many run at once, each with a
    pool and clients of its own, and the answer is for one of them. It takes `budget` seconds. The
    other arguments are those of `poolviz.run`; changes of a scenario are left out.

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
        "fleet": None if processes is None else {"processes": processes},
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
    measured until then. Blocks for the budget, of which starting is a part. PoolvizError where
    there is no server or nothing was measured."""
    since = monotonic()
    target = runner.reach(wanted.request.dsn, listener.progressed)
    plan = planned(wanted, target)
    heard = Refusals(listener)
    run = Run(plan.scenario, target, heard, may_create_tables=create_tables)
    session = wanted.request.session
    runner.begin(run, session, keep_at=kept_session(run) if keep and session is None else None)
    assert run.recorder is not None
    with run.recorder as recorder:
        measurement = Measurement(
            *(runner, run, heard, plan),
            aim=wanted.aim,
            budget=wanted.budget,
            since=since,
            on_progress=listener.measuring,
        )
        try:
            listener.began(measurement.sweep)
            measurement.measure()
        finally:
            runner.end_run()
        found = sizing_of(recorder, aim=wanted.aim)
        if found is None:
            raise PoolvizError(tr("Nothing was measured."))
        path = recorder.path
        there = path is not None and path.exists()
        return found if there else msgspec.structs.replace(found, session=None)


class _Log(SizingListener):
    """Logs what is said."""

    def warned(self, warning: RunWarning) -> None:
        """Log a warning."""
        _logger.warning("%s", warning.sentence)
