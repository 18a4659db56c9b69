"""A session file. It holds also what could not be written to the session's own file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.manifest import run_started
from poolviz.sessions.file.format import Row, pack, write_session
from poolviz.sessions.file.writer import check_new_session
from poolviz.sessions.recorder import Recorder


def _write(recorder: Recorder, paths: Sequence[Path]) -> None:
    write_session(paths[0], _rows(recorder))


def _rows(recorder: Recorder) -> Iterator[Row]:
    yield "meta", ("began", pack(run_started(recorder)))
    if recorder.ended is not None:
        yield "meta", ("ended", pack(recorder.ended))
    for number, mark in enumerate(recorder.marks):
        yield "marks", (number, mark.t, pack(mark))
    for number, sample in enumerate(recorder.samples()):
        yield "samples", (number, sample.t, pack(sample))


EXPORTER = Exporter("Session", _write, check_path=check_new_session)
