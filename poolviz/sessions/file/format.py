"""The layout of a session file.

An SQLite database of seven tables, of which every row has a body of msgpack:

- `meta` holds by key what concerns a whole run: the RunStarted under "began", its RunEnded under
  "ended", how many rows there are under "counts" (`Counts`), under "state" the sums over the
  samples of all chunks, and under "sweep" what a sweep of sizes keeps (`SweepRecord`);
- `settings` holds the limits, the load and the faults in force (`Settings`), once each time that
  one of them changed;
- `samples` holds the newest samples without those, each with the number of its settings;
- `chunks` holds the samples before those, some 50 s in each, as columns (`columns.py`). Samples
  move there when their chunk is complete, so that what is committed is never written as a whole;
  The newest have lanes too; older chunks are written anew without them (`kept_lanes.py`);
- `bins` holds for each chunk what charts draw of it from afar (`stored_bins.py`), lanes included;
- `segments` holds the figures of each segment that had ended by the last chunk;
- `marks` holds every mark.

Opening a session takes the sums, the bins and the newest samples. The other samples are read when
they are looked at.

Every row belongs to a member. Member 0 is the run as a whole. A run of several pools, each in a
process of its own, has each of them as a further member, with rows of the same kinds in all tables;
member 0 is their sum then.

The rows of a member are numbered from 0 in the order they came, samples through all of the run.
Before each body stands a checksum of the body and of its place, so that a changed bit, exchanged
bodies, and rows that are missing or there twice are found.

Format 2 had every sample as a row, neither `chunks`, `bins`, `segments` nor "state", and no
members. Format 1 had neither `settings` nor "counts" nor checksums either: each sample held its own
settings.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import msgspec

from poolviz.language import tr
from poolviz.model.parameters import Value

APPLICATION_ID = 0x706F6C76  # "polv", in SQLite's header
FORMAT = 3  # version of the tables and of the messages packed in them

_TABLES = {
    1: {
        "meta": "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL)",
        "samples": "CREATE TABLE samples (idx INTEGER PRIMARY KEY, t REAL NOT NULL, body BLOB NOT "
        "NULL)",
        "marks": "CREATE TABLE marks (idx INTEGER PRIMARY KEY, t REAL NOT NULL, body BLOB NOT "
        "NULL)",
    },
    2: {
        "meta": "CREATE TABLE meta (key TEXT PRIMARY KEY, body BLOB NOT NULL)",
        "settings": "CREATE TABLE settings (idx INTEGER PRIMARY KEY, body BLOB NOT NULL)",
        "samples": "CREATE TABLE samples (idx INTEGER PRIMARY KEY, settings INTEGER NOT NULL, "
        "body BLOB NOT NULL)",
        "marks": "CREATE TABLE marks (idx INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    },
}
_TABLES[3] = {
    "meta": "CREATE TABLE meta (key TEXT NOT NULL, member INTEGER NOT NULL, body BLOB NOT NULL, "
    "PRIMARY KEY (member, key))",
} | {
    table: f"CREATE TABLE {table} (idx INTEGER NOT NULL, {more}member INTEGER NOT NULL, "
    "body BLOB NOT NULL, PRIMARY KEY (member, idx))"
    for table, more in {
        "settings": "",
        "samples": "settings INTEGER NOT NULL, ",
        "chunks": "first INTEGER NOT NULL, count INTEGER NOT NULL, ",
        "bins": "",
        "segments": "",
        "marks": "",
    }.items()
}
WHOLE = 0  # the member that is the run as a whole
MOST_MEMBERS = 10_000
LANES = 6_000_000  # bytes of lanes that a session keeps, unless the user sets another bound
CHUNK_BITS = 10  # a chunk has the samples whose index is the same without so many of its last bits
_CHECKSUM = 4  # bytes
_SHOWN = 40  # characters of a key

Table: TypeAlias = Literal["meta", "settings", "samples", "chunks", "bins", "segments", "marks"]
Place: TypeAlias = tuple[Any, ...]  # all columns of a row but the body: numbers, or a key
Row: TypeAlias = tuple[Table, Place, bytes]

TABLES: tuple[Table, ...] = get_args(Table)
_INSERT: dict[Table, str] = {
    "meta": "INSERT OR REPLACE INTO meta VALUES (?, ?, ?)",
    "settings": "INSERT INTO settings VALUES (?, ?, ?)",
    "samples": "INSERT INTO samples VALUES (?, ?, ?, ?)",
    "chunks": "INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?, ?)",
    "bins": "INSERT OR REPLACE INTO bins VALUES (?, ?, ?)",
    "segments": "INSERT INTO segments VALUES (?, ?, ?)",
    "marks": "INSERT INTO marks VALUES (?, ?, ?)",
}


class Settings(msgspec.Struct, array_like=True, frozen=True):
    """What is in force from one change to the next."""

    limits: dict[str, Value] = {}
    load: dict[str, Value] = {}
    faults: dict[str, Value] = {}


class Counts(msgspec.Struct, array_like=True, frozen=True):
    """How many rows of a member the tables have, and whether "ended" is there. `samples` counts
    those in chunks too, of which `bins` has as many rows. `missing` samples were taken and could
    not be kept. `members` is how many further members there are, where this is the whole."""

    settings: int = 0
    samples: int = 0
    marks: int = 0
    ended: bool = False
    missing: int = 0
    chunks: int = 0
    segments: int = 0
    members: int = 0

    @property
    def trouble(self) -> str:
        """A sentence if samples are missing, else empty."""
        if not self.missing:
            return ""
        return tr(
            "{missing:,} samples are missing in the session: the disk took none for so long that "
            "there was no more room for them in memory.",
            missing=self.missing,
        )


class Damage(Exception):
    """What is in a file is not what was written. The text goes on after "is damaged: "."""


# What SQLite raises of a damaged file. Its message may hold bytes of the file that are no text.
SQLITE_ERRORS = (sqlite3.DatabaseError, UnicodeDecodeError)

pack = msgspec.msgpack.Encoder().encode


def create_tables(connection: sqlite3.Connection) -> None:
    """Make an empty database a session of no rows."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    for statement in _TABLES[FORMAT].values():
        connection.execute(statement)


