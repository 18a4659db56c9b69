"""A run's figures for people, as rows of text: `poolviz run` prints them, the window shows them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import NamedTuple

from poolviz.model.histogram import Summary
from poolviz.model.load_generator import limits_crossed
from poolviz.model.parameters import show_seconds
from poolviz.model.sample import Mark, MarkKind
from poolviz.model.text import in_markdown, on_one_line
from poolviz.scenarios.connect import in_words
from poolviz.sessions.cards import Effects, SettledSegment
from poolviz.sessions.statistics import Interval
from poolviz.sessions.summary import RunSummary
from poolviz.sessions.thresholds import Verdict
from poolviz.sessions.totals import Figures

_MOST_ERRORS = 10  # kinds of errors that are named, the most frequent ones
_WORTH_A_WARNING = 0.05  # of a run: less than that at its limit, the load generator is not named
_BEWARE = "beware"


class Row(NamedTuple):
    """A figure's name, "" if it goes on from the row before, and the figure in words."""

    name: str
    text: str


class Block(NamedTuple):
    """The figures of a run or of a segment. The title says of which."""

    title: str
    rows: tuple[Row, ...]


def blocks(
    summary: RunSummary,
    marks: Sequence[Mark] = (),
    thresholds: Sequence[Verdict] = (),
    effects: Effects | None = None,
    members: Sequence[tuple[str, RunSummary]] = (),
) -> list[Block]:
    """Return the whole run with its faults, what became of its conditions and what changes and
    faults did, then each pool of several, and each segment of several."""
    how = "" if summary.use is None else f" (use = {summary.use})"
    rows = []
    if summary.replays:
        rows.append(Row("replays", on_one_line(summary.replays)))
    if summary.connect:
        given = in_words(summary.pool or "", summary.connect)
        rows.append(Row("connect", on_one_line(given)))
    if summary.incomplete_reason is not None:
        rows.append(Row("incomplete", summary.incomplete_reason))
    rows += _figures(summary)
    if summary.rows is not None:
        rows.append(Row("rows", summary.rows.sentence))
    faults = [f"{mark.text} at {mark.t:.1f} s" for mark in marks if mark.kind is MarkKind.FAULT]
    if faults:
        rows.append(Row("faults", ", ".join(faults)))
    rows += [Row("threshold", verdict.sentence) for verdict in thresholds]
    cards = effects.cards if effects is not None else ()
    rows += [Row("change", f"at {card.at_s:.1f} s: {card.sentence}") for card in cards]
    whole = Block(f"{summary.pool}{how} on {summary.server}", tuple(rows))
    pools = [
        Block(f"pool {on_one_line(name)}", tuple(_figures(member))) for name, member in members
    ]
    if len(summary.segments) < 2:
        return [whole, *pools]
    segments = [_segment(number, summary, effects) for number in range(len(summary.segments))]
    return [whole, *pools, *segments]


def text(
    summary: RunSummary,
    marks: Sequence[Mark] = (),
    thresholds: Sequence[Verdict] = (),
    effects: Effects | None = None,
    members: Sequence[tuple[str, RunSummary]] = (),
) -> str:
    """Return `blocks` as `poolviz run` prints them, and what 'settled' means."""
    found = blocks(summary, marks, thresholds, effects, members)
    parts = [as_text(block) for block in found]
    if len(summary.segments) > 1 and effects is not None:
        parts.append(textwrap.fill(f"Changes and 'settled': {effects.rule}", 100))
    return "\n\n".join(parts)


def as_text(block: Block) -> str:
    """Return a block's title and its rows, one a line."""
    return "\n".join([block.title, *(f"  {row.name:13} {row.text}" for row in block.rows)])


def as_markdown(block: Block) -> str:
    """Return a block as a table in Markdown. Whatever is quoted in it is shown as text."""
    lines = [f"**{in_markdown(block.title)}**", "", "| | |", "|---|---|"]
    lines += [f"| {in_markdown(row.name)} | {in_markdown(row.text)} |" for row in block.rows]
    return "\n".join(lines)


def _segment(place: int, summary: RunSummary, effects: Effects | None) -> Block:
    segment = summary.segments[place]
    done = f"   {', '.join(segment.began_with)}" if segment.began_with else ""
    title = f"segment {place + 1}, {segment.from_s:.1f} to {segment.to_s:.1f} s{done}"
    rows = _figures(segment)
    if effects is not None and place < len(effects.segments):
        rows.append(_settled(effects.segments[place]))
    return Block(title, tuple(rows))


def _settled(segment: SettledSegment) -> Row:
    """Return the row on a segment's figures without its settling time, with their intervals."""
    settled = segment.settled
    rate, wait = segment.figures["throughput_per_s"], segment.figures["wait_p95_s"]
    return Row(
        "settled",
        f"after {settled.settling_s:.1f} s: "
        f"{_with_interval(rate, lambda value: f'{value:,.1f}')} a second, "
        f"wait p95 {_with_interval(wait, rounded)}",
    )


