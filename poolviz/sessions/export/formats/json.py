"""The figures of the run as JSON: what `poolviz run --json` prints, and the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.manifest import as_json, manifest
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.report import as_object


def _write(recorder: Recorder, paths: Sequence[Path]) -> None:
    paths[0].write_bytes(as_json(as_object(recorder) | {"manifest": manifest(recorder)}))


EXPORTER = Exporter("Figures as JSON", _write)
