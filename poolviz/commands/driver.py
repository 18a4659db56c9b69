"""Drives a run from the command line: server, load, files, result, exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Timer

import click
import msgspec

from poolviz.commands.console import Console, say
from poolviz.language import tr
from poolviz.load.fleet import PROCESSES
from poolviz.load.statements import ACCOUNTS, SCHEMA
from poolviz.model.errors import PoolvizError
from poolviz.runs.exports import write_exports
from poolviz.runs.fleet.opening import fleet_address, open_fleet
from poolviz.runs.metrics.outlets import open_outlets
from poolviz.runs.request import RunRequest
from poolviz.runs.run import Run
from poolviz.runs.runner import AS_SET, Runner, TablesNotAllowed, kept_session
from poolviz.scenarios.draft import Draft
from poolviz.sessions.cards import effects
from poolviz.sessions.derived import derived
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.report import as_object
from poolviz.sessions.result_text import text
from poolviz.sessions.summary import no_success
from poolviz.sessions.thresholds import verdicts
from poolviz.system.interrupts import INTERRUPTED, end_at_once, handled_by, interrupted

EARLY, THRESHOLD_CROSSED = 1, 99
DATABASE_URL = "DATABASE_URL"  # by which many applications are told their server
_LOOK = 0.1  # seconds between two looks at the run
_BEGIN_LIMIT = 5.0  # seconds that what precedes a run may go on after a signal


def run_draft(
    draft: Draft,
    out: list[Path],
    runner: Runner,
    *,
    as_json: bool,
    quiet: bool,
    notes: Sequence[str] = (),
    anonymous: bool = False,
    keep: bool = True,
    lanes: int | None = AS_SET,
    create_tables: bool = False,
    metrics: str | None = None,
    otlp: str | None = None,
    fleet: str | None = None,
) -> int:
    """Run what `draft` says, print the result, write the files; return the exit status.

    `runner` has learned of the pool, and `notes` are sentences about the request, to be said first.
    Whatever is wrong with the request is found before the load
    begins. A run that ends early, by a signal or a failure, has the result and the files of what
    was recorded. Without `create_tables`, whoever sits at the terminal is asked before tables are
    created on a server that isn't poolviz' own. With `keep` a session that `out` doesn't name is
    kept in the sessions folder; one that can't be is a warning. `lanes` is as `Runner.begin` has
    it. `anonymous` files and JSON name
    neither servers nor users. Metrics are served at the address
    `metrics`, and pushed to the URL `otlp`, while the run goes on. With the address `fleet` its
    processes are those of a cluster's workers, one on each unless their number is given.
    """
    cluster = None if fleet is None else fleet_address(fleet, draft.pool)
    request = RunRequest.of(draft, out, anonymous=anonymous)
    console = Console(request.scenario.duration or 0.0, quiet=quiet)
    with ExitStack() as fleet_open, ExitStack() as metrics_open:
        outlets = metrics_open.enter_context(open_outlets(metrics, otlp, console.notify))
        console.introduce(request.scenario)
        workers = None
        if cluster is not None:
            workers = fleet_open.enter_context(open_fleet(cluster, console.say))
            workers.check_server(request.dsn)
            if not request.scenario.fleet:
                draft = draft.with_values(fleet={PROCESSES: workers.size})
                request = RunRequest.of(draft, out, anonymous=anonymous)
        for note in notes:
            console.say(note)
        for outlet in outlets:
            console.say(outlet.sentence)
        if request.dsn is None and (hint := database_url_hint()):
            console.say(hint)
        if workers is None:
            runner.warm_up(request.scenario.pool)
        target = runner.reach(request.dsn, console.say, pooler=request.pooler)
        run = Run(request.scenario, target, console, may_create_tables=create_tables, fleet=workers)
        with handled_by(lambda: _stop(run)):
            try:
                _begin(runner, run, request.session, keep=keep, lanes=lanes)
            except PoolvizError:
                if interrupted():  # whatever became of what was under way
                    return INTERRUPTED
                raise
            assert run.recorder is not None
            if run.not_kept:
                console.say(tr("This run's session is not kept: {not_kept}", not_kept=run.not_kept))
            with run.recorder as recorder:
                for outlet in outlets:
                    outlet.watch(recorder)
                try:
                    while not runner.wait(run, _LOOK):
                        console.show(recorder)
                finally:
                    runner.end_run()
                    fleet_open.close()
                metrics_open.close()  # with the last sample recorded
                console.end()
                status = _finish(request, run, recorder, console, as_json=as_json)
    return INTERRUPTED if interrupted() else status


def database_url_hint() -> str:
    """Return how to use the server that DATABASE_URL names, as a sentence; "" where it isn't set.
    Nothing of it is shown: any part may hold a password."""
    if not os.environ.get(DATABASE_URL):
        return ""
    given = f"%{DATABASE_URL}%" if sys.platform == "win32" else f'"${DATABASE_URL}"'
    return tr(
        "{database_url} is set, and isn't used unless you say so: --dsn {given} "
        "runs on the server that it names.",
        database_url=DATABASE_URL,
        given=given,
    )


def _begin(
    runner: Runner, run: Run, session: Path | None, *, keep: bool, lanes: int | None
) -> None:
    """Begin the run, with the consent to create tables that it may need."""
    keep_at = kept_session(run) if keep and session is None else None
    try:
        runner.begin(run, session, keep_at=keep_at, lanes=lanes)
    except TablesNotAllowed as refusal:
        if not _agrees_to_tables(refusal):
            raise
        run.may_create_tables = True
        runner.begin(run, session, keep_at=keep_at, lanes=lanes)


def _agrees_to_tables(refusal: TablesNotAllowed) -> bool:
    """Ask whether tables may be created, where someone is there to be asked."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        return False
    tables = tr(
        "schema {schema}, with {scale:,} accounts", schema=SCHEMA, scale=refusal.scale * ACCOUNTS
    )
    question = tr(
        "poolviz: Create {tables}, on {shown}?", tables=tables, shown=refusal.target.shown
    )
    try:
        with handled_by(end_at_once):  # nothing has begun
            return click.confirm(question, err=True)
    except click.Abort:  # the terminal was closed
        return False


