"""Parquet, read again by pyarrow and pandas."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from poolviz.model.errors import InputError
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.table import COLUMNS, table_of
from tests.sessions.builders import began, record, reports, samples, ticks


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    path = tmp_path_factory.mktemp("parquet") / "run.poolviz"
    with Recorder(path) as recorder:
        record(recorder, reports(samples(ticks(1500))))
    with Recorder.open(path) as recorder:
        yield recorder


def test_a_run_without_a_sample_has_the_columns_and_no_row(tmp_path: Path) -> None:
    from pyarrow import parquet

    path = tmp_path / "run.parquet"
    with Recorder() as recorder:
        recorder.add(began())
        exporter_for(path).export(recorder, path)
    found = parquet.read_table(path)
    assert (found.num_rows, tuple(found.column_names)) == (0, COLUMNS)
    assert str(found.schema.field("operations").type) == "int64"


def test_every_figure_is_the_same_to_the_last_digit(session: Recorder, tmp_path: Path) -> None:
    from pyarrow import parquet

    path = tmp_path / "run.parquet"
    assert exporter_for(path).export(session, path) == (path,)
    found, expected = parquet.read_table(path), table_of(session.columns())
    assert tuple(found.column_names) == COLUMNS
    assert found.num_rows == session.summary().samples == 1500
    for name in COLUMNS:
        column = found[name].to_numpy()
        np.testing.assert_array_equal(column.astype(np.float64), expected[name])
    nulls = int(np.isnan(expected["wait_time_p95_s"]).sum())
    assert found["wait_time_p95_s"].null_count == nulls
    assert str(found.schema.field("operations").type) == "int64"
    frame = found.to_pandas()
    assert int(frame["operations"].sum()) == session.summary().operations


def test_units_and_the_manifest_are_metadata(session: Recorder, tmp_path: Path) -> None:
    from pyarrow import parquet

    path = tmp_path / "run.parquet"
    exporter_for(path).export(session, path)
    schema = parquet.read_schema(path)
    assert schema.field("wait_time_p95_s").metadata == {b"unit": b"s"}
    assert schema.field("throughput_per_s").metadata == {b"unit": b"1/s"}
    assert schema.field("used").metadata is None
    manifest = json.loads(schema.metadata[b"poolviz"])
    assert manifest["scenario"]["pool"] == "sqlalchemy.QueuePool"


def test_without_pyarrow_a_sentence_says_how_to_install_it(
    session: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "run.parquet"
    with pytest.raises(InputError, match=r"pip install 'poolviz\[parquet\]'"):
        exporter_for(path).check(path)
    with pytest.raises(InputError, match="pyarrow"):
        exporter_for(path).export(session, path)
    assert not list(tmp_path.iterdir())
