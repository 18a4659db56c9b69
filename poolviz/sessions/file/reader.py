"""Reading a session file, which may be on a read-only disk or still be written to.

Reading changes nothing and runs nothing: the file may come from anywhere. What is in it is checked
before it is used.
"""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from poolviz.model.errors import InputError
from poolviz.model.messages import RunEnded, RunStarted
from poolviz.model.sample import Mark, Sample
from poolviz.model.text import on_one_line
from poolviz.sessions.file.format import (
    APPLICATION_ID,
    FORMAT,
    SQLITE_ERRORS,
    Counts,
    Damage,
    Place,
    Settings,
    check_tables,
    is_busy,
    is_readable_format,
    pragma,
    primary_code,
    unseal,
)
from poolviz.sessions.file.label import LABEL, Label
from poolviz.sessions.file.packing import settings_of, unpack, unpack_sample, with_settings
from poolviz.sessions.file.plausibility import check_mark, check_samples, check_start

_CANNOT_OPEN = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
_LONGEST_BODY = 32_000_000  # bytes
_LONGEST_SQL = 10_000  # characters; the tables need a hundred each
_SHOWN = 200  # characters of a message
_KEPT = 100_000_000  # bytes of all that is kept in memory: marks and settings
_FEW = 10  # rows that `meta` may have
_AT_ONCE = 500  # samples that are checked together


class SessionReader:
    """A session file opened for reading. The file is open only while something is read from it.

    Raises InputError if it isn't a session, is damaged, or is of a newer format. `missing` samples
    were taken and could not be kept, which `trouble` says in a sentence.
    """

    def __init__(self, path: Path) -> None:
        _check_readable(path)
        self.path = path
        with self._reading() as contents:
            self.began: RunStarted = contents.began()
            self.ended: RunEnded | None = contents.ended()
            self.marks: tuple[Mark, ...] = tuple(contents.marks())
            self.label: Label = contents.label()
            self.missing, self.trouble = contents.counts.missing, contents.counts.trouble

    def samples(self) -> Iterator[Sample]:
        """Yield every sample in order; InputError if the file is damaged."""
        with self._reading() as contents:
            yield from contents.samples()

    def duration(self) -> float:
        """Return the seconds recorded, reading a sample at most; InputError if it is damaged."""
        with self._reading() as contents:
            return contents.duration()

    def close(self) -> None:
        """Do nothing, since nothing is open. SessionWriter has the same method."""

    def damaged(self, why: object) -> InputError:
        """Return the error to raise if the file can't be read to its end."""
        if isinstance(why, sqlite3.DatabaseError):
            if is_busy(why):
                return InputError(f"{self.path} is being written by another program: try again.")
            if primary_code(why) == sqlite3.SQLITE_NOTADB:
                return _not_a_session(self.path)
        if isinstance(why, UnicodeDecodeError):
            why = "there are bytes in it that are no text"
        shown = on_one_line(str(why))[:_SHOWN]  # SQLite's messages hold names from the file
        return InputError(f"{self.path} is damaged and can't be opened: {shown}.")

    @contextmanager
    def _reading(self) -> Iterator[_Contents]:
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(_connected(self.path))
                connection.execute("BEGIN")  # what is read is of one moment
                version = _format_of(self.path, connection)
                yield _Contents(connection, version, _size(self.path, connection))
            except (*SQLITE_ERRORS, Damage) as error:
                raise self.damaged(error) from None


class _Contents:
    """What is in a session at one moment. Raises Damage or DatabaseError where it is damaged.

    Only tables are read, in the order of their rows, and no more bytes than the file has: a file
    that was made for that could otherwise have the same page read again and again.
    """

    def __init__(self, connection: sqlite3.Connection, version: int, size: int) -> None:
        self._connection, self._version, self._left = connection, version, size
        check_tables(connection, version)
        self._meta = self._read_meta()
        self.counts = (
            unpack(self._meta_body("counts"), Counts, "meta", ("counts",))
            if version > 1
            else Counts(ended="ended" in self._meta)
        )
        if self.counts.ended != ("ended" in self._meta):
            raise Damage("the end of its run is missing")
        self._settings = self._read_settings() if version > 1 else []

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
        settings = "settings" if self._version > 1 else "0"
        query = f"SELECT idx, {settings}, body FROM samples ORDER BY idx DESC LIMIT 1"
        row = self._connection.execute(query).fetchone()
        if row is None:
            return 0.0
        place = tuple(row[:2]) if self._version > 1 else (row[0],)
        t = unpack_sample(self._opened("samples", place, row[2]), place).t
        if not 0 <= t < math.inf:
            raise Damage("its last sample has no time")
        return t

    def marks(self) -> Iterator[Mark]:
        """Yield every mark in order."""
        for place, body in self._rows("marks", "idx", self.counts.marks):
            mark = unpack(body, Mark, "marks", place)
            check_mark(mark, int(place[0]))
            yield mark

    def samples(self) -> Iterator[Sample]:
        """Yield every sample in order."""
        columns = "idx, settings" if self._version > 1 else "idx"
        batch: list[Sample] = []
        before: Sample | None = None
        first = 0
        for place, body in self._rows("samples", columns, self.counts.samples):
            batch.append(self._sample(place, body))
            if len(batch) == _AT_ONCE:
                check_samples(batch, first, before)
                yield from batch
                first, before, batch = first + len(batch), batch[-1], []
        if batch:
            check_samples(batch, first, before)
            yield from batch

    def _sample(self, place: Place, body: bytes) -> Sample:
        sample = unpack_sample(body, place)
        if self._version > 1:
            return with_settings(sample, settings_of(self._settings, int(place[1])))
        found = Settings(sample.limits, sample.load, sample.faults)
        if not self._settings or self._settings[0] != found:
            self._settings = [found]
        return with_settings(sample, self._settings[0])

    def _read_meta(self) -> Mapping[str, bytes]:
        body = "body" if self._version > 1 else "value"
        query = f"SELECT key, {body} FROM meta LIMIT ?"
        rows = self._connection.execute(query, (_FEW,)).fetchall()
        meta = {str(key): self._opened("meta", (str(key),), sealed) for key, sealed in rows}
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
            for place, body in self._rows("settings", "idx", self.counts.settings)
        ]

    def _rows(self, table: str, columns: str, count: int) -> Iterator[tuple[Place, bytes]]:
        """Yield the rows of a numbered table, each as its place and body."""
        number = 0
        most = self._left if table == "samples" else min(self._left, _KEPT)
        floor = self._left - most
        query = f"SELECT {columns}, body FROM {table} ORDER BY idx"
        for *place, sealed in self._connection.execute(query):
            if place[0] != number or not all(isinstance(each, int) for each in place):
                raise Damage(f"{table} are missing or there twice, at number {number}")
            yield tuple(place), self._opened(table, tuple(place), sealed)
            if self._left < floor:
                raise Damage(f"it has more {table} than a run makes")
            number += 1
        if self._version > 1 and number != count:
            raise Damage(f"it has {number} {table} and had {count}")

    def _opened(self, table: str, place: Place, sealed: object) -> bytes:
        """Return a body without its checksum."""
        if not isinstance(sealed, bytes):
            raise Damage(f"something in its {table} is no body")
        self._left -= len(sealed)
        if self._left < 0:
            raise Damage("it is larger inside than outside")
        return unseal(table, place, sealed) if self._version > 1 else sealed


