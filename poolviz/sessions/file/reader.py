"""A session file as it lies on the disk: its layout, and reading it.

SQLite. `meta` holds the RunStarted and the RunEnded of the run, `samples` every sample and `marks`
every mark, each as msgpack, numbered in the order they came. Reading changes nothing.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import msgspec

from poolviz.model.errors import InputError

APPLICATION_ID = 0x706F6C76  # "polv", where SQLite keeps what program a file belongs to
FORMAT = 1  # of the tables and of what is packed in them
SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE samples (idx INTEGER PRIMARY KEY, t REAL NOT NULL, body BLOB NOT NULL);
CREATE TABLE marks (idx INTEGER PRIMARY KEY, t REAL NOT NULL, body BLOB NOT NULL);
"""

pack = msgspec.msgpack.Encoder().encode  # how meta, samples and marks are packed

BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_NO_WAY_IN = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}


class SessionReader:
    """A session file to look at. Holds nothing open between two readings."""

    def __init__(self, path: Path) -> None:
        _check_readable(path)
        self.path = path
        self.trouble = ""
        with self._reading() as connection:
            _check_format(path, connection)
            _check_size(path, connection)
            self.meta: dict[str, bytes] = dict(connection.execute("SELECT key, value FROM meta"))
            marks = connection.execute("SELECT body FROM marks ORDER BY idx").fetchall()
        self.marks: tuple[bytes, ...] = tuple(body for (body,) in marks)

    def samples(self) -> Iterator[bytes]:
        """Every sample as it was packed, in order; InputError where the file is damaged."""
        with self._reading() as connection:
            for (body,) in connection.execute("SELECT body FROM samples ORDER BY idx"):
                yield body

    def page(self, first: int, end: int) -> list[bytes]:
        """Some of the samples from number `first` on, up to before `end`."""
        with self._reading() as connection:
            return read_page(connection, first, end)

    def close(self) -> None:
        """Nothing is open; here because a session being written has it."""

    def damaged(self, why: object) -> InputError:
        """The sentence for a file that can't be read to its end."""
        code = getattr(why, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
        if code in BUSY:
            return InputError(f"{self.path} is being written by another program: try again.")
        if code == sqlite3.SQLITE_NOTADB:
            return _other_file(self.path)
        return InputError(f"{self.path} is damaged and can't be opened: {why}.")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with ExitStack() as stack:
            try:
                yield stack.enter_context(_connected(self.path))
            except sqlite3.DatabaseError as error:
                raise self.damaged(error) from None


def read_page(connection: sqlite3.Connection, first: int, end: int) -> list[bytes]:
    """Some of the samples from number `first` on, few enough that a writer can wait for it."""
    query = "SELECT body FROM samples WHERE idx >= ? AND idx < ? ORDER BY idx LIMIT 1000"
    return [body for (body,) in connection.execute(query, (first, end))]


def is_session(path: Path) -> bool:
    """Whether the file is a session, of whatever format; InputError where it can't be read."""
    _check_readable(path)
    try:
        with _connected(path) as connection:
            return _pragma(connection, "application_id") == APPLICATION_ID
    except sqlite3.DatabaseError:
        return False


def _check_readable(path: Path) -> None:
    # The file itself is read through SQLite alone: when a process closes a file that it opened
    # in another way, it loses all its locks on it, also those of a session that it is recording.
    try:
        if not path.exists():
            raise InputError(f"There is no file {path}.")
        if not path.is_file():
            what = "a folder" if path.is_dir() else "not an ordinary file"
            raise InputError(f"Can't read {path}: it is {what}.")
        if not os.access(path, os.R_OK):
            raise InputError(f"Can't read {path}: you have no permission to.")
    except OSError as error:
        raise InputError(f"Can't read {path}: {error.strerror}.") from None


def _check_format(path: Path, connection: sqlite3.Connection) -> None:
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise _other_file(path)
    written = _pragma(connection, "user_version")
    if written > FORMAT:
        raise InputError(
            f"{path} was written by a newer poolviz (format {written}, and this one reads "
            f"{FORMAT}): update poolviz to open it."
        )


def _check_size(path: Path, connection: sqlite3.Connection) -> None:
    """DatabaseError where the file's last page is cut, which SQLite reads as zeros."""
    whole = _pragma(connection, "page_count") * _pragma(connection, "page_size")
    if not _log_of(path).exists() and path.stat().st_size < whole:
        raise sqlite3.DatabaseError("its end is missing")


def _log_of(path: Path) -> Path:
    place = path.resolve()  # of a link, SQLite keeps it beside the file itself
    return place.with_name(place.name + "-wal")


def _other_file(path: Path) -> InputError:
    return InputError(f"{path} is not a poolviz session.")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads, also where nothing can be written beside the file."""
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(closing(_connect(path, "mode=ro")))
            _pragma(connection, "application_id")  # SQLite opens a file at the first use
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _NO_WAY_IN:
                raise
            connection = stack.enter_context(closing(_connect_read_only_folder(path, stack)))
        yield connection


def _connect_read_only_folder(path: Path, stack: ExitStack) -> sqlite3.Connection:
    """A killed run's last seconds are in the -wal file, which SQLite reads only where it can
    write beside it: in that case, read a copy."""
    log = _log_of(path)
    try:
        if not log.exists() or not log.stat().st_size:
            return _connect(path, "immutable=1")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poolviz-")))
        shutil.copy(path, folder / "session")
        shutil.copy(log, folder / "session-wal")
    except OSError as error:
        raise InputError(f"Can't read {path}: {error.strerror}.") from None
    return _connect(folder / "session", "mode=ro")


def _connect(path: Path, how: str) -> sqlite3.Connection:
    # Read in one thread at a time, but a reading may be begun in one and ended in another.
    uri = f"{path.absolute().as_uri()}?{how}"
    return sqlite3.connect(uri, uri=True, check_same_thread=False)
