"""Comparisons as files: a table as CSV or Markdown, everything as JSON, and, made by the `ui`
package, a page as HTML and pictures as PNG, SVG and PDF."""

from __future__ import annotations

import csv
import io
import pkgutil
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from poolviz.language import number, tr
from poolviz.model.errors import InputError
from poolviz.model.parameters import shown_time
from poolviz.model.server_name import server_in_words
from poolviz.model.text import in_markdown
from poolviz.sessions.batches import is_time
from poolviz.sessions.comparison import Compared, ComparedPart, Comparison, Side
from poolviz.sessions.differences import Difference, Outcome
from poolviz.sessions.differences_in_words import NAMES, OUTCOMES, percent
from poolviz.sessions.statistics import Interval
from poolviz.system.files import atomic_write, cannot_write, check_writable

Row: TypeAlias = Sequence[object]

_HEADS = (
    *("part", "figure", "unit", "session", "value", "low", "high", "baseline", "change"),
    *("change_low", "change_high", "relative", "relative_low", "relative_high", "outcome"),
)
_FUNCTIONS = {
    ".csv": "poolviz.sessions.comparison_files:as_csv",
    ".html": "poolviz.ui.report.comparison_page:page",
    ".json": "poolviz.sessions.comparison_files:as_json",
    ".md": "poolviz.sessions.comparison_files:as_markdown",
    ".pdf": "poolviz.ui.comparison.image:pdf",
    ".png": "poolviz.ui.comparison.image:png",
    ".svg": "poolviz.ui.comparison.image:svg",
}
SUFFIXES = tuple(_FUNCTIONS)


DRAWN = (".html", ".pdf", ".png", ".svg")  # those with charts


def check_file(path: Path) -> None:
    """Raise InputError unless a comparison can be written to `path`, in the format of its
    suffix."""
    if path.suffix.lower() not in _FUNCTIONS:
        raise InputError(
            tr(
                "{path} has no suffix that a comparison can be written as: give it one of "
                "{suffixes}.",
                path=path,
                suffixes=" ".join(SUFFIXES),
            )
        )
    check_writable(path)


def write_file(compared: Compared, path: Path) -> None:
    """Write a comparison to `path`, whole or not at all. InputError if that fails, PoolvizError if
    Qt, which paints pictures, can't be loaded."""
    check_file(path)
    write = pkgutil.resolve_name(_FUNCTIONS[path.suffix.lower()])
    body: bytes = write(compared)
    try:
        with atomic_write(path) as (draft,):
            draft.write_bytes(body)
    except OSError as error:
        raise cannot_write(path, error) from None


def as_json(compared: Compared) -> bytes:
    """Return everything as JSON."""
    return msgspec.json.format(msgspec.json.encode(compared.comparison), indent=2) + b"\n"


def as_csv(compared: Compared) -> bytes:
    """Return a row for each figure of each session in each part, with times in seconds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_HEADS)
    for part in compared.comparison.parts:
        for side in part.sides:
            writer.writerows(_csv_rows(compared.comparison, part, side))
    return text.getvalue().encode()


def _csv_rows(comparison: Comparison, part: ComparedPart, side: Side) -> Iterator[Row]:
    differences = {each.figure: each for each in side.differences}
    for name, figure in side.figures.items():
        unit = "s" if is_time(name) else "/s" if name.endswith("_per_s") else ""
        found: list[object] = [_plain(part.title), name, unit, _plain(side.name)]
        found += [figure.value, figure.low, figure.high]
        each = differences.get(name)
        if each is None:
            yield [*found, *[""] * 8]
            continue
        relative = each.relative or Interval(None, None, None)
        found += [_plain(comparison.baseline), each.change.value, each.change.low, each.change.high]
        yield [*found, relative.value, relative.low, relative.high, each.outcome.value]


def _plain(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in "=+-@" else text


def as_markdown(compared: Compared) -> bytes:
    """Return the sentences and tables as Markdown, in which what is quoted is text."""
    comparison = compared.comparison
    lines = [
        tr("**poolviz: {sessions} sessions compared.**", sessions=len(comparison.sessions)),
        "",
    ]
    for part in comparison.parts:
        lines += [f"### {in_markdown(part.title)}", ""]
        lines += [
            f"- {in_markdown(side.name)}: {in_markdown(side.sentence)}"
            for side in part.sides
            if side.sentence
        ]
        heads = ["", *(in_markdown(side.name) for side in part.sides)]
        lines += ["", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        for name, title in NAMES.items():
            cells = [in_markdown(cell(side, name)) for side in part.sides]
            lines.append(f"| {tr(title)} | {' | '.join(cells)} |")
        lines.append("")
    lines += [in_markdown(note) for note in comparison.notes]
    lines += [
        f"{in_markdown(each.name)}: {in_markdown(each.note)}"
        for each in comparison.sessions
        if each.note
    ]
    return "\n".join([*lines, "", comparison.method, ""]).encode()


def as_text(comparison: Comparison) -> str:
    """Return the comparison for a terminal."""
    lines = []
    for place, session in enumerate(comparison.sessions):
        what = tr("compared") if place else tr("baseline")
        facts = (
            session.pool,
            server_in_words(session.server),
            tr("{n:.1f} s", n=session.duration_s),
            session.note,
        )
        lines.append(f"{what:10} {session.name}: {', '.join(filter(None, facts))}")
    for name, texts in comparison.settings.items():
        lines.append(f"  {name}: {' → '.join(texts)}")
    for part in comparison.parts:
        lines += ["", part.title]
        lines += [f"  {side.name}: {side.sentence}" for side in part.sides if side.sentence]
        rows = [["", *(side.name for side in part.sides)]]
        rows += [
            [tr(title), *(cell(side, name) for side in part.sides)] for name, title in NAMES.items()
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += [
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        ]
    method = textwrap.fill(
        tr(
            "The baseline is {baseline}. {method}",
            baseline=comparison.baseline,
            method=comparison.method,
        ),
        100,
    )
    lines += ["", *comparison.notes, method]
    return "\n".join(line.rstrip() for line in lines)


def cell(side: Side, name: str) -> str:
    """Return a figure of a side with its interval, and what differs from the baseline."""
    figure = side.figures.get(name)
    if figure is None or figure.value is None:
        return "–"
    text = shown(name, figure.value)
    if figure.low is not None and figure.high is not None:
        text += tr(
            " ({low} to {high})",
            low=shown(name, figure.low).removesuffix(" /s"),
            high=shown(name, figure.high),
        )
    for each in side.differences:
        if each.figure == name:
            text += f"; {change(each)}"
    return text


def change(each: Difference) -> str:
    """Return what differs: in percent, or as a figure where the baseline has none."""
    if each.outcome is not Outcome.CLEAR:
        return tr(OUTCOMES[each.outcome])
    relative = each.relative
    if relative is not None and relative.value is not None:
        return percent(relative.value)
    moved = each.change.value or 0.0
    return f"{'−' if moved < 0 else '+'}{shown(each.figure, abs(moved))}"


def shown(name: str, value: float) -> str:
    """Return a figure for people."""
    if is_time(name):
        return shown_time(float(f"{value:.3g}"))
    text = number(value, ",.0f" if abs(value) >= 1000 else ".4g")
    return f"{text} /s" if name.endswith("_per_s") else text
