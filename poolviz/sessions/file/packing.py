"""Between messages and the rows of a session file: packing for the current format, unpacking for
every format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

import msgspec

from poolviz.language import tr
from poolviz.model.messages import RunEnded, RunStarted
from poolviz.model.sample import Mark, Sample
from poolviz.sessions.bins import ServerSeen
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.file.format import (
    CHUNK_BITS,
    WHOLE,
    Counts,
    Damage,
    Place,
    Row,
    Settings,
    pack,
    shown_place,
)
from poolviz.sessions.file.kept_lanes import KeptLanes
from poolviz.sessions.file.stored_bins import StoredBins

T = TypeVar("T")

# What unpacking raises if bytes are not those that were packed.
_WRONG_BYTES = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)
_unpack_sample = msgspec.msgpack.Decoder(Sample).decode


class Sums(Protocol):
    """The sums over all samples so far."""

    def state(self) -> bytes:
        """Return them, without the segments that have ended."""

    def closed_from(self, number: int) -> list[bytes]:
        """Return the figures of the segments that have ended, from that number on."""


class StoredSums(msgspec.Struct, array_like=True, frozen=True):
    """The sums over the first `samples` of a session, as `Sums.state` has them."""

    samples: int
    state: bytes


class Chunk:
    """A chunk that is complete. Its rows are made when they are first asked for, by the thread that
    writes them: it takes some 50 ms, most of them without the interpreter's lock."""

    def __init__(
        self,
        place: tuple[int, int, int],
        samples: Sequence[Sample],
        settings: Sequence[int],
        so_far: tuple[ServerSeen, KeptLanes],
        sums: Sequence[Row],
    ) -> None:
        self._number, self._first, self._member = place
        self._samples, self._settings = samples, settings
        self._seen, self._lanes = so_far
        self._sums = sums
        self._rows: list[Row] = []

    def rows(self) -> list[Row]:
        """Return its rows. What is kept so far moves to its end, so chunks are asked in order."""
        if not self._rows:
            columns = Columns.of(self._samples, self._settings)
            bins = StoredBins.of(columns, self._seen)
            place = (self._number, self._first, columns.count, self._member)
            self._rows = [*self._lanes.rows(place, columns, bins), *self._sums]
            self._samples = self._settings = ()
        return self._rows


class Packer:
    """Makes the rows of one member, numbered in the order they come. Not thread-safe.

    `counts` is of the rows that were made. The settings of all samples are kept: they are shared by
    samples and summaries anyway. The members of a session share `lanes`; without, all are kept.
    """

    def __init__(self, member: int = WHOLE, lanes: KeptLanes | None = None) -> None:
        self.member = member
        self.counts = Counts()
        self.settings: list[Settings] = []
        self._newest = b""  # the last settings, packed
        self._samples: list[Sample] = []  # those of the chunk that isn't complete
        self._numbers: list[int] = []  # of their settings
        self._so_far = (
            ServerSeen(),
            lanes or KeptLanes(None),
        )  # with the chunk whose rows were made last

    def began(self, message: RunStarted) -> Row:
        """Return the row of a run's beginning."""
        return "meta", ("began", self.member), pack(message)

    def ended(self, message: RunEnded) -> Row:
        """Return the row of a run's end."""
        self.counts = msgspec.structs.replace(self.counts, ended=True)
        return "meta", ("ended", self.member), pack(message)

    def mark(self, mark: Mark) -> Row:
        """Return the row of the next mark."""
        number = self.counts.marks
        self.counts = msgspec.structs.replace(self.counts, marks=number + 1)
        return "marks", (number, self.member), pack(mark)

    def sample(self, sample: Sample, sums: Sums) -> tuple[Sample, list[Row | Chunk]]:
        """Return a sample, with its settings shared with those before it, and its rows. If
        a chunk is complete before it, that comes first. `sums` are of the samples before it."""
        rows: list[Row | Chunk] = []
        if self._samples and self._samples[0].index >> CHUNK_BITS != sample.index >> CHUNK_BITS:
            rows.append(self._chunk(sums))
        packed = pack(Settings(sample.limits, sample.load, sample.faults))
        if packed != self._newest:
            rows.append(("settings", (len(self.settings), self.member), packed))
            self.settings.append(Settings(sample.limits, sample.load, sample.faults))
            self._newest = packed
        number, settings = self.counts.samples, len(self.settings) - 1
        body = pack(msgspec.structs.replace(sample, limits={}, load={}, faults={}))
        rows.append(("samples", (number, settings, self.member), body))
        self.counts = msgspec.structs.replace(
            self.counts, settings=settings + 1, samples=number + 1
        )
        shared = with_settings(sample, self.settings[-1])
        self._samples.append(shared)
        self._numbers.append(settings)
        return shared, rows

    def rest(self, sums: Sums) -> list[Chunk]:
        """Return the samples that are in no chunk as one, which has what is drawn of them from
        afar. No sample follows; `sums` are of all."""
        return [self._chunk(sums)] if self._samples else []

    def _chunk(self, sums: Sums) -> Chunk:
        counts, samples = self.counts, self.counts.samples
        segments = sums.closed_from(counts.segments)
        rows: list[Row] = [
            ("segments", (number, self.member), body)
            for number, body in enumerate(segments, start=counts.segments)
        ]
        rows.append(("meta", ("state", self.member), pack(StoredSums(samples, sums.state()))))
        place = (counts.chunks, samples - len(self._samples), self.member)
        chunk = Chunk(place, self._samples, self._numbers, self._so_far, rows)
        self._samples, self._numbers = [], []
        self.counts = msgspec.structs.replace(
            counts, chunks=counts.chunks + 1, segments=counts.segments + len(segments)
        )
        return chunk


def as_rows(made: Iterable[Row | Chunk]) -> Iterator[Row]:
    """Yield rows, those of chunks included."""
    for each in made:
        if isinstance(each, Chunk):
            yield from each.rows()
        else:
            yield each


def counts_row(counts: Counts, member: int = WHOLE) -> Row:
    """Return the row that says how many rows a member has; it replaces an earlier one."""
    return "meta", ("counts", member), pack(counts)


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
        raise Damage(tr("{place} is not a sample", place=shown_place("samples", place))) from None


def unpack(body: bytes, kind: type[T], table: str, place: Place) -> T:
    """Return what was packed as a `kind`; Damage if it isn't one."""
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except _WRONG_BYTES:
        raise Damage(
            tr("{place} is not what belongs there", place=shown_place(table, place))
        ) from None


def settings_of(settings: Sequence[Settings], number: int) -> Settings:
    """Return the settings of that number; Damage if there are none."""
    if not 0 <= number < len(settings):
        raise Damage(tr("settings {number} are missing", number=number))
    return settings[number]
