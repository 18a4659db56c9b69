"""The figures of the run as JSON: what `poolviz run --json` prints, and the manifest."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from pathlib import Path

from poolviz.language import FALLBACK, in_language
from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.manifest import as_json, manifest
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.report import as_object
from poolviz.sessions.share_done import ShareDone
from poolviz.sessions.sweep_record import SIZING_OF


def _write(recorder: Recorder, paths: Sequence[Path], share_done: ShareDone) -> None:
    found = as_object(recorder, share_done) | {"manifest": manifest(recorder)}
    if recorder.sweep is not None:
        sizing = pkgutil.resolve_name(SIZING_OF)(recorder)
        with in_language(FALLBACK):
            found["sizing"] = None if sizing is None else sizing.as_object()
    paths[0].write_bytes(as_json(found))


EXPORTER = Exporter("Figures as JSON", _write, long=True)
