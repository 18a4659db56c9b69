"""The page of a sizing: its answer, charts over size, and the points as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from poolviz.language import tr
from poolviz.model.server_name import server_in_words
from poolviz.sizing.answer import CHOSEN, ended_early, facts, title_of
from poolviz.sizing.charts import Curve, Kind, SizeChart, size_charts
from poolviz.sizing.points import Point
from poolviz.sizing.sizing import Predicted, Sizing
from poolviz.ui.report.change_cards import with_interval
from poolviz.ui.report.document import chart_box, charts_with_keys, document, header
from poolviz.ui.report.elements import Part, element, number, table

_HEIGHT = 260
_WIDE = 12  # times the smallest size: from there on the axis is logarithmic
_COLOURS = {Kind.RECOMMENDED: "accent", Kind.RULE: "muted", Kind.BOUND: "bad"}


def page(sizing: Sizing) -> bytes:
    """Return a sizing as one HTML file, in UTF-8."""
    title, drawn = title_of(sizing), over_size(sizing)
    words = filter(None, (server_in_words(sizing.server), " × ".join(sizing.limits), sizing.target))
    charts = [element("h2", tr("Charts")), *charts_with_keys(drawn["charts"])]
    main = element("main", *answer(sizing), *charts, *figures(sizing))
    return document(title, (header(title, words), main), {**drawn, "sizing": sizing.as_object()})


def over_size(sizing: Sizing) -> dict[str, Any]:
    """Return the charts over size, with their figures and axis."""
    found = size_charts(sizing)
    return {**sizing_data(found), "charts": sizing_charts(found)}


def section(sizing: Sizing, charts: Sequence[dict[str, Any]]) -> Iterator[Element]:
    """Yield the answer of a sweep, its charts and figures, for the report of its run."""
    yield element("h2", title_of(sizing))
    yield from answer(sizing)
    yield from map(chart_box, charts)
    yield from figures(sizing)


def answer(sizing: Sizing) -> Iterator[Element]:
    """Yield the answer, and whether it is one of a sweep that ended early."""
    yield element("p", element("b", sizing.sentence))
    if not sizing.complete:
        yield element("p", ended_early(), class_="bad")


def figures(sizing: Sizing) -> Iterator[Element]:
    """Yield what was measured, and what stands beside it."""
    yield element("h2", tr("What was measured"))
    yield points_table(sizing)
    rows = [[name, text] for name, text in facts(sizing)]
    if rows:
        yield element("h2", tr("To compare with"))
        yield table(tr("To compare with"), ("", ""), rows)


def points_table(sizing: Sizing) -> Element:
    """Return the figures of each size, with their intervals and what the model says."""
    said = {each.sizes: each for each in sizing.predictions}
    heads = (
        *(" × ".join(sizing.limits), tr("connections"), tr("operations/s"), tr("model")),
        *(tr("wait mean"), tr("model"), tr("wait p95"), tr("model"), tr("in use")),
        *(tr("waiting"), tr("timeouts"), tr("errors")),
    )
    rows = [
        _row(point, said.get(point.sizes), chosen=point.sizes == sizing.recommendation.sizes)
        for point in sizing.points
    ]
    return table(tr("What was measured"), heads, rows)


def _row(point: Point, said: Predicted | None, *, chosen: bool) -> list[Part]:
    name = " × ".join(map(str, point.sizes))
    return [
        f"{name} {CHOSEN}" if chosen else name,
        number(point.connections),
        with_interval(point.throughput_per_s, ""),
        _said(said, None if said is None else said.throughput_per_s, ""),
        with_interval(point.wait_mean_s, "s"),
        _said(said, None if said is None else said.wait_mean_s, "s"),
        with_interval(point.wait_p95_s, "s"),
        _said(said, None if said is None else said.wait_p95_s, "s"),
        number(point.used_mean),
        number(point.pending_mean),
        number(point.timeouts),
        number(point.errors),
    ]


def _said(said: Predicted | None, value: float | None, unit: str) -> Part:
    """Return what the model says, and whether it didn't know the point."""
    shown = number(value, unit)
    if said is None or not said.held_out:
        return shown
    return element("span", shown, element("small", tr("held out")))


def sizing_charts(charts: Sequence[SizeChart]) -> list[dict[str, Any]]:
    """Return the charts as `resources/report/report.js` draws them."""
    return [
        {
            "name": f"size-{chart.name}",
            "title": _titled(chart),
            "series": [
                {
                    "label": curve.name,
                    "key": f"{chart.name}_{place}",
                    "colour": curve.colour,
                    "dashed": curve.dashed,
                    "joined": True,
                    **(_interval(f"{chart.name}_{place}") if curve.dots else {}),
                }
                for place, curve in enumerate(chart.curves)
            ],
            "levels": [
                {"y": level.y * (1e3 if chart.logarithmic else 1), "text": level.name}
                for level in chart.levels
            ],
            "view": f"size-{chart.name}",
            "unit": " ms" if chart.logarithmic else chart.unit,
            "height": _HEIGHT,
            "log": chart.logarithmic,
        }
        for chart in charts
    ]


def _titled(chart: SizeChart) -> str:
    if chart.logarithmic:
        return tr("{title}, ms, logarithmic", title=chart.title)
    return f"{chart.title}, {chart.unit}" if chart.unit else chart.title


def _interval(key: str) -> dict[str, Any]:
    return {"bars": [f"{key}_low", f"{key}_high"]}


def sizing_data(charts: Sequence[SizeChart]) -> dict[str, Any]:
    """Return the figures, lines and axis of the charts."""
    sizes = sorted({x for chart in charts for curve in chart.curves for x in curve.x}) or [0.0, 1.0]
    low, high = sizes[0], sizes[-1]
    log = low >= 1 and high / low >= _WIDE
    margin = 1.06 if log else (high - low or 1.0) * 0.03
    return {
        "axis": "size",
        "axis_name": charts[0].axis if charts else "",
        "log_x": log,
        "start": low / margin if log else low - margin,
        "end": high * margin if log else high + margin,
        "views": {f"size-{chart.name}": _columns(chart) for chart in charts},
        "marks": [
            {
                "t": line.x,
                "kind": line.kind.value,
                "text": line.name,
                "colour": _COLOURS[line.kind],
                "low": line.low,
                "high": line.high,
            }
            for line in (charts[0].verticals if charts else ())
        ],
    }


def _columns(chart: SizeChart) -> dict[str, list[float | None]]:
    sizes = sorted({x for curve in chart.curves for x in curve.x})
    scale = 1e3 if chart.logarithmic else 1.0
    found: dict[str, list[float | None]] = {"t": [*sizes]}
    for place, curve in enumerate(chart.curves):
        key = f"{chart.name}_{place}"
        found |= {
            name: [_drawn(values.get(size), scale, log=chart.logarithmic) for size in sizes]
            for name, values in _values(key, curve).items()
        }
    return found


def _values(key: str, curve: Curve) -> dict[str, dict[float, float | None]]:
    found: dict[str, dict[float, float | None]] = {key: dict(zip(curve.x, curve.y, strict=True))}
    if curve.dots:
        found[f"{key}_low"] = {dot.x: dot.low for dot in curve.dots}
        found[f"{key}_high"] = {dot.x: dot.high for dot in curve.dots}
    return found


def _drawn(value: float | None, scale: float, *, log: bool) -> float | None:
    """Return a value as it is drawn; an axis that is logarithmic has no zero."""
    if value is None or not math.isfinite(value):
        return None
    return max(value * scale, 1e-2) if log else value * scale
