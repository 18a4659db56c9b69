"""The page of the HTML report.

Whatever a session holds is data: its texts are escaped, and its figures are JSON that can't end the
element which holds them. A Content-Security-Policy allows the page's own scripts and style, by
their digests, and no request at all.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any
from xml.etree.ElementTree import Element, tostring

import msgspec

from poolviz.sessions.export.manifest import Manifest, manifest
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.report import as_object
from poolviz.sessions.thresholds import verdicts
from poolviz.system.resources import resource
from poolviz.ui.report.change_cards import change_cards, settled_table
from poolviz.ui.report.chart_data import CHARTS, chart_data
from poolviz.ui.report.elements import element
from poolviz.ui.report.tables import (
    errors_table,
    figures_tables,
    manifest_table,
    marks_table,
    segments_table,
    summary_cards,
    thresholds_table,
)
from poolviz.ui.style.colours import DARK, LIGHT, Theme

_KEYS = (
    "Drag over a chart to zoom all of them, double-click to see the whole run. In a chart that has "
    "the focus: + and − zoom, the arrow keys move, 0 shows the whole run."
)


def page(recorder: Recorder) -> bytes:
    """Return the report of what is recorded as one HTML file, in UTF-8."""
    about = manifest(recorder)
    figures = as_object(recorder)
    data = {
        **chart_data(recorder),
        "figures": figures,
        "manifest": about,
    }
    style = "\n".join(
        (
            _variables(":root", LIGHT),
            f"@media (prefers-color-scheme: dark) {{ {_variables(':root', DARK)} }}",
            *(_variables(f":root[data-theme={theme.name}]", theme) for theme in (LIGHT, DARK)),
            f"@media print {{ {_variables(':root:root', LIGHT)} }}",
            _text("uPlot.min.css"),
            _text("report.css"),
        )
    )
    scripts = [_text("uPlot.iife.min.js"), _text("report.js")]
    policy = _policy(style, scripts)
    title = about.scenario.title or about.scenario.pool
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", **{"http-equiv": "Content-Security-Policy"}, content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{title} · poolviz"),
        _raw("style", style),
    )  # fmt: skip
    body = element(
        "body",
        *_content(recorder, about, title, figures),
        _raw("script", _as_json(data), type="application/json", id="data"),
        *[_raw("script", script) for script in scripts],
    )
    html = element("html", head, body, lang="en")
    return b"<!DOCTYPE html>\n" + tostring(html, encoding="unicode", method="html").encode()


def _content(
    recorder: Recorder, about: Manifest, title: str, figures: Mapping[str, Any]
) -> Iterator[Element]:
    summary, checked = recorder.summary(), verdicts(recorder)
    server = about.environment.get("server")
    words = [
        about.scenario.pool,
        *([server] if server else []),
        about.started_utc[:19].replace("T", " ") + " UTC",
    ]
    yield element(
        "header",
        element("div", element("h1", title), element("p", " · ".join(words), class_="muted")),
        element("button", "Theme", id="theme", type="button"),
    )
    main = element("main")
    if summary.incomplete_reason:
        main.append(element("p", summary.incomplete_reason, class_="bad"))
    main.extend(
        [
            summary_cards(summary),
            element("h2", "Charts"),
            element("p", _KEYS, class_="muted screen"),
            element(
                "p",
                "Shown: ",
                element("span", id="shown", role="status"),
                " ",
                element("button", "Whole run", id="whole", type="button"),
                class_="screen",
            ),
            *[_chart_box(chart) for chart in CHARTS],
            element("h2", "Changes, faults and notes"),
            marks_table(recorder.marks),
            element("h2", "What changes and faults did"),
            *change_cards(figures["cards"]),
            element("h2", "Segments"),
            segments_table(summary.segments),
            element("h3", "Once settled, with 95 % intervals"),
            settled_table(figures["settled_segments"]),
            element("p", figures["settling_rule"], class_="muted"),
            element("h2", "Errors and timeouts"),
            errors_table(summary.error_details),
            element("h2", "Thresholds"),
            thresholds_table(checked),
            element("h2", "All figures of the run"),
            *figures_tables(summary),
            element("h2", "What was run, and how it was measured"),
            manifest_table(about),
        ]
    )
    yield main


def _chart_box(chart: dict[str, Any]) -> Element:
    place = f"chart-{chart['name']}"
    return element(
        "section",
        element("h3", chart["title"], id=f"{place}-title"),
        element("div", id=place, role="group", **{"aria-labelledby": f"{place}-title"}),
        class_="chart",
    )


def _variables(selector: str, theme: Theme) -> str:
    """Return a theme's colours as variables of CSS."""
    colours = [f"--{each.name}: {getattr(theme, each.name)};" for each in fields(theme)[1:]]
    return f"{selector} {{ color-scheme: {theme.name}; {' '.join(colours)} }}"


def _raw(tag: str, text: str, **attributes: str) -> Element:
    """Return a style or script, whose text is written as it is."""
    made = element(tag, **attributes)
    made.text = text
    return made


def _as_json(data: dict[str, Any]) -> str:
    """Return JSON in which no text can end a script or begin a comment in it."""
    return msgspec.json.encode(data).decode().replace("<", "\\u003c")


def _policy(style: str, scripts: list[str]) -> str:
    own = " ".join(map(_digest, scripts))
    return (
        f"default-src 'none'; script-src {own}; style-src {_digest(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _text(name: str) -> str:
    return resource(f"report/{name}").read_text(encoding="utf-8").strip()
