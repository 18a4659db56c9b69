"""Drives a sweep from the command line: options, progress, answer, exit status."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from poolviz.commands.console import Console, names_of, say
from poolviz.commands.drafts import draft_from, with_options, with_own_pool
from poolviz.language import FALLBACK, in_language, tr
from poolviz.model.errors import InputError
from poolviz.model.messages import Report
from poolviz.model.parameters import parse_seconds
from poolviz.runs.request import RunRequest
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner
from poolviz.runs.warnings import RunWarning
from poolviz.sessions.folder import is_session_file
from poolviz.sessions.recorder import Recorder
from poolviz.sizing.answer import as_text
from poolviz.sizing.api import SizingListener, find_size
from poolviz.sizing.files import check_file, write_file
from poolviz.sizing.planning import SizingRequest
from poolviz.sizing.sizing import Sizing, sizing_of
from poolviz.sizing.sweep import Progress, Sweep
from poolviz.sizing.swept_limits import Range
from poolviz.sizing.target import Aim
from poolviz.system.interrupts import INTERRUPTED, handled_by, interrupted

_EARLY = 1
_LINE_EVERY = 5.0  # seconds, where lines can't be overwritten


@dataclass(frozen=True, kw_only=True)
class SizeOptions:
    """What the options of `poolviz size` say."""

    scenario: Path | None
    dsn: str | None
    pool: str | None
    own_pool: Sequence[str]
    limits: Sequence[str]
    load: Sequence[str]
    connect: Sequence[str]
    targets: Sequence[str]
    budget: str
    seed: int | None
    processes: str | None
    out: Sequence[Path]
    keep: bool
    measured: bool
    create_tables: bool
    as_json: bool
    quiet: bool


def find_and_print(asked: SizeOptions) -> int:
    """Sweep, or take what was measured, print the answer, write the files; return the exit status.
    InputError for mistakes in the options, ServerError where there is no server."""
    answers = [path for path in asked.out if not is_session_file(path)]
    for path in answers:
        check_file(path)
    if asked.measured:
        return _again(asked, answers)
    with Runner() as runner:
        wanted = _request(asked, runner)
        console = _SweepConsole(wanted.budget, quiet=asked.quiet)
        runner.warm_up(wanted.request.scenario.pool)
        with handled_by(console.cancel):
            sizing = find_size(
                wanted, runner, console, keep=asked.keep, create_tables=asked.create_tables
            )
        console.end()
    _print(sizing, answers, as_json=asked.as_json)
    if sizing.session is not None:
        console.say(tr("The session is kept in {path}.", path=sizing.session))
    console.wrote(answers)
    if interrupted():
        return INTERRUPTED
    return 0 if sizing.complete and sizing.recommended is not None else _EARLY


def _again(asked: SizeOptions, answers: Sequence[Path]) -> int:
    """Answer from what the session's sweep measured."""
    for path in asked.out:
        if path not in answers:
            raise InputError(tr("--out {path}: with --measured no session is recorded.", path=path))
    session = _session_of(asked)
    with Recorder.open(session) as recorder:
        aim = Aim.parse(*asked.targets) if asked.targets else None
        sizing = sizing_of(recorder, aim=aim)
    if sizing is None:
        raise InputError(
            tr("{path} has no sweep: `poolviz size {path}` makes one of its load.", path=session)
        )
    _print(sizing, answers, as_json=asked.as_json)
    if answers and not asked.quiet:
        say(names_of(answers))
    return 0 if sizing.recommended is not None else _EARLY


def _session_of(asked: SizeOptions) -> Path:
    """Return the session that --measured is about. InputError where there is none, or options that
    say what to measure."""
    if asked.scenario is None or not is_session_file(asked.scenario):
        raise InputError(tr("--measured takes the session (.poolviz) of a sweep."))
    given = {
        "--dsn": asked.dsn,
        "--pool": asked.pool,
        "--own-pool": asked.own_pool,
        "--limit": asked.limits,
        "--load": asked.load,
        "--connect": asked.connect,
        "--seed": asked.seed,
        "--processes": asked.processes,
    }
    for option, value in given.items():
        if value:
            raise InputError(
                tr(
                    "{option} says what to measure, and --measured measures nothing: leave one of "
                    "them away.",
                    option=option,
                )
            )
    return asked.scenario


def _print(sizing: Sizing, answers: Sequence[Path], *, as_json: bool) -> None:
    for path in answers:
        write_file(sizing, path)
    if not as_json:
        click.echo(as_text(sizing))
        return
    with in_language(FALLBACK):  # programs read it
        click.echo(msgspec.json.encode(sizing.as_object()))


