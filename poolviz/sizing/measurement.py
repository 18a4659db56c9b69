"""A sweep in a run that has begun: sizes, what the server does, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from poolviz.model.errors import PoolvizError
from poolviz.pools.registry import pool_class
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner
from poolviz.servers.dispatch import monitor_for
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.sweep_record import KeptNote, SweepRecord
from poolviz.sizing.advice import nested_bound
from poolviz.sizing.notes import ENDED_EARLY, SERVER_UNKNOWN
from poolviz.sizing.planning import Plan, rules_of_the_field
from poolviz.sizing.server_sampler import ServerSampler
from poolviz.sizing.sweep import Progress, Refusals, Sweep, SweepCancelled
from poolviz.sizing.target import Aim


class Measurement:
    """Measures what `plan` says in `run`, which has begun and is ended by the caller, and keeps it
    in the run's record, from which `sizing_of` makes the answer.

    One thread calls `measure`, which calls `on_progress`; what `sweep` allows may be called by any.
    """

    def __init__(
        self,
        runner: Runner,
        run: Run,
        refusals: Refusals,
        plan: Plan,
        *,
        aim: Aim,
        budget: float,
        since: float,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._run, target = run, run.target
        self._sampler = ServerSampler(
            lambda: monitor_for(target.conninfo, run.name),
            lambda: self._recorder.duration,
            local=target.embedded,
        )
        pool = pool_class(plan.scenario.pool)
        self._kept = SweepRecord(
            tuple((each.key, each.low, each.high) for each in plan.ranges),
            tuple(map(str, aim.conditions)),
            budget,
            target.free_connections,
            target.max_connections,
            nested_bound(plan.scenario.load) if pool.nests else 1,
            rules_of_the_field() if target.embedded else (),
            plan.notes,
        )
        self.sweep = Sweep(
            *(runner, run, refusals, plan.ranges, budget, plan.scenario.seed),
            observed=lambda: list(self._sampler.observations),
            on_progress=on_progress,
            on_measured=lambda _sweep: self._keep(),
            since=since,
        )

    def measure(self) -> None:
        """Measure every size; those until then if the sweep is cancelled or the run ends. Blocks
        until the budget is nearly used. PoolvizError where the run ends before any was measured.
        """
        notes: list[KeptNote] = []
        try:
            with self._sampler:
                self.sweep.measure()
        except SweepCancelled:
            notes.append(KeptNote("cancelled"))
        except PoolvizError as error:
            if not self.sweep.visits:
                raise
            notes.append(KeptNote(ENDED_EARLY, {"reason": str(error)}))
        complete = not notes
        if self._sampler.problem:
            notes.append(KeptNote(SERVER_UNKNOWN, {"problem": self._sampler.problem}))
        self._keep(complete=complete, notes=(*notes, *self._kept.notes))

    @property
    def _recorder(self) -> Recorder:
        assert self._run.recorder is not None
        return self._run.recorder

    def _keep(self, *, complete: bool = False, notes: tuple[KeptNote, ...] | None = None) -> None:
        if self._recorder.began is None:
            return  # a file with nothing but a sweep would be no session
        self._recorder.keep_sweep(
            msgspec.structs.replace(
                self._kept,
                visits=tuple(self.sweep.visits),
                observations=tuple(self._sampler.observations),
                complete=complete,
                notes=self._kept.notes if notes is None else notes,
            )
        )
