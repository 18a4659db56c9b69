"""Runs a scenario: opens the pool, starts the run, and carries out commands until its end.

Threads of the engine. `control` opens the pool, changes limits and the load, and ends the run.
`sampler` takes a sample each tick, under a small lock, since `control` takes one too at each
change. `reporter` delivers reports, so that neither ever waits for a pipe. `server monitor` asks
the server. Each client is a thread, or a task on one `loop`. A passing fault has a thread. `pool
calls` opens, resizes and closes a pool for `control`, which gives up a call that doesn't return;
`pool counts` asks a user's pool for its counts. `watchdog` ends a run that doesn't end.

An unexpected exception in `control`, `sampler` or `reporter` is logged and ends the run with a
failure. In a fault or the server monitor it is logged and reported, and the run goes on without
that fault or view. A client that fails is counted, reported, and started again.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

from poolviz.engine.client_group import ClientGroup
from poolviz.engine.meter import ConnectionEventBuffer
from poolviz.engine.pool_calls import Patience
from poolviz.engine.pool_errors import describe_error, pool_raised
from poolviz.engine.run import FailRun, Run, RunCommand
from poolviz.engine.run_time import RunTime
from poolviz.engine.sample_maker import SampleMaker
from poolviz.engine.task_client_group import TaskClientGroup
from poolviz.engine.thread_client_group import ThreadClientGroup
from poolviz.language import tr
from poolviz.model.error_text import sentence_part
from poolviz.model.errors import PoolvizError
from poolviz.model.messages import (
    AddNote,
    ChangeSetting,
    ChangeTogether,
    PoolOpened,
    ProblemReported,
    Report,
    RunEnded,
    ServerRestarted,
    StartRun,
    StopRun,
)
from poolviz.model.parameters import Value
from poolviz.pools.base import Pool, TaskPool, ThreadPool
from poolviz.pools.custom.places import place_of_error, place_of_thread
from poolviz.pools.registry import is_built_in, load_pool
from poolviz.servers.dispatch import passwords, with_application_name

# Seconds after a run should have ended: when it is said to take long, and when it is given up.
_END_SLOW, _END_LIMIT = 3.0, 9.0
_OPENING_SLOW = 3.0  # seconds after which signs of life are sent while the pool is opened
_LOOK = 0.5  # seconds between two looks of the watchdog
_logger = logging.getLogger(__name__)


class Engine:
    """One run in this process. Starts at once.

    `on_report` is called in the reporter's thread for each report, in order. The last one is
    RunEnded; if the run failed, it says why. Every method may be called from any thread.

    With `counts` false it gets the events of each sample, as EventsTaken, to be counted in another
    process: counting them here would hold up clients.
    """

    def __init__(
        self, start: StartRun, on_report: Callable[[Report], None], *, counts: bool = True
    ) -> None:
        self._start = start
        self._on_report = on_report
        self._samples = SampleMaker(users=not is_built_in(start.scenario.pool)) if counts else None
        self._connections = ConnectionEventBuffer()
        self._commands: queue.SimpleQueue[RunCommand] = queue.SimpleQueue()
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._run_time = RunTime()
        self._begin = threading.Event()  # the load needn't wait for others any more
        self._opened = threading.Event()  # the pool is open, and the load begins
        self._over = threading.Event()  # the control thread has reported the run's end
        self._threads = [
            threading.Thread(target=self._control, name="control", daemon=True),
            threading.Thread(target=self._report, name="reporter", daemon=True),
            threading.Thread(target=self._watch, name="watchdog", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def begin_load(self) -> None:
        """Begin the load of a run that waits for it."""
        self._begin.set()

    def change(self, key: str, value: Value) -> None:
        """Change a limit or a setting of the load, or inject a fault. MarkAdded or ChangeRefused
        is reported; nothing is if the value is in force already."""
        self._commands.put(ChangeSetting(key, value))

    def change_together(self, values: dict[str, Value]) -> None:
        """Make several changes at one moment, which share a segment."""
        self._commands.put(ChangeTogether(values))

    def add_note(self, text: str) -> None:
        """Put a note on the timeline, now."""
        self._commands.put(AddNote(text))

    def server_restarted(self) -> None:
        """Let the fault end for which the server was restarted."""
        self._commands.put(ServerRestarted())

    def report_problem(self, topic: str, sentence: str) -> None:
        """Report a problem, or with an empty sentence that it is over."""
        self._reports.put(ProblemReported(topic, sentence))

    def stop(self) -> None:
        """End the run. RunEnded is reported within about two seconds, or ten if the pool or the
        server doesn't let go."""
        # The control thread may be resizing the pool and wait for a connection that is held up.
        self._connections.connect_faults.disable()
        self._run_time.stop()
        self._commands.put(StopRun())
        self._begin.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over and everything was reported; False if it isn't within
        `timeout` seconds."""
        until = None if timeout is None else perf_counter() + timeout
        for thread in self._threads:
            thread.join(None if until is None else max(until - perf_counter(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _report(self) -> None:
        failed = False
        while True:
            report = self._reports.get()
            try:
                for each in (report,) if self._samples is None else self._samples.reports(report):
                    self._on_report(each)
            except BaseException as error:
                if not failed:
                    _logger.exception("delivering a report failed")
                    failed = True
                    sentence = sentence_part(error)
                    self._commands.put(
                        FailRun(
                            tr(
                                "The run was ended because it couldn't be recorded: {sentence}.",
                                sentence=sentence,
                            )
                        )
                    )
            if isinstance(report, RunEnded):
                return

    def _watch(self) -> None:
        """Report the end of a run that should have ended long ago, whatever holds it up."""
        reported, began = False, perf_counter()
        while not self._over.wait(_LOOK):
            if not self._opened.is_set() and perf_counter() - began > _OPENING_SLOW:
                # Whoever listens can tell a pool that takes long from a process that hangs.
                self.report_problem("opening", "")
            over_for = self._run_time.over_for
            if over_for > _END_LIMIT:
                place = place_of_thread(self._threads[0].ident)
                where = tr(" It is at {place}.", place=place) if place else ""
                _logger.error("the run doesn't end; the control thread is at %s", place)
                failure = tr(
                    "The run didn't end within {limit:g} s and was given up.{where}",
                    limit=_END_LIMIT,
                    where=where,
                )
                self._reports.put(RunEnded(0, failure, 1))
                return
            if over_for > _END_SLOW and not reported:
                reported = True
                self.report_problem("stop", tr("The end of the run takes long."))

    def _control(self) -> None:
        try:
            ended = self._run()
        except BaseException as error:  # noqa: BLE001 - logged and reported
            ended = RunEnded(0, self._failure(error), 1)
        self._over.set()
        self._reports.put(ended)

    def _run(self) -> RunEnded:
        """Open the pool and run the scenario on it, from beginning to end."""
        start = self._start
        try:
            kind = load_pool(start.scenario.pool)
            kind.import_library()  # before the opening is timed
            client_group = self._open(kind)
            if start.together:
                self._reports.put(PoolOpened())
                self._begin.wait()  # its end is that of the pipe, which stops this engine
            self._opened.set()
        except BaseException as error:
            described = describe_error(error, start.conninfo)
            if error is not described:
                _logger.info("the pool could not be opened", exc_info=True)
            return RunEnded(0, str(described), described.exit_status)
        _logger.debug("%s is open for %s", kind.id, start.application_name)
        run: Run | None = None
        failure = ""
        try:
            run = Run(
                start=start,
                kind=kind,
                client_group=client_group,
                connections=self._connections,
                commands=self._commands,
                reports=self._reports,
                run_time=self._run_time,
            )
            failure = run.run()
        except BaseException as error:  # noqa: BLE001 - logged and reported
            failure = self._failure(error)
        self._run_time.stop()  # no call of the pool may take longer from here on
        try:
            if run is None:
                client_group.close()
            else:
                run.end()
        except BaseException as error:  # noqa: BLE001 - logged and reported
            failure = failure or self._failure(error)
        failure = failure or self._late_failure()
        open_at_end, rows = (0, None) if run is None else (run.open_at_end, run.rows)
        _logger.debug("%s left %d connections open", start.application_name, open_at_end)
        stopped = run is not None and run.stopped
        return RunEnded(open_at_end, failure, 1 if failure else 0, rows, stopped)

    def _late_failure(self) -> str:
        """Return why a thread failed after the run's last command was taken; "" if none did."""
        while not self._commands.empty():
            command = self._commands.get()
            if isinstance(command, FailRun):
                return command.sentence
        return ""

    def _open(self, kind: type[Pool]) -> ClientGroup[Any]:
        """Open the pool, with a group of the clients that it is made for."""
        scenario = self._start.scenario
        conninfo = with_application_name(self._start.conninfo, self._start.application_name)
        patience = Patience(self._run_time, self.report_problem)
        if issubclass(kind, TaskPool):
            return TaskClientGroup(
                kind,
                conninfo,
                self._connections,
                scenario.limits,
                scenario.seed,
                patience=patience,
                on_problem=self.report_problem,
                connect=scenario.connect,
            )
        if issubclass(kind, ThreadPool):
            return ThreadClientGroup(
                kind,
                conninfo,
                self._connections,
                scenario.limits,
                scenario.seed,
                patience=patience,
                on_problem=self.report_problem,
                connect=scenario.connect,
            )
        raise PoolvizError(tr("{id} is neither a ThreadPool nor a TaskPool.", id=kind.id))

    def _failure(self, error: BaseException) -> str:
        """Log an exception that ended the run, and return the sentence for it."""
        if isinstance(error, PoolvizError):
            return str(error)
        secrets = passwords(self._start.conninfo)
        if place_of_error(error) is not None:
            _logger.info("the pool failed", exc_info=error)
            return pool_raised(error, secrets)
        _logger.error("the run failed", exc_info=error)
        return tr(
            "The engine failed, which is a fault of poolviz: {error}.",
            error=sentence_part(error, secrets),
        )
