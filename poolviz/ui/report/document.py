"""A page of HTML that is one file: its style, its scripts, and its figures as JSON.

Whatever a session holds is data: its texts are escaped, and its figures are JSON that can't end the
element which holds them. A Content-Security-Policy allows the page's own scripts and style, by
their digests, and no request at all.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import fields
from typing import Any
from xml.etree.ElementTree import Element, tostring

import msgspec

from poolviz.language import current_language, tr, tr_noop
from poolviz.system.resources import resource
from poolviz.ui.report.elements import element
from poolviz.ui.style.colours import DARK, LIGHT, Theme

KEYS = tr_noop(
    "Drag over a chart to zoom all of them, double-click to see the whole run. In a chart that has "
    "the focus: + and − zoom, the arrow keys move, 0 shows the whole run."
)


def document(title: str, content: Iterable[Element], data: dict[str, Any]) -> bytes:
    """Return a page with this content, of which `resources/report/report.js` draws the charts of
    `data`, in UTF-8."""
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
        *content,
        _raw("script", _as_json({**data, "words": _words()}), type="application/json", id="data"),
        *[_raw("script", script) for script in scripts],
    )
    html = element("html", head, body, lang=current_language())
    return b"<!DOCTYPE html>\n" + tostring(html, encoding="unicode", method="html").encode()


def _words() -> dict[str, str]:
    """Return the texts that `report.js` writes."""
    return {"to": tr(" to "), "light": tr("Light theme"), "dark": tr("Dark theme")}


def header(title: str, words: Iterable[str]) -> Element:
    """Return the head of a page: its title, what is known of it, and the button of the theme."""
    return element(
        "header",
        element("div", element("h1", title), element("p", " · ".join(words), class_="muted")),
        element("button", tr("Theme"), id="theme", type="button"),
    )


def charts_with_keys(charts: Iterable[dict[str, Any]]) -> list[Element]:
    """Return the places of charts, and above them how they are zoomed and what is shown."""
    return [
        element("p", tr(KEYS), class_="muted screen"),
        element(
            "p",
            tr("Shown: "),
            element("span", id="shown", role="status"),
            " ",
            element("button", tr("Whole run"), id="whole", type="button"),
            class_="screen",
        ),
        *[chart_box(chart) for chart in charts],
    ]


def chart_box(chart: dict[str, Any]) -> Element:
    """Return the place of a chart, below its title."""
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
