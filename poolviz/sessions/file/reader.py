"""Reading a session file, which may be on a read-only disk or still be written to.

Reading changes nothing and runs nothing: the file may come from anywhere. What is in it is checked
before it is used.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.messages import RunEnded, RunStarted
from poolviz.model.sample import Sample
from poolviz.model.text import on_one_line
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.file.contents import Contents
from poolviz.sessions.file.format import (
    FORMAT,
    SQLITE_ERRORS,
    WHOLE,
    Damage,
    Row,
    is_busy,
    primary_code,
    write_session,
)
from poolviz.sessions.file.label import Label
from poolviz.sessions.file.opening import (
    check_readable,
    connected,
    copied,
    format_of,
    not_a_session,
    size_of,
)

_COPY = "session.poolviz"
_SHOWN = 200  # characters of a message
# What SQLite says of a disk or a machine that fails.
_NOT_THE_FILE = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM)


class SessionHeader:
    """What a session file says of its run as a whole, which takes little to read, however long it
    was. The file is open only while something is read from it.

    Raises InputError if it isn't a session, is damaged where it is read, or is of a newer format.
    `duration` is in seconds, `swept` says that a sweep of sizes was run, and `sweep_complete` that
    it came to its end. `missing` samples were
    taken and could not be kept, which `trouble` says in a sentence. `members` are the names of the
    pools that it holds, if they are several, and `member` is the number of the one that is read,
    from 1 on; 0 is the run as a whole.
    """

    def __init__(self, path: Path, member: int = WHOLE) -> None:
        check_readable(path)
        self.path = self._source = path
        self._member = member
        with self._reading() as contents:
            self.version = contents.version
            self.began: RunStarted = contents.began()
            self.ended: RunEnded | None = contents.ended()
            self.label: Label = contents.label()
            sweep = contents.sweep()
            self.swept, self.sweep_complete = contents.swept, bool(sweep and sweep.complete)
            self.duration = contents.duration()
            self.missing, self.trouble = contents.counts.missing, contents.counts.trouble
            self.members = contents.members()

    def damaged(self, why: object) -> InputError:
        """Return the error to raise if the file can't be read to its end."""
        if isinstance(why, sqlite3.DatabaseError):
            if is_busy(why):
                return InputError(
                    tr("{path} is being written by another program: try again.", path=self.path)
                )
            if primary_code(why) == sqlite3.SQLITE_NOTADB:
                return not_a_session(self.path)
            if primary_code(why) in _NOT_THE_FILE:
                return InputError(tr("Can't read {path}: {why}.", path=self.path, why=why))
        if isinstance(why, UnicodeDecodeError):
            why = tr("there are bytes in it that are no text")
        shown = on_one_line(str(why))[:_SHOWN]  # SQLite's messages hold names from the file
        return InputError(
            tr("{path} is damaged and can't be opened: {shown}.", path=self.path, shown=shown)
        )

    @property
    def is_member(self) -> bool:
        """Whether this is one of several pools of a run, and not the run as a whole."""
        return self._member != WHOLE

    @contextmanager
    def _reading(self) -> Iterator[Contents]:
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(connected(self._source))
                connection.execute("BEGIN")  # what is read is of one moment
                version = format_of(self._source, connection)
                size = size_of(self._source, connection)
                yield Contents(connection, version, size, self._member)
            except (*SQLITE_ERRORS, Damage) as error:
                raise self.damaged(error) from None


class SessionReader(SessionHeader):
    """A member of a session that was opened for reading, of which `stored` was read.

    Raises InputError as SessionHeader, and if anything of the member is damaged. A file of an
    earlier format is read from a copy in the present one, which `close` removes.
    """

    def __init__(self, path: Path, member: int = WHOLE) -> None:
        super().__init__(path, member)
        with ExitStack() as undo:
            if self.version < FORMAT:
                folder = undo.enter_context(copied(path, self._migrate))
                self._source = folder / _COPY
            with self._reading() as contents:
                self.stored = contents.stored()
            self._copy = undo.pop_all()

    def _migrate(self, folder: Path) -> None:
        with closing(self._rows()) as rows:
            write_session(folder / _COPY, rows)

    def _rows(self) -> Generator[Row, None, None]:
        """Yield the rows of a session in the present format. What is wrong with the present file
        is InputError, so that other errors are those of what is written."""
        with self._reading() as contents:
            yield from contents.as_rows()

    def samples(self, start: float = 0.0, end: float = math.inf) -> Iterator[Sample]:
        """Yield every sample in order, but for chunks that lie before `start` or after `end`, in
        seconds; InputError if the file is damaged."""
        with self._reading() as contents:
            if start <= 0 and end == math.inf:
                yield from contents.samples()
            else:
                yield from contents.samples(contents.chunks_between(start, end, self.stored.bins))

    def columns(self) -> Iterator[Columns]:
        """Yield all samples in order as columns; InputError if the file is damaged."""
        with self._reading() as contents:
            yield from contents.columns()

    def chunk(self, number: int) -> Columns:
        """Return the samples of a chunk; InputError if the file is damaged or gone."""
        check_readable(self._source)
        with self._reading() as contents:
            return contents.chunk(number)

    def rows(self) -> Iterator[Row]:
        """Yield all rows as they are, of one moment; InputError if the file is damaged."""
        with self._reading() as contents:
            yield from contents.rows()

    def copy(self, path: Path) -> None:
        """Write the session to `path`, where no file may be. OSError or sqlite3.Error if that
        fails."""
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with connected(self._source) as connection, closing(sqlite3.connect(path)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")

    def close(self) -> None:
        """Remove the copy, if there is one. SessionWriter has the same method."""
        self._copy.close()
