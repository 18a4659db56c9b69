"""The figures of the run as JSON: what `poolviz run --json` prints, and the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.manifest import as_json, manifest
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.report import as_object
from poolviz.sessions.share_done import ShareDone


def _write(recorder: Recorder, paths: Sequence[Path], share_done: ShareDone) -> None:
    found = as_object(recorder, share_done) | {"manifest": manifest(recorder)}
    paths[0].write_bytes(as_json(found))


EXPORTER = Exporter("Figures as JSON", _write, long=True)