def _stop(run: Run) -> None:
    """End the run because of a signal: with all its results, once it has begun."""
    run.stop()
    if run.engine is None:
        # Making tables on a server that doesn't answer, for instance.
        limit = Timer(_BEGIN_LIMIT, lambda: end_at_once() if run.engine is None else None)
        limit.daemon = True
        limit.start()


def _finish(
    request: RunRequest, run: Run, recorder: Recorder, console: Console, *, as_json: bool
) -> int:
    """Write the files, print the result and what is wrong with it; return the exit status."""
    assert run.ended is not None
    if recorder.began is None:  # there is nothing to show
        if run.ended.failure:
            say(run.ended.failure)
        return run.ended.exit_status or EARLY
    written = _write_files(request, recorder, console)
    summary, thresholds = recorder.summary(), verdicts(recorder)
    if as_json:
        click.echo(_as_json(request, recorder))
    else:
        pools = [(name, recorder.member(name).summary()) for name in recorder.members]
        click.echo(text(summary, recorder.marks, thresholds, effects(recorder), pools))
    crossed = [each.sentence for each in thresholds if not each.passed]
    nobody = no_success(summary)
    for sentence in (summary.incomplete_reason, *crossed, nobody):
        if sentence:
            say(sentence)
    if not (summary.complete and written):
        return run.ended.exit_status or EARLY
    if crossed:
        return THRESHOLD_CROSSED
    return EARLY if nobody else 0


def _as_json(request: RunRequest, recorder: Recorder) -> bytes:
    """Return the result as JSON."""
    with derived(recorder, request.scope) as shown:
        session = None if request.scope.anonymous else _session_of(recorder)
        return msgspec.json.encode(as_object(shown) | {"session": session})


def _session_of(recorder: Recorder) -> str | None:
    """Return the file of the run's session, if there is one."""
    path = recorder.path
    return str(path.absolute()) if path is not None and path.exists() else None


def _write_files(request: RunRequest, recorder: Recorder, console: Console) -> bool:
    """Write the files that were asked for; False if one of them could not be written."""
    files: list[Path] = []
    whole = True
    if recorder.path is not None:
        recorder.close()  # whether it could be written to its end shows only now
    try:
        with ExitStack() as stack:
            with console.writing(tr("Preparing the files")) as share_done:
                part = derived(recorder, request.scope, share_done)
                exported = stack.enter_context(part)
            for path, exporter in request.exports.items():
                try:
                    with console.writing(tr("Writing {file}", file=path.name)) as share_done:
                        files += write_exports(exported, {path: exporter}, share_done=share_done)
                except PoolvizError as error:
                    say(str(error))
                    whole = False
    except PoolvizError as error:
        say(str(error))
        whole = False
    if request.session is not None and not recorder.trouble:
        files.append(request.session)
    console.wrote(files)
    if request.session is None and recorder.path is not None:
        words = tr("The session is kept in {path}.", path=recorder.path)
        console.say(
            tr("The session is not whole. {trouble}", trouble=recorder.trouble)
            if recorder.trouble
            else words
        )
    return whole
