"""The run that the tests here export."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from poolviz.model.sample import Mark, MarkKind, Sample
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import change, record, reports, samples, ticks

NOTE = Mark(t=2.0, kind=MarkKind.NOTE, text='He said "now",\nand it was')


def run() -> list[Sample]:
    """Three seconds with a change after the first."""
    return [
        msgspec.structs.replace(sample, segment=int(sample.index >= 20), errors={"a, b": 2})
        for sample in samples(ticks(60))
    ]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A run of three seconds that has ended, in a recorder that is open."""
    with Recorder() as recorder:
        marks = (change(run()[19].t), NOTE)
        yield record(recorder, reports(run(), *marks))
