"""A run's figures for people, as rows of text: `poolviz run` prints them, the window shows them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import NamedTuple

from poolviz.language import number, tr, tr_noop, trn
from poolviz.model.histogram import Summary
from poolviz.model.load_generator import limits_crossed
from poolviz.model.mark_text import mark_in_words
from poolviz.model.parameters import shown_time
from poolviz.model.sample import Mark, MarkKind
from poolviz.model.server_name import server_in_words
from poolviz.model.text import in_markdown, on_one_line
from poolviz.scenarios.connect import in_words
from poolviz.sessions.cards import Effects, SettledSegment
from poolviz.sessions.statistics import Interval
from poolviz.sessions.summary import RunSummary
from poolviz.sessions.thresholds import Verdict
from poolviz.sessions.totals import Figures, Pooled

_MOST_ERRORS = 10  # kinds of errors that are named, the most frequent ones
_WORTH_A_WARNING = 0.05  # of a run: less than that at its limit, the load generator is not named
_BEWARE = tr_noop("beware")


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
    how = "" if summary.use is None else tr(" (use = {use})", use=summary.use)
    rows = []
    if summary.replays:
        rows.append(Row(tr("replays"), on_one_line(summary.replays)))
    if summary.connect:
        given = in_words(summary.pool or "", summary.connect)
        rows.append(Row(tr("connect"), on_one_line(given)))
    if summary.incomplete_reason is not None:
        rows.append(Row(tr("incomplete"), summary.incomplete_reason))
    rows += _figures(summary)
    if summary.rows is not None:
        rows.append(Row(tr("rows"), summary.rows.sentence))
    faults = [
        tr("{words} at {t:.1f} s", words=mark.words, t=mark.t)
        for mark in marks
        if mark.kind is MarkKind.FAULT
    ]
    if faults:
        rows.append(Row(tr("faults"), ", ".join(faults)))
    rows += [Row(tr("threshold"), verdict.sentence) for verdict in thresholds]
    cards = effects.cards if effects is not None else ()
    rows += [
        Row(tr("change"), tr("at {at_s:.1f} s: {sentence}", at_s=card.at_s, sentence=card.sentence))
        for card in cards
    ]
    whole = Block(
        tr(
            "{pool}{how} on {server}",
            pool=summary.pool,
            how=how,
            server=server_in_words(summary.server),
        ),
        tuple(rows),
    )
    pools = [
        Block(tr("pool {name}", name=on_one_line(name)), tuple(_figures(member)))
        for name, member in members
    ]
    if len(summary.segments) < 2:
        return [whole, *pools]
    segments = [_segment(place, summary, effects) for place in range(len(summary.segments))]
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
        parts.append(textwrap.fill(tr("Changes and 'settled': {rule}", rule=effects.rule), 100))
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
    done = f"   {', '.join(map(mark_in_words, segment.began_with))}" if segment.began_with else ""
    title = tr(
        "segment {place}, {from_s:.1f} to {to_s:.1f} s{done}",
        place=place + 1,
        from_s=segment.from_s,
        to_s=segment.to_s,
        done=done,
    )
    rows = _figures(segment)
    if effects is not None and place < len(effects.segments):
        rows.append(_settled(effects.segments[place]))
    return Block(title, tuple(rows))


def _settled(segment: SettledSegment) -> Row:
    """Return the row on a segment's figures without its settling time, with their intervals."""
    settled = segment.settled
    rate, wait = segment.figures["throughput_per_s"], segment.figures["wait_p95_s"]
    return Row(
        tr("settled"),
        tr(
            "after {settling_s:.1f} s: {with_interval} a second, wait p95 {with_interval2}",
            settling_s=settled.settling_s,
            with_interval=_with_interval(rate, lambda value: number(value, ",.1f")),
            with_interval2=_with_interval(wait, rounded),
        ),
    )


def _with_interval(figure: Interval, show: Callable[[float], str]) -> str:
    if figure.value is None:
        return tr("not measured")
    if figure.low is None or figure.high is None:
        return tr("{show} (too few samples for an interval)", show=show(figure.value))
    return tr(
        "{show} ({show2} to {show3})",
        show=show(figure.value),
        show2=show(figure.low),
        show3=show(figure.high),
    )


def _figures(figures: Figures) -> list[Row]:
    connections = figures.connections
    due = connections.backlog_max
    backlog = tr(", {due} requests due and not begun at most", due=due) if due else ""
    errors = ", ".join(f"{name} {count:,}" for name, count in figures.errors.items()) or tr("none")
    return [
        Row(
            tr("operations"),
            tr(
                "{operations:,} in {duration_s:.1f} s, {value:,.1f} a second",
                operations=figures.operations,
                duration_s=figures.duration_s,
                value=figures.throughput_per_s or 0,
            ),
        ),
        Row(
            tr("timeouts"),
            tr("{timeouts:,}; errors {errors}", timeouts=figures.timeouts, errors=errors),
        ),
        *_errors(figures),
        Row(tr("wait"), f"{_times(figures.wait_time_s)}{_unfinished(figures)}"),
        Row(tr("use"), _times(figures.use_time_s)),
        Row(tr("create"), _times(figures.create_time_s)),
        Row(
            tr("connections"),
            tr(
                "used {value:.2f} on average, {used_max} at most; open {value2:.2f} on "
                "average, {open_max} at most, {open_at_end} at the end; {opened:,} "
                "opened and {closed:,} closed; {pending_max} waiting at most{backlog}",
                value=connections.used_mean or 0,
                used_max=connections.used_max,
                value2=connections.open_mean or 0,
                open_max=connections.open_max,
                open_at_end=connections.open_at_end,
                opened=connections.opened,
                closed=connections.closed,
                pending_max=connections.pending_max,
                backlog=backlog,
            ),
        ),
        *_other_counts(figures),
        *_processes(figures),
        Row(tr("each client"), _clients(figures)),
        *_load_generator(figures),
    ]