def is_session(path: Path) -> bool:
    """Whether the file is a session, of whatever format; InputError if it can't be read."""
    _check_readable(path)
    try:
        with _connected(path) as connection:
            return pragma(connection, "application_id") == APPLICATION_ID
    except SQLITE_ERRORS:
        return False


def _check_readable(path: Path) -> None:
    # A process must read the file through SQLite only: POSIX locks belong to the process, and
    # closing any other descriptor of the file would drop the locks of a session being recorded.
    try:
        if not path.exists():
            raise InputError(f"There is no file {path}.")
        if not path.is_file():
            what = "a folder" if path.is_dir() else "not an ordinary file"
            raise InputError(f"Can't read {path}: it is {what}.")
        if not os.access(path, os.R_OK):
            raise InputError(f"Can't read {path}: you have no permission to.")
    except (OSError, RuntimeError, ValueError) as error:  # of a name that can't be one
        why = getattr(error, "strerror", None) or error
        raise InputError(f"Can't read {path!s}: {why}.") from None


def _format_of(path: Path, connection: sqlite3.Connection) -> int:
    """Return the file's format; InputError if it isn't a session that can be read."""
    if pragma(connection, "application_id") != APPLICATION_ID:
        raise _not_a_session(path)
    written = pragma(connection, "user_version")
    if written > FORMAT:
        raise InputError(
            f"{path} was written by a newer poolviz (format {written}, and this one reads "
            f"{FORMAT}): update poolviz to open it."
        )
    if not is_readable_format(written):
        raise Damage(f"there is no format {written}")
    return written


def _size(path: Path, connection: sqlite3.Connection) -> int:
    """Return the bytes that the session may have, those in its -wal file included; DatabaseError if
    the file is shorter than it says: SQLite would read zeros."""
    whole = pragma(connection, "page_count") * pragma(connection, "page_size")
    size, wal = path.stat().st_size, _wal_of(path)
    if wal.exists():
        return size + wal.stat().st_size
    if size < whole:
        raise sqlite3.DatabaseError("its end is missing")
    return size


def _wal_of(path: Path) -> Path:
    target = path.resolve()  # SQLite keeps it beside the file that a link points to
    return target.with_name(target.name + "-wal")


def _not_a_session(path: Path) -> InputError:
    return InputError(f"{path} is not a poolviz session.")


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection, also if nothing can be written beside the file."""
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(closing(_connect(path, "mode=ro")))
            pragma(connection, "application_id")  # SQLite opens a file when it is first used
        except sqlite3.OperationalError as error:
            if primary_code(error) not in _CANNOT_OPEN:
                raise
            connection = stack.enter_context(closing(_connect_read_only_folder(path, stack)))
        yield connection


def _connect_read_only_folder(path: Path, stack: ExitStack) -> sqlite3.Connection:
    """Connect to a file in a folder that takes no other file.

    The last seconds of a killed run are in the -wal file, which SQLite reads only if it can write
    beside it. If there is one, a copy of both is read.
    """
    wal = _wal_of(path)
    try:
        if not wal.exists() or not wal.stat().st_size:
            return _connect(path, "immutable=1")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poolviz-")))
        shutil.copy(path, folder / "session")
        shutil.copy(wal, folder / "session-wal")
    except OSError as error:
        raise InputError(f"Can't read {path}: {error.strerror}.") from None
    return _connect(folder / "session", "mode=ro")


def _connect(path: Path, how: str) -> sqlite3.Connection:
    """Connect to a file that may come from anywhere: what SQLite is to do with it has limits."""
    # One thread reads at a time, but a generator may be started in one and closed in another.
    uri = f"{path.absolute().as_uri()}?{how}"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_BODY)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, _LONGEST_SQL)
    for setting in ("trusted_schema = OFF", "cell_size_check = ON", "query_only = ON"):
        connection.execute(f"PRAGMA {setting}")
    return connection
