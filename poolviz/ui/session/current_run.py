"""The run of the window: begun and ended by a worker, followed by the engine's reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QObject, Signal

from poolviz.language import tr
from poolviz.load.faults import FAULTS
from poolviz.load.statements import needs_tables
from poolviz.model.errors import PoolvizError
from poolviz.model.messages import (
    ChangeRefused,
    MarkAdded,
    ProblemReported,
    Report,
    RunEnded,
    RunStarted,
)
from poolviz.model.parameters import Value
from poolviz.model.sample import Mark, MarkKind
from poolviz.model.scenario import Scenario
from poolviz.runs.run import Run, RunListener
from poolviz.runs.runner import Runner, TablesNotAllowed
from poolviz.runs.warnings import RunWarning
from poolviz.servers.target import Target
from poolviz.sessions.folder import SessionsFolder
from poolviz.ui.session.active_faults import ActiveFaults
from poolviz.ui.session.notices import Notices, Weight, log_fault, sentence_of
from poolviz.ui.session.outcome import shortcoming
from poolviz.ui.session.pending_changes import PendingChanges
from poolviz.ui.session.requested_settings import RequestedSettings
from poolviz.ui.session.worker import Inbox, Worker

_PROGRESS = "preparation"  # a topic of notices


@dataclass(frozen=True)
class TablesQuestion:
    """Whether tables of `scale` may be created on a user's server; `present` is the scale of those
    that they replace, 0 without any. One of the two is called with the answer."""

    target: Target
    scale: int
    present: int
    allow: Callable[[], None]
    refuse: Callable[[], None]


class CurrentRun(QObject):
    """At most one run at a time, and what is changed in it. Belongs to the GUI thread; `worker`
    does what blocks, and the engine's reader thread only posts to the inbox."""

    changed = Signal()  # it is on its way, stopping or over
    recording = Signal(object)  # the Run, whose recorder is there
    settings_changed = Signal()  # other settings are requested, or other faults in force
    ended = Signal(object)  # the Run
    restart_wanted = Signal()  # the user wants the run ended and another one begun
    tables_wanted = Signal(object)  # a TablesQuestion

    def __init__(
        self,
        runner: Runner,
        worker: Worker,
        inbox: Inbox,
        *,
        notices: Notices,
        requested: RequestedSettings,
        sessions: SessionsFolder,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._runner, self._worker, self._inbox = runner, worker, inbox
        self._notices, self._requested, self._sessions = notices, requested, sessions
        self._run: Run | None = None
        self._over = True
        self._changeable = True  # what is requested is sent to the run
        self._start_heard = False  # Run.started is ahead of the `changed` that tells of it
        self._pending: PendingChanges | None = None  # once the engine is there
        self._allowed: dict[str, int] = {}  # the largest scale that the user allowed, by server
        self.faults = ActiveFaults()

    @property
    def busy(self) -> bool:
        """A run is on its way, goes on, or is being stopped."""
        return not self._over

    @property
    def stopping(self) -> bool:
        """A run is being stopped."""
        return self.busy and self._run is not None and self._run.stop_asked

    @property
    def running(self) -> bool:
        """The load is on."""
        return self.busy and self._start_heard

    @property
    def run(self) -> Run | None:
        """The run that goes on, or the last one; None before the first and after `forget`."""
        return self._run

    def begin(
        self,
        scenario: Scenario,
        target: Target,
        listener: RunListener | None = None,
        *,
        changeable: bool = True,
    ) -> None:
        """Start a run on a server that was reached. A `listener` hears of it in this one's place,
        and passes everything on. One that isn't `changeable` keeps its settings whatever is
        requested."""
        self._notices.take_all_back()
        allowed = self._may_create(target, needs_tables(scenario))
        run = self._run = Run(scenario, target, listener or self, may_create_tables=allowed)
        self._over, self._start_heard, self._pending = False, False, None
        self._changeable = changeable
        self.faults.begin(run)
        self._worker.do(
            lambda: self._begin(run), lambda _: self._begun(run), partial(self._not_begun, run)
        )
        self.changed.emit()

    def stop(self) -> None:
        """End the run; nothing where none goes on or it is being stopped already."""
        run = self._run
        if self._over or run is None or run.stop_asked:
            return
        run.stop()
        self.changed.emit()

    def fail(self, reason: str) -> None:
        """End the run as one that failed for `reason`; nothing where none goes on."""
        if self._run is not None and not self._over:
            self._run.fail(PoolvizError(reason))

    def change_to(self, values: Mapping[str, Value]) -> None:
        """Have these limits and settings in force, as far as they can be carried out."""
        if self._pending is not None and self._run is not None and not self._run.stop_asked:
            self._pending.want(values)

    def leave_pool(self) -> None:
        """Send no more changes: they would be another pool's."""
        self._pending = None

    def forget(self) -> None:
        """Forget the last run: another session is shown."""
        self._run, self._pending = None, None
        self.faults.begin(None)

    # What the runner reports (a `RunListener`), in other threads

    def progressed(self, sentence: str) -> None:
        """Show what is being done before the load starts. Called in the worker's thread."""
        shown = tr("Preparing tables: {sentence}…", sentence=sentence)
        self._inbox.post(lambda: self._notices.say(_PROGRESS, shown, closable=False))

    def warned(self, warning: RunWarning) -> None:
        """Show a warning. Called in the worker's thread."""
        self._inbox.post(lambda: self._notices.say(*warning, Weight.WARN))

    def reported(self, run: Run, report: Report) -> None:
        """Take a report in. Called in the engine's reader thread."""
        self._inbox.post(partial(self._hear, run, report))

    # What comes of it, in the GUI thread

    def _begin(self, run: Run) -> None:
        """Start the engine. Called in the worker's thread."""
        try:
            path = self._sessions.new_path()
        except OSError as error:
            run.not_kept = str(error)
            path = None
        self._runner.begin(run, keep_at=path)

    def _begun(self, run: Run) -> None:
        self._notices.take_back(_PROGRESS)
        if run.not_kept:
            sentence = tr("This session is kept in memory only: {not_kept}", not_kept=run.not_kept)
            self._notices.say("recorder", sentence, Weight.WARN)
        self.recording.emit(run)
        current = run is self._run and not self._over and self._changeable
        if self._requested.pool.id == run.scenario.pool and current:
            self._pending = PendingChanges(run, partial(self._prepare_tables, run))
        self.settings_changed.emit()
        self.changed.emit()

    def _not_begun(self, run: Run, error: BaseException) -> None:
        if not isinstance(error, TablesNotAllowed):
            self._end(run, RunEnded(0, "" if run.stop_asked else sentence_of(error), 1))
            return
        self._end(run, RunEnded(0))
        if run is self._run and self._over and not run.stop_asked:
            self._ask_for_tables(error, self.restart_wanted.emit, lambda: None)

    def _prepare_tables(self, run: Run, pending: PendingChanges, scale: int) -> None:
        """Have the tables made that a change needs, while the run goes on."""

        def made(_: None) -> None:
            self._notices.take_back(_PROGRESS)
            pending.tables_made()

        def go_on() -> bool:
            return pending is self._pending and not run.stop_asked

        def allowed() -> None:
            if go_on():
                self._prepare_tables(run, pending, scale)

        def refused() -> None:
            if go_on():
                for key, value in pending.tables_failed().items():
                    self._requested.refuse(key, value)
                self.settings_changed.emit()

        def failed(error: BaseException) -> None:
            self._notices.take_back(_PROGRESS)
            if not go_on():
                return
            if isinstance(error, TablesNotAllowed):
                self._ask_for_tables(error, allowed, refused)
            else:
                self._notices.say("value", sentence_of(error), Weight.WARN)
                refused()

        run.may_create_tables = self._may_create(run.target, scale)
        self._worker.do(lambda: self._runner.prepare_tables(run, scale), made, failed)

    def _may_create(self, target: Target, scale: int) -> bool:
        """Whether the user has allowed tables of that scale on that server."""
        return self._allowed.get(target.shown, 0) >= scale

    def _ask_for_tables(
        self, missing: TablesNotAllowed, allowed: Callable[[], None], refused: Callable[[], None]
    ) -> None:
        def allow() -> None:
            shown = missing.target.shown
            self._allowed[shown] = max(missing.scale, self._allowed.get(shown, 0))
            allowed()

        question = TablesQuestion(missing.target, missing.scale, missing.present, allow, refused)
        self.tables_wanted.emit(question)

    def _hear(self, run: Run, report: Report) -> None:
        if run is not self._run:
            return
        match report:
            case RunStarted():
                self._start_heard = True
                self.changed.emit()
            case MarkAdded(mark):
                self._follow(mark)
            case ChangeRefused(key, value, reason):
                self._keep(key, value)
                self._notices.say("value", reason, Weight.WARN, passing=True)
                self.settings_changed.emit()
            case ProblemReported():
                self.show_problem(report)
            case RunEnded():
                self._end(run, report)
            case _:
                pass  # samples are in the recorder; the runner restarts the server

    def _follow(self, mark: Mark) -> None:
        """Note a change that was applied: the user's, or one that the scenario had scheduled."""
        if mark.key is None or mark.new is None:
            return
        if mark.kind is MarkKind.FAULT:
            self.faults.settle(mark.key, mark.new)
        elif self._pending is None or self._pending.answered(mark.key, mark.new):
            self._requested.settle(mark.key, mark.new)
            self.settings_changed.emit()

    def _keep(self, key: str, value: Value) -> None:
        """Note that the engine refused a change and keeps `value`."""
        self.faults.settle(key, value)
        if key not in FAULTS:
            self._requested.refuse(key, value)
            if self._pending is not None:
                self._pending.refused(key, value)

    def show_problem(self, problem: ProblemReported) -> None:
        """Show a problem of the run, or take it back once it is over."""
        if not problem.sentence:
            self._notices.take_back(problem.topic)
        elif problem.topic == "engine":  # it hangs, and is killed if it doesn't stop
            self._notices.say(
                "engine", problem.sentence, Weight.BAD, tr("Start again"), self.restart_wanted.emit
            )
        else:
            passing = problem.topic in FAULTS
            self._notices.say(problem.topic, problem.sentence, Weight.WARN, passing=passing)

    def _end(self, run: Run, ended: RunEnded) -> None:
        if run is not self._run or self._over:
            return
        self._over, self._pending = True, None
        self.faults.begin(None)
        for topic in ("engine", _PROGRESS):
            self._notices.take_back(topic)
        if ended.failure:
            self._notices.say(
                "run", ended.failure, Weight.BAD, tr("Start again"), self.restart_wanted.emit
            )
        elif run.recorder is not None and run.recorder.began is not None:
            words, weight = shortcoming(run.recorder)
            if words:
                self._notices.say("run", words, weight)
        if ended.rows is not None and ended.rows.found != ended.rows.expected:
            self._notices.say("rows", ended.rows.sentence, Weight.WARN)
        self._worker.do(self._runner.end_run, failed=log_fault)
        self.ended.emit(run)
        self.changed.emit()
