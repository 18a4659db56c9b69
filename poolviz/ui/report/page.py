"""The page of the HTML report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from poolviz.language import tr
from poolviz.model.preset_titles import title_in_words
from poolviz.model.server_name import server_in_words
from poolviz.sessions.derived import title_of_part
from poolviz.sessions.export.exporter import REPORT
from poolviz.sessions.export.manifest import Manifest, manifest
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.report import as_object
from poolviz.sessions.share_done import ShareDone, unheard
from poolviz.sessions.thresholds import verdicts
from poolviz.sizing.sizing import Sizing, sizing_of
from poolviz.ui.report.change_cards import change_cards, settled_table
from poolviz.ui.report.chart_data import chart_data
from poolviz.ui.report.document import charts_with_keys, document, header
from poolviz.ui.report.elements import element
from poolviz.ui.report.lanes import holders_table, lanes_data, lanes_section
from poolviz.ui.report.sizing_page import over_size, section
from poolviz.ui.report.tables import (
    errors_table,
    figures_tables,
    manifest_table,
    marks_table,
    members_table,
    segments_tables,
    summary_cards,
    thresholds_table,
)


def page(
    recorder: Recorder, charts: Sequence[str] = REPORT, share_done: ShareDone = unheard
) -> bytes:
    """Return the report of what is recorded as one HTML file, in UTF-8. `share_done` hears how much
    of the session was read."""
    about, figures = manifest(recorder), as_object(recorder, share_done)
    drawn = chart_data(recorder, charts)
    lanes = lanes_data(recorder) if "lanes" in charts else None
    data = {**drawn, "lanes": lanes, "figures": figures, "manifest": about}
    sizing = _sizing(recorder, charts)
    if sizing is not None:
        data["over_size"] = over_size(sizing)
    title = title_in_words(about.scenario.title) or about.scenario.pool
    content = _content(recorder, about, title, charts, data=data, sizing=sizing)
    return document(title, content, data)


def _sizing(recorder: Recorder, charts: Sequence[str]) -> Sizing | None:
    """Return the answer of the sweep that was recorded; None without one, of a part of it, or where
    only some charts of its run are wanted."""
    if recorder.sweep is None or title_of_part(recorder) or set(charts) != set(REPORT):
        return None
    return sizing_of(recorder)


def _content(
    recorder: Recorder,
    about: Manifest,
    title: str,
    charts: Sequence[str],
    *,
    data: Mapping[str, Any],
    sizing: Sizing | None,
) -> Iterator[Element]:
    summary, checked, figures = recorder.summary(), verdicts(recorder), data["figures"]
    server = server_in_words(about.environment.get("server"))
    words = [
        about.scenario.pool,
        *([server] if server else []),
        about.started_utc[:19].replace("T", " ") + " UTC",
        *([part] if (part := title_of_part(recorder)) else []),
    ]
    yield header(title, words)
    main = element("main")
    if summary.incomplete_reason:
        main.append(element("p", summary.incomplete_reason, class_="bad"))
    if sizing is not None:
        main.extend(section(sizing, data["over_size"]["charts"]))
        main.append(element("h2", tr("The run of the sweep")))
    main.extend(
        [
            summary_cards(summary),
            *members_table([(name, recorder.member(name).summary()) for name in recorder.members]),
            element("h2", tr("Charts")),
            *charts_with_keys(data["charts"]),
            *(lanes_section(data["lanes"]) if "lanes" in charts else ()),
            element("h2", tr("Who held connections for longest")),
            holders_table(figures["longest_holders"]),
            element("h2", tr("Changes, faults and notes")),
            marks_table(recorder.marks),
            element("h2", tr("What changes and faults did")),
            *change_cards(figures["cards"]),
            element("h2", tr("Segments")),
            *segments_tables(summary.segments),
            element("h3", tr("Once settled, with 95 % intervals")),
            settled_table(figures["settled_segments"]),
            element("p", figures["settling_rule"], class_="muted"),
            element("h2", tr("Errors and timeouts")),
            errors_table(summary.error_details),
            element("h2", tr("Thresholds")),
            thresholds_table(checked),
            element("h2", tr("All figures of the run")),
            *figures_tables(summary),
            element("h2", tr("What was run, and how it was measured")),
            manifest_table(about),
        ]
    )
    yield main