def _request(asked: SizeOptions, runner: Runner) -> SizingRequest:
    draft, replay = draft_from(asked.scenario)
    given = {"pool": asked.pool, "dsn": asked.dsn, "seed": asked.seed}
    draft = draft.with_fields(**{key: value for key, value in given.items() if value is not None})
    if replay is not None:
        replay.check_server(draft.dsn)
    elif asked.pool is not None and asked.scenario is not None:
        draft = draft.with_fields(limits={}, connect={})
    draft = with_own_pool(draft, asked.own_pool)
    runner.learn(draft.pool)
    if replay is not None:
        draft, _ = replay.fitted(draft)
    ranges, fixed = [], []
    for text in asked.limits:
        key, _, value = text.partition("=")
        found = Range.parse(key.strip(), value)
        if found is None:
            fixed.append(text)
        else:
            ranges.append(found)
    for text in fixed:
        if (key := text.partition("=")[0].strip()) in {each.key for each in ranges}:
            raise InputError(tr("{key} is given twice.", key=key))
    # Limits that are swept begin at their lowest value, which others may have to yield to.
    draft = draft.with_fields(
        changes=[],
        limits={k: v for k, v in draft.limits.items() if k not in {each.key for each in ranges}},
    )
    fleet = () if asked.processes is None else (f"processes={asked.processes}",)
    sections = {"limits": fixed, "load": asked.load, "connect": asked.connect, "fleet": fleet}
    draft = with_options(draft, sections)
    try:
        budget = parse_seconds(asked.budget)
    except ValueError:
        budget = math.nan
    if not math.isfinite(budget):
        raise InputError(
            tr("--budget {given}: it takes a time, such as 90 or 3min.", given=asked.budget)
        )
    sessions = [path for path in asked.out if is_session_file(path)]
    return SizingRequest(
        RunRequest.of(draft, sessions),
        tuple(ranges),
        Aim.parse(*asked.targets),
        budget,
        frozenset(draft.limits),
    )


class _SweepConsole(SizingListener):
    """Prints warnings and how far the sweep is, on standard error."""

    def __init__(self, budget: float, *, quiet: bool) -> None:
        self._console = Console(budget, quiet=quiet)
        self._quiet, self._terminal = quiet, sys.stderr.isatty()
        self._next = 0.0
        self._sweep: Sweep | None = None
        self._run: Run | None = None
        self._drawn = False

    def say(self, sentence: str) -> None:
        """Print a sentence."""
        self._console.say(sentence)

    def wrote(self, files: Sequence[Path]) -> None:
        """Print the names of files that were written."""
        self._console.wrote(files)

    def progressed(self, sentence: str) -> None:
        """Print what is being done before the load starts."""
        self._console.progressed(sentence)

    def warned(self, warning: RunWarning) -> None:
        """Print a warning."""
        self._console.warned(warning)

    def reported(self, run: Run, report: Report) -> None:
        """Keep a problem until it is printed."""
        self._console.reported(run, report)

    def began(self, sweep: Sweep) -> None:
        """Keep what ends the sweep."""
        self._sweep = sweep
        if interrupted():
            sweep.cancel()

    def cancel(self) -> None:
        """End the sweep because of a signal. Called by the thread that hears of signals."""
        if self._sweep is not None:
            self._sweep.cancel()

    def measuring(self, progress: Progress) -> None:
        """Print which size is measured, and how much time is left."""
        self._console.flush()
        if self._quiet or not (self._terminal or progress.done_s >= self._next):
            return
        self._next = progress.done_s + _LINE_EVERY
        left = max(progress.budget_s - progress.done_s, 0.0)
        share = min(progress.done_s / progress.budget_s, 1.0)
        size = " × ".join(map(str, progress.sizes))
        text = tr(
            "size {size}, measurement {visit}, about {left:.0f} s left",
            size=size,
            visit=progress.visit,
            left=left,
        )
        if self._terminal:
            bar = ("█" * round(20 * share)).ljust(20, "░")
            click.echo(f"\r\x1b[K{bar} {text}", err=True, nl=False)
            self._drawn = True
        else:
            click.echo(text, err=True)

    def end(self) -> None:
        """Wipe the line of progress, and print what is left to say."""
        if self._drawn:
            click.echo("\r\x1b[K", err=True, nl=False)
        self._console.flush()
