"""The layout of a session file.

An SQLite database. `meta` holds the RunStarted of the run under "began" and its RunEnded under
"ended", `samples` every sample and `marks` every mark, each as msgpack, numbered in the order they
came.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

APPLICATION_ID = 0x706F6C76  # "polv", in SQLite's header
FORMAT = 1  # version of the tables and of the messages packed in them
_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE samples (idx INTEGER PRIMARY KEY, t REAL NOT NULL, body BLOB NOT NULL);
CREATE TABLE marks (idx INTEGER PRIMARY KEY, t REAL NOT NULL, body BLOB NOT NULL);
"""
_PAGE = 1000  # samples read at once

Table: TypeAlias = Literal["meta", "samples", "marks"]
Row: TypeAlias = tuple[Table, tuple[object, ...]]

_INSERT: dict[Table, str] = {
    "meta": "INSERT OR REPLACE INTO meta VALUES (?, ?)",
    "samples": "INSERT INTO samples VALUES (?, ?, ?)",
    "marks": "INSERT INTO marks VALUES (?, ?, ?)",
}

pack = msgspec.msgpack.Encoder().encode


def create_tables(connection: sqlite3.Connection) -> None:
    """Make an empty database a session of no rows."""
    connection.executescript(_SCHEMA)


def insert(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Insert all of `rows` in one transaction."""
    with connection:
        for table, group in groupby(rows, key=itemgetter(0)):
            connection.executemany(_INSERT[table], map(itemgetter(1), group))


def write_session(path: Path, rows: Iterable[Row]) -> None:
    """Make a session file of `rows` at `path`, where no file may be."""
    with closing(sqlite3.connect(path)) as connection:
        create_tables(connection)
        insert(connection, rows)


def read_page(connection: sqlite3.Connection, first: int, end: int) -> list[bytes]:
    """Return packed samples from number `first` on, at most up to before `end`: few enough that the
    writer can wait for them."""
    query = "SELECT body FROM samples WHERE idx >= ? AND idx < ? ORDER BY idx LIMIT ?"
    return [body for (body,) in connection.execute(query, (first, end, _PAGE))]


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
