"""The files that are written from a record at the end of a run or on request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.recorder import Recorder


def check_exports(files: Sequence[Path]) -> dict[Path, Exporter]:
    """Return the format of each file by its suffix; InputError where a suffix isn't known or a
    file can't be written. Leaves nothing behind."""
    exports = {path: exporter_for(path) for path in files}
    for path, exporter in exports.items():
        exporter.check(path)
    return exports


def write_exports(recorder: Recorder, exports: Mapping[Path, Exporter]) -> Iterator[Path]:
    """Write each file, and yield every path that was made, once it is there."""
    for path, exporter in exports.items():
        yield from exporter.export(recorder, path)
