"""The window's model: which server, which pool, what is requested for, and the run that goes on.

All of it belongs to the GUI thread. Two workers do what blocks (`_run_worker`: server and engine;
`file_worker`: files), and everything they and the engine's reader thread have to say comes through
one inbox, which the window's frame timer has delivered: no Qt signal crosses a thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from time import monotonic

from PySide6.QtCore import QCoreApplication, QObject, Signal

from poolviz.load.faults import FAULTS
from poolviz.model.dialect import dialect_of
from poolviz.model.errors import InputError
from poolviz.model.messages import (
    ChangeRefused,
    MarkAdded,
    ProblemReported,
    Report,
    RunEnded,
    RunStarted,
    ServerRestartRequested,
)
from poolviz.model.parameters import Value
from poolviz.model.sample import Mark, MarkKind, Sample
from poolviz.model.scenario import DEFAULT_POOL, Scenario
from poolviz.pools.base import Pool
from poolviz.pools.registry import pool_class
from poolviz.runs.runner import Run, Runner, open_session
from poolviz.servers.target import Target
from poolviz.sessions.folder import SessionsFolder
from poolviz.sessions.recorder import Recorder
from poolviz.ui.session.active_faults import ActiveFaults
from poolviz.ui.session.load_validator import LoadValidator
from poolviz.ui.session.notices import Notices, Weight, log_fault, sentence_of
from poolviz.ui.session.pending_changes import PendingChanges, draining
from poolviz.ui.session.prepare_tables import TablePreparation
from poolviz.ui.session.requested_settings import RequestedSettings, Step
from poolviz.ui.session.server_choice import ServerChoice
from poolviz.ui.session.warnings import Warnings
from poolviz.ui.session.worker import Inbox, Outcome, Worker

_logger = logging.getLogger(__name__)

_SETTLED = 0.5  # seconds after which a change that isn't in force yet is worth a word
_WATCH = 1.0  # seconds between two looks at the embedded server
_PUT_AWAY = 20.0  # seconds that closing waits for engine and server; 1 is usual
_FINISH = 10.0  # seconds that closing waits for a file that is being written


class State(StrEnum):
    """What the controller is doing."""

    CONNECTING = "connecting"
    READY = "ready"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class Controller(QObject):
    """What the window shows and does, without the window."""

    changed = Signal()  # the state, the server or the pool
    session_changed = Signal()  # `recorder` is another
    values_changed = Signal()  # what is requested for
    server_wanted = Signal()  # the user is to name a server
    planned = Signal(object)  # a Scenario was taken over

    def __init__(self, history: SessionsFolder, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.inbox = Inbox()
        self.notices = Notices(self)
        self.file_worker = Worker("file_worker", self.inbox)
        self._run_worker = Worker("run_worker", self.inbox)
        self._runner = Runner(history)
        self.sessions_folder = history.folder
        self._requested = RequestedSettings(pool_class(DEFAULT_POOL))
        self._plan: Scenario | None = None  # a scenario as it was written, until it is altered
        self._server = ServerChoice(self._runner, self._run_worker, self.inbox, self.notices, self)
        self._server.changed.connect(self._show_server)
        self._server.reached.connect(self._arrive)
        self._tables = TablePreparation(self._runner, self._run_worker, self.inbox, self.notices)
        self._warnings = Warnings(
            self.notices, self._server, self.server_wanted.emit, lambda: self.connect_to(None)
        )
        self._validator = LoadValidator(self.file_worker, self._validated)
        self.recorder: Recorder | None = None
        self.viewing: Path | None = None  # the session that is being looked at
        self._run: Run | None = None
        self._after: Callable[[], None] | None = None  # what to do once the run has ended
        self._pending: PendingChanges | None = None  # of the run, once its engine is there
        self.active_faults = ActiveFaults()
        self._altered = self._watched = 0.0
        self._trouble = ""  # what was last said of the recorder
        self._closed = False

    # What there is to show

    @property
    def state(self) -> State:
        """What the controller is doing."""
        run = self._run
        if run is not None and not run.ended:
            if run.stop_asked:
                return State.STOPPING
            return State.RUNNING if run.link is not None and run.began else State.STARTING
        return State.CONNECTING if self._server.connecting else State.READY

    @property
    def busy(self) -> bool:
        """A run is on its way, goes on, or comes to its end."""
        return self._run is not None and not self._run.ended

    @property
    def embedded(self) -> bool:
        """The server chosen is the one that poolviz brings along."""
        return self._server.embedded

    @property
    def target(self) -> Target | None:
        """The server chosen, once it was reached."""
        return self._server.target

    @property
    def pool(self) -> type[Pool]:
        """The pool chosen."""
        return self._requested.pool

    @property
    def values(self) -> dict[str, Value]:
        """Every limit and every setting of the load, as requested for."""
        return {**self._requested.limits, **self._requested.load}

    @property
    def scenario(self) -> Scenario:
        """What Start runs: one that was taken over, until it is altered, or what is requested
        for."""
        return self._plan or self._requested.scenario()

    @property
    def in_force(self) -> dict[str, Value] | None:
        """What the last sample says is in force; None where that isn't worth comparing."""
        last = self._live_sample()
        if last is None or monotonic() - self._altered < _SETTLED:
            return None
        return {**last.limits, **last.load}

    @property
    def draining(self) -> tuple[str, int] | None:
        """The limit that was lowered below what is still open, and how many are."""
        last = self._live_sample()
        if last is None or self.recorder is None:
            return None
        return draining(self.pool, last, self.recorder.marks)

    @property
    def engine_pid(self) -> int | None:
        """The process that the run lives in."""
        return self._run.link.pid if self._run is not None and self._run.link else None

    # What can be done

    def connect_to(self, dsn: str | None, *, start: bool = False) -> None:
        """Choose a server: the user's own, or with None the embedded one. Ends a run."""
        self._server.dsn = dsn
        self._when_ended(lambda: self._server.connect_to_it(start=start))

    def choose_server(self, dsn: str | None) -> None:
        """Choose a server without reaching for it: the next start does."""
        self._server.dsn = dsn
        self.changed.emit()

    def plan(self, scenario: Scenario) -> None:
        """Take a scenario over, changes and duration included."""
        self._requested.take_pool(pool_class(scenario.pool), scenario.limits)
        self._requested.take_load(scenario.load)
        self._plan = scenario
        self.changed.emit()
        self.planned.emit(scenario)
        self._show_values()

    def perform(self, scenario: Scenario, dsn: str | None = None) -> None:
        """Take a scenario over, and run it; on a server that isn't ours, such as that of `dsn`,
        Start does that. Ends a run."""

        def begin() -> None:
            if self.viewing is not None:
                self.viewing = None
                self._set_recorder(None)
            self.plan(scenario)
            if dsn is not None:
                self.connect_to(dsn)
            elif self.embedded:
                self.start()

        if not self._closed:
            self._when_ended(begin)

    def start(self) -> None:
        """Put the load on, once there is a server to put it on."""
        if self.state is State.CONNECTING:
            self._server.start_when_reached()
        elif self.state is State.READY and self._warnings.fits(self.pool):
            target = self._server.ready
            if target is None:
                self._server.connect_to_it(start=True)
            else:
                self._begin(target)

    def stop(self) -> None:
        """Take the load off; nothing where none is on."""
        run = self._run
        if run is None or run.ended or run.stop_asked:
            return
        run.stop_asked = True
        if run.link is not None:
            run.link.stop()
        self.changed.emit()

    def choose_pool(self, id: str) -> None:
        """Another pool. A run that goes on ends, and one with the new pool begins, if that runs on
        the server chosen. InputError where there is no such pool."""
        if id == self.pool.id and self.viewing is None:
            return
        again = self.busy
        self._requested.take_pool(pool_class(id))
        self._plan = self._pending = None
        self.changed.emit()
        self._show_values()
        if again:
            self._when_ended(self.start)

    def change_settings(self, changes: Mapping[str, Value]) -> None:
        """Ask for other values; a mistake is said in a notice and changes nothing. What can't be
        carried out yet stays requested for, and a notice says why."""
        if self.viewing is not None:
            return
        try:
            self._send(self._requested.change(changes))
        except InputError as error:
            self.notices.say("value", str(error), Weight.WARN, passing=True)
            self.values_changed.emit()

    def undo(self) -> None:
        """Take the last change back."""
        if self.viewing is None:
            self._send(self._requested.undo())

    def redo(self) -> None:
        """Make the last undone change again."""
        if self.viewing is None:
            self._send(self._requested.redo())

    def inject(self, key: str, value: Value) -> None:
        """Have a fault happen, or end one that stands; nothing unless a run goes on."""
        if self.state is State.RUNNING:
            self.active_faults.inject(key, value)
            self.values_changed.emit()

    def before_any_run(
        self,
        work: Callable[[], Outcome],
        then: Callable[[Outcome], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Have a worker do something to the server; what is started meanwhile begins afterwards."""
        self._run_worker.do(work, then, failed)

    def mark(self) -> None:
        """Put a mark on the timeline, now."""
        if self.state is State.RUNNING and self._run and self._run.link and self.recorder:
            notes = [mark for mark in self.recorder.marks if mark.kind is MarkKind.NOTE]
            self._run.link.add_note(f"mark {len(notes) + 1}")

    def view_session(
        self, path: Path, on_failure: Callable[[InputError], None] | None = None
    ) -> None:
        """ThemeManager at a recorded session. Ends a run. A failure is said, or handed to
        `on_failure`."""

        def failed(error: Exception) -> None:
            if on_failure is not None and isinstance(error, InputError):
                on_failure(error)
            else:
                self.notices.say("session", sentence_of(error), Weight.BAD)

        def opened(session: tuple[Recorder, type[Pool]]) -> None:
            try:
                self._show_session(*session, path)
            except InputError as error:
                session[0].close()
                failed(error)

        self._when_ended(lambda: self.file_worker.do(lambda: open_session(path), opened, failed))

    def _show_session(self, recorder: Recorder, pool: type[Pool], path: Path) -> None:
        """ThemeManager at an opened session, which is the controller's to close from now on."""
        if self.busy or self._closed:
            recorder.close()  # something else was begun meanwhile
            return
        assert recorder.began is not None
        source = recorder.last if recorder.last is not None else recorder.began.scenario
        self._requested.take_pool(pool, pool.limits.complete(source.limits))
        self._requested.take_load(source.load)
        self._plan, self._run, self._pending, self.viewing = None, None, None, path
        self.active_faults.begin(None)
        self.notices.take_all_back()
        self._set_recorder(recorder)
        self.changed.emit()
        self.values_changed.emit()

    def poll(self) -> None:
        """Take in what the other threads have to say. Called once a frame."""
        self.inbox.deliver()
        now = monotonic()
        if now - self._watched > _WATCH:
            self._watched = now
            self._watch()
        self._warnings.watch(self._live_sample())

    def close(self) -> None:
        """End the run, the server and the workers; blocks until they are gone."""
        if self._closed:
            return
        self._closed = True
        self._after = None
        self._server.give_up()
        self.stop()
        self._run_worker.do(self._runner.put_away, failed=log_fault)
        if not self._run_worker.close(_PUT_AWAY):
            _logger.error("Engine or server did not end in time; they end with this process.")
        self.inbox.deliver()
        if self.recorder is not None:
            self.file_worker.do(self.recorder.close, failed=log_fault)
        if not self.file_worker.close(_FINISH, QCoreApplication.processEvents):
            _logger.error("A file was still being written when poolviz ended.")
        self.inbox.deliver()

    # The server

    def _show_server(self) -> None:
        self._validate()
        self.changed.emit()

    def _arrive(self, target: Target, start: bool) -> None:
        if start and self._warnings.fits(self.pool):
            self._begin(target)
        else:
            self._show_server()

    def _warn_about_load(self) -> None:
        """Say what is to be said of the pool, the load and the server chosen."""
        if self.viewing is None:
            self._warnings.make(self.pool, self.scenario, self._validator.mistake, busy=self.busy)
        else:
            self._warnings.take_back()

    def _watch(self) -> None:
        """See whether the embedded server still runs and the session is still written."""
        if loss := self._server.notice_loss():
            self.notices.say("server", loss, Weight.BAD, "Start again", self._start_again)
            self.stop()
            self.changed.emit()
        trouble = self.recorder.trouble if self.recorder is not None else ""
        if trouble != self._trouble:
            self._trouble = trouble
            self._pass_on(ProblemReported("recorder", trouble))

    # The run

    def _begin(self, target: Target) -> None:
        scenario = self.scenario
        if self._plan is not None:
            self._requested.take_pool(self.pool, scenario.limits)
            self._requested.take_load(scenario.load)
            self.values_changed.emit()
        self.notices.take_all_back()
        run = self._run = Run(scenario, target, self._tell)
        self._pending = None
        self.active_faults.begin(run)

        def failed(error: Exception) -> None:
            self._hear(run, RunEnded(0, "" if run.stop_asked else sentence_of(error), 1))

        self._run_worker.do(lambda: self._runner.begin(run, self._tables.tell), self._begun, failed)
        self.changed.emit()

    def _begun(self, run: Run) -> None:
        """The engine's child lives and has its pending."""
        assert run.link is not None
        self.viewing = None
        self._set_recorder(run.recorder)
        if run.unrecorded:
            sentence = f"This session is kept in memory only: {run.unrecorded}"
            self.notices.say("recorder", sentence, Weight.WARN)
        if run.stop_asked:
            run.link.stop()
        self._tables.conclude(run)
        if self.pool.id == run.scenario.pool:  # else another was chosen meanwhile
            self._pending = PendingChanges(run, self._prepare_tables)
        self._show_values()
        self.changed.emit()

    def _prepare_tables(self, run: Run, pending: PendingChanges, scale: int) -> None:
        """Have the tables made that a change needs, while the run goes on."""

        def failed(error: Exception) -> None:
            if pending is self._pending and not run.stop_asked:
                self.notices.say("value", sentence_of(error), Weight.WARN)
                for key, value in pending.unprepared().items():
                    self._requested.refuse(key, value)
                self._show_values()

        self._tables.prepare(run, scale, pending.prepared, failed)

    def _tell(self, run: Run, report: Report) -> None:
        """Called in the engine's reader thread."""
        self.inbox.post(partial(self._hear, run, report))

    def _hear(self, run: Run, report: Report) -> None:
        if run is not self._run:
            return
        if isinstance(report, RunStarted):
            run.began = True
            self.changed.emit()
        elif isinstance(report, MarkAdded):
            self._follow_mark(report.mark)
        elif isinstance(report, ChangeRefused):
            self._refuse(report.key, report.value)
            self.notices.say("value", report.reason, Weight.WARN, passing=True)
            self._show_values()
        elif isinstance(report, ProblemReported):
            self._pass_on(report)
        elif isinstance(report, ServerRestartRequested):
            self._server.restart()
        elif isinstance(report, RunEnded):
            self._end(run, report)

    def _follow_mark(self, mark: Mark) -> None:
        """A change was applied: ours, or one that the scenario had scheduled."""
        if mark.key is None or mark.new is None:
            return
        if mark.kind is MarkKind.FAULT:
            self.active_faults.settle(mark.key, mark.new)
        elif self._pending is None or self._pending.answered(mark.key, mark.new):
            self._requested.settle(mark.key, mark.new)
            self._show_values()

    def _refuse(self, key: str, value: Value) -> None:
        self.active_faults.settle(key, value)
        if key not in FAULTS:
            self._requested.refuse(key, value)
            if self._pending is not None:
                self._pending.refused(key, value)

    def _pass_on(self, trouble: ProblemReported) -> None:
        if not trouble.sentence:
            self.notices.take_back(trouble.topic)
        elif trouble.topic == "engine":  # it hangs, and is killed if it doesn't stop
            self.notices.say(
                "engine", trouble.sentence, Weight.BAD, "Start again", self._start_again
            )
        else:
            passing = trouble.topic in FAULTS
            self.notices.say(trouble.topic, trouble.sentence, Weight.WARN, passing=passing)

    def _end(self, run: Run, ended: RunEnded) -> None:
        run.ended = True
        self._pending = None
        self.active_faults.begin(None)
        for topic in ("engine", "tables"):
            self.notices.take_back(topic)
        if ended.failure and not self._closed:
            self.notices.say("run", ended.failure, Weight.BAD, "Start again", self.start)
        if ended.rows is not None and ended.rows.found != ended.rows.expected and not self._closed:
            self.notices.say("rows", ended.rows.sentence, Weight.WARN)
        self._run_worker.do(self._runner.end_engine, failed=log_fault)
        if run.recorder is not None and run.recorder.path is not None:
            self.file_worker.do(
                run.recorder.close, failed=log_fault
            )  # one whole file, still to be read
        after, self._after = self._after, None
        if after is not None:
            after()
        self.changed.emit()

    def _start_again(self) -> None:
        self._when_ended(self.start)

    def _when_ended(self, action: Callable[[], None]) -> None:
        """Do `action` once no run goes on: now, or after the end of the one that does."""
        if self.busy:
            self._after = action
            self.stop()
        else:
            action()

    def _send(self, steps: list[Step]) -> None:
        """Have the engine do what was requested for."""
        if steps:
            self._altered = monotonic()
            self._plan = None
        self._show_values()

    def _show_values(self) -> None:
        """What is requested for is another."""
        self.values_changed.emit()
        self._validate()

    def _validate(self) -> None:
        """See whether what is requested for can be carried out."""
        self._validator.validate(
            dict(self._requested.load),
            dialect_of(self._server.dsn or ""),
            names_a_file=self._requested.names_a_file,
        )

    def _validated(self) -> None:
        if self._pending is not None and self._run is not None and not self._run.stop_asked:
            self._pending.want(self.values)
        self._warn_about_load()

    # Odds and ends

    def _live_sample(self) -> Sample | None:
        live = self.busy and self._run is not None and self._run.recorder is self.recorder
        return self.recorder.last if live and self.recorder is not None else None

    def _set_recorder(self, recorder: Recorder | None) -> None:
        old, self.recorder = self.recorder, recorder
        self.session_changed.emit()
        if old is not None:
            self.file_worker.do(old.close, failed=log_fault)  # after any export that still reads it
