"""Reading a session file, which may be on a read-only disk or still be written to.

Reading changes nothing.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from poolviz.model.errors import InputError
from poolviz.sessions.file.format import (
    APPLICATION_ID,
    FORMAT,
    is_busy,
    pragma,
    primary_code,
    read_page,
)

_CANNOT_OPEN = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


class SessionReader:
    """A session file opened for reading. The file is open only while something is read from it.

    Raises InputError if it isn't a session, is damaged, or is of a newer format.
    """

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
        """Yield every packed sample in order; InputError if the file is damaged."""
        with self._reading() as connection:
            for (body,) in connection.execute("SELECT body FROM samples ORDER BY idx"):
                yield body

    def page(self, first: int, end: int) -> list[bytes]:
        """Return packed samples from number `first` on, at most up to before `end`."""
        with self._reading() as connection:
            return read_page(connection, first, end)

    def close(self) -> None:
        """Do nothing, since nothing is open. SessionWriter has the same method."""

    def damaged(self, why: object) -> InputError:
        """Return the error to raise if the file can't be read to its end."""
        if isinstance(why, sqlite3.DatabaseError):
            if is_busy(why):
                return InputError(f"{self.path} is being written by another program: try again.")
            if primary_code(why) == sqlite3.SQLITE_NOTADB:
                return _not_a_session(self.path)
        return InputError(f"{self.path} is damaged and can't be opened: {why}.")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with ExitStack() as stack:
            try:
                yield stack.enter_context(_connected(self.path))
            except sqlite3.DatabaseError as error:
                raise self.damaged(error) from None


def is_session(path: Path) -> bool:
    """Whether the file is a session, of whatever format; InputError if it can't be read."""
    _check_readable(path)
    try:
        with _connected(path) as connection:
            return pragma(connection, "application_id") == APPLICATION_ID
    except sqlite3.DatabaseError:
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
    except OSError as error:
        raise InputError(f"Can't read {path}: {error.strerror}.") from None


def _check_format(path: Path, connection: sqlite3.Connection) -> None:
    if pragma(connection, "application_id") != APPLICATION_ID:
        raise _not_a_session(path)
    written = pragma(connection, "user_version")
    if written > FORMAT:
        raise InputError(
            f"{path} was written by a newer poolviz (format {written}, and this one reads "
            f"{FORMAT}): update poolviz to open it."
        )


def _check_size(path: Path, connection: sqlite3.Connection) -> None:
    """DatabaseError if the file is shorter than it says: SQLite would read zeros."""
    whole = pragma(connection, "page_count") * pragma(connection, "page_size")
    if not _wal_of(path).exists() and path.stat().st_size < whole:
        raise sqlite3.DatabaseError("its end is missing")


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
    # One thread reads at a time, but a generator may be started in one and closed in another.
    uri = f"{path.absolute().as_uri()}?{how}"
    return sqlite3.connect(uri, uri=True, check_same_thread=False)
