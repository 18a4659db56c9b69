"""The run as a scenario that repeats it, changes and faults included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.manifest import began_of
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.to_scenario import replay


def _write(recorder: Recorder, paths: Sequence[Path]) -> None:
    text = replay(began_of(recorder), recorder.marks, recorder.duration)
    paths[0].write_text(text, encoding="utf-8")


EXPORTER = Exporter(".toml", "Scenario", _write)
