"""The figures of a run as JSON: what `poolviz run --json` prints, and the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.manifest import as_json, began_of, manifest
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.summary import as_object


def _write(recorder: Recorder, paths: Sequence[Path]) -> None:
    figures = as_object(recorder.summary())
    paths[0].write_bytes(as_json(figures | {"manifest": manifest(recorder, began_of(recorder))}))


EXPORTER = Exporter(".json", "Figures as JSON", _write)
