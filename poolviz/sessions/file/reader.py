"""Reading a session file, which may be on a read-only disk or still be written to.

Reading changes nothing and runs nothing: the file may come from anywhere. What is in it is checked
before it is used.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec

from poolviz.model.errors import InputError
from poolviz.model.messages import RunEnded, RunStarted
from poolviz.model.sample import Mark, Sample
from poolviz.model.text import on_one_line
from poolviz.sessions.bins import T as T_ROW
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.file.format import (
    CHUNK_BITS,
    FORMAT,
    MOST_MEMBERS,
    SQLITE_ERRORS,
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
    is_busy,
    pack,
    primary_code,
    unseal,
    write_session,
)
from poolviz.sessions.file.label import LABEL, Label
from poolviz.sessions.file.opening import (
    check_readable,
    connected,
    copied,
    format_of,
    not_a_session,
    size_of,
)
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

_COPY = "session.poolviz"
_SHOWN = 200  # characters of a message
_KEPT = 100_000_000  # bytes of each table that is kept in memory
_FEW = 10  # rows that `meta` may have
_AT_ONCE = 500  # samples that are checked together
_NEWEST = 1200  # samples that are read on opening, if there are as many: those of a minute
_KEPT_WHOLE = ("marks", "settings", "segments", "bins")
# What summing up samples raises that no run has, should the checks let one through.
IMPOSSIBLE = (LookupError, TypeError, ValueError, ArithmeticError)

# What SQLite says of a disk or a machine that fails.
_NOT_THE_FILE = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM)

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


class SessionHeader:
    """What a session file says of its run as a whole, which takes little to read, however long it
    was. The file is open only while something is read from it.

    Raises InputError if it isn't a session, is damaged where it is read, or is of a newer format.
    `duration` is in seconds. `missing` samples were taken and could not be kept, which `trouble`
    says in a sentence. `members` are the names of the pools that it holds, if they are several, and
    `member` is the number of the one that is read, from 1 on; 0 is the run as a whole.
    """

    def __init__(self, path: Path, member: int = WHOLE) -> None:
        check_readable(path)
        self.path = self._source = path
        self._member = member
        with self._reading() as contents:
            self.version = contents.version
            self.began: RunStarted = contents.began()
            self.ended: RunEnded | None = contents.ended()
            self.label: Label = contents.label()
            self.duration = contents.duration()
            self.missing, self.trouble = contents.counts.missing, contents.counts.trouble
            self.members = contents.members()

    def damaged(self, why: object) -> InputError:
        """Return the error to raise if the file can't be read to its end."""
        if isinstance(why, sqlite3.DatabaseError):
            if is_busy(why):
                return InputError(f"{self.path} is being written by another program: try again.")
            if primary_code(why) == sqlite3.SQLITE_NOTADB:
                return not_a_session(self.path)
            if primary_code(why) in _NOT_THE_FILE:
                return InputError(f"Can't read {self.path}: {why}.")
        if isinstance(why, UnicodeDecodeError):
            why = "there are bytes in it that are no text"
        shown = on_one_line(str(why))[:_SHOWN]  # SQLite's messages hold names from the file
        return InputError(f"{self.path} is damaged and can't be opened: {shown}.")

    @property
    def is_member(self) -> bool:
        """Whether this is one of several pools of a run, and not the run as a whole."""
        return self._member != WHOLE

    @contextmanager
    def _reading(self) -> Iterator[_Contents]:
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(connected(self._source))
                connection.execute("BEGIN")  # what is read is of one moment
                version = format_of(self._source, connection)
                size = size_of(self._source, connection)
                yield _Contents(connection, version, size, self._member)
            except (*SQLITE_ERRORS, Damage) as error:
                raise self.damaged(error) from None


