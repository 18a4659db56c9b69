"""HTML elements as trees, which the standard library writes with every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias
from xml.etree.ElementTree import Element

from poolviz.language import number as localized
from poolviz.model.text import on_one_line

Part: TypeAlias = Element | str
_LONG = 24  # characters of a cell that needs room


def element(tag: str, *parts: Part | Iterable[Part], **attributes: str) -> Element:
    """Return an element; `class_` is its class. Text is shown on one line."""
    made = Element(tag, {key.rstrip("_"): on_one_line(text) for key, text in attributes.items()})
    for part in parts:
        for each in [part] if isinstance(part, str | Element) else part:
            _append(made, each)
    return made


def _append(parent: Element, part: Part) -> None:
    if isinstance(part, Element):
        parent.append(part)
    elif len(parent):
        parent[-1].tail = (parent[-1].tail or "") + on_one_line(part)
    else:
        parent.text = (parent.text or "") + on_one_line(part)


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Part]]) -> Element:
    """Return a table whose first column names the rows."""
    filled = list(rows)
    body = [
        element("tr", element("th", row[0], scope="row"), [_cell(each) for each in row[1:]])
        for row in filled
    ]
    numeric = [bool(cells) and all(map(_is_number, cells)) for cells in zip(*filled, strict=False)]
    numeric += [False] * (len(heads) - len(numeric))
    label = {"aria-label": caption}
    head = element(
        "tr",
        [
            element("th", each, scope="col", **({"class": "number"} if right else {}))
            for each, right in zip(heads, [False, *numeric[1:]], strict=True)
        ],
    )
    figures = len(heads) == 2 and any(_is_number(row[1]) for row in filled)
    pairs = {"class_": "pairs"} if figures else {}
    made = element("table", element("thead", head), element("tbody", body), **label, **pairs)
    return element("div", made, class_="scroll", tabindex="0", role="region", **label)


def _cell(part: Part) -> Element:
    if _is_number(part):
        return element("td", part, class_="number")
    wide = isinstance(part, str) and len(part) > _LONG
    return element("td", part, **({"class": "long"} if wide else {}))


def _is_number(cell: Part) -> bool:
    return isinstance(cell, Element) and cell.tag in ("data", "span")


def number(value: float | None, unit: str = "") -> Part:
    """Return a number as people read it, with the exact one in the element's value; a dash where
    nothing was counted. `unit` is "s" for a time, which is shown in milliseconds below a second."""
    if value is None:
        return element("span", "–")
    shown, with_unit = float(value), unit
    if unit == "s" and 0 < abs(shown) < 1:
        shown, with_unit = shown * 1e3, "ms"
    if isinstance(value, int):
        text = localized(value)
    else:
        text = localized(shown, ",.0f" if abs(shown) >= 1000 else ",.4g")
    return element("data", f"{text} {with_unit}".strip(), value=repr(value))
