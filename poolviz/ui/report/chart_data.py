"""What the charts of the HTML report show, as data for `resources/report/report.js`."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from poolviz.language import tr, tr_noop
from poolviz.sessions.derived import part_of
from poolviz.sessions.details import DetailView
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.resolutions import View, is_near

_FINE = 6000  # bins at most, for counts: an hour has one for each 0.8 s
_COARSE = 1500  # for percentiles and rates, which need many operations
_BUDGET = "server_budget"
_CALM, _FEW = 0.2, 60  # seconds: their shortest bins, if at least so many are shown


def _line(label: str, key: str, colour: str, **more: object) -> dict[str, Any]:
    return {"label": label, "key": key, "colour": colour, **more}


def _banded(label: str, key: str, colour: str, **more: object) -> dict[str, Any]:
    """A count with its lowest and highest values as a band."""
    return _line(label, key, colour, low=f"{key}_low", high=f"{key}_high", **more)


def _chart(
    name: str, title: str, lines: list[dict[str, Any]], *, view: str = "fine", unit: str = "",
    height: int = 180, log: bool = False,
) -> dict[str, Any]:  # fmt: skip
    return {"name": name, "title": title, "series": lines, "view": view, "unit": unit,
            "height": height, "log": log}  # fmt: skip


CHARTS = (
    _chart(
        "connections",
        tr_noop("Connections"),
        [
            _banded(tr_noop("open"), "open", "idle_name"),
            _banded(tr_noop("active"), "used", "used", area=True),
            _banded(tr_noop("overflow"), "overflow", "overflow"),
            _line(tr_noop("capacity"), "capacity", "text", dashed=True, stepped=True),
            _line(tr_noop("budget"), _BUDGET, "server", dashed=True, stepped=True),
        ],
        height=260,
    ),
    _chart(
        "waiting",
        tr_noop("Clients without a connection"),
        [
            _banded(tr_noop("waiting"), "pending", "wait", area=True),
            _banded(tr_noop("retrying"), "retrying", "retrying_name"),
            _banded(tr_noop("not started"), "backlog", "backlog_name"),
        ],
    ),
    _chart(
        "wait",
        tr_noop("Wait to acquire, logarithmic"),
        [_line(share, f"wait_{share}_ms", share) for share in ("p99", "p95", "p50")],
        view="coarse",
        unit=" ms",
        log=True,
    ),
    _chart(
        "throughput",
        tr_noop("Throughput, timeouts and errors"),
        [
            _line(tr_noop("operations"), "throughput", "throughput"),
            _line(tr_noop("timeouts"), "timeouts", "wait"),
            _line(tr_noop("errors"), "errors", "bad"),
        ],
        view="coarse",
        unit="/s",
    ),
    _chart(
        "pooler",
        tr_noop("The pooler's view"),
        [
            _line(tr_noop("clients waiting"), "pooler_cl_waiting", "wait"),
            _line(tr_noop("clients served"), "pooler_cl_active", "used"),
            _line(tr_noop("backends in use"), "pooler_sv_active", "server"),
            _line(tr_noop("backends idle"), "pooler_sv_idle", "idle_name"),
        ],
        view="pooler",
    ),
    _chart(
        "server",
        tr_noop("The server's view: connections of this run"),
        [
            _line(tr_noop("in the server"), "server_total", "server"),
            _line(tr_noop("active in the server"), "server_active", "used"),
            _line(tr_noop("open in the pool"), "open", "idle_name", dashed=True),
            _line(tr_noop("budget"), _BUDGET, "server", dashed=True, stepped=True),
        ],
    ),
)


def chart_data(recorder: Recorder, names: Sequence[str]) -> dict[str, Any]:
    """Return the charts of these names, the bins that they show, and the marks. A figure that
    wasn't measured is NaN, which JSON has as null."""
    start, end = part_of(recorder)
    few = min(max(int((end - start) / _CALM), _FEW), _COARSE)
    fine = recorder.view(start, end, _FINE)
    far = set() if _is_near(fine) else {_BUDGET}
    if recorder.summary().pooler is None:
        names = [name for name in names if name != "pooler"]
    charts = [_translated(chart, far) for chart in CHARTS if chart["name"] in names]
    views = {
        "fine": _counts(fine),
        "coarse": _rates(recorder.view(start, end, few)),
    }
    if "pooler" in names:
        views["pooler"] = _pooler(recorder.details(start, end, few, complete=True))
    return {
        "start": start,
        "end": end,
        "charts": charts,
        "views": {name: drawn_of(columns, name, charts) for name, columns in views.items()},
        "marks": [
            {**msgspec.structs.asdict(mark), "text": mark.words, "gap": mark.gap}
            for mark in recorder.marks
        ],
    }


def _is_near(view: View) -> bool:
    """Whether the server's budget is known and near enough to the connections to be drawn."""
    budget = view.lines[_BUDGET]
    reach = np.nanmax([*view.levels["open"].high, *view.lines["server_total"], 0.0])
    return bool(np.isfinite(budget).any()) and is_near(budget, float(reach))


def _translated(chart: Mapping[str, Any], without: Container[str]) -> dict[str, Any]:
    """Return a chart with its texts in the user's language, and `without` some lines."""
    shown = (line for line in chart["series"] if line["key"] not in without)
    lines = [{**line, "label": tr(line["label"])} for line in shown]
    return {**chart, "title": tr(chart["title"]), "series": lines}


def drawn_of(
    columns: Mapping[str, list[float]], view: str, charts: Sequence[Mapping[str, Any]]
) -> dict[str, list[float]]:
    """Return those columns of a view that these charts draw, and their time `t`."""
    lines = [line for chart in charts if chart["view"] == view for line in chart["series"]]
    keys = {line[key] for line in lines for key in ("key", "low", "high") if key in line}
    return {name: values for name, values in columns.items() if name in keys | {"t"} and keys}


def _counts(view: View) -> dict[str, list[float]]:
    columns = {"t": view.t.tolist()}
    for name in ("open", "used", "overflow", "pending", "retrying", "backlog"):
        band = view.levels[name]
        columns[name] = band.mean.tolist()
        columns[f"{name}_low"] = _whole(band.low.tolist())
        columns[f"{name}_high"] = _whole(band.high.tolist())
    columns["capacity"] = view.lines["capacity"].tolist()
    for name in ("server_active", "server_total", _BUDGET):
        columns[name] = view.lines[name].tolist()
    return columns


def _rates(view: View) -> dict[str, list[float]]:
    columns = {"t": view.t.tolist()}
    for share in ("p50", "p95", "p99"):
        # A logarithmic axis has no zero.
        waits = view.lines[f"wait_{share}"] * 1e3
        columns[f"wait_{share}_ms"] = [max(wait, 1e-3) for wait in waits.tolist()]
    for name in ("throughput", "timeouts", "errors"):
        columns[name] = view.lines[name].tolist()
    return columns


def _pooler(view: DetailView) -> dict[str, list[float]]:
    columns = {"t": view.t.tolist()}
    for name in ("cl_waiting", "cl_active", "sv_active", "sv_idle"):
        columns[f"pooler_{name}"] = view.mean(f"pooler_{name}", "pooler_known").tolist()
    return columns


def _whole(counts: list[float]) -> list[float]:
    """Return counts as whole numbers, which take less room."""
    return [int(count) for count in counts]
