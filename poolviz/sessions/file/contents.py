"""What is in a session file, read from an open connection and checked before it is used."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import msgspec

from poolviz.language import tr
from poolviz.model.messages import RunEnded, RunStarted
from poolviz.model.sample import Mark, Sample
from poolviz.sessions.bins import T as T_ROW
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.file.format import (
    CHUNK_BITS,
    FORMAT,
    MOST_MEMBERS,
    TABLES,
    WHOLE,
    Counts,
    Damage,
    Place,
    Row,
    Settings,
    Table,
    check_tables,
    has_members,
    pack,
    unseal,
)
from poolviz.sessions.file.label import LABEL, Label
from poolviz.sessions.file.packing import (
    Packer,
    StoredSums,
    as_rows,
    counts_row,
    settings_of,
    unpack,
    unpack_sample,
    with_settings,
)
from poolviz.sessions.file.plausibility import check_mark, check_samples, check_start
from poolviz.sessions.file.stored_bins import StoredBins
from poolviz.sessions.summary import SummaryBuilder
from poolviz.sessions.sweep_record import SWEEP, SweepRecord

_KEPT = 100_000_000  # bytes of each table that is kept in memory
_FEW = 10  # rows that `meta` may have
_AT_ONCE = 500  # samples that are checked together
_NEWEST = 1200  # samples that are read on opening, if there are as many: those of a minute
_KEPT_WHOLE = ("marks", "settings", "segments", "bins")
# What summing up samples raises that no run has, should the checks let one through.
IMPOSSIBLE = (LookupError, TypeError, ValueError, ArithmeticError)

T = TypeVar("T")


@dataclass(frozen=True)
class Stored:
    """What opening a session takes: how its run began and ended, its marks, the sums over its first
    samples, the bins of all chunks, and what was in the file beside chunks.

    `newest` are samples from number `newest_from` on, among them all that are in no chunk: these
    begin at `chunked`.
    """

    began: RunStarted
    ended: RunEnded | None
    marks: tuple[Mark, ...]
    counts: Counts
    settings: Sequence[Settings]
    sums: StoredSums | None
    segments: Sequence[bytes]
    bins: Sequence[StoredBins]
    chunked: int
    newest_from: int
    newest: Sequence[Sample]
    sweep: SweepRecord | None


class Contents:
    """What is in a session at one moment of a member. Raises Damage or DatabaseError where it is
    damaged.

    Only tables are read, in the order of their rows, and no more bytes than the file has: a file
    that was made for that could otherwise have the same page read again and again.
    """

    def __init__(
        self, connection: sqlite3.Connection, version: int, size: int, member: int
    ) -> None:
        self._connection, self.version = connection, version
        self._left = self._size = size  # bytes, of which so many may yet be read
        check_tables(connection, version)
        self._member = member
        self._of_member = f"WHERE member = {member:d}" if has_members(version) else ""
        self._meta = self._read_meta()
        self.counts = (
            unpack(self._meta_body("counts"), Counts, "meta", ("counts",))
            if version > 1
            else Counts(ended="ended" in self._meta)
        )
        if self.counts.ended != ("ended" in self._meta):
            raise Damage(tr("the end of its run is missing"))
        self._settings = self._read_settings() if version > 1 else []

    def stored(self) -> Stored:
        """Return what opening takes, and check the bytes of all the rest."""
        places = self._checked_chunks()
        chunked = places[-1][1] + places[-1][2] if places else 0
        sums = self._sums(chunked)
        first = chunked
        for _, begin, _ in reversed(places):  # what is newest is shown as figures of its own
            if self.counts.samples - first >= _NEWEST and first <= (sums.samples if sums else 0):
                break
            first = begin
        return Stored(
            began=self.began(),
            ended=self.ended(),
            marks=tuple(self.marks()),
            counts=self.counts,
            settings=self._settings,
            sums=sums,
            segments=self._bodies("segments", self.counts.segments),
            bins=[StoredBins.unpack(body) for body in self._bodies("bins", self.counts.chunks)],
            chunked=chunked,
            newest_from=first,
            newest=tuple(self.samples([place for place in places if place[1] >= first])),
            sweep=self.sweep(),
        )

    def began(self) -> RunStarted:
        """Return how the run began."""
        began = unpack(self._meta_body("began"), RunStarted, "meta", ("began",))
        check_start(began)
        return began

    def ended(self) -> RunEnded | None:
        """Return how the run ended, if that was recorded."""
        if "ended" not in self._meta:
            return None
        return unpack(self._meta["ended"], RunEnded, "meta", ("ended",))

    def label(self) -> Label:
        """Return what the user says of the session."""
        if LABEL not in self._meta:
            return Label()
        return unpack(self._meta[LABEL], Label, "meta", (LABEL,))

    @property
    def swept(self) -> bool:
        """Whether a sweep of sizes was run."""
        return SWEEP in self._meta

    def sweep(self) -> SweepRecord | None:
        """Return what a sweep of sizes keeps; None if the run was none."""
        if SWEEP not in self._meta:
            return None
        try:
            return SweepRecord.unpack(self._meta[SWEEP])
        except ValueError:
            raise Damage(tr("what it says of its sweep is not what was written")) from None

    def duration(self) -> float:
        """Return the end of the last sample, in seconds."""
        columns = self._place_columns("samples")
        query = f"SELECT {columns}, body FROM samples {self._of_member} ORDER BY idx DESC LIMIT 1"
        row = self._connection.execute(query).fetchone()
        if row is None and self.counts.chunks:
            return float(self.chunk(self.counts.chunks - 1)["t"][-1])
        if row is None:
            return 0.0
        *place, sealed = row
        t = unpack_sample(self._opened("samples", tuple(place), sealed), tuple(place)).t
        if not 0 <= t < math.inf:
            raise Damage(tr("its last sample has no time"))
        return t

    def marks(self) -> Iterator[Mark]:
        """Yield every mark in order."""
        for place, body in self._rows("marks", self.counts.marks):
            mark = unpack(body, Mark, "marks", place)
            check_mark(mark, int(place[0]))
            yield mark

    def samples(self, chunks: Sequence[Place] | None = None) -> Iterator[Sample]:
        """Yield every sample in order, those of all chunks or of the `chunks` that are named, and
        those that are in none."""
        before: Sample | None = None
        for number, first, _ in self._chunk_places() if chunks is None else chunks:
            batch = list(self.chunk(number).samples(self._settings))
            check_samples(batch, first, before)
            yield from batch
            before = batch[-1]
        yield from self._unchunked(before)

    def chunks_between(self, start: float, end: float, bins: Sequence[StoredBins]) -> list[Place]:
        """Return the places of those chunks that have samples from `start` to `end`."""
        places, begin = [], 0.0
        for place, stored in zip(self._chunk_places(), bins, strict=False):
            until = float(stored.tables()[-1][T_ROW, -1])
            if until >= start and begin <= end:
                places.append(place)
            begin = until
        return [*places]

    def columns(self) -> Iterator[Columns]:
        """Yield all samples in order as columns."""
        for number, _, _ in self._chunk_places():
            yield self.chunk(number)
        for batch in batched(self._unchunked(None), _AT_ONCE):
            yield Columns.of(batch, [0] * len(batch))

    def chunk(self, number: int) -> Columns:
        """Return the samples of one chunk."""
        query = "SELECT first, count, body FROM chunks WHERE member = ? AND idx = ?"
        row = self._connection.execute(query, (self._member, number)).fetchone()
        if row is None:
            raise Damage(tr("chunk {number} is missing", number=number))
        first, count, sealed = row
        place = (number, first, count, self._member)
        columns = Columns.unpack(unseal("chunks", place, sealed))
        if columns.count != count:
            raise Damage(
                tr(
                    "chunk {number} has {count} samples and had {had}",
                    number=number,
                    count=columns.count,
                    had=count,
                )
            )
        return columns

    def rows(self) -> Iterator[Row]:
        """Yield the rows of all tables in their order."""
        self._left = self._size
        for table in TABLES:
            for *place, sealed in self._connection.execute(f"SELECT * FROM {table} ORDER BY 1"):
                yield table, tuple(place), self._opened(table, tuple(place), sealed)

    def as_rows(self) -> Iterator[Row]:
        """Yield the rows of a session in the present format with the same contents."""
        packer, sums = Packer(), SummaryBuilder()
        yield packer.began(self.began())
        for mark in self.marks():
            yield packer.mark(mark)
        for sample in self.samples():
            yield from as_rows(packer.sample(sample, sums)[1])
            try:
                sums.add(sample)
            except IMPOSSIBLE:
                raise Damage(tr("what is in it is not what was written")) from None
        ended = self.ended()
        if ended is not None:
            yield packer.ended(ended)
        if LABEL in self._meta:
            yield "meta", (LABEL, WHOLE), pack(self.label())
        yield counts_row(msgspec.structs.replace(packer.counts, missing=self.counts.missing))

    def _unchunked(self, before: Sample | None) -> Iterator[Sample]:
        """Yield the samples that are in no chunk, after the one before them."""
        first = self._chunked()
        rows = self._rows("samples", self.counts.samples, first)
        for batch in batched((self._sample(place, body) for place, body in rows), _AT_ONCE):
            check_samples(batch, first, before)
            yield from batch
            first, before = first + len(batch), batch[-1]

    def _sample(self, place: Place, body: bytes) -> Sample:
        sample = unpack_sample(body, place)
        if self.version > 1:
            return with_settings(sample, settings_of(self._settings, int(place[1])))
        found = Settings(sample.limits, sample.load, sample.faults)
        if not self._settings or self._settings[0] != found:
            self._settings = [found]
        return with_settings(sample, self._settings[0])

    def _checked_chunks(self) -> list[tuple[int, int, int]]:
        """Return the places of all chunks, the bytes of which are those that were written."""
        if self.version < FORMAT:
            return []
        rows = self._rows("chunks", self.counts.chunks)
        places = [(int(place[0]), int(place[1]), int(place[2])) for place, _ in rows]
        follow = 0
        for number, first, count in places:
            if first != follow or not 1 <= count <= 1 << CHUNK_BITS:
                raise Damage(tr("chunk {number} doesn't follow the one before", number=number))
            follow = first + count
        return places

    def _chunk_places(self) -> list[tuple[int, int, int]]:
        if self.version < FORMAT:
            return []
        query = "SELECT idx, first, count FROM chunks WHERE member = ? ORDER BY idx LIMIT ?"
        return self._connection.execute(query, (self._member, self.counts.chunks)).fetchall()

    def _chunked(self) -> int:
        """Return how many samples are in chunks."""
        places = self._chunk_places()
        return places[-1][1] + places[-1][2] if places else 0

    def _sums(self, chunked: int) -> StoredSums | None:
        if ("state" in self._meta) != bool(chunked):
            raise Damage(tr("the sums over its samples are missing"))
        if not chunked:
            return None
        sums = unpack(self._meta["state"], StoredSums, "meta", ("state",))
        if sums.samples != chunked:
            raise Damage(tr("the sums over its samples are of another moment"))
        return sums

    def _bodies(self, table: Table, count: int) -> list[bytes]:
        if self.version < FORMAT:
            return []
        return [body for _, body in self._rows(table, count)]

    def _read_meta(self) -> Mapping[str, bytes]:
        body = "body" if self.version > 1 else "value"
        query = f"SELECT {self._place_columns('meta')}, {body} FROM meta {self._of_member} LIMIT ?"
        rows = self._connection.execute(query, (_FEW,)).fetchall()
        meta = {
            str(place[0]): self._opened("meta", (str(place[0]), *place[1:]), sealed)
            for *place, sealed in rows
        }
        if len(meta) != len(rows):
            raise Damage(tr("it says twice how its run began or ended"))
        return meta

    def _meta_body(self, key: str) -> bytes:
        if key not in self._meta:
            raise Damage(tr("its {key!r} is missing", key=key))
        return self._meta[key]

    def _read_settings(self) -> list[Settings]:
        return [
            unpack(body, Settings, "settings", place)
            for place, body in self._rows("settings", self.counts.settings)
        ]

    def members(self) -> tuple[str, ...]:
        """Return the names of all further members, in the order of their numbers."""
        if not has_members(self.version) or not self.counts.members:
            return ()
        if not 0 < self.counts.members <= MOST_MEMBERS:
            raise Damage(tr("it can't have {members} pools", members=self.counts.members))
        query = "SELECT body FROM meta WHERE member = ? AND key = 'began'"
        names: list[str] = []
        for member in range(1, self.counts.members + 1):
            row = self._connection.execute(query, (member,)).fetchone()
            if row is None:
                raise Damage(
                    tr(
                        "pool {member} of {members} in it is missing",
                        member=member,
                        members=self.counts.members,
                    )
                )
            place = ("began", member)
            began = unpack(self._opened("meta", place, row[0]), RunStarted, "meta", place)
            names.append(began.member)
        if len(set(names)) != len(names) or "" in names:
            raise Damage(tr("its pools have no names of their own"))
        return tuple(names)

    def _place_columns(self, table: Table) -> str:
        """Return the columns of a row but its body."""
        more = {"samples": ("settings",), "chunks": ("first", "count")}.get(table, ())
        if self.version == 1:
            more = ()
        member = ("member",) if has_members(self.version) else ()
        return ", ".join(("key" if table == "meta" else "idx", *more, *member))

    def _rows(self, table: Table, count: int, first: int = 0) -> Iterator[tuple[Place, bytes]]:
        """Yield the rows of a table that is numbered from `first` to before `count`, each as its
        place and body."""
        number = first
        most = min(self._left, _KEPT) if table in _KEPT_WHOLE else self._left
        floor = self._left - most
        columns = self._place_columns(table)
        query = f"SELECT {columns}, body FROM {table} {self._of_member} ORDER BY idx"
        for *place, sealed in self._connection.execute(query):
            if place[0] != number or not all(isinstance(each, int) for each in place):
                raise Damage(
                    tr(
                        "{table} are missing or there twice, at number {number}",
                        table=table,
                        number=number,
                    )
                )
            yield tuple(place), self._opened(table, tuple(place), sealed)
            if self._left < floor:
                raise Damage(tr("it has more {table} than a run makes", table=table))
            number += 1
        if self.version > 1 and number != count:
            raise Damage(
                tr(
                    "it has {number} {table} and had {count}",
                    number=number,
                    table=table,
                    count=count,
                )
            )

    def _opened(self, table: str, place: Place, sealed: object) -> bytes:
        """Return a body without its checksum."""
        if not isinstance(sealed, bytes):
            raise Damage(tr("something in its {table} is no body", table=table))
        self._left -= len(sealed)
        if self._left < 0:
            raise Damage(tr("it is larger inside than outside"))
        return unseal(table, place, sealed) if self.version > 1 else sealed


def batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield successive lists of `size` values; the last one may be shorter."""
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch
