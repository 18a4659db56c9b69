"""What a run without a window shows while somebody looks, and the table at its end."""

from __future__ import annotations

import math
import sys

import click

from poolviz.model.histogram import Summary
from poolviz.model.parameters import show_seconds
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.summary import Figures, RunSummary, SegmentSummary

_LINE_EVERY = 5.0  # seconds, where lines can't be overwritten
_WORTH_A_WORD = 0.05  # of a run: below, that the machine was the limit may be left unsaid


class Progress:
    """One line on standard error: rewritten on a terminal, now and then one elsewhere."""

    def __init__(self, duration: float, quiet: bool) -> None:
        self._duration = duration
        self._quiet = quiet
        self._live = sys.stderr.isatty()
        self._shown = 0
        self._next_line = _LINE_EVERY
        self._drawn = False

    def say(self, sentence: str) -> None:
        """A sentence of its own, kept."""
        if not self._quiet:
            self._wipe()
            click.echo(f"poolviz: {sentence}", err=True)

    def show(self, recorder: Recorder) -> None:
        """How far the run is, and how it goes."""
        sample = recorder.last
        if self._quiet or sample is None or recorder.revision == self._shown:
            return
        self._shown = recorder.revision
        if not self._live and sample.t < self._next_line:
            return
        self._next_line = (sample.t // _LINE_EVERY + 1) * _LINE_EVERY
        recent = recorder.recent(1.0)
        wait = "–" if math.isnan(recent.wait_p95) else _rounded(recent.wait_p95)
        text = (
            f"{sample.t:5.0f} of {self._duration:g} s   {recent.throughput:,.0f} operations/s   "
            f"used {recent.used_mean:.1f} of {sample.capacity or '∞'}   "
            f"waiting {sample.pending.last}   wait p95 {wait}"
        )
        if self._live:
            share = min(sample.t / self._duration, 1.0) if self._duration else 0.0
            bar = ("█" * round(20 * share)).ljust(20, "░")
            click.echo(f"\r\x1b[K{bar} {text}", err=True, nl=False)
            self._drawn = True
        else:
            click.echo(text, err=True)

    def end(self) -> None:
        """Leave the terminal as it was."""
        self._wipe()

    def _wipe(self) -> None:
        if self._drawn:
            click.echo("\r\x1b[K", err=True, nl=False)
            self._drawn = False

    @staticmethod
    def table(summary: RunSummary) -> str:
        """The result for people: the whole run, and each segment where there are several."""
        lines = [f"{summary.pool} on {summary.server}", *_figures(summary)]
        if summary.rows is not None:
            lines.append(f"  rows          {summary.rows.sentence}")
        if len(summary.segments) > 1:
            before = summary.segments[0]
            for segment in summary.segments:
                changed = _differences(before, segment)
                title = f"{segment.from_s:.1f} to {segment.to_s:.1f} s"
                lines += ["", f"{title}{'   ' + changed if changed else ''}", *_figures(segment)]
                before = segment
        return "\n".join(lines)


def _differences(before: SegmentSummary, after: SegmentSummary) -> str:
    was = {**before.limits, **before.load, **before.faults}
    now = {**dict.fromkeys(before.faults, 0), **after.limits, **after.load, **after.faults}
    return ", ".join(f"{key}={value}" for key, value in now.items() if was.get(key) != value)


def _figures(figures: Figures) -> list[str]:
    connections = figures.connections
    due = connections.backlog_max
    backlog = f", {due} requests due and not begun at most" if due else ""
    errors = ", ".join(f"{name} {count:,}" for name, count in figures.errors.items()) or "none"
    return [
        f"  operations    {figures.operations:,} in {figures.duration_s:.1f} s, "
        f"{figures.throughput_per_s or 0:,.1f} a second",
        f"  timeouts      {figures.timeouts:,}; errors {errors}",
        f"  wait          {_times(figures.wait_time_s)}",
        f"  use           {_times(figures.use_time_s)}",
        f"  create        {_times(figures.create_time_s)}",
        f"  connections   used {connections.used_mean or 0:.2f} on average, {connections.used_max} "
        f"at most; {connections.open_max} open at most, {connections.opened} opened, "
        f"{connections.open_at_end} open at the end; {connections.pending_max} waiting at most"
        f"{backlog}",
        f"  each client   {_clients(figures)}",
        *_strain(figures),
    ]


def _clients(figures: Figures) -> str:
    operations, waits = figures.operations_per_client, figures.longest_wait_per_client_s
    if not operations.max:
        return "nothing counted"
    return (
        f"{operations.min:.0f} to {operations.max:.0f} operations, median {operations.median:.0f}; "
        f"longest wait {_rounded(waits.min)} to {_rounded(waits.max)}"
    )


def _strain(figures: Figures) -> list[str]:
    """A warning where the machine was the limit."""
    generator = figures.load_generator
    if generator.strained_s < _WORTH_A_WORD * figures.duration_s:
        return []
    return [
        f"  beware        the load generator was at its own limit for {generator.strained_s:.1f} s "
        f"(up to {generator.cpu_max:.0%} of a core, timers up to "
        f"{_rounded(generator.lag_p99_max_s)} late): these may be its figures, not the pool's"
    ]


def _times(times: Summary) -> str:
    if not times.count:
        return "nothing counted"
    shown = {"mean": times.mean, "p50": times.p50, "p95": times.p95, "p99": times.p99}
    figures = ", ".join(f"{name} {_rounded(value)}" for name, value in shown.items())
    return f"{figures}, max {_rounded(times.max)} of {times.count:,}"


def _rounded(seconds: float | None) -> str:
    return show_seconds(float(f"{seconds or 0:.3g}"))
