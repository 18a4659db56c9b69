"""Opening a session file that may come from anywhere, for reading alone.

It may be on a read-only disk or still be written to, and nothing is ever written to it here.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.sessions.file.format import (
    APPLICATION_ID,
    FORMAT,
    SQLITE_ERRORS,
    Damage,
    is_readable_format,
    pragma,
    primary_code,
)

# What SQLite says where it can't make the file that it needs beside one that has a -wal file.
_NOTHING_BESIDE = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
)
_LONGEST_BODY = 32_000_000  # bytes
_LONGEST_SQL = 10_000  # characters; the tables need a hundred each


def is_session(path: Path) -> bool:
    """Whether the file is a session, of whatever format; InputError if it can't be read."""
    check_readable(path)
    try:
        with connected(path) as connection:
            return pragma(connection, "application_id") == APPLICATION_ID
    except SQLITE_ERRORS:
        return False


def check_readable(path: Path) -> None:
    """Raise InputError unless there is a file that may be read."""
    # A process must read the file through SQLite only: POSIX locks belong to the process, and
    # closing any other descriptor of the file would drop the locks of a session being recorded.
    try:
        if not path.exists():
            raise InputError(tr("There is no file {path}.", path=path))
        if not path.is_file():
            what = "a folder" if path.is_dir() else tr("not an ordinary file")
            raise InputError(tr("Can't read {path}: it is {what}.", path=path, what=what))
        if not os.access(path, os.R_OK):
            raise InputError(tr("Can't read {path}: you have no permission to.", path=path))
    except (OSError, RuntimeError, ValueError) as error:  # of a name that can't be one
        why = getattr(error, "strerror", None) or error
        raise InputError(tr("Can't read {path!s}: {why}.", path=path, why=why)) from None


def format_of(path: Path, connection: sqlite3.Connection) -> int:
    """Return the file's format; InputError if it isn't a session that can be read."""
    if pragma(connection, "application_id") != APPLICATION_ID:
        raise not_a_session(path)
    written = pragma(connection, "user_version")
    if written > FORMAT:
        raise InputError(
            tr(
                "{path} was written by a newer poolviz (format {written}, and this one reads "
                "{format}): update poolviz to open it.",
                path=path,
                written=written,
                format=FORMAT,
            )
        )
    if not is_readable_format(written):
        raise Damage(tr("there is no format {written}", written=written))
    return written


def size_of(path: Path, connection: sqlite3.Connection) -> int:
    """Return the bytes that the session may have, those in its -wal file included; DatabaseError if
    the file is shorter than it says: SQLite would read zeros."""
    whole = pragma(connection, "page_count") * pragma(connection, "page_size")
    size, wal = path.stat().st_size, _wal_of(path)
    if wal.exists():
        return size + wal.stat().st_size
    if size < whole:
        raise sqlite3.DatabaseError(tr("its end is missing"))
    return size


def _wal_of(path: Path) -> Path:
    target = path.resolve()  # SQLite keeps it beside the file that a link points to
    return target.with_name(target.name + "-wal")


def not_a_session(path: Path) -> InputError:
    """Return the error to raise of a file that is something else."""
    return InputError(tr("{path} is not a poolviz session.", path=path))


@contextmanager
def copied(path: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """A temporary folder in which `make` has put a copy of the session at `path`; removed at the
    end. InputError if OSError or OperationalError says that it can't be made."""
    with ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poolviz-")))
            make(folder)
        except (OSError, sqlite3.OperationalError) as error:
            where = tempfile.tempdir or "a temporary folder"
            raise InputError(
                tr(
                    "Can't open {path}: it is read from a copy, which can't be made in {where} "
                    "({reason}). Make room there, or set TMPDIR to another folder.",
                    path=path,
                    where=where,
                    reason=getattr(error, "strerror", None) or error,
                )
            ) from None
        yield folder


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection, also if nothing can be written beside the file."""
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(_used(path, "mode=ro"))
        except sqlite3.OperationalError as error:
            if primary_code(error) not in _NOTHING_BESIDE:
                raise
            connection = _connect_with_nothing_beside(path, stack)
        yield connection


def _connect_with_nothing_beside(path: Path, stack: ExitStack) -> sqlite3.Connection:
    """Connect to a file in a folder that takes no other file, or on a disk that is full.

    The last seconds of a killed run are in the -wal file, which SQLite reads only if it can write
    beside it. If there is one, a copy of both is read.
    """
    wal = _wal_of(path)
    try:
        has_wal = wal.exists() and wal.stat().st_size > 0
    except OSError as error:
        raise InputError(
            tr("Can't read {path}: {reason}.", path=path, reason=error.strerror)
        ) from None
    if not has_wal:
        return stack.enter_context(_used(path, "immutable=1"))

    def make(folder: Path) -> None:
        shutil.copy(path, folder / "session")
        shutil.copy(wal, folder / "session-wal")
        with _used(folder / "session", "mode=ro"):
            return  # there was room for SQLite's file beside them too

    folder = stack.enter_context(copied(path, make))
    return stack.enter_context(_used(folder / "session", "mode=ro"))


@contextmanager
def _used(path: Path, how: str) -> Iterator[sqlite3.Connection]:
    """A connection that was used once: SQLite opens a file when it is first used."""
    with closing(_connect(path, how)) as connection:
        pragma(connection, "application_id")
        yield connection


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