class SessionReader(SessionHeader):
    """A member of a session that was opened for reading, of which `stored` was read.

    Raises InputError as SessionHeader, and if anything of the member is damaged. A file of an
    earlier format is read from a copy in the present one, which `close` removes.
    """

    def __init__(self, path: Path, member: int = WHOLE) -> None:
        super().__init__(path, member)
        with ExitStack() as undo:
            if self.version < FORMAT:
                folder = undo.enter_context(copied(path, self._migrate))
                self._source = folder / _COPY
            with self._reading() as contents:
                self.stored = contents.stored()
            self._copy = undo.pop_all()

    def _migrate(self, folder: Path) -> None:
        with closing(self._rows()) as rows:
            write_session(folder / _COPY, rows)

    def _rows(self) -> Generator[Row, None, None]:
        """Yield the rows of a session in the present format. What is wrong with the present file
        is InputError, so that other errors are those of what is written."""
        with self._reading() as contents:
            yield from contents.as_rows()

    def samples(self, start: float = 0.0, end: float = math.inf) -> Iterator[Sample]:
        """Yield every sample in order, but for chunks that lie before `start` or after `end`, in
        seconds; InputError if the file is damaged."""
        with self._reading() as contents:
            if start <= 0 and end == math.inf:
                yield from contents.samples()
            else:
                yield from contents.samples(contents.chunks_between(start, end, self.stored.bins))

    def columns(self) -> Iterator[Columns]:
        """Yield all samples in order as columns; InputError if the file is damaged."""
        with self._reading() as contents:
            yield from contents.columns()

    def chunk(self, number: int) -> Columns:
        """Return the samples of a chunk; InputError if the file is damaged or gone."""
        check_readable(self._source)
        with self._reading() as contents:
            return contents.chunk(number)

    def rows(self) -> Iterator[Row]:
        """Yield all rows as they are, of one moment; InputError if the file is damaged."""
        with self._reading() as contents:
            yield from contents.rows()

    def copy(self, path: Path) -> None:
        """Write the session to `path`, where no file may be. OSError or sqlite3.Error if that
        fails."""
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with connected(self._source) as connection, closing(sqlite3.connect(path)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")

    def close(self) -> None:
        """Remove the copy, if there is one. SessionWriter has the same method."""
        self._copy.close()


class _Contents:
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
            raise Damage("the end of its run is missing")
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
            raise Damage("its last sample has no time")
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
            raise Damage(f"chunk {number} is missing")
        first, count, sealed = row
        place = (number, first, count, self._member)
        columns = Columns.unpack(unseal("chunks", place, sealed))
        if columns.count != count:
            raise Damage(f"chunk {number} has {columns.count} samples and had {count}")
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
                raise Damage("what is in it is not what was written") from None
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
                raise Damage(f"chunk {number} doesn't follow the one before")
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
            raise Damage("the sums over its samples are missing")
        if not chunked:
            return None
        sums = unpack(self._meta["state"], StoredSums, "meta", ("state",))
        if sums.samples != chunked:
            raise Damage("the sums over its samples are of another moment")
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
            raise Damage("it says twice how its run began or ended")
        return meta

    def _meta_body(self, key: str) -> bytes:
        if key not in self._meta:
            raise Damage(f"its {key!r} is missing")
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
            raise Damage(f"it can't have {self.counts.members} pools")
        query = "SELECT body FROM meta WHERE member = ? AND key = 'began'"
        names: list[str] = []
        for member in range(1, self.counts.members + 1):
            row = self._connection.execute(query, (member,)).fetchone()
            if row is None:
                raise Damage(f"pool {member} of {self.counts.members} in it is missing")
            place = ("began", member)
            began = unpack(self._opened("meta", place, row[0]), RunStarted, "meta", place)
            names.append(began.member)
        if len(set(names)) != len(names) or "" in names:
            raise Damage("its pools have no names of their own")
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
                raise Damage(f"{table} are missing or there twice, at number {number}")
            yield tuple(place), self._opened(table, tuple(place), sealed)
            if self._left < floor:
                raise Damage(f"it has more {table} than a run makes")
            number += 1
        if self.version > 1 and number != count:
            raise Damage(f"it has {number} {table} and had {count}")

    def _opened(self, table: str, place: Place, sealed: object) -> bytes:
        """Return a body without its checksum."""
        if not isinstance(sealed, bytes):
            raise Damage(f"something in its {table} is no body")
        self._left -= len(sealed)
        if self._left < 0:
            raise Damage("it is larger inside than outside")
        return unseal(table, place, sealed) if self.version > 1 else sealed


def batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield successive lists of `size` values; the last one may be shorter."""
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch
