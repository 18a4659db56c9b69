"""A run without a window: the same engine and recorder, in this process."""

from __future__ import annotations

import importlib
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from poolviz.commands.console import Progress
from poolviz.engine.engine import Engine
from poolviz.load.settings import SETTINGS
from poolviz.load.statements import SCHEMA, needs_tables
from poolviz.model.errors import InputError, PoolvizError, ServerError
from poolviz.model.messages import (
    ProblemReported,
    Report,
    RunEnded,
    ServerRestartRequested,
    StartRun,
)
from poolviz.model.scenario import Scenario
from poolviz.pools.registry import check_server, pool_class
from poolviz.scenarios import check as scenarios
from poolviz.scenarios.draft import Draft
from poolviz.servers.dispatch import drop_tables, prepare_tables, reach
from poolviz.servers.embedded.server import EmbeddedServer
from poolviz.servers.target import Target
from poolviz.sessions.export.file_name import run_name
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.summary import as_object
from poolviz.sessions.thresholds import Threshold

_USUAL_DURATION = 20.0  # seconds, where nothing says how long
_AFTER_LAST_CHANGE = 5.0
_SESSION = ".poolviz"
_INTERRUPTED, _THRESHOLD_CROSSED = 130, 99


def checked(draft: Draft) -> Scenario:
    """The scenario that `draft` means, with an end; InputError holds every mistake."""
    scenario = scenarios.checked(draft, Threshold.parse)
    if scenario.duration is None:
        last = max((change.at for change in scenario.changes), default=0.0)
        usual = max(_USUAL_DURATION, last + _AFTER_LAST_CHANGE if last else 0.0)
        scenario = msgspec.structs.replace(scenario, duration=usual)
    return scenario


def run(draft: Draft, out: list[Path], *, as_json: bool, quiet: bool) -> int:
    """Run what `draft` says, print the result, write the files; the exit status.

    Whatever is wrong with the request is found before the load begins.
    """
    scenario = checked(draft)
    check_server(pool_class(scenario.pool), draft.dsn)
    thresholds = [Threshold.parse(text) for text in scenario.fail_if]
    writers = {path: exporter_for(path) for path in out}
    for path, writer in writers.items():
        if draft.source is not None and path.resolve() == draft.source.path.resolve():
            raise InputError(f"--out {path} is the scenario itself: choose another name.")
        writer.check(path)
    # The first session file is written as the run goes, so that a kill leaves it; the rest after.
    session = next((path for path in out if path.suffix == _SESSION), None)
    if session is not None:
        del writers[session]
    progress = Progress(scenario.duration or 0.0, quiet)
    with ExitStack() as stack:
        target, restart = stack.enter_context(_server(draft.dsn, progress.say))
        _respect(target, scenario, progress.say)
        _furnish(target, scenario, progress.say)
        recorder = stack.enter_context(Recorder(session))
        interrupted = _drive(scenario, target, recorder, progress, restart)
        for path, writer in writers.items():
            writer.export(recorder, path)
        summary = recorder.summary()
    result = msgspec.json.encode(as_object(summary)).decode()
    click.echo(result if as_json else progress.table(summary))
    crossed = [sentence for threshold in thresholds if (sentence := threshold.crossed(summary))]
    for sentence in crossed:
        click.echo(f"poolviz: {sentence}", err=True)
    if crossed:
        return _THRESHOLD_CROSSED
    return _INTERRUPTED if interrupted else 0


def export(session: Path, files: list[Path]) -> None:
    """Write a recorded session to `files`, each in the format of its suffix."""
    writers = {path: exporter_for(path) for path in files}
    for path, writer in writers.items():
        writer.check(path)
    with Recorder.open(session) as recorder:
        for path, writer in writers.items():
            writer.export(recorder, path)


def tables(dsn: str | None, scale: int, *, drop: bool) -> str:
    """Make, or drop, the tables that some statements work on; what was done, in a sentence."""
    SETTINGS["scale"].check(scale)
    say = Progress(0.0, quiet=False).say
    with _server(dsn, say) as (target, _):
        where = f"schema {SCHEMA} on {target.shown}"
        if drop:
            done = drop_tables(target.conninfo, say)
            return f"Dropped the tables in {where}." if done else f"There is no {where} to drop."
        if prepare_tables(target.conninfo, scale, say):
            return f"Made tables of scale {scale} in {where}."
    return f"The tables in {where} are there already, of scale {scale} or more."


def no_window() -> str:
    """Why no window can be opened here, in a sentence; empty where one can."""
    from poolviz.system.display import display_problem  # noqa: PLC0415 - for a window alone

    reason = display_problem()
    if reason is None:
        try:
            importlib.import_module("PySide6.QtWidgets")
        except ImportError as error:
            reason = f"Qt lacks a library of this system ({error})"
    return reason or ""


def instead_of_window(reason: str, start: Draft | Path | None, dsn: str | None) -> int:
    """Run the scenario without a window, and leave its graphs and data in this folder."""
    if isinstance(start, Path):
        raise InputError(
            f"{reason}, so {start} can't be shown; `poolviz export {start} graphs.png` draws it."
        )
    draft = start or Draft()
    if dsn is not None:
        draft = msgspec.structs.replace(draft, dsn=dsn)
    scenario = checked(draft)
    name = run_name(scenario, time.time())
    files = [Path(name + suffix) for suffix in (".csv", ".png")]
    click.echo(
        f"poolviz: {reason}, so {scenario.pool} runs for {scenario.duration:g} s without a window "
        f"and writes its graphs and data to {files[1]} and {files[0]}.",
        err=True,
    )
    return run(draft, files, as_json=False, quiet=False)


_Restart = Callable[[], None]


@contextmanager
def _server(
    dsn: str | None, say: Callable[[str], None]
) -> Iterator[tuple[Target, _Restart | None]]:
    """The server to run against: the one that `dsn` names, or our own for as long as it is used,
    and with it what restarts it."""
    if dsn is not None:
        yield reach(dsn), None
    else:
        with EmbeddedServer.start(say) as server:
            yield server.target(), server.restart


def _respect(target: Target, scenario: Scenario, say: Callable[[str], None]) -> None:
    """Say so when the pool may want more connections than the server has left, and when it is
    given more clients than it is made for."""
    pool = pool_class(scenario.pool)
    changed = [change.value for change in scenario.changes if change.key == "clients"]
    if pool.one_client and max(int(n) for n in [scenario.load["clients"], *changed]) > 1:
        say(pool.one_client)
    limits = [scenario.limits]
    for change in scenario.changes:
        limits.append(
            {**limits[-1], **({change.key: change.value} if change.key in limits[0] else {})}
        )
    wanted = max((pool.capacity(each) or 0 for each in limits), default=0)
    if not target.has_room_for(wanted):
        say(
            f"The pool may open {wanted} connections, and the server has "
            f"{target.free_connections} left of {target.max_connections}."
        )


def _furnish(target: Target, scenario: Scenario, say: Callable[[str], None]) -> None:
    """Have the tables there that the run works on, now or after a change."""
    scale = needs_tables(scenario)
    if scale and prepare_tables(target.conninfo, scale, say) and not target.embedded:
        say(f"Schema {SCHEMA} stays on {target.shown} until `poolviz tables --drop` removes it.")


def _drive(
    scenario: Scenario,
    target: Target,
    recorder: Recorder,
    progress: Progress,
    restart: _Restart | None,
) -> bool:
    """Run to the end; whether it was cut short by Ctrl+C. Raises what kept it from running."""
    ended, restart_wanted = threading.Event(), threading.Event()
    failures: list[PoolvizError] = []

    def take(report: Report) -> None:
        recorder.add(report)
        if isinstance(report, ProblemReported) and report.sentence:
            progress.say(report.sentence)
        elif isinstance(report, RunEnded):
            failures.extend([_RunFailed(report)] if report.failure else [])
            ended.set()
        elif isinstance(report, ServerRestartRequested):
            restart_wanted.set()

    # By its name a fault finds the run's connections on the server: no other run may have it.
    name = f"poolviz {os.getpid()} {secrets.token_hex(4)}"
    own = restart is not None
    engine = Engine(StartRun(scenario, target.conninfo, name, target.describe(), own), take)
    with _interrupts(engine.stop) as interrupted:
        while not ended.wait(0.1):
            progress.show(recorder)
            if restart is not None and restart_wanted.is_set():
                try:
                    restart()
                except ServerError as error:
                    failures.append(error)
                    engine.stop()
                restart_wanted.clear()  # those asked for meanwhile are done with it
        engine.wait()
    progress.end()
    if failures:
        raise failures[0]
    if recorder.trouble:
        progress.say(recorder.trouble)
    return bool(interrupted)


class _RunFailed(PoolvizError):
    """A run that could not begin or go on."""

    def __init__(self, ended: RunEnded) -> None:
        super().__init__(ended.failure)
        self.exit_status = ended.exit_status


@contextmanager
def _interrupts(halt: Callable[[], None]) -> Iterator[list[int]]:
    """Ctrl+C and a polite kill end the run with all its results; asked again, they end poolviz."""
    seen: list[int] = []

    def once(number: int, _frame: Any) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)
        halt()

    before: Mapping[int, Any] = {
        number: signal.signal(number, once) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
