"""Recording a session into a file, in a thread of its own.

Adding to the record never waits for the disk: rows are kept in memory until the writer thread has
committed them, about once a second. If it can't (the disk is full), they stay in memory, `trouble`
says so, and the writer tries again each second. There is a bound to what is kept: later samples are
counted in `missing`, and `trouble` says that too.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import TypeGuard

import msgspec

from poolviz.model.errors import InputError
from poolviz.model.messages import RunEnded, RunStarted
from poolviz.model.sample import Mark, Sample
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.file.format import (
    CHUNK_BITS,
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
from poolviz.sessions.file.packing import (
    Chunk,
    Packer,
    Sums,
    as_rows,
    counts_row,
    unpack_sample,
    with_settings,
)
from poolviz.sessions.file.reader import SessionReader, batched
from poolviz.system.files import atomic_write, check_writable

_PERIOD = 0.5  # seconds that rows are gathered: with the commit itself, on a busy machine, a second
_CLOSE_TIMEOUT = 30.0  # seconds that closing waits for the disk
# What a disk, or a file in the way, does to writing. It is told in a sentence.
_EXPECTED = (OSError, sqlite3.Error, InputError)
ROOM = 64_000_000  # bytes of samples that wait for the disk: hours of most runs

_log = logging.getLogger(__name__)


class SessionWriter:
    """A session being recorded, at `path`, or in a temporary file of SQLite's own.

    The file appears with the first commit, whole; until then a session that was there before stays.
    It is its owner's alone. InputError if the path can't be written or holds something else than a
    session. One thread adds, any thread reads. The writer thread owns the connection; `_disk` lends
    it to readers between two commits. At most `room` bytes of samples wait for the disk.
    """

    def __init__(self, path: Path | None, room: int = ROOM) -> None:
        if path is not None:
            check_new_session(path)
        self.path = path
        self.trouble = ""
        self._room = room
        self._packer = Packer()
        self._missing = 0
        self._unwritten: list[Row | Chunk] = []
        self._waiting = 0  # bytes of samples in there
        self._closing = False
        self._changed = threading.Condition()  # guards the six above
        self._connection: sqlite3.Connection | None = None
        self._disk = threading.Lock()  # guards the connection
        self._writer = threading.Thread(target=self._write, name="session writer", daemon=True)
        self._writer.start()

    @property
    def missing(self) -> int:
        """How many samples were not kept because too many waited for the disk."""
        return self._missing

    def begin(self, began: RunStarted) -> None:
        """Record how the run began. Returns at once, as all that follow."""
        with self._changed:
            self._append(self._packer.began(began))

    def end(self, ended: RunEnded) -> None:
        """Record how the run ended."""
        with self._changed:
            self._append(self._packer.ended(ended))

    def add_mark(self, mark: Mark) -> None:
        """Record a mark."""
        with self._changed:
            self._append(self._packer.mark(mark))

    def add_sample(self, sample: Sample, sums: Sums) -> Sample:
        """Record a sample; return it with its settings shared with those of earlier samples. `sums`
        are of the samples before it."""
        with self._changed:
            if self._waiting > self._room:
                self._missing += 1
                return sample
            shared, rows = self._packer.sample(sample, sums)
            self._append(*rows)
            return shared

    def samples(self) -> Iterator[Sample]:
        """Yield every sample that was recorded until now, in order."""
        with self._changed:
            tail = [row for row in self._unwritten if _is_sample(row)]
            end = self._packer.counts.samples - len(tail)
        first = 0
        while first < end:
            page = self._page(first, end)
            if page is None:
                yield from self._from_closed_file(first, end)
                break
            first += len(page)
            yield from page
        for _, place, body in tail:
            number, settings = place
            yield self._with_settings(unpack_sample(body, (number, settings)), settings)

    def columns(self) -> Iterator[Columns]:
        """Yield all samples that were recorded until now, in order, as columns."""
        for batch in batched(self.samples(), 1 << CHUNK_BITS):
            yield Columns.of(batch, [0] * len(batch))

    def close(self) -> None:
        """Commit what is left and leave one single file. Waits for the disk, 30 s at most."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._writer.join(_CLOSE_TIMEOUT)
        if self._writer.is_alive():
            self.trouble = (
                f"{self._shown} is incomplete: the disk didn't take its end within "
                f"{_CLOSE_TIMEOUT:g} s."
            )

    def _append(self, *rows: Row | Chunk) -> None:
        if self._closing:
            raise RuntimeError("The session is closed.")
        self._unwritten += rows
        self._waiting += _bytes_of_samples(rows)
        self._changed.notify()

    def _page(self, first: int, end: int) -> list[Sample] | None:
        """Some of the committed samples from number `first` on; None if the file was closed."""
        with self._disk:
            if self._connection is None:
                return None
            page = read_page(self._connection, first, end)
        if isinstance(page, ChunkRow):
            chunk = Columns.unpack(page.body).samples(self._packer.settings)
            return list(islice(chunk, first - page.first, end - page.first))
        return [
            self._with_settings(unpack_sample(body, (number, settings)), settings)
            for number, (settings, body) in enumerate(page, start=first)
        ]

    def _from_closed_file(self, first: int, end: int) -> Iterator[Sample]:
        if self.path is None:
            raise RuntimeError("The session was not kept, and is closed.")
        return islice(SessionReader(self.path).samples(), first, end)

    def _with_settings(self, sample: Sample, number: int) -> Sample:
        return with_settings(sample, self._packer.settings[number])

    def _write(self) -> None:
        """The writer thread: gather rows for a moment, commit them, and so on until the close."""
        closing = False
        while not closing:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._unwritten)
                self._changed.wait_for(lambda: self._closing, _PERIOD)
                rows, closing = list(self._unwritten), self._closing
                counts = msgspec.structs.replace(self._packer.counts, missing=self._missing)
            if rows:
                self._commit(rows, counts)
        self._finish()

    def _commit(self, made: list[Row | Chunk], counts: Counts) -> None:
        try:
            rows = [*as_rows(made), counts_row(counts)]
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
            self.trouble = (
                f"Can't write the session to {self._shown} ({_reason(error)}): what is not yet "
                "written is kept in memory until poolviz ends, or until that works again."
            )
            self.trouble = f"{self.trouble} {counts.trouble}".rstrip()
            return
        with self._changed:
            del self._unwritten[: len(made)]
            self._waiting -= _bytes_of_samples(made)
        self.trouble = counts.trouble

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
                    f"{self._shown} is complete only together with its -wal file, "
                    f"which could not be folded in: {error}."
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
        raise InputError(f"{path} exists and is not a poolviz session: choose another name.")
    if is_being_recorded(path):
        raise InputError(f"{path} is in use by a poolviz that is running: choose another name.")


def _is_sample(row: Row | Chunk) -> TypeGuard[Row]:
    return not isinstance(row, Chunk) and row[0] == "samples"


def _bytes_of_samples(rows: Iterable[Row | Chunk]) -> int:
    return sum(len(row[2]) for row in rows if _is_sample(row))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).rstrip(".") or repr(error)
