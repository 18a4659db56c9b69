"""What blocks: starting and stopping the server, the engine's child, the recording.

All of it is done in one worker thread, one thing after the other, so nothing here needs a lock.
"""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from poolviz.load.settings import check_load
from poolviz.load.statements import needs_tables
from poolviz.model.dialect import dialect_of
from poolviz.model.errors import InputError, PoolvizError
from poolviz.model.messages import ProblemReported, Report, SampleTaken, StartRun
from poolviz.model.scenario import Scenario
from poolviz.pools.base import Pool
from poolviz.pools.registry import pool_class
from poolviz.runs.engine_process import EngineProcess
from poolviz.servers.dispatch import prepare_tables, reach
from poolviz.servers.embedded.server import EmbeddedServer
from poolviz.servers.target import Target
from poolviz.sessions.folder import SessionsFolder
from poolviz.sessions.recorder import Recorder

_numbers = itertools.count(1)


@dataclass
class Run:
    """One run: what it runs, its engine, its record.

    `link`, `recorder` and `tables_prepared` are set by the worker before it hands the run over;
    the rest belongs to the GUI thread. `tell` gets every report but the samples, from the engine's
    reader thread.
    """

    scenario: Scenario
    target: Target
    tell: Callable[[Run, Report], None]
    # By its name a fault finds the run's connections on the server: no other run may have it.
    name: str = field(
        default_factory=lambda: f"poolviz-{os.getpid()}-{next(_numbers)}-{secrets.token_hex(4)}"
    )
    link: EngineProcess | None = None
    recorder: Recorder | None = None
    unrecorded: str = ""  # why the record is in memory only
    tables_prepared: bool = False  # tables had to be made for it
    began: bool = False
    ended: bool = False
    stop_asked: bool = False

    def hear(self, report: Report) -> None:
        """Record a report and pass it on; a sample is not passed on, the recorder has it."""
        assert self.recorder is not None
        try:
            self.recorder.add(report)
        except PoolvizError as error:
            self.tell(self, ProblemReported("recorder", str(error)))
        if not isinstance(report, SampleTaken):
            self.tell(self, report)


class Runner:
    """Owns the embedded server and the engine's link. Every method is the worker's alone, but
    `server_alive`."""

    def __init__(self, history: SessionsFolder) -> None:
        self._history = history
        self._server: EmbeddedServer | None = None
        self._link: EngineProcess | None = None

    @property
    def server_alive(self) -> bool:
        """The embedded server runs. From any thread."""
        server = self._server
        return server is not None and server.alive

    def start_server(self, progress: Callable[[str], None]) -> Target:
        """The embedded server, started unless it runs; ServerError if it can't be."""
        if self._server is not None and not self._server.alive:
            self._server.stop()
            self._server = None
        if self._server is None:
            self._server = EmbeddedServer.start(progress)
        return self._server.target()

    def restart_server(self) -> None:
        """Stop the embedded server and start it again, for a run that goes on; ServerError where it
        doesn't come back."""
        if self._server is not None:
            self._server.restart()

    def reach(self, dsn: str) -> Target:
        """The user's own server, asked who it is; ServerError or InputError if it can't be."""
        return reach(dsn)

    def prepare_tables(self, run: Run, scale: int, tell: Callable[[str], None]) -> None:
        """Have tables of that scale there for `run`. `tell` hears in words what goes on. Raises
        where they can't be made, or the run is stopped meanwhile, which leaves nothing half made.
        """

        def go_on(words: str) -> None:
            if run.stop_asked:
                raise PoolvizError("The run was stopped before its tables were there.")
            tell(words)

        run.tables_prepared = prepare_tables(run.target.conninfo, scale, go_on)

    def begin(self, run: Run, tell: Callable[[str], None]) -> Run:
        """Start the engine of `run`, recorded into a new session; the last run's is gone first,
        and the tables it works on are there. InputError where its load can't be carried out."""
        self.end_engine()
        check_load(run.scenario.load, dialect_of(run.target.conninfo))
        scale = needs_tables(run.scenario)
        if scale:
            self.prepare_tables(run, scale, tell)
        run.recorder = self._new_recorder(run)
        target = run.target
        begin = StartRun(
            run.scenario, target.conninfo, run.name, target.describe(), target.embedded
        )
        try:
            self._link = run.link = EngineProcess(begin, run.hear)
        except BaseException:
            run.recorder.close()
            run.recorder = None
            raise
        return run

    def end_engine(self) -> None:
        """No engine is left. Blocks for a few seconds at most."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def put_away(self) -> None:
        """No engine and no server is left."""
        try:
            self.end_engine()
        finally:
            if self._server is not None:
                self._server.stop()
                self._server = None

    def _new_recorder(self, run: Run) -> Recorder:
        try:
            return Recorder(self._history.new_path())
        except (PoolvizError, OSError) as error:
            run.unrecorded = str(error)
            return Recorder()


def open_session(path: Path) -> tuple[Recorder, type[Pool]]:
    """A recorded session and the pool it ran, whose library may take long to load; InputError
    where it can't be shown. For any worker."""
    recorder = Recorder.open(path)
    try:
        if recorder.began is None:
            raise InputError(f"{path} holds no run that could be shown.")
        return recorder, pool_class(recorder.began.scenario.pool)
    except BaseException:
        recorder.close()
        raise