def _with_interval(figure: Interval, show: Callable[[float], str]) -> str:
    if figure.value is None:
        return "not measured"
    if figure.low is None or figure.high is None:
        return f"{show(figure.value)} (too few samples for an interval)"
    return f"{show(figure.value)} ({show(figure.low)} to {show(figure.high)})"


def _figures(figures: Figures) -> list[Row]:
    connections = figures.connections
    due = connections.backlog_max
    backlog = f", {due} requests due and not begun at most" if due else ""
    errors = ", ".join(f"{name} {count:,}" for name, count in figures.errors.items()) or "none"
    return [
        Row(
            "operations",
            f"{figures.operations:,} in {figures.duration_s:.1f} s, "
            f"{figures.throughput_per_s or 0:,.1f} a second",
        ),
        Row("timeouts", f"{figures.timeouts:,}; errors {errors}"),
        *_errors(figures),
        Row("wait", f"{_times(figures.wait_time_s)}{_unfinished(figures)}"),
        Row("use", _times(figures.use_time_s)),
        Row("create", _times(figures.create_time_s)),
        Row(
            "connections",
            f"used {connections.used_mean or 0:.2f} on average, {connections.used_max} at most; "
            f"open {connections.open_mean or 0:.2f} on average, {connections.open_max} at most, "
            f"{connections.open_at_end} at the end; {connections.opened:,} opened and "
            f"{connections.closed:,} closed; {connections.pending_max} waiting at most{backlog}",
        ),
        *_other_counts(figures),
        Row("each client", _clients(figures)),
        *_load_generator(figures),
    ]


def _errors(figures: Figures) -> list[Row]:
    """Return a row for each of the most frequent kinds of errors: how often and when they came,
    and what the first one said; and another for what the latest said, if that is something else."""
    rows = []
    kinds = sorted(figures.error_details, key=lambda kind: -kind.count)
    for kind in kinds[:_MOST_ERRORS]:
        what = "timeout" if kind.timeout else "error"
        rows.append(Row(what, f"{kind.count:,} × {kind.title}, {kind.first_said}"))
        if kind.latest_said:
            rows.append(Row("", kind.latest_said))
    left = len(kinds) - _MOST_ERRORS
    if left > 0:
        rows.append(Row("", f"and {left} more {'kind' if left == 1 else 'kinds'}"))
    return rows


def _unfinished(figures: Figures) -> str:
    count = figures.waits_unfinished
    return f", {count:,} of them unfinished" if count else ""


def _other_counts(figures: Figures) -> list[Row]:
    """Return what the server counts, where the pool's own counts contradict ours, and what is wrong
    with connections and clients."""
    rows = []
    if figures.server_backends_mean is not None:
        rows.append(
            Row(
                "server",
                f"{figures.server_backends_mean:.2f} backends on average, "
                f"{figures.server_backends_max} at most, {figures.server_backends_at_end} at the "
                "end",
            )
        )
    for difference in (figures.reported_counts.difference, figures.server_difference):
        if difference is not None:
            rows.append(Row(_BEWARE, difference))
    if figures.connections.open_after_close:
        left = figures.connections.open_after_close
        rows.append(Row(_BEWARE, f"the pool left {left} open when it was closed"))
    if figures.clients_restarted:
        count = figures.clients_restarted
        rows.append(
            Row(
                _BEWARE,
                f"{'a client' if count == 1 else f'{count:,} clients'} ended without "
                f"being asked to, and {'was' if count == 1 else 'were'} started again",
            )
        )
    return rows


def _clients(figures: Figures) -> str:
    operations, waits = figures.operations_per_client, figures.longest_wait_per_client_s
    if not operations.max:
        return "nothing counted"
    return (
        f"{operations.min:.0f} to {operations.max:.0f} operations, median {operations.median:.0f}; "
        f"longest wait {rounded(waits.min)} to {rounded(waits.max)}"
    )


def _load_generator(figures: Figures) -> list[Row]:
    """Return a warning where the load generator was the limit for a part of the run."""
    generator = figures.load_generator
    if generator.strained_s < _WORTH_A_WARNING * figures.duration_s:
        return []
    return [
        Row(
            _BEWARE,
            f"the load generator was at its own limit for {generator.strained_s:.1f} s (at worst "
            f"{limits_crossed(generator.cpu_max, generator.lag_p99_max_s)}): these may be its "
            "figures, not the pool's",
        )
    ]


def _times(times: Summary) -> str:
    if not times.count:
        return "nothing counted"
    shown = {"mean": times.mean, "p50": times.p50, "p95": times.p95, "p99": times.p99}
    figures = ", ".join(f"{name} {rounded(value)}" for name, value in shown.items())
    return f"{figures}, max {rounded(times.max)} of {times.count:,}"


def rounded(seconds: float | None) -> str:
    """Return a time with three digits and its unit."""
    return show_seconds(float(f"{seconds or 0:.3g}"))
