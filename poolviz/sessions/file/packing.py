"""Between messages and the rows of a session file: packing for the current format, unpacking for
every format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from poolviz.model.messages import RunEnded, RunStarted
from poolviz.model.sample import Mark, Sample
from poolviz.sessions.file.format import Counts, Damage, Place, Row, Settings, pack, shown_place

T = TypeVar("T")

# What unpacking raises if bytes are not those that were packed.
_WRONG_BYTES = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)
_unpack_sample = msgspec.msgpack.Decoder(Sample).decode


class Packer:
    """Makes the rows of one session, numbered in the order they come. Not thread-safe.

    `counts` is of the rows that were made. The settings of all samples are kept: they are shared by
    samples and summaries anyway.
    """

    def __init__(self) -> None:
        self.counts = Counts()
        self.settings: list[Settings] = []
        self._newest = b""  # the last settings, packed

    def began(self, message: RunStarted) -> Row:
        """Return the row of a run's beginning."""
        return "meta", ("began",), pack(message)

    def ended(self, message: RunEnded) -> Row:
        """Return the row of a run's end."""
        self.counts = msgspec.structs.replace(self.counts, ended=True)
        return "meta", ("ended",), pack(message)

    def mark(self, mark: Mark) -> Row:
        """Return the row of the next mark."""
        number = self.counts.marks
        self.counts = msgspec.structs.replace(self.counts, marks=number + 1)
        return "marks", (number,), pack(mark)

    def sample(self, sample: Sample) -> tuple[Sample, list[Row]]:
        """Return the next sample, with its settings shared with those before it, and its rows."""
        rows: list[Row] = []
        packed = pack(Settings(sample.limits, sample.load, sample.faults))
        if packed != self._newest:
            rows.append(("settings", (len(self.settings),), packed))
            self.settings.append(Settings(sample.limits, sample.load, sample.faults))
            self._newest = packed
        number, settings = self.counts.samples, len(self.settings) - 1
        body = pack(msgspec.structs.replace(sample, limits={}, load={}, faults={}))
        rows.append(("samples", (number, settings), body))
        self.counts = msgspec.structs.replace(
            self.counts, settings=settings + 1, samples=number + 1
        )
        return with_settings(sample, self.settings[-1]), rows


def counts_row(counts: Counts) -> Row:
    """Return the row that says how many rows there are; it replaces an earlier one."""
    return "meta", ("counts",), pack(counts)


def with_settings(sample: Sample, settings: Settings) -> Sample:
    """Return `sample` with these settings, which are shared and not copied."""
    return msgspec.structs.replace(
        sample, limits=settings.limits, load=settings.load, faults=settings.faults
    )


def unpack_sample(body: bytes, place: Place) -> Sample:
    """Return a sample, which has no settings yet unless it is of format 1; Damage if it isn't one.

    `place` names it in the error.
    """
    try:
        return _unpack_sample(body)
    except _WRONG_BYTES:
        raise Damage(f"{shown_place('samples', place)} is not a sample") from None


def unpack(body: bytes, kind: type[T], table: str, place: Place) -> T:
    """Return what was packed as a `kind`; Damage if it isn't one."""
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except _WRONG_BYTES:
        raise Damage(f"{shown_place(table, place)} is not what belongs there") from None


def settings_of(settings: Sequence[Settings], number: int) -> Settings:
    """Return the settings of that number; Damage if there are none."""
    if not 0 <= number < len(settings):
        raise Damage(f"settings {number} are missing")
    return settings[number]
