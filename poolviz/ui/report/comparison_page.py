"""The page of a comparison: overlaid charts, and tables of what differs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from poolviz.language import tr
from poolviz.model.server_name import server_in_words
from poolviz.sessions.comparison import Compared, ComparedPart, Comparison, Side
from poolviz.sessions.differences_in_words import NAMES
from poolviz.sessions.overlays import Overlay, marks, overlaid, overlays_of
from poolviz.ui.report.change_cards import change_of, unit_of, with_interval
from poolviz.ui.report.document import charts_with_keys, document, header
from poolviz.ui.report.elements import Part, element, table
from poolviz.ui.style.colours import SESSIONS

_POINTS = 3000
_HEIGHT = 190
_SHORTEST = 0.1  # seconds of an axis


def page(compared: Compared) -> bytes:
    """Return a comparison as one HTML file, in UTF-8."""
    comparison = compared.comparison
    first, *others = compared.names
    if len(others) == 1:
        title = tr("{first} and {second}", first=first, second=others[0])
    else:
        title = tr("{first} and {n} others", first=first, n=len(others))
    charts = _charts(compared)
    data = {**_data(compared), "charts": charts, "comparison": comparison}
    return document(title, _content(comparison, title, charts), data)


def _charts(compared: Compared) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "title": _title(each),
            "series": [
                {"label": name, "key": f"{each.name}_{number}", "colour": SESSIONS[number]}
                for number, name in enumerate(compared.names)
            ],
            "view": "coarse" if each.calm else "fine",
            "unit": " ms" if each.unit == "s" else each.unit,
            "height": _HEIGHT,
            "log": each.unit == "s",
        }
        for each in overlays_of(compared)
    ]


def _title(overlay: Overlay) -> str:
    title = tr(overlay.title)
    return tr("{title}, ms, logarithmic", title=title) if overlay.unit == "s" else title


def _data(compared: Compared) -> dict[str, Any]:
    start, end = compared.start, max(compared.end, compared.start + _SHORTEST)
    views: dict[str, dict[str, list[float]]] = {"fine": {}, "coarse": {}}
    drawn = overlaid(compared, start, end, _POINTS)
    for overlay in overlays_of(compared):
        columns, each = views["coarse" if overlay.calm else "fine"], drawn[overlay.name]
        columns["t"] = each.t.tolist()
        for number, row in enumerate(each.rows):
            values = row.tolist()
            if overlay.unit == "s":  # whose axis, being logarithmic, has no zero
                values = [max(value * 1e3, 1e-3) for value in values]
            columns[f"{overlay.name}_{number}"] = values
    return {
        "start": start,
        "end": end,
        "views": views,
        "marks": [
            {
                "t": mark.t,
                "kind": mark.kind,
                "text": mark.words,
                "colour": None if mark.session is None else SESSIONS[mark.session],
            }
            for mark in marks(compared)
        ],
    }


def _content(comparison: Comparison, title: str, charts: list[dict[str, Any]]) -> Iterator[Element]:
    where = tr("their start") if comparison.align == "start" else comparison.align
    yield header(
        tr("{title}, compared", title=title),
        [
            tr("aligned at {where}", where=where),
            tr("{name} is the baseline", name=comparison.baseline),
        ],
    )
    main = element("main", _sessions_table(comparison))
    for each in comparison.sessions:
        if each.note:
            main.append(element("p", f"{each.name}: {each.note}", class_="bad"))
    main.extend(element("p", note) for note in comparison.notes)
    main.extend(_sentences(comparison.parts[0]))
    main.append(element("h2", tr("Charts")))
    main.extend(charts_with_keys(charts))
    main.append(element("h2", tr("What differs")))
    for part in comparison.parts:
        main.extend(_part(part))
    main.append(element("p", comparison.method, class_="muted"))
    main.append(element("h2", tr("Settings that differ")))
    main.append(_settings_table(comparison))
    yield main


def _sessions_table(comparison: Comparison) -> Element:
    rows: list[list[Part]] = []
    for each, colour in zip(comparison.sessions, SESSIONS, strict=False):
        name = element("span", element("i", class_=f"key {colour}"), each.name)
        rows.append(
            [
                name,
                each.pool or "–",
                server_in_words(each.server) or "–",
                (each.started_utc or "–").replace("T", " ").replace("+00:00", " UTC"),
                tr("{n:.1f} s", n=each.duration_s),
                tr("{n:.1f} s", n=each.zero_s),
                each.file or "–",
            ]
        )
    heads = (
        tr("Session"),
        tr("Pool"),
        tr("Server"),
        tr("Started"),
        tr("Length"),
        tr("Aligned at"),
        tr("File"),
    )
    return table(tr("Sessions"), heads, rows)


def _part(part: ComparedPart) -> Iterator[Element]:
    yield element("h3", part.title)
    yield from _sentences(part)
    heads = [tr("Figure"), part.sides[0].name]
    for side in part.sides[1:]:
        heads += [side.name, tr("Difference")]
    rows = [[tr(title), *_cells(part, name)] for name, title in NAMES.items()]
    yield table(part.title, heads, rows)
    counts = [
        tr(
            "{name} {from_s:.1f} to {to_s:.1f} s, {operations:,} operations",
            name=side.name,
            from_s=side.part.from_s,
            to_s=side.part.to_s,
            operations=side.part.operations,
        )
        for side in part.sides
        if side.part is not None
    ]
    yield element("p", "; ".join(counts), class_="muted")


def _sentences(part: ComparedPart) -> Iterator[Element]:
    for side in part.sides:
        if side.sentence:
            yield element("p", element("b", side.name), f": {side.sentence}")


def _cells(part: ComparedPart, name: str) -> Iterator[Part]:
    for number, side in enumerate(part.sides):
        yield _figure(side, name)
        if number:
            found = [each for each in side.differences if each.figure == name]
            yield change_of(found[0]) if found else element("span", "–")


def _figure(side: Side, name: str) -> Part:
    figure = side.figures.get(name)
    return element("span", "–") if figure is None else with_interval(figure, unit_of(name))


def _settings_table(comparison: Comparison) -> Element:
    if not comparison.settings:
        return element(
            "p", tr("None: the sessions began with the same settings on the same machine.")
        )
    heads = (tr("Fact"), *(each.name for each in comparison.sessions))
    return table(
        tr("Settings"), heads, [[name, *texts] for name, texts in comparison.settings.items()]
    )
