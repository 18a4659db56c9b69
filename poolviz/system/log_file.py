"""A log file that several processes may write to, and that may be rotated meanwhile."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from poolviz.system.folders import private_opener

_SIZE, _OLD_FILES = 1_000_000, 2  # bytes of one file; how many are kept beside the newest


class LogFile(RotatingFileHandler):
    """Appends to `path`, and follows when another process renames or removes the file.

    With `rotate` the file is renamed to `….1` when it has reached 1 MB, and that one to `….2`;
    older ones are removed. Every file is created readable by its owner alone. The file is opened
    at once: OSError if it can't be. If it can't be written later, standard error says so once.
    """

    def __init__(self, path: Path, *, rotate: bool) -> None:
        self._failed = False
        super().__init__(
            path,
            maxBytes=_SIZE if rotate else 0,
            backupCount=_OLD_FILES if rotate else 0,
            encoding="utf-8",
            errors="backslashreplace",
        )

    def _open(self) -> TextIOWrapper:
        """Open the file; also called by the base classes after a rotation."""
        return open(
            self.baseFilename,
            "a",
            encoding=self.encoding,
            errors=self.errors,
            opener=private_opener,
        )

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - logging's name
        """Called before each record is written. Return whether to start a new file first."""
        stream = self.stream
        if stream is not None and not _is_at(stream, self.baseFilename):
            self.stream = None
            with suppress(OSError):  # of records that couldn't be written; that has been reported
                stream.close()
            self.stream = self._open()
        return bool(super().shouldRollover(record))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's
        """Say once that the log is incomplete. logging's own report would show the record as it
        is, with any password in it."""
        if not self._failed and sys.stderr is not None:
            self._failed = True
            error = sys.exc_info()[1]
            print(f"poolviz: Can't write to the log {self.baseFilename}: {error}.", file=sys.stderr)  # noqa: T201

    def close(self) -> None:
        """Close the file. Records that could not be written are lost, which has been reported."""
        with suppress(OSError):
            super().close()


def _is_at(stream: TextIOWrapper, path: str) -> bool:
    """Return whether the open file still has that name."""
    try:
        return os.path.samestat(Path(path).stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
