"""One run: what it runs, its engine, its record.

A `Run`'s methods may be called from any thread and don't block, but for `wait` and `close`.
Listeners are called from the thread that begins the run, from the reader thread of its engine, and
from the thread that restarts the server.
"""

from __future__ import annotations

import itertools
import logging
import os
import secrets
import threading
from collections.abc import Callable
from typing import Protocol

import msgspec

from poolviz.language import tr
from poolviz.model.errors import PoolvizError, ServerError
from poolviz.model.messages import (
    ProblemReported,
    Report,
    RunEnded,
    RunStarted,
    SampleTaken,
    ServerRestartRequested,
    StartRun,
)
from poolviz.model.parameters import Value
from poolviz.model.scenario import Scenario
from poolviz.runs.engine_group import EngineGroup
from poolviz.runs.engine_process import EngineProcess
from poolviz.runs.engine_source import EngineSource, LocalEngines
from poolviz.runs.spawned_engine import SpawnedEngine
from poolviz.runs.warnings import RunWarning
from poolviz.servers.target import Target
from poolviz.sessions.recorder import Recorder

_RESTART_LIMIT = 30.0  # seconds to wait for a restart of the server that a run has left
_logger = logging.getLogger(__name__)
_numbers = itertools.count(1)


class RunStopped(PoolvizError):
    """A run that was stopped before it began."""

    def __init__(self) -> None:
        super().__init__(tr("The run was stopped before it began."))


class RunListener(Protocol):
    """Hears of a run. Must not block: the engine's reports wait meanwhile."""

    def progressed(self, sentence: str) -> None:
        """Before the load starts, something that takes its time has begun."""

    def warned(self, warning: RunWarning) -> None:
        """Something the user should know, before the load starts."""

    def reported(self, run: Run, report: Report) -> None:
        """The engine sent a report; samples are not passed on, the recorder has them. The last
        one is RunEnded."""


