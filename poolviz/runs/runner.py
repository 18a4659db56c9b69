"""Runs: each from its request to its end, for the command line, the window and Python alike.

A runner owns what a run is made of: the server, if poolviz brings it, the tables, the record and
the engine's process, and ends them in the opposite order.

Threads: `Runner`'s methods block, and are called by one thread at a time. See `run.py` for what may
be called of a `Run`, and by whom.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from poolviz.language import tr, tr_noop
from poolviz.load.settings import check_load
from poolviz.load.statements import needs_tables
from poolviz.model.dialect import dialect_of
from poolviz.model.errors import InputError, PoolvizError, ServerError
from poolviz.model.scenario import Scenario
from poolviz.pools.registry import is_built_in, learn, pool_class, pool_id
from poolviz.runs.early_server import EarlyServer, Say
from poolviz.runs.run import Run, RunStopped
from poolviz.runs.spawned_engine import SpawnedEngine, spawn_engine
from poolviz.runs.warnings import RunWarning, tables_remain, warnings_before
from poolviz.scenarios.connect import check_connect
from poolviz.servers.dispatch import ask_pooler, pooler_console_of, prepare_tables, reach
from poolviz.servers.embedded.server import EmbeddedServer
from poolviz.servers.pooler import Pooler
from poolviz.servers.tables import TablesMissing
from poolviz.servers.target import Target
from poolviz.sessions.folder import SessionsFolder
from poolviz.sessions.limits import SessionLimits, read_limits
from poolviz.sessions.recorder import Recorder
from poolviz.system.folders import sessions_folder

AS_SET = 0  # bytes of lanes: as the user has set it

_logger = logging.getLogger(__name__)
SERVER_LOST = tr_noop("The embedded PostgreSQL has ended. What was recorded until then is kept.")


def kept_session(run: Run) -> Path | None:
    """Return the path in the user's sessions folder for the session of `run`, which starts now;
    None if there can be none, and `run.not_kept` says why."""
    folder = sessions_folder()
    try:
        return SessionsFolder(folder).new_path()
    except OSError as error:
        run.not_kept = tr(
            "Can't use the sessions folder {folder}: {value}.",
            folder=folder,
            value=error.strerror or error,
        )
        return None


def _ask(pooler: str, target: Target) -> Pooler:
    """Return what the pooler before `target` says at its console; nothing but where that is if it
    can't be asked."""
    console = pooler_console_of(pooler)
    try:
        return ask_pooler(console, target.conninfo)
    except ServerError as error:
        _logger.info("%s", error)
        return Pooler(console=console)


class TablesNotAllowed(InputError):
    """A run needs tables of `scale` on a user's server, who hasn't allowed to create them.

    `present` is the scale of smaller ones that would be replaced; 0 without any.
    """

    def __init__(self, target: Target, scale: int, present: int) -> None:
        super().__init__(
            tr(
                "The tables that this load needs aren't on {shown}, and poolviz creates "
                "nothing there unless you allow it: with --create-tables, or "
                "create_tables=True in Python.",
                shown=target.in_words,
            )
        )
        self.target, self.scale, self.present = target, scale, present


