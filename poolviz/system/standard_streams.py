"""Standard output and standard error that may be closed, full, or read by nobody.

A result that can't be written is an error, told once. What standard error doesn't take is dropped:
nobody is there to read it, and a run must not end for that.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from poolviz.language import tr
from poolviz.model.errors import OutputError


class _Raw(io.RawIOBase):
    """A stream's file that is written until that fails; what comes later is dropped."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._failed = False

    def write(self, data: Any) -> int:
        """Write `data` and return how many bytes were taken."""
        if self._failed:
            return len(data)
        try:
            return self._file.write(data) or 0
        except OSError as error:
            self._failed = True
            self.failed(error)
            return len(data)

    def failed(self, error: OSError) -> None:
        """Hear that the file can't be written."""

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the file's descriptor."""
        descriptor: int = self._file.fileno()
        return descriptor

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return bool(self._file.isatty())


class _Result(_Raw):
    """Standard output: a failure is raised once."""

    def failed(self, error: OSError) -> None:
        """Raise OutputError. It says nothing if a reader has seen enough, such as `head`."""
        if error.errno in (errno.EPIPE, errno.EINVAL):  # Windows' word for it
            raise OutputError("")
        raise OutputError(
            tr(
                "The result can't be written to standard output ({value}): free some "
                "space there, or send it to another place.",
                value=error.strerror or error,
            )
        )


def set_up_standard_streams() -> None:
    """Make standard output and standard error safe to write to, also where they are closed."""
    sys.stdout = _safe(sys.stdout, _Result)
    sys.stderr = _safe(sys.stderr, _Raw)


def _safe(stream: TextIO | None, kind: type[_Raw]) -> TextIO:
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8")  # until the process ends
    try:
        raw: Any = getattr(stream.buffer, "raw", stream.buffer)
        line_buffering = bool(getattr(stream, "line_buffering", False))
        return io.TextIOWrapper(
            io.BufferedWriter(kind(raw)),
            encoding=stream.encoding,
            errors="backslashreplace",  # a terminal that can't show a character is no error
            line_buffering=line_buffering or kind is _Raw,
        )
    except AttributeError:
        return stream  # not a file: somebody has replaced it already
