"""The answer of a sizing as rows of text: for a terminal, Markdown and pages."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from itertools import chain

from poolviz.language import number, tr, trn
from poolviz.model.parameters import shown_time
from poolviz.model.server_name import server_in_words
from poolviz.sizing.points import Point
from poolviz.sizing.sizing import Budget, Predicted, Sizing

CHOSEN = "◀"  # beside the size that is recommended
NONE = "–"


def title_of(sizing: Sizing) -> str:
    """Return the title of a sizing."""
    return tr("How large {pool} should be", pool=sizing.pool)


def ended_early() -> str:
    """Return what is said of a sweep that wasn't measured to its end."""
    return tr("The sweep ended early.")


def table(sizing: Sizing) -> list[tuple[str, ...]]:
    """Return the heads of the points' table, and a row for each; the last cell marks the one that
    is recommended."""
    said = {each.sizes: each for each in sizing.predictions}
    heads = (
        *(" × ".join(sizing.limits), tr("connections"), tr("operations/s"), tr("95 % interval")),
        *(tr("wait p95"), tr("model"), tr("in use"), tr("failures"), ""),
    )
    chosen = sizing.recommendation.sizes
    rows = [
        (*_cells(point, said.get(point.sizes)), CHOSEN if point.sizes == chosen else "")
        for point in sizing.points
    ]
    return [heads, *rows]


def facts(sizing: Sizing) -> Iterator[tuple[str, str]]:
    """Yield what stands beside the answer, each with its name: budget, rules and notes."""
    if sizing.budget is not None and sizing.budget.free is not None:
        yield tr("budget"), _budget(sizing.budget)
    if sizing.lower_bound > 1:
        yield (
            tr("lower bound"),
            trn(
                "{n} connection, below which clients can all wait for one another",
                "{n} connections, below which clients can all wait for one another",
                sizing.lower_bound,
            ),
        )
    for rule in sizing.rules:
        yield tr("rule"), f"{rule.name}: {rule.size}"
    for note in sizing.notes:
        yield tr("note"), note


def as_text(sizing: Sizing) -> str:
    """Return the answer as lines for a terminal."""
    first = [
        (tr("pool"), sizing.pool),
        (tr("server"), server_in_words(sizing.server)),
        (tr("answer"), sizing.sentence),
    ]
    rows, more = table(sizing), list(facts(sizing))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(map(str.rjust, row, widths)).rstrip() for row in rows]
    width = max(len(name) for name, _ in chain(first, more)) + 3

    def shown(named: list[tuple[str, str]]) -> list[str]:
        return [f"{name.ljust(width)}{text}" for name, text in named]

    return "\n".join([*shown(first), "", *lines, "", *shown(more)]).rstrip()


def as_html(sizing: Sizing, png: bytes | None) -> str:
    """Return the answer as HTML for a notebook, with the charts if there are any. Whatever is
    quoted is text."""
    heads, *rows = ([escape(cell) for cell in row] for row in table(sizing))
    head = "".join(f"<th>{cell}</th>" for cell in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    said = "".join(f"<li>{escape(name)}: {escape(text)}</li>" for name, text in facts(sizing))
    parts = [
        f"<p><b>{escape(sizing.pool)}</b> · {escape(server_in_words(sizing.server))}</p>",
        f"<p>{escape(sizing.sentence)}</p>",
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>",
        f"<ul>{said}</ul>",
    ]
    if png is not None:
        alt, data = escape(tr("The charts of the sizing")), base64.b64encode(png).decode()
        parts.append(f'<img alt="{alt}" src="data:image/png;base64,{data}">')
    return f"<div>{''.join(parts)}</div>"


def _budget(budget: Budget) -> str:
    assert budget.free is not None and budget.processes is not None
    return trn(
        "{free} of {most} connections were free: {n} process with {each} each.",
        "{free} of {most} connections were free: {n} processes with {each} each.",
        budget.processes,
        free=budget.free,
        most=budget.max_connections,
        each=budget.connections,
    )


def _cells(point: Point, said: Predicted | None) -> tuple[str, ...]:
    rate, wait = point.throughput_per_s, point.wait_p95_s.value
    interval = NONE
    if rate.low is not None and rate.high is not None:
        interval = tr("{low:,.0f} to {high:,.0f}", low=rate.low, high=rate.high)
    return (
        " × ".join(map(str, point.sizes)),
        number(point.connections),
        number(rate.value or 0.0, ",.0f"),
        interval,
        NONE if wait is None else shown_time(float(f"{wait:.3g}")),
        NONE if said is None else number(said.throughput_per_s, ",.0f"),
        number(point.used_mean, ".1f"),
        number(point.failures),
    )
