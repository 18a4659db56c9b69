"""CSV at full resolution: a row for each sample, as spreadsheets and pandas have it, or tidy.

`NAME.csv` has a column for each figure (`COLUMNS`), named as in `Session.columns`; what wasn't
measured is empty. Tidy, it has one row a figure, with the columns t_utc, t_s, series, stat, value,
unit and segment, and more figures. Both hold numbers only; segments
are numbered from 1. The marks, and the first and the latest
error of each kind, are in `NAME.events.csv`, and what was run and how it was measured is in
`NAME.manifest.json`: many tools that read CSV accept neither text among numbers nor comments above
the header.

`NAME.lanes.csv` has the lanes instead: a row for each state of a connection and each wait of a
client. Where the session keeps states only, it has a row for each state of a lane in a bin, and
which share of the bin it took.

Spreadsheets take a text that begins with = + - or @ for a formula. Such a text among the events,
which a note may be, has a ' before it. In the data no text begins so.
"""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from poolviz.model.histogram import Durations, Histogram
from poolviz.model.messages import RunStarted
from poolviz.model.parameters import Value
from poolviz.model.sample import Sample
from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.manifest import as_json, manifest, run_started, utc
from poolviz.sessions.lane_rows import ROWS, lane_rows
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.resolutions import LEVELS
from poolviz.sessions.share_done import ShareDone
from poolviz.sessions.summary import RunSummary
from poolviz.sessions.table import COLUMNS, Column, table_of

DATA = ("t_utc", "t_s", "series", "stat", "value", "unit", "segment")
EVENTS = ("t_utc", "t_s", "kind", "key", "old", "new", "text", "segment")
TIMES = ("wait", "use", "create", "retry")

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

_UNITS = {"pending": "clients", "retrying": "clients", "backlog": "requests"}

Figure: TypeAlias = tuple[str, str, float, str]  # series, stat, value, unit
_Event: TypeAlias = tuple[float, str, str | None, Value | None, Value | None, str]  # t, kind, …


def _write(recorder: Recorder, paths: Sequence[Path], share_done: ShareDone) -> None:
    data, *beside = paths
    with data.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for part in recorder.columns(share_done):
            table = table_of([part])
            rows.writerows(zip(*(_cells(table[name]) for name in COLUMNS), strict=True))
    _write_beside(recorder, beside)


def _cells(column: Column) -> Iterable[float | str]:
    """Return a column as cells: whole numbers without a fraction, and nothing for NaN."""
    values: list[float] = column.tolist()
    if column.dtype == np.int64:
        return values
    return (
        "" if math.isnan(value) else int(value) if value.is_integer() else value for value in values
    )


def _write_tidy(recorder: Recorder, paths: Sequence[Path], share_done: ShareDone) -> None:
    data, *beside = paths
    began = run_started(recorder)
    with data.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(DATA)
        for sample in recorder.samples(share_done=share_done):
            when = (utc(began.started + sample.t), sample.t)
            segment = sample.segment + 1
            table.writerows((*when, *figure, segment) for figure in _figures(sample))
    _write_beside(recorder, beside)


def _write_beside(recorder: Recorder, paths: Sequence[Path]) -> None:
    events, about = paths
    rows = _events(recorder, run_started(recorder), recorder.summary())
    with events.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([EVENTS, *rows])
    about.write_bytes(as_json(manifest(recorder)))


def _figures(sample: Sample) -> Iterator[Figure]:
    """The rows of a sample. A figure that was not measured has none."""
    yield "tick", "span", sample.span, "s"
    yield "tick", "missed", sample.missed, "ticks"
    yield "load_generator", "lag_p99", sample.lag, "s"
    yield "load_generator", "cpu", sample.cpu, "cores"
    yield "load_generator", "strained", int(sample.overloaded), "1"
    yield "clients", "last", sample.clients, "clients"
    for name in LEVELS:
        level = getattr(sample, name)
        unit = _UNITS.get(name, "connections")
        yield name, "last", level.last, unit
        yield name, "low", level.low, unit
        yield name, "high", level.high, unit
        yield name, "mean", level.mean, unit
    if sample.capacity is not None:
        yield "capacity", "last", sample.capacity, "connections"
    yield "opened", "count", sample.opened, "connections"
    yield "closed", "count", sample.closed, "connections"
    yield "operations", "count", sample.operations, "operations"
    yield "throughput", "rate", sample.operations / sample.span if sample.span else 0.0, "1/s"
    yield "timeouts", "count", sample.timeouts, "timeouts"
    yield "errors", "count", sum(sample.errors.values()), "errors"
    for name, count in sorted(sample.errors.items()):
        yield f"errors.{name}", "count", count, "errors"
    for name in TIMES:
        yield from _durations(f"{name}_time", getattr(sample, name))
    yield from _reported(sample)


def _durations(series: str, durations: Durations) -> Iterator[Figure]:
    yield series, "count", durations.count, "times"
    if durations.count:
        histogram = Histogram()
        histogram.merge(durations)
        p50, p95, p99 = histogram.percentiles(0.50, 0.95, 0.99)
        yield series, "mean", histogram.mean, "s"
        yield series, "p50", p50, "s"
        yield series, "p95", p95, "s"
        yield series, "p99", p99, "s"
        yield series, "max", durations.high, "s"


def _reported(sample: Sample) -> Iterator[Figure]:
    """What the pool itself and the server report."""
    for name in ("open", "used", "pending"):
        count = getattr(sample.reported_counts, name)
        if count is not None:
            yield (
                f"reported_counts_{name}",
                "last",
                count,
                "clients" if name == "pending" else "connections",
            )
    if sample.server is not None:
        for name in ("active", "idle", "idle_in_transaction", "other", "total"):
            yield f"server_{name}", "last", getattr(sample.server, name), "backends"
        if sample.server.others is not None:
            yield "server_others", "last", sample.server.others, "connections"
    if sample.pooler is not None:
        for name in ("cl_active", "cl_waiting", "sv_active", "sv_idle", "sv_other"):
            count = getattr(sample.pooler, name)
            if count is not None:
                unit = "clients" if name.startswith("cl") else "backends"
                yield f"pooler_{name}", "last", count, unit
        yield "pooler_maxwait", "last", sample.pooler.maxwait, "s"


def _events(
    recorder: Recorder, began: RunStarted, summary: RunSummary
) -> Iterator[Sequence[object]]:
    """A row for each mark, and two for each kind of error; `segment` is the one that starts with
    it, or in which it lies."""
    begins = [segment.from_s for segment in summary.segments]
    marks: list[_Event] = [
        (mark.t, mark.kind.value, mark.key, mark.old, mark.new, mark.text)
        for mark in recorder.marks
    ]
    for t, *what in sorted([*marks, *_errors(summary)], key=lambda event: event[0]):
        segment = max(bisect_right(begins, t), 1)
        yield (utc(began.started + t), t, *map(_cell, what), segment)


def _errors(summary: RunSummary) -> Iterator[_Event]:
    """The first and the latest error of each kind: the key is its name, and `new` how many there
    had been by then."""
    for kind in summary.error_details:
        what = "timeout" if kind.timeout else "error"
        yield kind.first_s, f"first {what}", kind.title, None, 1, kind.message
        yield kind.last_s, f"latest {what}", kind.title, None, kind.count, kind.last_message


def _cell(value: object) -> object:
    """Return a value so that no spreadsheet evaluates it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _write_lanes(recorder: Recorder, paths: Sequence[Path], share_done: ShareDone) -> None:
    with paths[0].open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(ROWS)
        for rows in lane_rows(recorder.columns(share_done), recorder.lane_states):
            table.writerows([["" if cell == -1 else cell for cell in row] for row in rows])


_BESIDE = (".events.csv", ".manifest.json")
EXPORTER = Exporter("Data as CSV", _write, beside=_BESIDE, long=True)
LANES = Exporter("Lanes as CSV", _write_lanes, long=True)
TIDY = Exporter("Data as tidy CSV", _write_tidy, beside=_BESIDE, long=True)
