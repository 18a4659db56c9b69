"""What a run without a window prints: warnings and progress while it goes on, and its figures."""

from __future__ import annotations

import math
import queue
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import click

from poolviz.commands.progress_line import WIPE, bar, progress_line
from poolviz.model.histogram import Summary
from poolviz.model.load_generator import limits_crossed
from poolviz.model.messages import ChangeRefused, ProblemReported, Report
from poolviz.model.parameters import show_seconds
from poolviz.model.sample import Mark, MarkKind
from poolviz.model.scenario import Scenario
from poolviz.model.text import on_one_line, sentence
from poolviz.runs.runner import Run
from poolviz.runs.warnings import RunWarning
from poolviz.scenarios.connect import in_words
from poolviz.sessions.cards import Effects, SettledSegment
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.share_done import ShareDone
from poolviz.sessions.statistics import Interval
from poolviz.sessions.summary import RunSummary
from poolviz.sessions.thresholds import Verdict
from poolviz.sessions.totals import Figures

_LINE_EVERY = 5.0  # seconds, where lines can't be overwritten
_MOST_ERRORS = 10  # kinds of errors that are printed, the most frequent ones
_WORTH_A_WARNING = 0.05  # of a run: less than that at its limit, the load generator is not named


def say(words: str) -> None:
    """Print a sentence of its own to standard error."""
    click.echo(f"poolviz: {sentence(words)}", err=True)


def names_of(files: Sequence[Path]) -> str:
    """Return the sentence that names files that were written."""
    return f"Wrote {', '.join(map(str, files))}."