def _errors(figures: Figures) -> list[Row]:
    """Return a row for each of the most frequent kinds of errors: how often and when they came,
    and what the first one said; and another for what the latest said, if that is something else."""
    rows = []
    kinds = sorted(figures.error_details, key=lambda kind: -kind.count)
    for kind in kinds[:_MOST_ERRORS]:
        what = tr("timeout") if kind.timeout else tr("error")
        rows.append(Row(what, f"{number(kind.count)} × {kind.title}, {kind.first_said}"))
        if kind.latest_said:
            rows.append(Row("", kind.latest_said))
    left = len(kinds) - _MOST_ERRORS
    if left > 0:
        rows.append(Row("", trn("and {n} more kind", "and {n} more kinds", left)))
    return rows


def _processes(figures: Figures) -> list[Row]:
    """Return how many processes there were, of a run that had several."""
    most = figures.processes
    return [Row(tr("processes"), tr("{number} at most", number=most))] if most > 1 else []


def _unfinished(figures: Figures) -> str:
    count = figures.waits_unfinished
    return tr(", {count:,} of them unfinished", count=count) if count else ""


def _of_pooler(pooler: Pooled) -> str:
    """Return what a pooler in between said of its clients and its connections."""
    longest = shown_time(float(f"{pooler.maxwait_max_s:.3g}"))
    if pooler.wait_time_mean_s is None:
        return tr(
            "{waiting:.2f} clients waiting on average, {most} at most, the longest {longest}; "
            "{active} connections in use at most",
            waiting=pooler.cl_waiting_mean,
            most=pooler.cl_waiting_max,
            longest=longest,
            active=pooler.sv_active_max,
        )
    return tr(
        "{waiting:.2f} clients waiting on average, {most} at most, the longest {longest}; "
        "{active} connections in use at most; a transaction waited {mean} on average",
        waiting=pooler.cl_waiting_mean,
        most=pooler.cl_waiting_max,
        longest=longest,
        active=pooler.sv_active_max,
        mean=shown_time(float(f"{pooler.wait_time_mean_s:.3g}")),
    )


def _other_counts(figures: Figures) -> list[Row]:
    """Return what the server counts, where the pool's own counts contradict ours, and what is wrong
    with connections and clients."""
    rows = []
    if figures.server_backends_mean is not None:
        rows.append(
            Row(
                tr("server"),
                tr(
                    "{server_backends_mean:.2f} backends on average, {server_backends_max} "
                    "at most, {server_backends_at_end} at the end",
                    server_backends_mean=figures.server_backends_mean,
                    server_backends_max=figures.server_backends_max,
                    server_backends_at_end=figures.server_backends_at_end,
                ),
            )
        )
    if figures.pooler is not None:
        rows.append(Row(tr("pooler"), _of_pooler(figures.pooler)))
    for difference in (figures.reported_counts.difference, figures.server_difference):
        if difference is not None:
            rows.append(Row(tr(_BEWARE), difference))
    if figures.connections.open_after_close:
        left = figures.connections.open_after_close
        rows.append(Row(tr(_BEWARE), tr("the pool left {left} open when it was closed", left=left)))
    if figures.clients_restarted:
        count = figures.clients_restarted
        rows.append(
            Row(
                tr(_BEWARE),
                trn(
                    "a client ended without being asked to, and was started again",
                    "{n:,} clients ended without being asked to, and were started again",
                    count,
                ),
            )
        )
    return rows


def _clients(figures: Figures) -> str:
    operations, waits = figures.operations_per_client, figures.longest_wait_per_client_s
    if not operations.max:
        return tr("nothing counted")
    return tr(
        "{min:.0f} to {max:.0f} operations, median {median:.0f}; longest wait "
        "{rounded} to {rounded2}",
        min=operations.min,
        max=operations.max,
        median=operations.median,
        rounded=rounded(waits.min),
        rounded2=rounded(waits.max),
    )


def _load_generator(figures: Figures) -> list[Row]:
    """Return a warning where the load generator was the limit for a part of the run."""
    generator = figures.load_generator
    if generator.strained_s < _WORTH_A_WARNING * figures.duration_s:
        return []
    return [
        Row(
            tr(_BEWARE),
            tr(
                "the load generator was at its own limit for {strained_s:.1f} s (at "
                "worst {limits_crossed}): these may be its figures, not the pool's",
                strained_s=generator.strained_s,
                limits_crossed=limits_crossed(generator.cpu_max, generator.lag_p99_max_s),
            ),
        )
    ]


def _times(times: Summary) -> str:
    if not times.count:
        return tr("nothing counted")
    shown = {tr("mean"): times.mean, "p50": times.p50, "p95": times.p95, "p99": times.p99}
    figures = ", ".join(f"{name} {rounded(value)}" for name, value in shown.items())
    return tr(
        "{figures}, max {rounded} of {count:,}",
        figures=figures,
        rounded=rounded(times.max),
        count=times.count,
    )


def rounded(seconds: float | None) -> str:
    """Return a time with three digits and its unit."""
    return shown_time(float(f"{seconds or 0:.3g}"))
