"""How a session is shown in a notebook: its figures as a table, and its charts."""

from __future__ import annotations

import base64
from html import escape

from poolviz.language import number, tr, tr_noop
from poolviz.model.mark_text import mark_in_words
from poolviz.model.parameters import shown_time
from poolviz.model.server_name import server_in_words
from poolviz.sessions.summary import RunSummary
from poolviz.sessions.thresholds import Verdict

_TITLES = (
    *(tr_noop("segment"), tr_noop("from"), tr_noop("until"), tr_noop("began with")),
    *(tr_noop("operations"), tr_noop("a second"), tr_noop("wait p95"), tr_noop("used")),
    *(tr_noop("waiting at most"), tr_noop("timeouts"), tr_noop("errors")),
)


def as_html(summary: RunSummary, verdicts: tuple[Verdict, ...], png: bytes | None) -> str:
    """Return a session as HTML: what was run, a row of figures for each segment, the verdicts on
    its conditions, and the charts if there are any. Whatever is quoted is text."""
    where = tr(
        "{pool} on {server}",
        pool=f"<b>{escape(summary.pool or '')}</b>",
        server=escape(server_in_words(summary.server)),
    )
    parts = [f"<p>{where}</p>"]
    if summary.incomplete_reason is not None:
        parts.append(f"<p>{escape(summary.incomplete_reason)}</p>")
    parts.append(_table(summary))
    if verdicts:
        items = "".join(f"<li>{escape(verdict.sentence)}</li>" for verdict in verdicts)
        parts.append(f"<ul>{items}</ul>")
    if png is not None:
        data = base64.b64encode(png).decode()
        about = escape(tr("The charts of the session"))
        parts.append(f'<img alt="{about}" src="data:image/png;base64,{data}">')
    return f"<div>{''.join(parts)}</div>"


def _table(summary: RunSummary) -> str:
    head = "".join(f"<th>{tr(title)}</th>" for title in _TITLES)
    rows = []
    for place, each in enumerate(summary.segments, 1):
        wait = each.wait_time_s.p95
        cells = (
            f"{place}",
            f"{number(each.from_s, '.1f')} s",
            f"{number(each.to_s, '.1f')} s",
            ", ".join(map(mark_in_words, each.began_with)),
            number(each.operations),
            number(each.throughput_per_s or 0, ",.1f"),
            "–" if wait is None else shown_time(float(f"{wait:.3g}")),
            number(each.connections.used_mean or 0, ".2f"),
            f"{each.connections.pending_max}",
            number(each.timeouts),
            number(sum(each.errors.values())),
        )
        rows.append(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
