"""Each format holds what was recorded."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import msgspec
import pandas
import pytest
from numpy.testing import assert_allclose

from poolviz.model.errors import InputError
from poolviz.model.histogram import Histogram
from poolviz.model.messages import SampleTaken
from poolviz.model.sample import ErrorCount, ErrorKind, Mark, MarkKind
from poolviz.sessions.export.formats.csv import COLUMNS
from poolviz.sessions.export.manifest import manifest
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.report import as_object
from poolviz.sessions.resolutions import LEVELS
from poolviz.sessions.table import table_of
from tests.sessions.builders import (
    ENVIRONMENT,
    LIMITS,
    LOAD,
    STARTED,
    began,
    digest,
    record,
    reports,
    wait_until,
)
from tests.sessions.export.conftest import NOTE, run


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_row_for_each_sample(recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    files = exporter_for(path).export(recorder, path)
    assert [file.name for file in files] == ["run.csv", "run.events.csv", "run.manifest.json"]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    rows = rows_of(path)
    assert [float(row["t_s"]) for row in rows] == [sample.t for sample in run()]
    assert [row["segment"] for row in rows] == ["1"] * 20 + ["2"] * 40
    for row, sample in zip(rows, run(), strict=True):
        for name in ("used", "idle", "pending"):
            assert row[name] == str(getattr(sample, name).last)
        assert float(row["used_mean"]) == sample.used.mean
        assert row["operations"] == str(sample.operations)
        assert row["errors"] == "2"
        assert float(row["throughput_per_s"]) == sample.operations / sample.span
        waits = Histogram()
        waits.merge(sample.wait)
        assert row["wait_time_count"] == str(sample.wait.count)
        assert float(row["wait_time_mean_s"]) == waits.mean
        assert float(row["wait_time_p95_s"]) == waits.percentiles(0.95)[0]
        assert float(row["wait_time_max_s"]) == sample.wait.high
        server = sample.server
        assert row["server_active"] == ("" if server is None else str(server.active))
        assert row["capacity"] == ("" if sample.capacity is None else str(sample.capacity))


def test_csv_is_read_by_pandas_as_the_frame_has_it(recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    exporter_for(path).export(recorder, path)
    read = pandas.read_csv(path)
    frame = pandas.DataFrame(table_of(recorder.columns()))
    assert list(read) == list(COLUMNS)
    for name in COLUMNS:
        # Older versions of pandas misread the last digits of some fractions.
        assert_allclose(read[name].to_numpy(dtype=float), frame[name].to_numpy(dtype=float), 1e-12)


def test_tidy_csv_holds_every_figure_of_every_sample(recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    files = exporter_for(path, tidy=True).export(recorder, path)
    assert [file.name for file in files] == ["run.csv", "run.events.csv", "run.manifest.json"]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    rows = rows_of(path)
    assert list(rows[0]) == ["t_utc", "t_s", "series", "stat", "value", "unit", "segment"]
    by_time: dict[float, dict[tuple[str, str], float]] = defaultdict(dict)
    for row in rows:
        place = by_time[float(row["t_s"])]
        assert (row["series"], row["stat"]) not in place, "one row a figure"
        place[row["series"], row["stat"]] = float(row["value"])
    assert list(by_time) == [sample.t for sample in run()]
    for sample, figures in zip(run(), by_time.values(), strict=True):
        for name in LEVELS:
            level = getattr(sample, name)
            for stat in ("last", "low", "high", "mean"):
                assert figures[name, stat] == getattr(level, stat)
        assert figures["operations", "count"] == sample.operations
        assert figures["throughput", "rate"] == sample.operations / sample.span
        assert figures["errors", "count"] == figures["errors.a, b", "count"] == 2
        assert figures["opened", "count"] == sample.opened
        assert figures["wait_time", "count"] == sample.wait.count
        waits = Histogram()
        waits.merge(sample.wait)
        assert figures["wait_time", "p95"] == waits.percentiles(0.95)[0]
        assert figures["wait_time", "max"] == sample.wait.high
        assert (("server_total", "last") in figures) == (sample.server is not None)
        assert (("create_time", "p95") in figures) == (sample.create.count > 0)


def test_tidy_csv_names_the_moment_and_the_segment(recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    exporter_for(path, tidy=True).export(recorder, path)
    for row in rows_of(path):
        moment = datetime.fromisoformat(row["t_utc"])
        assert moment.timestamp() == pytest.approx(STARTED + float(row["t_s"]), abs=1e-5)
        assert row["t_utc"].endswith("Z")
    segments = [row["segment"] for row in rows_of(path) if row["series"] == "operations"]
    assert segments == ["1"] * 20 + ["2"] * 40


def marks_of(path: Path) -> list[dict[str, str]]:
    return [row for row in rows_of(path) if not row["kind"].endswith("error")]


def test_the_events_of_a_csv_are_the_marks(recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    exporter_for(path).export(recorder, path)
    changed, noted = marks_of(tmp_path / "run.events.csv")
    assert (changed["kind"], changed["key"]) == ("change", "pool_size")
    assert (changed["old"], changed["new"]) == ("5", "8")
    assert changed["segment"] == "2", "the segment that begins with it"
    assert (noted["kind"], noted["text"], noted["key"]) == ("note", NOTE.text, "")
    assert float(noted["t_s"]) == 2.0


def test_the_events_of_a_csv_have_the_first_and_the_latest_error_of_each_kind(
    tmp_path: Path,
) -> None:
    first, *others, last = run()
    kinds = [
        ErrorKind("PoolError", 0.01, "=all 1 taken", number=0, sqlstate="53300"),
        ErrorKind("Broken", 0.02, "gone", number=1),
    ]
    counts = [ErrorCount(0, 2, 0.03, "=all 2 taken"), ErrorCount(1, 1, 0.02, "gone")]
    began = msgspec.structs.replace(first, errors={}, error_kinds=kinds, error_counts=counts)
    ended = msgspec.structs.replace(last, errors={}, error_counts=[ErrorCount(0, 5, last.t)])
    between = [msgspec.structs.replace(sample, errors={}) for sample in others]
    with Recorder() as recorder:
        record(recorder, reports([began, *between, ended]))
        exporter_for(tmp_path / "run.csv").export(recorder, tmp_path / "run.csv")
    rows = rows_of(tmp_path / "run.events.csv")
    assert [(r["kind"], r["key"], r["new"], r["text"], r["segment"]) for r in rows] == [
        ("first error", "PoolError (53300)", "1", "'=all 1 taken", "1"),
        ("first error", "Broken", "1", "gone", "1"),
        ("latest error", "Broken", "1", "gone", "1"),
        ("latest error", "PoolError (53300)", "7", "'=all 2 taken", "2"),
    ]


def check_manifest(manifest: dict[str, object]) -> None:
    assert manifest["facts"] == ENVIRONMENT
    assert manifest["started_utc"] == "2026-05-11T14:31:05.250000Z"
    scenario = manifest["scenario"]
    assert isinstance(scenario, dict)
    assert scenario["pool"] == "sqlalchemy.QueuePool"
    assert (scenario["limits"], scenario["load"], scenario["seed"]) == (LIMITS, LOAD, 1)
    assert manifest["sampling"] == {"per_second": 20.0, "samples": 60, "dropped": 0}
    marks = manifest["marks"]
    assert isinstance(marks, list)
    assert [mark["kind"] for mark in marks] == ["change", "note"]
    assert "Closed loop" in str(manifest["load_model"])
    assert "acquire" in str(manifest["latency_from"])
    assert "merged histograms" in str(manifest["percentiles"])


def test_json_is_what_the_command_line_prints_and_the_manifest(
    recorder: Recorder, tmp_path: Path
) -> None:
    path = tmp_path / "run.json"
    assert exporter_for(path).export(recorder, path) == (path,)
    shown = json.loads(path.read_text())
    check_manifest(shown.pop("manifest"))
    assert shown == json.loads(msgspec.json.encode(as_object(recorder)))
    exporter_for(tmp_path / "run.csv").export(recorder, tmp_path / "run.csv")
    check_manifest(json.loads((tmp_path / "run.manifest.json").read_text()))


def test_a_session_exported_is_the_session(recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "copy.poolviz"
    exporter_for(path).export(recorder, path)
    assert list(tmp_path.iterdir()) == [path]
    with Recorder.open(path) as copy:
        assert digest(copy.samples()) == digest(run())
        assert copy.summary() == recorder.summary()
        assert copy.marks == recorder.marks
        assert (copy.began, copy.ended) == (recorder.began, recorder.ended)


def test_a_run_can_be_exported_while_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "live.poolviz"
    with Recorder(path) as recorder:
        record(recorder, [began(), *map(SampleTaken, run()[:30])])
        wait_until(path.exists)
        for name in ("a.csv", "a.json", "copy.poolviz"):
            exporter_for(tmp_path / name).export(recorder, tmp_path / name)
        with pytest.raises(InputError, match="in use by a poolviz that is running"):
            exporter_for(path).export(recorder, path)
        record(recorder, map(SampleTaken, run()[30:]))
    for name, count in (("copy.poolviz", 30), ("live.poolviz", 60)):
        with Recorder.open(tmp_path / name) as copy:
            assert digest(copy.samples()) == digest(run()[:count])


def test_a_closed_session_can_be_exported_onto_itself(recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "a.poolviz"
    exporter_for(path).export(recorder, path)
    with Recorder.open(path) as copy:
        exporter_for(path).export(copy, path)
        assert digest(copy.samples()) == digest(run())


def test_the_manifest_says_whether_the_load_was_open_or_closed() -> None:
    opened = Mark(
        t=1.0, kind=MarkKind.CHANGE, text="", key="arrivals", old="closed", new="open"
    )  # fmt: skip
    with Recorder() as recorder:
        record(recorder, reports(run(), opened))
        made = manifest(recorder)
    assert made.loops == ("closed", "open")
    assert "Open loop" in made.load_model
    assert "from the call of acquire or the moment a request was due" in made.latency_from


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_in_a_csv_begins_like_a_formula(tmp_path: Path, text: str) -> None:
    mark = Mark(t=0.1, kind=MarkKind.NOTE, text=text, key=text, old=text, new=-1.5)
    path = tmp_path / "run.csv"
    with Recorder() as recorder:
        record(recorder, reports(run(), mark))
        exporter_for(path).export(recorder, path)
    (row,) = marks_of(tmp_path / "run.events.csv")
    assert (row["key"], row["old"], row["text"]) == (f"'{text}",) * 3
    assert row["new"] == "-1.5", "a number stays one"
