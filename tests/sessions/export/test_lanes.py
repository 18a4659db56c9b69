"""Lanes as tables: CSV and Parquet."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import pytest

from poolviz.model.messages import SampleTaken
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.lane_rows import ROWS
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import began, ended
from tests.sessions.test_lanes import CHUNK, LANES, with_lanes

SAMPLES = 2 * CHUNK + 50  # two chunks, and samples that are in none


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lanes") / "a.poolviz"
    with Recorder(made) as recorder:
        recorder.add(began())
        for sample in with_lanes(SAMPLES):
            recorder.add(SampleTaken(sample))
        recorder.add(ended())
    return made


def test_every_state_of_a_connection_and_every_wait_is_one_row(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.lanes.csv"
    with Recorder.open(path) as recorder:
        assert exporter_for(out).export(recorder, out) == (out,)
    with out.open(newline="", encoding="utf-8") as file:
        head, *rows = list(csv.reader(file))
    assert tuple(head) == ROWS
    by_state = {
        (lane, client, state): [row for row in rows if row[1:4] == [lane, client, state]]
        for lane, client, state in {tuple(row[1:4]) for row in rows}
    }
    # What goes on for the whole run is one row, though it is read in parts.
    [long] = by_state[str(LANES), "9", "working"]
    assert long[0] == str(LANES + 10)
    assert float(long[4]) == pytest.approx(0.06)
    assert float(long[5]) == pytest.approx(SAMPLES * 0.05)
    [waits] = by_state["", "21", "waiting"]
    assert float(waits[5]) - float(waits[4]) == pytest.approx((SAMPLES - 1) * 0.05)
    assert len(by_state["0", "0", "working"]) == SAMPLES
    assert len(by_state["0", "0", "in_transaction"]) == SAMPLES
    assert len(by_state["", "20", "waiting"]) == SAMPLES
    for lane in map(str, range(LANES + 1)):
        own = sorted((float(row[4]), float(row[5])) for row in rows if row[1] == lane)
        assert all(end <= begin + 1e-9 for (_, end), (begin, _) in pairwise(own))
        assert sum(end - begin for begin, end in own) == pytest.approx(SAMPLES * 0.05, abs=1e-3)


def test_a_parquet_of_lanes_has_the_same_rows(path: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    as_csv, as_parquet = tmp_path / "run.lanes.csv", tmp_path / "run.lanes.parquet"
    with Recorder.open(path) as recorder:
        for out in (as_csv, as_parquet):
            exporter_for(out).export(recorder, out)
    found = parquet.read_table(as_parquet)
    assert tuple(found.column_names) == ROWS
    with as_csv.open(newline="", encoding="utf-8") as file:
        assert found.num_rows == len(list(csv.reader(file))) - 1
    assert found["state"].to_pylist().count("waiting") == SAMPLES + 1
    assert found["connection"].null_count == SAMPLES + 1


def test_a_session_without_lanes_has_the_columns_and_no_row(tmp_path: Path) -> None:
    out = tmp_path / "run.lanes.csv"
    with Recorder() as recorder:
        recorder.add(began())
        exporter_for(out).export(recorder, out)
    assert out.read_text(encoding="utf-8").split() == [",".join(ROWS)]
