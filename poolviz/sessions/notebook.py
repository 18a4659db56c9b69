"""How a session is shown in a notebook: its figures as a table, and its charts."""

from __future__ import annotations

import base64
from html import escape

from poolviz.model.parameters import shown_time
from poolviz.sessions.summary import RunSummary
from poolviz.sessions.thresholds import Verdict

_TITLES = (
    *("segment", "from", "to", "began with", "operations", "a second", "wait p95", "used"),
    *("waiting at most", "timeouts", "errors"),
)


def as_html(summary: RunSummary, verdicts: tuple[Verdict, ...], png: bytes | None) -> str:
    """Return a session as HTML: what was run, a row of figures for each segment, the verdicts on
    its conditions, and the charts if there are any. Whatever is quoted is text."""
    parts = [f"<p><b>{escape(summary.pool or '')}</b> on {escape(summary.server or '')}</p>"]
    if summary.incomplete_reason is not None:
        parts.append(f"<p>{escape(summary.incomplete_reason)}</p>")
    parts.append(_table(summary))
    if verdicts:
        items = "".join(f"<li>{escape(verdict.sentence)}</li>" for verdict in verdicts)
        parts.append(f"<ul>{items}</ul>")
    if png is not None:
        data = base64.b64encode(png).decode()
        parts.append(f'<img alt="The charts of the session" src="data:image/png;base64,{data}">')
    return f"<div>{''.join(parts)}</div>"


def _table(summary: RunSummary) -> str:
    head = "".join(f"<th>{title}</th>" for title in _TITLES)
    rows = []
    for number, each in enumerate(summary.segments, 1):
        wait = each.wait_time_s.p95
        cells = (
            f"{number}",
            f"{each.from_s:.1f} s",
            f"{each.to_s:.1f} s",
            ", ".join(each.began_with),
            f"{each.operations:,}",
            f"{each.throughput_per_s or 0:,.1f}",
            "–" if wait is None else shown_time(float(f"{wait:.3g}")),
            f"{each.connections.used_mean or 0:.2f}",
            f"{each.connections.pending_max}",
            f"{each.timeouts:,}",
            f"{sum(each.errors.values()):,}",
        )
        rows.append(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
