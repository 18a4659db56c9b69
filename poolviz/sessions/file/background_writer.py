"""Committing the rows of a session to its file, in a thread of its own.

Adding to the record never waits for the disk: rows are kept in memory until the writer thread has
committed them, about once a second. If it can't (the disk is full), they stay in memory, `trouble`
says so, and the writer tries again each second. There is a bound to the samples that are kept.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TypeGuard

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.sessions.file.format import (
    ChunkRow,
    Counts,
    Row,
    create_tables,
    insert,
    is_busy,
    read_page,
    write_session,
)
from poolviz.sessions.file.opening import is_session
from poolviz.sessions.file.packing import Chunk, as_rows, counts_row
from poolviz.system.files import atomic_write, check_writable

_PERIOD = 0.5  # seconds that rows are gathered: with the commit itself, on a busy machine, a second
_CLOSE_TIMEOUT = 30.0  # seconds that closing waits for the disk
# What a disk, or a file in the way, does to writing. It is told in a sentence.
_EXPECTED = (OSError, sqlite3.Error, InputError)
ROOM = 64_000_000  # bytes of samples that wait for the disk: hours of most runs

_log = logging.getLogger(__name__)


class BackgroundWriter:
    """Writes rows to the session file at `path`, or to a temporary file of SQLite's own.

    The file appears with the first commit, whole; until then a session that was there before stays.
    It is its owner's alone. InputError if the path can't be written or holds something else than a
    session. At most `room` bytes of samples wait for the disk.

    Any thread may call any method. `lock` guards what waits for the disk, and what members count of
    it: `counts` of each are taken with the rows that they are of. The writer thread owns the
    connection; `_disk` lends it to readers between two commits.
    """

    def __init__(self, path: Path | None, room: int = ROOM) -> None:
        if path is not None:
            check_new_session(path)
        self.path = path
        self.trouble = ""
        self.lock = threading.RLock()
        self._room = room
        self._counts: list[Callable[[], Counts]] = []
        self._unwritten: list[Row | Chunk] = []
        self._waiting = 0  # bytes of samples in there
        self._closing = False
        self._changed = threading.Condition(self.lock)  # guards the four above
        self._connection: sqlite3.Connection | None = None
        self._disk = threading.Lock()  # guards the connection
        self._writer = threading.Thread(target=self._write, name="session writer", daemon=True)
        self._writer.start()

    def add_member(self, counts: Callable[[], Counts]) -> int:
        """Return the number of a new member, the whole first. `counts` says how many rows it has
        made; it is called with the lock held."""
        with self._changed:
            self._counts.append(counts)
            return len(self._counts) - 1

    @property
    def members(self) -> int:
        """How many members there are, the whole included."""
        return len(self._counts)

    @property
    def is_full(self) -> bool:
        """Whether so much waits for the disk that no sample should follow."""
        return self._waiting > self._room

    def append(self, *rows: Row | Chunk) -> None:
        """Have rows written. Returns at once."""
        with self._changed:
            if self._closing:
                raise RuntimeError("The session is closed.")
            self._unwritten += rows
            self._waiting += _bytes_of_samples(rows)
            self._changed.notify()

    def waiting_samples(self, member: int) -> list[Row]:
        """Return a member's samples that aren't written yet."""
        with self._changed:
            samples = filter(_is_sample, self._unwritten)
            return [row for row in samples if row[1][2] == member]

    def page(
        self, member: int, first: int, end: int
    ) -> ChunkRow | Sequence[tuple[int, bytes]] | None:
        """Return some of a member's committed samples from number `first` on, as `read_page`; None
        once the file was closed."""
        with self._disk:
            if self._connection is None:
                return None
            return read_page(self._connection, member, first, end)

    def close(self) -> None:
        """Commit what is left and leave one single file. Waits for the disk, 30 s at most."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._writer.join(_CLOSE_TIMEOUT)
        if self._writer.is_alive():
            self.trouble = tr(
                "{shown} is incomplete: the disk didn't take its end within {close_timeout:g} s.",
                shown=self._shown,
                close_timeout=_CLOSE_TIMEOUT,
            )

    def _write(self) -> None:
        """The writer thread: gather rows for a moment, commit them, and so on until the close."""
        closing = False
        while not closing:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._unwritten)
                self._changed.wait_for(lambda: self._closing, _PERIOD)
                rows, closing = list(self._unwritten), self._closing
                counts = [count() for count in self._counts]
            if rows:
                self._commit(rows, counts)
        self._finish()

    def _commit(self, made: list[Row | Chunk], counts: list[Counts]) -> None:
        missing = next(filter(None, (each.trouble for each in counts)), "")
        try:
            rows = [*as_rows(made), *map(counts_row, counts, range(len(counts)))]
            with self._disk:
                if self._connection is None:
                    self._connection = self._create(rows)
                else:
                    insert(self._connection, rows)
        except Exception as error:  # noqa: BLE001 - logged; the rows are kept and tried again
            if not self.trouble:
                # What `trouble` says whole is nobody's mistake to look into.
                level = logging.INFO if isinstance(error, _EXPECTED) else logging.ERROR
                _log.log(level, "can't write the session to %s", self._shown, exc_info=True)
            self.trouble = tr(
                "Can't write the session to {shown} ({reason}): what is not yet written "
                "is kept in memory until poolviz ends, or until that works again.",
                shown=self._shown,
                reason=_reason(error),
            )
            self.trouble = f"{self.trouble} {missing}".rstrip()
            return
        with self._changed:
            del self._unwritten[: len(made)]
            self._waiting -= _bytes_of_samples(made)
        self.trouble = missing

    def _create(self, rows: list[Row]) -> sqlite3.Connection:
        """Make a new session that holds `rows`, in one step, and connect to it."""
        if self.path is None:
            connection = sqlite3.connect("", check_same_thread=False)
            create_tables(connection)
            insert(connection, rows)
            return connection
        _check_replaceable(self.path)
        with atomic_write(self.path) as (draft,):
            # A file is recognised as a session by what is in it before the -wal file is used.
            write_session(draft, rows)
            target = self.path.resolve()
            for leftover in ("-wal", "-shm", "-journal"):
                target.with_name(target.name + leftover).unlink(missing_ok=True)
        connection = sqlite3.connect(self.path, check_same_thread=False)
        with ExitStack() as on_failure:
            on_failure.callback(connection.close)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("SELECT * FROM meta").fetchall()  # the first use locks the file
            on_failure.pop_all()
        return connection

    def _finish(self) -> None:
        """Fold the -wal file into the session and close it."""
        with self._disk:
            if self._connection is None:
                return
            try:
                self._connection.execute("PRAGMA journal_mode = DELETE")
            except sqlite3.Error as error:
                self.trouble = self.trouble or (
                    tr(
                        "{shown} is complete only together with its -wal file, which could not "
                        "be folded in: {error}.",
                        shown=self._shown,
                        error=error,
                    )
                )
            self._connection.close()
            self._connection = None

    @property
    def _shown(self) -> str:
        return f"{self.path or 'a temporary file'}"


def check_new_session(path: Path) -> None:
    """Raise InputError if no new session can be recorded at `path`."""
    check_writable(path)
    _check_replaceable(path)


def is_being_recorded(path: Path) -> bool:
    """Whether another writer, of this process or another, has the session open."""
    try:
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            # Leaving WAL mode needs the file exclusively, which fails if anyone uses it.
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        return is_busy(error)  # otherwise it is damaged, and nobody records into it
    except UnicodeDecodeError:
        return False  # likewise
    return False


def _check_replaceable(path: Path) -> None:
    """Raise InputError if there is a file that isn't a session or that is being recorded."""
    if not path.exists():
        return
    if not is_session(path):
        raise InputError(
            tr("{path} exists and is not a poolviz session: choose another name.", path=path)
        )
    if is_being_recorded(path):
        raise InputError(
            tr("{path} is in use by a poolviz that is running: choose another name.", path=path)
        )


def _is_sample(row: Row | Chunk) -> TypeGuard[Row]:
    return not isinstance(row, Chunk) and row[0] == "samples"


def _bytes_of_samples(rows: Iterable[Row | Chunk]) -> int:
    return sum(len(row[2]) for row in rows if _is_sample(row))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).rstrip(".") or repr(error)
