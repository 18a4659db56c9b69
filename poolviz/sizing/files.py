"""Sizings as files: the points as CSV, the answer as Markdown, everything as JSON, and, made by the
`ui` package, a page as HTML and pictures as PNG, SVG and PDF."""

from __future__ import annotations

import csv
import io
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from poolviz.language import FALLBACK, in_language, tr
from poolviz.model.errors import InputError
from poolviz.model.server_name import server_in_words
from poolviz.model.text import in_markdown
from poolviz.sizing.answer import facts, table
from poolviz.sizing.points import Point
from poolviz.sizing.sizing import Predicted, Sizing
from poolviz.system.files import atomic_write, cannot_write, check_writable

_FUNCTIONS = {
    ".csv": "poolviz.sizing.files:as_csv",
    ".html": "poolviz.ui.report.sizing_page:page",
    ".json": "poolviz.sizing.files:as_json",
    ".md": "poolviz.sizing.files:as_markdown",
    ".pdf": "poolviz.ui.sizing.image:pdf",
    ".png": "poolviz.ui.sizing.image:png",
    ".svg": "poolviz.ui.sizing.image:svg",
}
SUFFIXES = tuple(_FUNCTIONS)
_INTERVALS = ("throughput_per_s", "wait_mean_s", "wait_p50_s", "wait_p95_s", "wait_p99_s")
_COUNTS = (
    *("use_mean_s", "used_mean", "pending_mean", "open_mean", "timeouts", "errors"),
    *("overloaded_share", "generator_cpu"),
)
_SERVER = (*("running", "locked", "reading", "sleeping", "other", "in_transaction", "cpu"),)
_MODEL = ("throughput_per_s", "wait_mean_s", "wait_p95_s", "held_out")


def check_file(path: Path) -> None:
    """Raise InputError unless a sizing can be written to `path`, in the format of its suffix."""
    if path.suffix.lower() not in _FUNCTIONS:
        raise InputError(
            tr(
                "--out {path}: the answer is written as {suffixes}, the session as .poolviz.",
                path=path,
                suffixes=" ".join(SUFFIXES),
            )
        )
    check_writable(path)


def write_file(sizing: Sizing, path: Path) -> None:
    """Write a sizing to `path`, whole or not at all. InputError if that fails, PoolvizError if Qt,
    which paints pictures, can't be loaded."""
    check_file(path)
    write = pkgutil.resolve_name(_FUNCTIONS[path.suffix.lower()])
    body: bytes = write(sizing)
    try:
        with atomic_write(path) as (draft,):
            draft.write_bytes(body)
    except OSError as error:
        raise cannot_write(path, error) from None


def as_json(sizing: Sizing) -> bytes:
    """Return everything as JSON, whose sentences are in English whatever the language in use."""
    with in_language(FALLBACK):
        found = sizing.as_object()
    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"


def as_csv(sizing: Sizing) -> bytes:
    """Return a row for each size, with times in seconds. What isn't known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    heads = [*sizing.limits, "connections", "seconds", "operations"]
    for name in _INTERVALS:
        heads += [name, f"{name}_low", f"{name}_high"]
    heads += [*_COUNTS, *(f"server_{name}" for name in _SERVER)]
    writer.writerow([*heads, *(f"model_{name}" for name in _MODEL), "recommended"])
    said = {each.sizes: each for each in sizing.predictions}
    for point in sizing.points:
        chosen = point.sizes == sizing.recommendation.sizes
        writer.writerow([*_csv_cells(point, said.get(point.sizes)), int(chosen)])
    return text.getvalue().encode()


def _csv_cells(point: Point, said: Predicted | None) -> Iterator[object]:
    yield from (*point.sizes, point.connections, point.seconds, point.operations)
    for name in _INTERVALS:
        figure = getattr(point, name)
        yield from (figure.value, figure.low, figure.high)
    for name in _COUNTS:
        yield getattr(point, name)
    for name in _SERVER:
        yield None if point.server is None else getattr(point.server, name)
    for name in _MODEL:
        value = None if said is None else getattr(said, name)
        yield int(value) if isinstance(value, bool) else value


def as_markdown(sizing: Sizing) -> bytes:
    """Return the answer and its table as Markdown, in which what is quoted is text."""
    heads, *rows = table(sizing)
    pool, server = in_markdown(sizing.pool), in_markdown(server_in_words(sizing.server))
    lines = [f"**poolviz size: {pool}, {server}.** {in_markdown(sizing.sentence)}", ""]
    lines += [_markdown_row(heads), f"|{'---:|' * len(heads)}", *map(_markdown_row, rows), ""]
    lines += [f"- {in_markdown(name)}: {in_markdown(text)}" for name, text in facts(sizing)]
    return "\n".join([*lines, ""]).encode()


def _markdown_row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(map(in_markdown, cells))} |"
