"""A session file while it is being written, by a thread of its own.

Whoever adds to the record never waits for a disk: rows are kept in memory until the writer, once
a second, has committed them. When it can't (a full disk), they stay in memory, `trouble` says so,
and the writer tries again each second.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Literal, TypeAlias

from poolviz.model.errors import InputError
from poolviz.sessions.file.reader import BUSY, SCHEMA, SessionReader, is_session, read_page

_PERIOD = 0.75  # seconds that rows are gathered: with the commit itself, less than one
_PATIENCE = 30.0  # seconds that closing waits for the disk

Table: TypeAlias = Literal["meta", "samples", "marks"]
Row: TypeAlias = tuple[Table, tuple[object, ...]]

_INSERT: dict[Table, str] = {
    "meta": "INSERT OR REPLACE INTO meta VALUES (?, ?)",
    "samples": "INSERT INTO samples VALUES (?, ?, ?)",
    "marks": "INSERT INTO marks VALUES (?, ?, ?)",
}


class SessionWriter:
    """A session being recorded, at `path`, or in a temporary file of SQLite's own.

    The file appears with the first commit, in one piece; a session that was there before is
    replaced then and not sooner. InputError where the path can't be written or holds something
    else. The writer thread owns the connection; `_disk` lends it to readers between two commits.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            check_new_session(path)
        self.path = path
        self.trouble = ""
        self._numbers = {"samples": 0, "marks": 0}
        self._unwritten: list[Row] = []
        self._closing = False
        self._changed = threading.Condition()  # guards the three above
        self._connection: sqlite3.Connection | None = None
        self._disk = threading.Lock()  # guards the connection
        self._writer = threading.Thread(target=self._write, name="session writer", daemon=True)
        self._writer.start()

    def put(self, key: str, value: bytes) -> None:
        """Write down what holds for the whole run. Returns at once."""
        self._append(("meta", (key, value)))

    def add(self, table: Literal["samples", "marks"], t: float, body: bytes) -> None:
        """Write down a sample or a mark of the moment `t`. Returns at once."""
        with self._changed:
            number = self._numbers[table]
            self._numbers[table] += 1
            self._append((table, (number, t, body)))

    def samples(self) -> Iterator[bytes]:
        """Every sample that was added until now, as it was packed, in order."""
        with self._changed:
            tail = [row for table, row in self._unwritten if table == "samples"]
            end = self._numbers["samples"] - len(tail)
        first = 0
        while first < end:
            page = self._page(first, end)
            first += len(page)
            yield from page
        for _number, _t, body in tail:
            assert isinstance(body, bytes)
            yield body

    def close(self) -> None:
        """Commit, and leave one single file. Waits for the disk, 30 s at most."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._writer.join(_PATIENCE)
        if self._writer.is_alive():
            self.trouble = f"{self._place} doesn't take what is written: its end is missing."

    def _append(self, row: Row) -> None:
        with self._changed:
            if self._closing:
                raise RuntimeError("The session is closed.")
            self._unwritten.append(row)
            self._changed.notify()

    def _page(self, first: int, end: int) -> list[bytes]:
        """Some of the committed samples from number `first` on."""
        with self._disk:
            if self._connection is not None:
                return read_page(self._connection, first, end)
        if self.path is None:
            raise RuntimeError("The session was not kept, and is closed.")
        return SessionReader(self.path).page(first, end)

    def _write(self) -> None:
        """The writer's life: gather rows for a moment, commit them, and again."""
        closing = False
        while not closing:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._unwritten)
                self._changed.wait_for(lambda: self._closing, _PERIOD)
                rows, closing = list(self._unwritten), self._closing
            if rows:
                self._commit(rows)
        self._finish()

    def _commit(self, rows: list[Row]) -> None:
        try:
            with self._disk:
                if self._connection is None:
                    self._connection = self._create(rows)
                else:
                    _insert(self._connection, rows)
        except (sqlite3.Error, OSError, InputError) as error:
            self.trouble = (
                f"Can't write the session to {self._place} ({_reason(error)}): what is not yet "
                "written is kept in memory until poolviz ends, or until that works again."
            )
            return
        with self._changed:
            del self._unwritten[: len(rows)]
        self.trouble = ""

    def _create(self, rows: list[Row]) -> sqlite3.Connection:
        """A new session that holds `rows`, put in its place in one step."""
        if self.path is None:
            connection = sqlite3.connect("", check_same_thread=False)
            connection.executescript(SCHEMA)
            _insert(connection, rows)
            return connection
        _refuse_other_files(self.path)
        place = self.path.resolve()  # a link keeps pointing where it does
        draft = sibling(place)
        try:
            # What a file must have to be recognised is in it before the -wal file is used.
            write_session(draft, rows)
            for leftover in ("-wal", "-shm", "-journal"):
                place.with_name(place.name + leftover).unlink(missing_ok=True)
            draft.replace(place)
        finally:
            draft.unlink(missing_ok=True)
        connection = sqlite3.connect(self.path, check_same_thread=False)
        with ExitStack() as unless_done:
            unless_done.callback(connection.close)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("SELECT * FROM meta").fetchall()  # the first use locks the file
            unless_done.pop_all()
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
                    f"{self._place} is complete only together with its -wal file, "
                    f"which could not be folded in: {error}."
                )
            self._connection.close()
            self._connection = None

    @property
    def _place(self) -> str:
        return f"{self.path or 'a temporary file'}"


def write_session(path: Path, rows: Iterable[Row]) -> None:
    """Make a session file of `rows`, where there is no file yet."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA)
        _insert(connection, rows)


def check_new_session(path: Path) -> None:
    """InputError where no new session can be recorded at `path`."""
    check_writable(path)
    _refuse_other_files(path)


def check_writable(path: Path) -> None:
    """InputError in one sentence where no file can be written at `path`. Leaves nothing behind."""
    try:
        if path.is_dir():
            raise InputError(f"Can't write {path}: it is a folder, give the name of a file.")
        if path.exists():
            if not path.is_file():
                raise InputError(f"Can't write {path}: it is not an ordinary file.")
            if not os.access(path, os.W_OK):
                raise InputError(f"Can't write {path}: you have no permission to change it.")
        elif not path.parent.exists():
            raise InputError(f"Can't write {path}: there is no folder {path.parent}, create it.")
        elif not path.parent.is_dir():
            raise InputError(f"Can't write {path}: {path.parent} is not a folder.")
        with tempfile.TemporaryFile(dir=path.resolve().parent):
            pass  # a name too long shows above; whether the folder takes a new file shows here
    except OSError as error:
        raise InputError(f"Can't write {path}: {error.strerror}.") from None


def sibling(path: Path) -> Path:
    """A new name beside `path`, with its suffix, for a file that takes its place once whole."""
    return path.with_name(f".poolviz-{secrets.token_hex(6)}{path.suffix}")


def _refuse_other_files(path: Path) -> None:
    """InputError where a file is in the way that isn't a session, or is just being recorded."""
    if not path.exists():
        return
    if not is_session(path):
        raise InputError(f"{path} exists and is not a poolviz session: choose another name.")
    try:
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            # Leaving WAL mode takes the file for oneself, which only an unused one allows.
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in BUSY:
            raise InputError(
                f"{path} is in use by a poolviz that is running: choose another name."
            ) from None
        # Otherwise it is damaged, and may be replaced as any other session.


def _insert(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """All of `rows`, or none of them."""
    with connection:
        for table, group in groupby(rows, key=itemgetter(0)):
            connection.executemany(_INSERT[table], map(itemgetter(1), group))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).rstrip(".")
