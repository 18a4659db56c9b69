"""Finding the size of the pool in the window: the sweep that goes on, its answer, and trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from time import monotonic

import msgspec
from PySide6.QtCore import QObject, Signal

from poolviz.model.errors import InputError
from poolviz.model.parameters import Value
from poolviz.model.scenario import Scenario
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner
from poolviz.servers.target import Target
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.sweep_record import KeptVisit
from poolviz.sizing.measurement import Measurement
from poolviz.sizing.planning import SizingRequest, planned
from poolviz.sizing.points import Point, measured_points
from poolviz.sizing.queueing import Equilibrium
from poolviz.sizing.sizing import Sizing, sizing_of
from poolviz.sizing.sweep import Progress, Refusals
from poolviz.ui.session.current_run import CurrentRun
from poolviz.ui.session.notices import Notices, Weight, sentence_of
from poolviz.ui.session.requested_settings import RequestedSettings
from poolviz.ui.session.worker import Inbox, Worker

WORKER = "sizing worker"
TRIAL_SECONDS = 8.0
_SETTLING = 1.0  # seconds at the begin of a trial that don't count
_TOPIC = "sizing"  # of notices
_PATIENCE = 15.0  # seconds that closing waits for the sweep's last look at the server


class Phase(StrEnum):
    """What goes on."""

    IDLE = "idle"
    STARTING = "starting"
    MEASURING = "measuring"
    PAUSED = "paused"
    TRYING = "trying"
    ENDING = "ending"


@dataclass(frozen=True)
class Trial:
    """A load that is run for some seconds at one size, with what the model predicts of it; what was
    measured is None until that is known."""

    scenario: Scenario
    sizes: tuple[int, ...]
    connections: int
    predicted: Equilibrium
    measured: Point | None = None


@dataclass(frozen=True)
class _Sweep:
    """A sweep for which a run was begun."""

    wanted: SizingRequest
    measure: Callable[[Run], Measurement]


class SizeFinder(QObject):
    """At most one sweep or trial at a time, in the window's run. Belongs to the GUI thread.

    A worker of its own measures; `file_worker` makes the answer of what the record holds.
    """

    changed = Signal()  # what goes on, or how far it is
    answered = Signal()  # there is another answer, or none any more
    opened = Signal()  # the answer is that of a session that was opened

    def __init__(
        self,
        runner: Runner,
        current: CurrentRun,
        inbox: Inbox,
        *,
        notices: Notices,
        requested: RequestedSettings,
        file_worker: Worker,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._runner, self._current, self._inbox = runner, current, inbox
        self._notices, self._requested, self._file_worker = notices, requested, file_worker
        self._worker: Worker | None = None
        self.phase = Phase.IDLE
        self.progress: Progress | None = None
        self.sizing: Sizing | None = None
        self.trial: Trial | None = None
        self._wanted: SizingRequest | Trial | None = None
        self._sweep: _Sweep | None = None
        self._run: Run | None = None
        self._measurement: Measurement | None = None
        self._measuring = self._answering = self._stay = False
        self._before: tuple[str, Mapping[str, Value]] = "", {}
        self._close: Callable[[], None] | None = None
        current.recording.connect(self._record)
        current.ended.connect(self._end)

    @property
    def busy(self) -> bool:
        """A sweep or a trial is on its way, goes on, or comes to its end."""
        return self.phase is not Phase.IDLE

    def want(self, wanted: SizingRequest | Trial) -> None:
        """Have the next run that begins be a sweep or a trial."""
        self._wanted = wanted

    def forget(self) -> None:
        """Have the next run be a plain one."""
        self._wanted = None

    def begin(self, target: Target) -> bool:
        """Begin what is wanted on a server that was reached; False if nothing is."""
        wanted, self._wanted = self._wanted, None
        if wanted is None:
            return False
        self._before = self._requested.pool.id, {**self._requested.limits, **self._requested.load}
        self._measurement = None
        if isinstance(wanted, Trial):
            self.trial, self._sweep = wanted, None
            self._begin_run(wanted.scenario, target)
            return True
        try:
            plan = planned(wanted, target)
        except InputError as error:
            self._notices.say(_TOPIC, str(error), Weight.WARN)
            return True
        heard, since = Refusals(self._current), monotonic()

        def measure(run: Run) -> Measurement:
            return Measurement(
                *(self._runner, run, heard, plan),
                aim=wanted.aim,
                budget=wanted.budget,
                since=since,
                on_progress=lambda progress: self._inbox.post(partial(self._note, run, progress)),
            )

        self._sweep = _Sweep(wanted, measure)
        self.trial = self.progress = self.sizing = None
        self._begin_run(plan.scenario, target, heard)
        self.answered.emit()
        return True

    def pause(self) -> None:
        """Stop the load until `go_on`; nothing unless sizes are measured."""
        if self._measurement is not None and self.phase is Phase.MEASURING:
            self._measurement.sweep.pause()
            self._go(Phase.PAUSED)

    def go_on(self) -> None:
        """Go on after a pause."""
        if self._measurement is not None and self.phase is Phase.PAUSED:
            self._measurement.sweep.go_on()
            self._go(Phase.MEASURING)

    def cancel(self) -> None:
        """End the sweep or the trial; what was measured until then is kept."""
        if self.busy:
            self._current.stop()

    def show_of(self, recorder: Recorder) -> None:
        """Show the answer of a session that was opened, if a sweep was run in it."""
        stay, self._stay = self._stay, False
        if recorder.sweep is None or self.busy or stay:
            return

        def show(found: Sizing | None) -> None:
            if found is not None and not self.busy:
                self.show(found)
                self.opened.emit()

        self._file_worker.do(lambda: sizing_of(recorder), show, self._complain)

    def show(self, sizing: Sizing) -> None:
        """Show an answer in place of the one before."""
        self.trial = self.progress = self._sweep = None
        self.sizing = sizing
        self.answered.emit()
        self.changed.emit()

    def stay_in_run(self) -> None:
        """Don't show the answer of the session that is opened next: its run is to be seen."""
        self._stay = True

    def when_measured(self, run: Run, close: Callable[[], None]) -> None:
        """Call `close` once nothing is added any more to the record of `run`, which has ended."""
        if run is self._run and self._measuring:
            self._close = close
        else:
            close()

    def close(self) -> None:
        """End the worker; the run was stopped. Blocks for a moment."""
        if self._worker is not None:
            self._worker.close(_PATIENCE)

    # The run

    def _begin_run(
        self, scenario: Scenario, target: Target, listener: Refusals | None = None
    ) -> None:
        self._current.begin(scenario, target, listener, changeable=False)
        self._run = self._current.run
        self._go(Phase.STARTING)

    def _record(self, run: Run) -> None:
        """Measure in the run, which has begun."""
        if run is not self._run:
            return
        if self._sweep is None:
            self._go(Phase.TRYING)
            return
        if self._worker is None:
            self._worker = Worker(WORKER, self._inbox)
        self._measurement = self._sweep.measure(run)
        self._measuring = True
        failed = partial(self._fail, run)
        self._worker.do(self._measurement.measure, lambda _: self._measured(run), failed)
        self._go(Phase.MEASURING)

    def _note(self, run: Run, progress: Progress) -> None:
        if run is self._run and self._measuring:
            self.progress = progress
            self.changed.emit()
            self._answer(run)

    def _fail(self, run: Run, error: BaseException) -> None:
        if run.ended is None or not run.ended.failure:  # which is said already
            self._complain(error)
        self._measured(run)

    def _measured(self, run: Run) -> None:
        self._measuring = False
        self._answering = False
        self._answer(run)
        close, self._close = self._close, None
        if close is not None:
            close()
        self._current.stop()
        self._go(Phase.ENDING)
        self._finish()

    def _end(self, run: Run) -> None:
        """Note that the run has ended, or never began, which may be asked for once more."""
        if run is not self._run:
            return
        if self._sweep is not None and self._measurement is None:
            self._wanted = self._sweep.wanted
        if self.trial is not None and run.recorder is not None:
            self._measure_trial(self.trial, run.recorder)
        self._finish()

    def _finish(self) -> None:
        """Request again what was requested before, once the run is over and measured."""
        if self._measuring or (self._current.busy and self._current.run is self._run):
            return
        pool, values = self._before
        if pool == self._requested.pool.id:
            for key, value in values.items():
                self._requested.settle(key, value)
            self._current.settings_changed.emit()
        self._run = None
        self._go(Phase.IDLE)

    def _measure_trial(self, trial: Trial, recorder: Recorder) -> None:
        end = recorder.duration
        visit = KeptVisit(trial.sizes, trial.connections, min(_SETTLING, end), end)

        def show(points: list[Point]) -> None:
            if self.trial is trial and points:
                self.trial = replace(trial, measured=points[0])
                self.changed.emit()

        if end > _SETTLING:
            self._file_worker.do(
                lambda: [each.point for each in measured_points(recorder, [visit], [])],
                show,
                self._complain,
            )

    # The answer

    def _answer(self, run: Run) -> None:
        """Have the answer made of what was measured so far, unless that is being done."""
        recorder = run.recorder
        if self._answering or recorder is None or recorder.sweep is None:
            return
        self._answering = True

        def show(found: Sizing | None) -> None:
            self._answering = False
            if found is not None and self._sweep is not None:
                known = self.sizing
                if known is None or found.complete or len(_visits(found)) >= len(_visits(known)):
                    self.sizing = _as_kept(found, run)
                    self.answered.emit()

        quick = self._measuring  # so that it takes nothing from the load
        self._file_worker.do(lambda: sizing_of(recorder, quick=quick), show, self._complain)

    def _complain(self, error: BaseException) -> None:
        self._answering = False
        self._notices.say(_TOPIC, sentence_of(error), Weight.WARN)

    def _go(self, phase: Phase) -> None:
        self.phase = phase
        self.changed.emit()


def _visits(sizing: Sizing) -> list[tuple[float, float]]:
    return [visit for point in sizing.points for visit in point.visits]


def _as_kept(sizing: Sizing, run: Run) -> Sizing:
    """Return it without a session where the record is in memory only."""
    return msgspec.structs.replace(sizing, session=None) if run.not_kept else sizing
