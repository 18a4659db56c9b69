"""The layout of a session file.

An SQLite database of four tables, of which every row has a body of msgpack:

- `meta` holds by key what concerns the whole run: the RunStarted under "began", its RunEnded under
  "ended", and under "counts" how many rows there are (`Counts`);
- `settings` holds the limits, the load and the faults in force (`Settings`), once each time that
  one of them changed;
- `samples` holds every sample without those, and the number of its settings;
- `marks` holds every mark.

Rows are numbered from 0 in the order they came. Before each body stands a checksum of the body and
of its place, so that a changed bit, exchanged bodies, and rows that are missing or there twice are
found.

Format 1 had neither `settings` nor "counts" nor checksums: each sample held its own settings.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterable
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from poolviz.model.parameters import Value

APPLICATION_ID = 0x706F6C76  # "polv", in SQLite's header
FORMAT = 2  # version of the tables and of the messages packed in them

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
_PAGE = 1000  # samples read at once
_CHECKSUM = 4  # bytes
_SHOWN = 40  # characters of a key

Table: TypeAlias = Literal["meta", "settings", "samples", "marks"]
Place: TypeAlias = tuple["str | int", ...]  # all columns of a row but the body
Row: TypeAlias = tuple[Table, Place, bytes]

_INSERT: dict[Table, str] = {
    "meta": "INSERT OR REPLACE INTO meta VALUES (?, ?)",
    "settings": "INSERT INTO settings VALUES (?, ?)",
    "samples": "INSERT INTO samples VALUES (?, ?, ?)",
    "marks": "INSERT INTO marks VALUES (?, ?)",
}


class Settings(msgspec.Struct, array_like=True, frozen=True):
    """What is in force from one change to the next."""

    limits: dict[str, Value] = {}
    load: dict[str, Value] = {}
    faults: dict[str, Value] = {}


class Counts(msgspec.Struct, array_like=True, frozen=True):
    """How many rows the tables have, and whether "ended" is there. `missing` samples were taken and
    could not be kept."""

    settings: int = 0
    samples: int = 0
    marks: int = 0
    ended: bool = False
    missing: int = 0

    @property
    def trouble(self) -> str:
        """A sentence if samples are missing, else empty."""
        if not self.missing:
            return ""
        return (
            f"{self.missing:,} samples are missing in the session: the disk took none for so long "
            "that there was no more room for them in memory."
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
    expected.add(("index", "sqlite_autoindex_meta_1", "meta", None))
    found = connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT ?", (len(expected) + 1,)
    ).fetchall()
    if len(found) != len(expected) or set(found) != expected:
        raise Damage("its tables are not those of a session")


def is_readable_format(version: int) -> bool:
    """Whether this poolviz reads sessions of that format."""
    return version in _TABLES


def insert(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Insert all of `rows` in one transaction."""
    with connection:
        for table, group in groupby(rows, key=itemgetter(0)):
            sealed = ((*place, seal(table, place, body)) for _, place, body in group)
            connection.executemany(_INSERT[table], sealed)


def write_session(path: Path, rows: Iterable[Row]) -> None:
    """Make a session file of `rows` at `path`, where no file may be. It is its owner's alone, and
    so will be those that SQLite makes beside it."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = MEMORY")  # what fails is removed as a whole
        create_tables(connection)
        insert(connection, rows)


def read_page(connection: sqlite3.Connection, first: int, end: int) -> list[tuple[int, bytes]]:
    """Return samples from number `first` on, at most up to before `end`, each as the number of its
    settings and its body: few enough that the writer can wait for them."""
    query = "SELECT settings, body FROM samples WHERE idx >= ? AND idx < ? ORDER BY idx LIMIT ?"
    page = connection.execute(query, (first, end, _PAGE)).fetchall()
    return [
        (settings, unseal("samples", (number, settings), body))
        for number, (settings, body) in enumerate(page, start=first)
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
    raise Damage(f"{shown_place(table, place)} is not what was written")


def shown_place(table: str, place: Place) -> str:
    """Return a row's name for a sentence, such as "sample 17"."""
    name = {"meta": "its", "samples": "sample", "marks": "mark"}.get(table, table)
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
