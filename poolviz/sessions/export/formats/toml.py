"""A scenario that repeats the session, changes and faults included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.manifest import run_started
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.to_scenario import to_toml


def _write(recorder: Recorder, paths: Sequence[Path]) -> None:
    text = to_toml(run_started(recorder), recorder.marks, recorder.duration)
    paths[0].write_text(text, encoding="utf-8")


EXPORTER = Exporter("Scenario", _write)
