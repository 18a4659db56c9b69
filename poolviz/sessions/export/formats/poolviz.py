"""A session file. It holds also what could not be written to the session's own file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.manifest import run_started
from poolviz.sessions.file.background_writer import check_new_session
from poolviz.sessions.file.format import Row, write_session
from poolviz.sessions.file.packing import Packer, as_rows, counts_row
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.summary import SummaryBuilder


def _write(recorder: Recorder, paths: Sequence[Path]) -> None:
    if not recorder.copy(paths[0]):
        write_session(paths[0], _rows(recorder))


def _rows(recorder: Recorder) -> Iterator[Row]:
    members = [recorder.member(name) for name in recorder.members]
    for number, member in enumerate((recorder, *members)):
        yield from _rows_of(member, number)


def _rows_of(recorder: Recorder, number: int) -> Iterator[Row]:
    packer, sums = Packer(number), SummaryBuilder()
    yield packer.began(run_started(recorder))
    for mark in recorder.marks:
        yield packer.mark(mark)
    for sample in recorder.samples():
        yield from as_rows(packer.sample(sample, sums)[1])
        sums.add(sample)
    if recorder.ended is not None:
        yield packer.ended(recorder.ended)
    counts = msgspec.structs.replace(
        packer.counts, missing=recorder.missing, members=len(recorder.members)
    )
    yield counts_row(counts, number)


EXPORTER = Exporter("Session", _write, check_path=check_new_session)
