"""Parquet at full resolution: the columns of the CSV with a row for each sample, in their types.

What wasn't measured is null. Each column says its unit in its metadata, and the schema's metadata
hold the manifest as JSON under "poolviz". pyarrow, an extra, is imported when it is needed.

`NAME.lanes.parquet` has the lanes instead, as the CSV of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.manifest import as_json, manifest
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.lane_rows import ROWS, lane_rows
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.share_done import ShareDone
from poolviz.sessions.table import COLUMNS, Table, table_of, unit_of
from poolviz.system.files import check_writable

_AT_ONCE = 64  # chunks of samples in a group of rows, which readers take as a whole: an hour has 71


def _check(path: Path) -> None:
    """Raise InputError if a file can't be written to `path`, or pyarrow isn't there."""
    _pyarrow()
    check_writable(path)


def _pyarrow() -> Any:
    try:
        import pyarrow  # noqa: PLC0415 - an extra
    except ImportError:
        raise InputError(
            tr(
                "Parquet needs pyarrow, which isn't installed: pip install 'poolviz[parquet]', or "
                "choose .csv, which has the same columns."
            )
        ) from None
    return pyarrow


def _write(recorder: Recorder, paths: Sequence[Path], share_done: ShareDone) -> None:
    pyarrow = _pyarrow()
    from pyarrow import parquet  # noqa: PLC0415 - likewise

    about = as_json(manifest(recorder))
    schema: Any = None
    writer: Any = None
    try:
        for table in _tables(recorder, share_done):
            if writer is None:
                fields = [
                    pyarrow.field(
                        name, pyarrow.from_numpy_dtype(table[name].dtype), metadata=_metadata(name)
                    )
                    for name in COLUMNS
                ]
                schema = pyarrow.schema(fields, metadata={"poolviz": about})
                writer = parquet.ParquetWriter(paths[0], schema, compression="zstd")
            arrays = [pyarrow.array(table[name], from_pandas=True) for name in COLUMNS]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
    finally:
        if writer is not None:
            writer.close()


def _tables(recorder: Recorder, share_done: ShareDone) -> Iterator[Table]:
    parts: list[Columns] = []
    seen = False
    for part in recorder.columns(share_done):
        parts.append(part)
        seen = True
        if len(parts) == _AT_ONCE:
            yield table_of(parts)
            parts = []
    if parts or not seen:
        yield table_of(parts or [Columns.of([], [])])


def _write_lanes(recorder: Recorder, paths: Sequence[Path], share_done: ShareDone) -> None:
    pyarrow = _pyarrow()
    from pyarrow import parquet  # noqa: PLC0415 - likewise

    kinds = (*[pyarrow.int64()] * 3, pyarrow.string(), *[pyarrow.float64()] * 3)
    fields = [pyarrow.field(*both) for both in zip(ROWS, kinds, strict=True)]
    schema = pyarrow.schema(fields, metadata={"poolviz": as_json(manifest(recorder))})
    with parquet.ParquetWriter(paths[0], schema, compression="zstd") as writer:
        for rows in lane_rows(recorder.columns(share_done), recorder.lane_states):
            columns = zip(*rows, strict=True) if rows else [()] * len(ROWS)
            arrays = [
                pyarrow.array([None if cell == -1 else cell for cell in column], type=kind)
                for column, kind in zip(columns, kinds, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _metadata(name: str) -> dict[str, str]:
    unit = unit_of(name)
    return {"unit": unit} if unit else {}


EXPORTER = Exporter("Data as Parquet", _write, check_path=_check, long=True)
LANES = Exporter("Lanes as Parquet", _write_lanes, check_path=_check, long=True)