def check_tables(connection: sqlite3.Connection, version: int) -> None:
    """Raise Damage unless the database has the tables of that format and nothing else.

    A view or a trigger in their place could be made to run for ever.
    """
    expected: set[tuple[str, str, str, str | None]] = {
        ("table", name, name, sql) for name, sql in _TABLES[version].items()
    }
    expected |= {
        ("index", f"sqlite_autoindex_{name}_1", name, None)
        for name, sql in _TABLES[version].items()
        if "INTEGER PRIMARY KEY" not in sql
    }
    found = connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT ?", (len(expected) + 1,)
    ).fetchall()
    if len(found) != len(expected) or set(found) != expected:
        raise Damage(tr("its tables are not those of a session"))


def is_readable_format(version: int) -> bool:
    """Whether this poolviz reads sessions of that format."""
    return version in _TABLES


def has_members(version: int) -> bool:
    """Whether every row of that format belongs to a member."""
    return version > 2


def insert(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Insert all of `rows` in one transaction. A chunk takes the place of the samples in it, which
    came before it."""
    samples: list[tuple[Any, ...]] = []  # yet to be inserted, unless a chunk has them
    with connection:
        for table, place, body in rows:
            sealed = (*place, seal(table, place, body))
            if table == "samples":
                samples.append(sealed)
                continue
            if table == "chunks":
                _, first, count, member = place
                end = first + count
                samples = [each for each in samples if each[2] != member or each[0] >= end]
                delete = "DELETE FROM samples WHERE member = ? AND idx < ?"
                connection.execute(delete, (member, end))
            connection.execute(_INSERT[table], sealed)
        connection.executemany(_INSERT["samples"], samples)


def write_session(path: Path, rows: Iterable[Row]) -> None:
    """Make a session file of `rows` at `path`, where no file may be. It is its owner's alone, and
    so will be those that SQLite makes beside it."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = MEMORY")  # what fails is removed as a whole
        create_tables(connection)
        insert(connection, rows)


class ChunkRow(NamedTuple):
    """The number of a chunk's first sample, and the chunk's body."""

    first: int
    body: bytes


def read_page(
    connection: sqlite3.Connection, member: int, first: int, end: int
) -> ChunkRow | list[tuple[int, bytes]]:
    """Return a member's samples from number `first` on, so few that the writer can wait: the whole
    chunk that has it, or up to before `end` the number of its settings and the body of each."""
    query = "SELECT * FROM chunks WHERE member = ? AND first <= ? ORDER BY idx DESC LIMIT 1"
    row = connection.execute(query, (member, first)).fetchone()
    if row is not None and first < row[1] + row[2]:
        *place, sealed = row
        return ChunkRow(place[1], unseal("chunks", tuple(place), sealed))
    query = (
        "SELECT settings, body FROM samples WHERE member = ? AND idx >= ? AND idx < ? ORDER BY idx"
    )
    rows = connection.execute(query, (member, first, end))
    return [
        (settings, unseal("samples", (number, settings, member), body))
        for number, (settings, body) in enumerate(rows, first)
    ]


def seal(table: str, place: Place, body: bytes) -> bytes:
    """Return `body` with a checksum of it and its place before it."""
    return _checksum(table, place, body) + body


def unseal(table: str, place: Place, sealed: object) -> bytes:
    """Return the body in `sealed`; Damage if it isn't the one that was written at that place."""
    if isinstance(sealed, bytes):
        body = sealed[_CHECKSUM:]
        if sealed[:_CHECKSUM] == _checksum(table, place, body):
            return body
    raise Damage(tr("{place} is not what was written", place=shown_place(table, place)))


def shown_place(table: str, place: Place) -> str:
    """Return a row's name for a sentence, such as "sample 17"."""
    name = {"meta": "its", "samples": "sample", "marks": "mark", "chunks": "chunk"}.get(
        table, table
    )
    return f"{name} {str(place[0])[:_SHOWN]!r}" if table == "meta" else f"{name} {place[0]}"


def _checksum(table: str, place: Place, body: bytes) -> bytes:
    return zlib.crc32(body, zlib.crc32(repr((table, *place)).encode())).to_bytes(_CHECKSUM, "big")


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """Return the value of a pragma that is a number."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def is_busy(error: sqlite3.DatabaseError) -> bool:
    """Whether another program has the file locked."""
    return primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def primary_code(error: sqlite3.DatabaseError) -> int:
    """Return SQLite's primary result code; SQLITE_OK if the error is not SQLite's own."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF
