"""The tables of the HTML report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

import msgspec

from poolviz.language import tr, tr_noop
from poolviz.model.mark_text import mark_in_words
from poolviz.model.parameters import Value
from poolviz.model.sample import Mark
from poolviz.sessions.error_details import ErrorDetails
from poolviz.sessions.export.manifest import Manifest
from poolviz.sessions.summary import RunSummary, SegmentSummary
from poolviz.sessions.thresholds import Outcome, Verdict
from poolviz.sessions.totals import Figures
from poolviz.ui.report.elements import Part, element, number, table

_TIMES = ("wait_time_s", "use_time_s", "create_time_s", "retry_time_s")
_STATISTICS = ("mean", "p50", "p95", "p99", "max")
_OUTCOMES = {
    Outcome.PASSED: tr_noop("passed"),
    Outcome.CROSSED: tr_noop("crossed"),
    Outcome.NOT_MEASURED: tr_noop("not measured"),
}
_OWN_TABLES = (*_TIMES, "error_details", "segments", "errors", "connect", "pool", "use", "server")


def summary_cards(summary: RunSummary) -> Element:
    """Return the figures that matter most."""
    waits = summary.wait_time_s
    errors = sum(summary.errors.values())
    cards = [
        (tr("Duration"), number(summary.duration_s, "s")),
        (tr("Operations"), number(summary.operations)),
        (tr("Throughput"), number(summary.throughput_per_s, "/s")),
        (tr("Wait p50"), number(waits.p50, "s")),
        (tr("Wait p95"), number(waits.p95, "s")),
        (tr("Wait p99"), number(waits.p99, "s")),
        (tr("Timeouts"), number(summary.timeouts)),
        (tr("Errors"), number(errors)),
    ]
    return element(
        "div",
        [element("div", element("b", value), name, class_="card") for name, value in cards],
        class_="cards",
    )


def members_table(members: Sequence[tuple[str, RunSummary]]) -> Iterator[Element]:
    """Yield the figures of each pool of a run that had several."""
    if not members:
        return
    heads = (
        tr("Pool"),
        tr("Operations"),
        tr("Throughput"),
        tr("Timeouts"),
        tr("Errors"),
        tr("Wait p50"),
        tr("Wait p95"),
        tr("Wait p99"),
        tr("Active, mean"),
        tr("Active, most"),
        tr("Open, most"),
        tr("Waiting, most"),
    )
    yield element("h2", tr("Pools that ran at the same time"))
    yield table(tr("Pools"), heads, [[name, *_figures_row(each)] for name, each in members])


def marks_table(marks: Sequence[Mark]) -> Element:
    """Return what was changed, injected and noted."""
    if not marks:
        return element("p", tr("None: the run went as it began."))
    rows = [(number(mark.t, "s"), tr(mark.kind.value), mark.words) for mark in marks]
    return table(tr("Changes, faults and notes"), (tr("Time"), tr("Kind"), tr("Text")), rows)


def segments_tables(segments: Sequence[SegmentSummary]) -> Iterator[Element]:
    """Yield the figures between two changes or faults, and the settings that were in force."""
    if not segments:
        yield element("p", tr("Nothing was recorded."))
        return
    heads = (
        tr("Segment"),
        tr("From"),
        tr("To"),
        tr("Began with"),
        tr("Operations"),
        tr("Throughput"),
        tr("Timeouts"),
        tr("Errors"),
        tr("Wait p50"),
        tr("Wait p95"),
        tr("Wait p99"),
        tr("Active, mean"),
        tr("Active, most"),
        tr("Open, most"),
        tr("Waiting, most"),
    )
    rows = [_segment_row(index, each) for index, each in enumerate(segments, start=1)]
    yield table(tr("Segments"), heads, rows)
    yield element("h3", tr("Settings in force"))
    first = segments[0]
    settings = [_settings_row(index, each, first) for index, each in enumerate(segments, start=1)]
    yield table(
        tr("Settings in force"), (tr("Segment"), tr("Limits"), tr("Load"), tr("Faults")), settings
    )


def _segment_row(index: int, segment: SegmentSummary) -> list[Part]:
    return [
        str(index),
        number(segment.from_s, "s"),
        number(segment.to_s, "s"),
        ", ".join(map(mark_in_words, segment.began_with)) or (tr("the run") if index == 1 else "–"),
        *_figures_row(segment),
    ]


def _figures_row(figures: Figures) -> list[Part]:
    waits, connections = figures.wait_time_s, figures.connections
    return [
        number(figures.operations),
        number(figures.throughput_per_s, "/s"),
        number(figures.timeouts),
        number(sum(figures.errors.values())),
        number(waits.p50, "s"),
        number(waits.p95, "s"),
        number(waits.p99, "s"),
        number(connections.used_mean),
        number(connections.used_max),
        number(connections.open_max),
        number(connections.pending_max),
    ]


def _settings_row(index: int, segment: SegmentSummary, first: SegmentSummary) -> list[Part]:
    return [
        str(index),
        _settings(segment.limits, {} if segment is first else first.limits),
        _settings(segment.load, {} if segment is first else first.load),
        _settings(segment.faults, {} if segment is first else first.faults),
    ]


def _settings(values: Mapping[str, Value], known: Mapping[str, Value]) -> str:
    """Return the settings that have a value in words: after the first segment, those that differ
    from it."""
    shown = {
        key: value
        for key, value in values.items()
        if (known[key] != value if key in known else value not in (None, ""))
    }
    if values and not shown:
        return tr("as in segment 1")
    return ", ".join(f"{key} {_said(value)}" for key, value in shown.items()) or "–"


def errors_table(kinds: Sequence[ErrorDetails]) -> Element:
    """Return the kinds of errors and timeouts."""
    if not kinds:
        return element("p", tr("None."))
    heads = (
        tr("Name"),
        tr("Counted as"),
        tr("Count"),
        tr("First at"),
        tr("First message"),
        tr("Latest at"),
        tr("Latest message"),
    )
    rows = [
        (
            kind.title,
            tr("timeout") if kind.timeout else tr("error"),
            number(kind.count),
            number(kind.first_s, "s"),
            kind.message,
            number(kind.last_s, "s"),
            kind.last_message,
        )
        for kind in kinds
    ]
    return table(tr("Errors and timeouts"), heads, rows)


def thresholds_table(checked: Sequence[Verdict]) -> Element:
    """Return what became of the run's conditions."""
    if not checked:
        return element("p", tr("The run had none."))
    rows = [(each.condition, tr(_OUTCOMES[each.outcome]), each.sentence) for each in checked]
    return table(tr("Thresholds"), (tr("The run fails if"), tr("Outcome"), tr("Figure")), rows)


def figures_tables(summary: RunSummary) -> Iterator[Element]:
    """Yield every figure of the run: durations, then all others by their names in JSON."""
    times = []
    for name in _TIMES:
        time = getattr(summary, name)
        figures = [number(getattr(time, each), "s") for each in _STATISTICS]
        times.append((name.removesuffix("_time_s"), number(time.count), *figures))
    yield element("h3", tr("Durations"))
    yield table(
        tr("Durations"), ("", tr("Count"), *(each.capitalize() for each in _STATISTICS)), times
    )
    others = msgspec.to_builtins(
        {
            name: value
            for name, value in msgspec.structs.asdict(summary).items()
            if name not in _OWN_TABLES
        }
    )
    yield element("h3", tr("Counts"))
    rows = [(_named(name), _shown(name, value)) for name, value in _flat(others)]
    rows += [
        (tr("errors: {name}", name=name), number(count)) for name, count in summary.errors.items()
    ]
    yield table(tr("Counts"), (tr("Figure"), tr("Value")), rows)


def manifest_table(about: Manifest) -> Element:
    """Return what was run where, with which versions, and how it was measured."""
    known = msgspec.to_builtins(about)
    del known["marks"]
    known["environment"] = known.pop("facts")
    rows = [(_named(name), _said(value)) for name, value in _flat(known)]
    return table(tr("Manifest"), (tr("Fact"), tr("Value")), rows)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield everything in nested dictionaries and lists, by its place."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _flat(each, f"{name}: {key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        for index, each in enumerate(value, start=1):
            yield from _flat(each, f"{name} {index}")
    else:
        yield name, value


def _named(name: str) -> str:
    parts = name.split(": ")
    if parts[0] in ("environment", "scenario"):
        return name
    words = [part.removesuffix("_per_s").removesuffix("_s").replace("_", " ") for part in parts]
    return ": ".join(words)


def _shown(name: str, value: Any) -> Part:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _said(value)
    seconds = any(part.endswith("_s") and "_per_s" not in part for part in name.split(": "))
    return number(value, "s" if seconds else "/s" if name.endswith("_per_s") else "")


def _said(value: Any) -> str:
    """Return a value that isn't a figure as text."""
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return str(value)