class Run:
    """One run: what it runs, its engine, its record.

    `engine` and `recorder` are set once, by `Runner.begin`. `started` and `ended` follow the
    engine's reports. `may_create_tables` is the user's consent to tables on a server of his.
    `fleet` is where its processes run, if that isn't this machine; whoever gives it closes it.
    """

    def __init__(
        self,
        scenario: Scenario,
        target: Target,
        listener: RunListener,
        *,
        may_create_tables: bool = False,
        fleet: EngineSource | None = None,
    ) -> None:
        self.scenario, self.target, self.fleet = scenario, target, fleet
        self.may_create_tables = may_create_tables
        # A fault finds the run's connections on the server by its name: no other run may have it.
        self.name = f"poolviz-{os.getpid()}-{next(_numbers)}-{secrets.token_hex(4)}"
        self.warnings: list[RunWarning] = []
        self.engine: EngineProcess | EngineGroup | None = None
        self.recorder: Recorder | None = None
        self.not_kept = ""  # why the record is in memory only
        self.started = False
        self.stop_asked = False
        self.ended: RunEnded | None = None
        self._listener = listener
        self._over = threading.Event()
        self._lock = threading.Lock()  # guards what follows; held for an assignment
        self._restart: Callable[[], None] | None = None
        self._restarting: threading.Thread | None = None
        self._failure: PoolvizError | None = None  # why the run fails, other than by its engine

    @property
    def over(self) -> bool:
        """The run has ended, and everything about it is recorded."""
        return self._over.is_set()

    def stop(self) -> None:
        """End the run, with all its results; asked a second time, end its engine at once."""
        again, self.stop_asked = self.stop_asked, True
        if self.engine is not None:
            if again:
                self.engine.kill()
            else:
                self.engine.stop()

    def fail(self, reason: PoolvizError) -> None:
        """End the run, with all its results, as one that failed for `reason`."""
        self._fail(reason)
        if not self.stop_asked:
            self.stop()

    def change(self, key: str, value: Value) -> None:
        """Change a limit or a setting of the load, or inject a fault. A report answers."""
        if self.engine is not None:
            self.engine.change(key, value)

    def change_together(self, values: dict[str, Value]) -> None:
        """Make several changes at one moment, which share a segment. A report answers each."""
        if self.engine is not None:
            self.engine.change_together(values)

    def add_note(self, text: str) -> None:
        """Put a note on the timeline, now."""
        if self.engine is not None:
            self.engine.add_note(text)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over; False if it isn't after `timeout` seconds."""
        return self._over.wait(timeout)

    def warn(self, warning: RunWarning) -> None:
        """Keep a warning and pass it on, once."""
        if warning not in self.warnings:
            self.warnings.append(warning)
            self._listener.warned(warning)

    def progress(self, sentence: str) -> None:
        """Pass on what is being done before the load starts. RunStopped where the run was stopped
        meanwhile, which leaves nothing half made."""
        if self.stop_asked:
            raise RunStopped
        self._listener.progressed(sentence)

    def launch(
        self, recorder: Recorder, restart: Callable[[], None] | None, child: SpawnedEngine | None
    ) -> None:
        """Start the engine. `restart` restarts the server, where that is poolviz's own."""
        self.recorder, self._restart = recorder, restart
        target = self.target
        start = StartRun(
            self.scenario,
            target.conninfo,
            self.name,
            target.describe(),
            restart is not None,
            pooler="" if target.pooler is None else target.pooler.console,
        )
        if self.fleet is not None or self.scenario.fleet:
            source = self.fleet or LocalEngines(self.scenario.pool, child)
            recorder.wait_for_members(source.patience)
            self.engine = EngineGroup(start, self._hear, source)
        else:
            self.engine = EngineProcess(start, self._hear, child)
        if self.stop_asked:
            self.engine.stop()

    def close(self) -> None:
        """End the engine, and wait for it. Blocks for a few seconds at most."""
        if self.engine is not None:
            self.stop_asked = True
            self.engine.close()
        with self._lock:
            restarting = self._restarting
        if restarting is not None:
            restarting.join(_RESTART_LIMIT)

    def _hear(self, report: Report, process: str = "", heard: bool = True) -> None:
        """Record a report, as one of a `process` where there are several, and pass it on unless it
        isn't to be `heard`. Called by the thread that reads the engine's reports.

        What goes wrong in recording makes the run fail at its end; what goes wrong in a listener is
        logged. Neither keeps the next report from coming.
        """
        if isinstance(report, RunEnded) and not process:
            report = self._with_failure(report)
        self._record(report, process)
        if isinstance(report, SampleTaken) or not heard:
            return
        if isinstance(report, RunStarted):
            self.started = True
        elif isinstance(report, ServerRestartRequested):
            self._restart_server()
        elif isinstance(report, RunEnded):
            self.ended = report
            _logger.info("run %s ended %s", self.name, report.failure or "as planned")
        self._tell(report)
        if isinstance(report, RunEnded):
            self._over.set()

    def _record(self, report: Report, process: str) -> None:
        assert self.recorder is not None
        try:
            self.recorder.add(report, process)
        except Exception as error:
            known = isinstance(error, PoolvizError)
            if not known:
                _logger.exception("a report can't be recorded")
            reason = (
                str(error)
                if known
                else tr("A part of the run wasn't recorded: {error!r}.", error=error)
            )
            if self._fail(PoolvizError(reason)):
                self._tell(ProblemReported("recorder", reason))

    def _tell(self, report: Report) -> None:
        """Pass a report on to the listener, whatever becomes of it there."""
        try:
            self._listener.reported(self, report)
        except Exception:
            _logger.exception("a report of run %s was not taken", self.name)

    def _fail(self, reason: PoolvizError) -> bool:
        """Count the run as failed, for the first reason there is; False if there is one."""
        with self._lock:
            first = self._failure is None
            self._failure = self._failure or reason
        return first

    def _restart_server(self) -> None:
        """Have the server restarted by a thread of its own; requests that come meanwhile are
        answered by the restart under way."""
        restart = self._restart
        if restart is None:
            return
        with self._lock:
            if self._restarting is not None and self._restarting.is_alive():
                return
            self._restarting = threading.Thread(
                target=self._do_restart, args=(restart,), name="server restart", daemon=True
            )
            self._restarting.start()

    def _do_restart(self, restart: Callable[[], None]) -> None:
        try:
            restart()
        except ServerError as error:
            self.fail(error)
        except Exception as error:
            _logger.exception("restarting the server failed")
            self.fail(PoolvizError(tr("Restarting the server failed: {error!r}.", error=error)))
        else:
            with self._lock:
                self._restarting = None  # the next request needs a restart of its own
            if self.engine is not None:
                self.engine.server_restarted()

    def _with_failure(self, ended: RunEnded) -> RunEnded:
        with self._lock:
            failure = self._failure
        if failure is None or ended.failure:
            return ended
        return msgspec.structs.replace(ended, failure=str(failure), exit_status=failure.exit_status)