class Runner:
    """Makes runs, one at a time. Owns the embedded server, a spare engine, and the run's parts."""

    def __init__(self) -> None:
        self._server: EmbeddedServer | None = None
        self._run: Run | None = None
        self._spare: SpawnedEngine | None = None
        self._early: EarlyServer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def server_alive(self) -> bool:
        """The embedded server runs. May be read from any thread."""
        server = self._server
        return server is not None and server.alive

    def warm_up(self, pool: str | None = None, *, server: bool = False) -> None:
        """Start the engine of the next run already, so that it imports its libraries meanwhile,
        that of the pool with the id `pool` included, and with `server` the embedded server too.
        Returns at once."""
        if self._spare is None:
            self._spare = spawn_engine(pool)
        if server and self._early is None and self._server is None:
            self._early = EarlyServer()

    def learn(self, *pools: str) -> None:
        """Find out about pools that aren't poolviz' own: the engine of the next run imports them.

        `registry.pool_class` knows each of them then, or why it can't be used. Blocks for some
        seconds at most for a file that can't be imported, however many pools of it are asked for:
        what two of them had in common is said of the others too.
        """
        known: list[str] = []
        for id in pools:
            with suppress(InputError):  # pool_class says the same
                known.append(pool_id(id))
        ends: dict[str, list[str]] = {}  # by file, what was said where importing ended the process
        for id in known:
            if is_built_in(id):
                continue
            said = ends.setdefault(id.rpartition(":")[0], [])
            if len(said) > 1 and said[0] == said[1]:
                learn(id, InputError(f"{id}{said[0]}"))
                continue
            spare = self._spare_for(id, *known)
            found = spare.describe(id)
            if isinstance(found, InputError) and not spare.alive:
                said.append(str(found).removeprefix(id))
            learn(id, found)

    def _spare_for(self, *pools: str) -> SpawnedEngine:
        """Return the spare engine, or a new one if that has imported other pools than these, or
        the first of them already."""
        spare = self._spare
        if spare is None or not spare.alive or not spare.takes(*pools):
            if spare is not None:
                spare.close()
            spare = self._spare = spawn_engine()
        return spare

    def reach(self, dsn: str | None, say: Say, *, pooler: str | None = None) -> Target:
        """Return the server that `dsn` names, or the embedded one, started unless it runs.

        `say` hears in a few words what goes on. ServerError where it can't be reached or started,
        InputError where the DSN can't be read. `pooler` is the DSN of the console of a pooler in
        between: where it can't be asked now, the run will say so.
        """
        if dsn is not None:
            target = reach(dsn)
            return target if pooler is None else replace(target, pooler=_ask(pooler, target))
        early, self._early = self._early, None
        if early is not None:
            self._server = early.wait(say)
        if self._server is not None and not self._server.alive:
            self._server.stop()
            self._server = None
        if self._server is None:
            self._server = EmbeddedServer.start(say)
        return self._server.target()

    def begin(
        self,
        run: Run,
        session: Path | None = None,
        *,
        keep_at: Path | None = None,
        lanes: int | None = AS_SET,
    ) -> None:
        """Start a run: warn, make its tables, open its record, start its engine.

        It is recorded into `session`. With `keep_at` instead, it is recorded there if that file
        can be written, else in memory, and `run.not_kept` says why; a disk that takes no more of
        it makes the run no less complete. `lanes` is the bound of what it keeps of lanes, in bytes:
        by default the one that the user has set. The run before is ended first.
        PoolvizError where the run can't begin, RunStopped where it was stopped before. After
        TablesNotAllowed it may be begun again, with the user's consent.
        """
        self.end_run()
        self._run = run
        self._learn_again(run.scenario)
        server = dialect_of(run.target.conninfo)
        check_load(run.scenario.load, server)
        check_connect(pool_class(run.scenario.pool), run.scenario.connect, server)
        for warning in warnings_before(run.scenario, run.target):
            run.warn(warning)
        scale = needs_tables(run.scenario)
        if scale:
            self.prepare_tables(run, scale)
        if run.stop_asked:
            raise RunStopped
        recorder = self._recorder(run, session, keep_at, lanes)
        own = self._server
        child = self._take_spare(run.scenario.pool) if run.fleet is None else None
        restart = own.restart if own is not None and run.target.embedded else None
        _logger.info("run %s begins: %s on %s", run.name, run.scenario.pool, run.target.shown)
        try:
            run.launch(recorder, restart, child)
        except BaseException:
            recorder.close()
            raise

    def prepare_tables(self, run: Run, scale: int) -> None:
        """Make the tables of that scale that `run` needs, if they aren't there. TablesNotAllowed
        where they aren't and that needs the user's consent; PoolvizError where they can't be made,
        or the run is stopped meanwhile, which leaves nothing half made."""
        target = run.target
        create = target.embedded or run.may_create_tables
        try:
            made = prepare_tables(
                target.conninfo, scale, run.progress, create=create, embedded=target.embedded
            )
        except TablesMissing as missing:
            raise TablesNotAllowed(target, scale, missing.scale) from None
        if made and not target.embedded:
            run.warn(RunWarning("tables", tables_remain(target)))

    def wait(self, run: Run, timeout: float) -> bool:
        """Wait until `run` is over; False if it isn't after `timeout` seconds.

        Ends it as failed if its server is the embedded one and has ended by itself.
        """
        if run.target.embedded and not run.stop_asked and not self.server_alive:
            run.fail(PoolvizError(tr(SERVER_LOST)))
        return run.wait(timeout)

    def end_run(self) -> None:
        """End the run that goes on, and its engine. Its record stays open to be read."""
        run, self._run = self._run, None
        if run is not None:
            run.close()
            if self._server is not None and run.target.embedded:
                self._server.resume()  # an engine that was killed couldn't end its faults

    def close(self) -> None:
        """End the run, the spare engine and the embedded server."""
        try:
            self.end_run()
        finally:
            spare, self._spare = self._spare, None
            if spare is not None:
                spare.close()
            early, self._early = self._early, None
            if early is not None:
                early.stop()
            server, self._server = self._server, None
            if server is not None:
                server.stop()

    def _learn_again(self, scenario: Scenario) -> None:
        """Have the next engine import a pool that isn't poolviz' own, unless it did and the file is
        the same. InputError where it can't be used, or has other limits than the scenario."""
        if is_built_in(scenario.pool):
            return
        if self._spare is None or not self._spare.is_ready_for(scenario.pool):
            self.learn(scenario.pool)
        limits = pool_class(scenario.pool).limits
        if limits.keys() != scenario.limits.keys():
            raise InputError(
                tr(
                    "{pool} has changed, and its limits are {limits} now: choose it again.",
                    pool=scenario.pool,
                    limits=", ".join(limits),
                )
            )
        limits.complete(scenario.limits)

    def _take_spare(self, pool: str) -> SpawnedEngine | None:
        """Return the engine that was started early, if it is still alive and can run that pool."""
        spare, self._spare = self._spare, None
        if spare is not None and not (spare.alive and spare.is_ready_for(pool)):
            spare.close()
            return None
        return spare

    @staticmethod
    def _recorder(
        run: Run, session: Path | None, keep_at: Path | None, lanes: int | None
    ) -> Recorder:
        if lanes == AS_SET:
            lanes = _lanes_as_set(run, sessions_folder() if keep_at is None else keep_at.parent)
        if keep_at is None:
            return Recorder(session, lanes=lanes)
        try:
            return Recorder(keep_at, optional=True, lanes=lanes)
        except (PoolvizError, OSError) as error:
            run.not_kept = str(error)
            return Recorder(lanes=lanes)


def _lanes_as_set(run: Run, folder: Path) -> int | None:
    """Return how many bytes of lanes a session keeps, as the user has set it."""
    try:
        return read_limits(folder).lanes_bytes
    except InputError as error:
        run.warn(RunWarning("limits", str(error)))
        return SessionLimits().lanes_bytes
