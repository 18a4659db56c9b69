"""Drives a run from the command line: server, load, files, result, exit status."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click
import msgspec

from poolviz.commands.console import Console, say, table
from poolviz.runs.exports import write_exports
from poolviz.runs.request import RunRequest
from poolviz.runs.result import RunFailed
from poolviz.runs.runner import Run, Runner
from poolviz.scenarios.draft import Draft
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.summary import as_object

INTERRUPTED, THRESHOLD_CROSSED = 130, 99
_LOOK = 0.1  # seconds between two looks at the run


def run_draft(draft: Draft, out: list[Path], runner: Runner, *, as_json: bool, quiet: bool) -> int:
    """Run what `draft` says, print the result, write the files; return the exit status.

    `runner` has learned of the pool. Whatever is wrong with the request is found before the load
    begins. Raises RunFailed where the
    run ends early, once everything that was recorded is written.
    """
    request = RunRequest.of(draft, out)
    console = Console(request.scenario.duration or 0.0, quiet=quiet)
    console.introduce(request.scenario)
    runner.warm_up(request.scenario.pool)
    target = runner.reach(request.dsn, console.say)
    run = Run(request.scenario, target, console)
    with _signals(run) as signals:
        runner.begin(run, request.session)
        assert run.recorder is not None
        with run.recorder as recorder:
            while not run.wait(_LOOK):
                console.show(recorder)
            runner.end_run()
            console.end()
            return _finish(request, run, recorder, console, as_json=as_json) or (
                INTERRUPTED if signals else 0
            )


def _finish(
    request: RunRequest, run: Run, recorder: Recorder, console: Console, *, as_json: bool
) -> int:
    """Write the files and print the result; 99 where a condition of --fail-if came true."""
    assert run.ended is not None
    if recorder.trouble:
        console.say(recorder.trouble)
    files = list(write_exports(recorder, request.exports)) if recorder.began else []
    if request.session is not None and recorder.began:
        files.append(request.session)
    console.wrote(files)
    if run.ended.failure:
        raise RunFailed(run.ended)
    summary = recorder.summary()
    if as_json:
        click.echo(msgspec.json.encode(as_object(summary, recorder.marks)))
    else:
        click.echo(table(summary, recorder.marks))
    crossed = [found for each in request.thresholds if (found := each.crossed(summary))]
    for sentence in crossed:
        say(sentence)
    return THRESHOLD_CROSSED if crossed else 0


@contextmanager
def _signals(run: Run) -> Iterator[list[int]]:
    """Have Ctrl+C and a polite kill end the run with all its results; a second one ends it at
    once, and so does one that comes before the load has started."""
    seen: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        again = bool(seen) or run.engine is None
        seen.append(number)
        run.stop()
        if again:
            raise KeyboardInterrupt

    before: Mapping[int, Any] = {
        number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
