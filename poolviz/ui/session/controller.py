"""The window's model: which server and pool are chosen, what is requested, and what is shown.

All of it belongs to the GUI thread. Two workers do what blocks (`_run_worker`: server and engine;
`file_worker`: files), and everything they and the engine's reader thread have to say comes through
one inbox, which the window's frame timer empties: no Qt signal crosses a thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from time import monotonic

from PySide6.QtCore import QCoreApplication, QObject, Signal

from poolviz.language import tr
from poolviz.model.dialect import dialect_of
from poolviz.model.errors import InputError
from poolviz.model.messages import ProblemReported
from poolviz.model.parameters import Parameters, Value
from poolviz.model.sample import MarkKind
from poolviz.model.scenario import DEFAULT_POOL, Scenario
from poolviz.pools.base import Pool
from poolviz.pools.registry import pool_class
from poolviz.runs.engine_process import CLOSE_LIMIT
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner
from poolviz.scenarios.connect import split_dsn
from poolviz.servers.target import Target
from poolviz.sessions.folder import SessionsFolder
from poolviz.sessions.recorder import Recorder
from poolviz.sizing.planning import SizingRequest
from poolviz.ui.session.active_faults import ActiveFaults
from poolviz.ui.session.current_run import CurrentRun
from poolviz.ui.session.evaluation import Evaluation
from poolviz.ui.session.ghost import Ghost
from poolviz.ui.session.in_force import InForce
from poolviz.ui.session.notices import Notices, Weight, log_fault
from poolviz.ui.session.requested_settings import RequestedSettings
from poolviz.ui.session.requests import Requests
from poolviz.ui.session.run_again import RunAgain
from poolviz.ui.session.run_start import RunStart
from poolviz.ui.session.server_choice import ServerChoice
from poolviz.ui.session.server_memory import Logins
from poolviz.ui.session.shown_record import ShownRecord
from poolviz.ui.session.size_finder import SizeFinder, Trial
from poolviz.ui.session.warnings import Warnings
from poolviz.ui.session.worker import Inbox, Outcome, Worker
from poolviz.ui.unexpected import contained

_logger = logging.getLogger(__name__)

_WATCH = 1.0  # seconds between two looks at the embedded server
# Seconds that closing waits for engine and server, 1 is usual: for as long as an engine may take to
# end, because the session has its end from it.
_SERVER_PATIENCE = CLOSE_LIMIT + 10.0
_FILE_PATIENCE = 10.0  # seconds that closing waits for a file that is being written


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
    values_changed = Signal()  # other settings are requested
    server_wanted = Signal()  # the user is to name a server
    planned = Signal(object)  # a Scenario was taken over
    tables_wanted = Signal(object)  # a TablesQuestion is to be answered by the user

    def __init__(
        self,
        sessions: SessionsFolder,
        runner: Runner | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.inbox = Inbox()
        self.notices = Notices(self)
        self.file_worker = Worker("file worker", self.inbox)
        self._run_worker = Worker("run worker", self.inbox)
        self._runner = runner or Runner()
        self.sessions_folder = sessions.folder
        self.logins = Logins()  # whichever window they were typed in
        self._requested = RequestedSettings(pool_class(DEFAULT_POOL))
        self._server = ServerChoice(self._runner, self._run_worker, self.inbox, self.notices, self)
        self._current = CurrentRun(
            self._runner,
            self._run_worker,
            self.inbox,
            notices=self.notices,
            requested=self._requested,
            sessions=sessions,
            parent=self,
        )
        self._warnings = Warnings(
            self.notices, self._server, self.server_wanted.emit, lambda: self.connect_to(None)
        )
        self._again = RunAgain(self._requested, self.notices, self.file_worker, self.learn, self)
        self.shown = ShownRecord(self.file_worker, self.notices, self)
        self.in_force = InForce(self._current, self.shown, self._requested)
        self.requests = Requests(
            self._requested,
            current=self._current,
            shown=self.shown,
            in_force=self.in_force,
            server=self._server,
            warnings=self._warnings,
            notices=self.notices,
            file_worker=self.file_worker,
            start_again=self._start_again,
            parent=self,
        )
        self.sizes = SizeFinder(
            *(self._runner, self._current, self.inbox),
            notices=self.notices,
            requested=self._requested,
            file_worker=self.file_worker,
            parent=self,
        )
        self._run_start = RunStart(
            *(self.requests, self._current, self._again, self.shown),
            sizes=self.sizes,
            closed=lambda: self._closed,
        )
        self.evaluation = Evaluation(self.shown, self.file_worker, lambda: self.busy, self)
        self._after: Callable[[], None] | None = None  # what to do once the run has ended
        self._watched = 0.0
        self._closed = False
        self._connect()

    def _connect(self) -> None:
        self.shown.changed.connect(self.session_changed.emit)
        self._server.changed.connect(self._show_server)
        self._server.reached.connect(self._arrive)
        self._current.changed.connect(self.changed.emit)
        self._current.recording.connect(self._record)
        self._current.settings_changed.connect(self.requests.show)
        self.requests.changed.connect(self.values_changed.emit)
        self._current.ended.connect(self._end)
        self._current.restart_wanted.connect(self._start_again)
        self._current.tables_wanted.connect(self.tables_wanted.emit)

    # What there is to show

    @property
    def state(self) -> State:
        """What the controller is doing."""
        if self._current.busy:
            if self._current.stopping:
                return State.STOPPING
            return State.RUNNING if self._current.running else State.STARTING
        return State.CONNECTING if self._server.connecting else State.READY

    @property
    def busy(self) -> bool:
        """A run is on its way, goes on, or comes to its end."""
        return self._current.busy

    @property
    def recorder(self) -> Recorder | None:
        """The record of the whole run that is shown."""
        return self.shown.whole

    @property
    def ghost(self) -> Ghost:
        """What the run that is shown repeats."""
        return self.shown.ghost

    @property
    def viewing(self) -> Path | None:
        """The recorded session that is being looked at."""
        return self.shown.viewing

    @property
    def active_faults(self) -> ActiveFaults:
        """The faults of the run that goes on."""
        return self._current.faults

    @property
    def embedded(self) -> bool:
        """The chosen server is the one that poolviz brings along."""
        return self._server.embedded

    @property
    def dsn(self) -> str | None:
        """The DSN of the chosen server, which may hold a password; None for the embedded one."""
        return self._server.dsn

    @property
    def target(self) -> Target | None:
        """The chosen server, once it was reached."""
        return self._server.target

    @property
    def pool(self) -> type[Pool]:
        """The chosen pool."""
        return self._requested.pool

    @property
    def values(self) -> dict[str, Value]:
        """Every limit, every setting of the load and every connect argument, as requested."""
        return self._requested.values

    @property
    def arguments(self) -> Parameters:
        """The connect arguments of the chosen pool on the chosen kind of server."""
        return self._requested.arguments

    @property
    def scenario(self) -> Scenario:
        """What Start runs: a scenario that was taken over, until it is altered, or else what is
        requested."""
        return self.requests.scenario

    # What can be done

    def connect_to(
        self, dsn: str | None, *, start: bool = False, pooler: str | None = None
    ) -> None:
        """Choose a server: the user's own, or with None the embedded one, and the console of a
        `pooler` before it. Ends a run."""
        self.sizes.forget()
        self._take_dsn(dsn)
        self._server.pooler = pooler
        self._when_ended(lambda: self._server.connect_to_it(start=start))

    def choose_server(self, dsn: str | None) -> None:
        """Choose a server without reaching for it: the next start does."""
        self._take_dsn(dsn)
        self._server.pooler = None
        self.changed.emit()

    def plan(self, scenario: Scenario) -> None:
        """Take a scenario over, changes and duration included."""
        self._again.forget()
        self._run_start.forget()
        self.requests.take(scenario)
        self.changed.emit()
        self.planned.emit(scenario)
        self.requests.show()

    def perform(
        self, scenario: Scenario, dsn: str | None = None, pooler: str | None = None
    ) -> None:
        """Take a scenario over and run it; on a user's server, such as that of `dsn`, before which
        there may be a `pooler`, it waits for Start. Ends a run."""

        def begin() -> None:
            if self.viewing is not None:
                self.shown.set(None)
            self.plan(scenario)
            if dsn is not None:
                self.connect_to(dsn, pooler=pooler)
            elif self.embedded:
                self.start()

        if not self._closed:
            self._when_ended(begin)

    def start(self) -> None:
        """Start the load, once there is a server for it."""
        self.sizes.forget()
        self._start()

    def find_size(self, wanted: SizingRequest | Trial) -> None:
        """Sweep sizes, or try one, with what is requested now. Ends a run."""
        self.sizes.want(wanted)
        self._again.forget()
        self._when_ended(self._start)

    def use_limits(self, limits: Mapping[str, Value], note: str) -> None:
        """Request limits that were recommended, in the run that goes on or for the next one, and
        mark them with a note."""
        if self.viewing is not None:
            self.shown.leave_session()
            self.changed.emit()
        self.requests.change(limits)
        run = self._current.run
        if self.state is State.RUNNING and run is not None:
            run.add_note(note)

    def _start(self) -> None:
        if self.state is State.CONNECTING:
            self._server.start_when_reached()
        elif self.state is State.READY and self._warnings.fits(self.pool):
            target = self._server.ready
            if target is None:
                self._server.connect_to_it(start=True)
            else:
                self._run_start.begin(target)

    def stop(self) -> None:
        """Stop the load; nothing where none goes on."""
        self._current.stop()

    def choose_pool(self, id: str) -> None:
        """Choose another pool. A run that goes on ends, and one with the new pool begins if that
        runs on the chosen server. InputError where there is no such pool."""
        pool = pool_class(id)
        if pool is self.pool and self.viewing is None:
            return
        again = self.busy
        self._run_start.leave_pool()
        self.requests.forget_collected()
        self._requested.take_pool(pool, self._again.limits_for(pool))
        self.requests.plan = None
        self._current.leave_pool()
        self.changed.emit()
        self.requests.show()
        if again:
            self._when_ended(self.start)

    def change_settings(self, changes: Mapping[str, Value]) -> None:
        """Request other values: see `Requests.change`."""
        self.requests.change(changes)

    def undo(self) -> None:
        """Take the last change back."""
        self.requests.undo()

    def redo(self) -> None:
        """Make the last undone change again."""
        self.requests.redo()

    def inject(self, key: str, value: Value) -> None:
        """Inject a fault, or end one that is in force; nothing without a run."""
        if self.state is State.RUNNING:
            self._current.faults.inject(key, value)
            self.values_changed.emit()

    def before_any_run(
        self,
        work: Callable[[], Outcome],
        then: Callable[[Outcome], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Have a worker do something to the server; a run that is started meanwhile begins
        afterwards."""
        self._run_worker.do(work, then, failed)

    def learn(
        self,
        pools: Sequence[str],
        then: Callable[[None], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Have a worker find out about pools, so that they can be chosen: see `Runner.learn`."""
        self._run_worker.do(lambda: self._runner.learn(*pools), then, failed)

    def mark(self) -> None:
        """Put a mark on the timeline, now."""
        run = self._current.run
        if self.state is State.RUNNING and run is not None and self.recorder:
            notes = [mark for mark in self.recorder.marks if mark.kind is MarkKind.NOTE]
            run.add_note(f"mark {len(notes) + 1}")

    def run_again(self, path: Path | None = None) -> None:
        """Have Start repeat a session, the one that is shown or that of `path`, on the pool and
        server and with the limits that are chosen until then."""
        if path is not None and path != self.viewing:
            self.view_session(path, then=self._repeat)
        elif self.busy:
            self.notices.say("again", tr("Stop the run that goes on first."), passing=True)
        elif self.recorder is None or self.recorder.began is None:
            self.notices.say(
                "again", tr("There is nothing to run again: open a session."), passing=True
            )
        else:
            self._repeat()

    def view_session(
        self,
        path: Path,
        on_failure: Callable[[InputError], None] | None = None,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Show a recorded session, and call `then`. Ends a run. A failure is shown, or handed to
        `on_failure`."""

        def opened(recorder: Recorder, pool: type[Pool]) -> None:
            self._show_session(recorder, pool, path)
            if self.viewing == path:
                then()

        self._when_ended(lambda: self.shown.open(path, opened, on_failure))

    def forget_sessions(self, paths: Sequence[Path]) -> None:
        """Show nothing more of sessions that were deleted."""
        if not self.busy and self.shown.is_of(paths):
            self.shown.set(None)
            self.changed.emit()

    def poll(self) -> None:
        """Take in what the other threads have to say. Called once a frame."""
        self.inbox.deliver()
        now = monotonic()
        if now - self._watched > _WATCH:
            self._watched = now
            with contained():
                self._watch()
        with contained():
            self._warnings.watch(self.in_force.sample)

    def close(self) -> None:
        """End the run, the server and the workers; blocks until they are gone."""
        if self._closed:
            return
        self._closed = True
        self._after = None
        self._server.give_up()
        with contained():  # whoever hears of it may fail; the server is stopped even so
            self.stop()
        self._run_worker.do(self._runner.close, failed=log_fault)
        if not self._run_worker.close(_SERVER_PATIENCE):
            _logger.error("Engine or server did not end in time; they end with this process.")
        self.inbox.deliver()
        self.sizes.close()
        self.inbox.deliver()
        self.logins.forget()
        self.shown.close()
        if not self.file_worker.close(_FILE_PATIENCE, QCoreApplication.processEvents):
            _logger.error("A file was still being written when poolviz ended.")
        self.inbox.deliver()

    # The server

    def _take_dsn(self, dsn: str | None) -> None:
        """Choose a server. What its DSN says to the pool's driver becomes connect arguments."""
        taken: dict[str, Value] = {}
        if dsn is not None:
            with suppress(InputError):  # reaching for the server says what is wrong
                dsn, taken = split_dsn(self.pool, dsn)
        self._server.dsn = dsn
        self._requested.take_server(dialect_of(dsn or ""), taken)
        self.requests.take_arguments(taken)

    def _show_server(self) -> None:
        self.requests.validate()
        self.changed.emit()

    def _arrive(self, target: Target, start: bool) -> None:
        if start and self._warnings.fits(self.pool):
            self._run_start.begin(target)
        else:
            self._show_server()

    def _watch(self) -> None:
        """See whether the embedded server still runs and the session is still written."""
        if loss := self._server.notice_loss():
            self.notices.say("server", loss, Weight.BAD, tr("Start again"), self._start_again)
            self._current.fail(loss)
            self.changed.emit()
        problem = self.shown.new_trouble()
        if problem is not None:
            self._current.show_problem(ProblemReported("recorder", problem))

    # The run

    def _record(self, run: Run) -> None:
        """Show the record of a run that has begun, and the limits as its pool declares them now."""
        pool = pool_class(run.scenario.pool)
        if pool.id == self.pool.id and dict(pool.limits) != dict(self.pool.limits):
            self._requested.take_pool(pool, run.scenario.limits, run.scenario.connect)
        self.shown.set(run.recorder)

    def _end(self, run: Run) -> None:
        if run.recorder is not None and run.recorder.path is not None:
            # One whole file, which can still be read.
            close = run.recorder.close
            self.sizes.when_measured(run, lambda: self.file_worker.do(close, failed=log_fault))
        self._warnings.show_changed_arguments([], self._start_again)
        if self.ghost.recorder is self.recorder:  # the run that was to replace it never began
            self.ghost.remove()
        after, self._after = self._after, None
        if after is not None:
            after()

    def _start_again(self) -> None:
        self._when_ended(self._start)

    def _when_ended(self, action: Callable[[], None]) -> None:
        """Do `action` once no run goes on: now, or after the end of the one that does."""
        if self.busy:
            self._after = action
            self.stop()
        else:
            action()

    # The session that is shown

    def _repeat(self) -> None:
        """Have Start repeat the session that is shown."""
        recorder = self.recorder
        if self.busy or recorder is None or recorder.began is None:
            return  # something else was begun meanwhile
        replay = self._again.replay_of(recorder)
        if replay is None:
            return
        self.requests.plan = None
        self.shown.leave_session()
        self._current.forget()
        self.notices.take_all_back()
        self._again.take(replay)
        self.changed.emit()
        self.requests.show()

    def _show_session(self, recorder: Recorder, pool: type[Pool], path: Path) -> None:
        """Show an opened session, unless something else was begun meanwhile."""
        if self.busy or self._closed:
            recorder.close()
            return
        assert recorder.began is not None
        source = recorder.last if recorder.last is not None else recorder.began.scenario
        connect = recorder.began.scenario.connect
        self.requests.forget_collected()
        untaken = self._requested.take_recorded(pool, source.limits, source.load, connect)
        self._requested.take_fleet(recorder.began.scenario.fleet)
        self.requests.plan = None
        self._again.forget()
        self.ghost.remove()
        self._current.forget()
        self.notices.take_all_back()
        self.shown.set(recorder, path)
        self.sizes.show_of(recorder)
        self.changed.emit()
        self.values_changed.emit()
        self.shown.say_what_it_lacks(untaken)