class Console:
    """Standard error during a run: sentences, and one line of progress, which is rewritten on a
    terminal and printed now and then elsewhere. Hears of the run (a `RunListener`).

    What other threads report waits in a queue until the main thread prints it.
    """

    def __init__(self, duration: float, *, quiet: bool) -> None:
        self._duration = duration
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._sentences: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._shown = 0
        self._next_line = _LINE_EVERY
        self._drawn = False

    def introduce(self, scenario: Scenario) -> None:
        """Print the title of a scenario and what to watch in it."""
        if scenario.title:
            self.say(" ".join((f"{scenario.title}.", scenario.watch.get("en", ""))).strip())

    def progressed(self, sentence: str) -> None:
        """Print what is being done before the load starts."""
        self.say(sentence)

    def warned(self, warning: RunWarning) -> None:
        """Print a warning."""
        self.say(warning.sentence)

    def reported(self, run: Run, report: Report) -> None:  # noqa: ARG002 - there is one run
        """Keep a problem until it is printed. Called by the engine's reader thread."""
        if isinstance(report, ProblemReported) and report.sentence:
            self._sentences.put(report.sentence)
        elif isinstance(report, ChangeRefused):
            self._sentences.put(report.reason)

    def notify(self, sentence: str) -> None:
        """Keep a sentence until it is printed. Called by any thread."""
        self._sentences.put(sentence)

    def say(self, sentence: str) -> None:
        """Print a sentence on a line of its own."""
        if not self._quiet:
            self._wipe()
            say(sentence)

    def wrote(self, files: Sequence[Path]) -> None:
        """Print the names of files that were written."""
        if files:
            self.say(names_of(files))

    def writing(self, words: str) -> AbstractContextManager[ShareDone]:
        """Show for the length of a block what is being written, and how far that is."""
        self.flush()
        return progress_line(words, quiet=self._quiet)

    def show(self, recorder: Recorder) -> None:
        """Print what was reported since the last call, and how far the run is."""
        self.flush()
        sample = recorder.last
        if self._quiet or sample is None or recorder.revision == self._shown:
            return
        self._shown = recorder.revision
        if not self._terminal and sample.t < self._next_line:
            return
        self._next_line = (sample.t // _LINE_EVERY + 1) * _LINE_EVERY
        recent = recorder.recent(1.0)
        wait = "–" if math.isnan(recent.wait_p95) else _rounded(recent.wait_p95)
        text = (
            f"{sample.t:5.0f} of {self._duration:g} s   {recent.throughput:,.0f} operations/s   "
            f"used {recent.used_mean:.1f} of {sample.capacity or '∞'}   "
            f"waiting {sample.pending.last}   wait p95 {wait}"
        )
        if self._terminal:
            share = min(sample.t / self._duration, 1.0) if self._duration else 0.0
            click.echo(f"{WIPE}{bar(share)} {text}", err=True, nl=False)
            self._drawn = True
        else:
            click.echo(text, err=True)

    def flush(self) -> None:
        """Print what was reported and not printed yet, and leave the terminal's line empty."""
        while not self._sentences.empty():
            self.say(self._sentences.get())

    def end(self) -> None:
        """Leave the terminal as it was."""
        self.flush()
        self._wipe()

    def _wipe(self) -> None:
        if self._drawn:
            click.echo(WIPE, err=True, nl=False)
            self._drawn = False


def table(
    summary: RunSummary,
    marks: Sequence[Mark] = (),
    thresholds: Sequence[Verdict] = (),
    effects: Effects | None = None,
    members: Sequence[tuple[str, RunSummary]] = (),
) -> str:
    """Return the result for people: the whole run, its faults, what became of its conditions, what
    changes and faults did, each pool of several, and each segment of several."""
    how = "" if summary.use is None else f" (use = {summary.use})"
    lines = [f"{summary.pool}{how} on {summary.server}"]
    if summary.replays:
        lines.append(f"  replays       {on_one_line(summary.replays)}")
    if summary.connect:
        given = in_words(summary.pool or "", summary.connect)
        lines.append(f"  connect       {on_one_line(given)}")
    if summary.incomplete_reason is not None:
        lines.append(f"  incomplete    {summary.incomplete_reason}")
    lines += _figures(summary)
    if summary.rows is not None:
        lines.append(f"  rows          {summary.rows.sentence}")
    faults = [f"{mark.text} at {mark.t:.1f} s" for mark in marks if mark.kind is MarkKind.FAULT]
    if faults:
        lines.append(f"  faults        {', '.join(faults)}")
    lines += [f"  threshold     {verdict.sentence}" for verdict in thresholds]
    cards = effects.cards if effects is not None else ()
    lines += [f"  change        at {card.at_s:.1f} s: {card.sentence}" for card in cards]
    for name, member in members:
        lines += ["", f"pool {on_one_line(name)}", *_figures(member)]
    if len(summary.segments) > 1:
        for number, segment in enumerate(summary.segments, 1):
            done = f"   {', '.join(segment.began_with)}" if segment.began_with else ""
            title = f"segment {number}, {segment.from_s:.1f} to {segment.to_s:.1f} s{done}"
            lines += ["", title, *_figures(segment)]
            if effects is not None and number <= len(effects.segments):
                lines.append(_settled(effects.segments[number - 1]))
        if effects is not None:
            lines += ["", textwrap.fill(f"Changes and 'settled': {effects.rule}", 100)]
    return "\n".join(lines)


def _settled(segment: SettledSegment) -> str:
    """Return the line on a segment's figures without its settling time, with their intervals."""
    settled = segment.settled
    rate, wait = segment.figures["throughput_per_s"], segment.figures["wait_p95_s"]
    return (
        f"  settled       after {settled.settling_s:.1f} s: "
        f"{_with_interval(rate, lambda value: f'{value:,.1f}')} a second, "
        f"wait p95 {_with_interval(wait, _rounded)}"
    )


def _with_interval(figure: Interval, show: Callable[[float], str]) -> str:
    if figure.value is None:
        return "not measured"
    if figure.low is None or figure.high is None:
        return f"{show(figure.value)} (too few samples for an interval)"
    return f"{show(figure.value)} ({show(figure.low)} to {show(figure.high)})"


def _figures(figures: Figures) -> list[str]:
    connections = figures.connections
    due = connections.backlog_max
    backlog = f", {due} requests due and not begun at most" if due else ""
    errors = ", ".join(f"{name} {count:,}" for name, count in figures.errors.items()) or "none"
    return [
        f"  operations    {figures.operations:,} in {figures.duration_s:.1f} s, "
        f"{figures.throughput_per_s or 0:,.1f} a second",
        f"  timeouts      {figures.timeouts:,}; errors {errors}",
        *_errors(figures),
        f"  wait          {_times(figures.wait_time_s)}{_unfinished(figures)}",
        f"  use           {_times(figures.use_time_s)}",
        f"  create        {_times(figures.create_time_s)}",
        f"  connections   used {connections.used_mean or 0:.2f} on average, {connections.used_max} "
        f"at most; open {connections.open_mean or 0:.2f} on average, {connections.open_max} at "
        f"most, {connections.open_at_end} at the end; {connections.opened:,} opened; "
        f"{connections.pending_max} waiting at most{backlog}",
        *_other_counts(figures),
        f"  each client   {_clients(figures)}",
        *_load_generator(figures),
    ]


def _errors(figures: Figures) -> list[str]:
    """Return a line for each of the most frequent kinds of errors: how often and when they came,
    and what the first one said; and another for what the latest said, if that is something else."""
    lines = []
    kinds = sorted(figures.error_details, key=lambda kind: -kind.count)
    for kind in kinds[:_MOST_ERRORS]:
        what = "timeout" if kind.timeout else "error"
        lines.append(f"  {what:13} {kind.count:,} × {kind.title}, {kind.first_said}")
        if kind.latest_said:
            lines.append(f"  {'':13} {kind.latest_said}")
    left = len(kinds) - _MOST_ERRORS
    if left > 0:
        lines.append(f"  {'':13} and {left} more {'kind' if left == 1 else 'kinds'}")
    return lines


def _unfinished(figures: Figures) -> str:
    count = figures.waits_unfinished
    return f", {count:,} of them unfinished" if count else ""


def _other_counts(figures: Figures) -> list[str]:
    """Return what the server counts, where the pool's own counts contradict ours, and what is wrong
    with connections and clients."""
    lines = []
    if figures.server_backends_mean is not None:
        lines.append(
            f"  server        {figures.server_backends_mean:.2f} backends on average, "
            f"{figures.server_backends_max} at most, {figures.server_backends_at_end} at the end"
        )
    for difference in (figures.reported_counts.difference, figures.server_difference):
        if difference is not None:
            lines.append(f"  beware        {difference}")
    if figures.connections.open_after_close:
        left = figures.connections.open_after_close
        lines.append(f"  beware        the pool left {left} open when it was closed")
    if figures.clients_restarted:
        count = figures.clients_restarted
        lines.append(
            f"  beware        {'a client' if count == 1 else f'{count:,} clients'} ended without "
            f"being asked to, and {'was' if count == 1 else 'were'} started again"
        )
    return lines


def _clients(figures: Figures) -> str:
    operations, waits = figures.operations_per_client, figures.longest_wait_per_client_s
    if not operations.max:
        return "nothing counted"
    return (
        f"{operations.min:.0f} to {operations.max:.0f} operations, median {operations.median:.0f}; "
        f"longest wait {_rounded(waits.min)} to {_rounded(waits.max)}"
    )


def _load_generator(figures: Figures) -> list[str]:
    """Return a warning where the load generator was the limit for a part of the run."""
    generator = figures.load_generator
    if generator.strained_s < _WORTH_A_WARNING * figures.duration_s:
        return []
    return [
        f"  beware        the load generator was at its own limit for {generator.strained_s:.1f} s "
        f"(at worst {limits_crossed(generator.cpu_max, generator.lag_p99_max_s)}): these may be "
        "its figures, not the pool's"
    ]


def _times(times: Summary) -> str:
    if not times.count:
        return "nothing counted"
    shown = {"mean": times.mean, "p50": times.p50, "p95": times.p95, "p99": times.p99}
    figures = ", ".join(f"{name} {_rounded(value)}" for name, value in shown.items())
    return f"{figures}, max {_rounded(times.max)} of {times.count:,}"


def _rounded(seconds: float | None) -> str:
    return show_seconds(float(f"{seconds or 0:.3g}"))
