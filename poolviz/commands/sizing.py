"""Drives a sweep from the command line: options, progress, answer, exit status."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from poolviz.commands.console import Console
from poolviz.commands.drafts import draft_from, with_options, with_own_pool
from poolviz.model.errors import InputError
from poolviz.model.messages import Report
from poolviz.model.parameters import parse_seconds, show_seconds
from poolviz.runs.request import RunRequest
from poolviz.runs.runner import Run, Runner
from poolviz.runs.warnings import RunWarning
from poolviz.sessions.folder import is_session_file
from poolviz.sizing.api import SizingListener, SizingRequest, find_size
from poolviz.sizing.points import Point
from poolviz.sizing.sizing import Predicted, Sizing
from poolviz.sizing.sweep import Progress, Sweep
from poolviz.sizing.swept_limits import Range
from poolviz.sizing.target import Aim
from poolviz.system.files import write_text
from poolviz.system.interrupts import INTERRUPTED, handled_by, interrupted

_JSON = ".json"
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
    out: Sequence[Path]
    keep: bool
    create_tables: bool
    as_json: bool
    quiet: bool


def find_and_print(asked: SizeOptions) -> int:
    """Sweep, print the answer, write the files; return the exit status. InputError for mistakes in
    the options, ServerError where there is no server."""
    answers = [path for path in asked.out if not is_session_file(path)]
    for path in answers:
        if path.suffix.lower() != _JSON:
            raise InputError(
                f"--out {path}: the answer is written as .json, a session as .poolviz."
            )
    with Runner() as runner:
        wanted = _request(asked, runner)
        console = _SweepConsole(wanted.budget, quiet=asked.quiet)
        runner.warm_up(wanted.request.scenario.pool)
        with handled_by(console.cancel):
            sizing = find_size(
                wanted, runner, console, keep=asked.keep, create_tables=asked.create_tables
            )
        console.end()
    for path in answers:
        write_text(path, msgspec.json.format(msgspec.json.encode(sizing.as_object())).decode())
    click.echo(msgspec.json.encode(sizing.as_object()) if asked.as_json else as_text(sizing))
    if sizing.session is not None:
        console.say(f"The session is kept in {sizing.session}.")
    console.wrote(answers)
    if interrupted():
        return INTERRUPTED
    return 0 if sizing.complete and sizing.recommended is not None else _EARLY


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
    # Limits that are swept begin at their lowest value, which others may have to yield to.
    draft = draft.with_fields(
        changes=[],
        limits={k: v for k, v in draft.limits.items() if k not in {each.key for each in ranges}},
    )
    sections = {"limits": fixed, "load": asked.load, "connect": asked.connect}
    draft = with_options(draft, sections)
    try:
        budget = parse_seconds(asked.budget)
    except ValueError:
        budget = math.nan
    if not math.isfinite(budget):
        raise InputError(f"--budget {asked.budget}: it takes a time, such as 90 or 3min.")
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
        text = f"size {size}, measurement {progress.visit}, about {left:.0f} s left"
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


def as_text(sizing: Sizing) -> str:
    """Return the answer as lines for a terminal."""
    said = {each.sizes: each for each in sizing.predictions}
    names = " × ".join(sizing.limits)
    lines = [
        f"pool      {sizing.pool}",
        f"server    {sizing.server}",
        f"answer    {sizing.sentence}",
        "",
        f"{names:>12}  connections  operations/s    95 % interval  wait p95  model  used  failures",
    ]
    chosen = sizing.recommendation.sizes
    for point in sizing.points:
        lines.append(_row(point, said.get(point.sizes), "◀" if point.sizes == chosen else ""))
    lines.append("")
    if sizing.budget is not None and sizing.budget.free is not None:
        budget = sizing.budget
        lines.append(
            f"budget    {budget.free} of {budget.max_connections} connections were free: "
            f"{budget.processes} processes with {budget.connections} each."
        )
    for rule in sizing.rules:
        lines.append(f"rule      {rule.name}: {rule.size}")
    lines += [f"note      {note}" for note in sizing.notes]
    return "\n".join(lines).rstrip()


def _row(point: Point, said: Predicted | None, mark: str) -> str:
    rate = point.throughput_per_s
    interval = "–"
    if rate.low is not None and rate.high is not None:
        interval = f"{rate.low:,.0f} to {rate.high:,.0f}"
    wait = point.wait_p95_s.value
    model = "–" if said is None else f"{said.throughput_per_s:,.0f}"
    size = " × ".join(map(str, point.sizes))
    return (
        f"{size:>12}  {point.connections:>11}  {rate.value or 0:>12,.0f}  {interval:>15}  "
        f"{'–' if wait is None else show_seconds(wait):>8}  {model:>5}  {point.used_mean:>4.1f}  "
        f"{point.failures:>8} {mark}"
    ).rstrip()
