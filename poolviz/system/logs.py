"""Where the log records of poolviz go, and that no password goes with them.

Only the logger `poolviz` is touched, never the root logger or that of another library. Modules log
through `logging.getLogger(__name__)`.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import NamedTuple, TextIO

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.secrets import without_secrets
from poolviz.model.text import on_one_line
from poolviz.system.files import resolved
from poolviz.system.folders import log_folder, make_folder

LEVELS = ("debug", "info", "warning", "error")
COMMAND_LEVEL, WINDOW_LEVEL = "warning", "info"  # unless --log-level says another

_IN_FILE = "%(asctime)s %(levelname)-7s %(process)d %(threadName)s %(name)s: %(message)s"
_ON_STDERR = "poolviz: %(levelname)s: %(message)s (%(name)s)"
_poolviz = logging.getLogger("poolviz")
_logger = logging.getLogger(__name__)


class LogSettings(NamedTuple):
    """Arguments of `set_up_logging`, for a child process that logs to the same place."""

    level: str
    file: Path | None


class _State:
    """What the last set-up made."""

    handler: logging.Handler | None = None
    settings = LogSettings(COMMAND_LEVEL, None)


def set_up_logging(level: str = COMMAND_LEVEL, file: Path | None = None) -> None:
    """Write log records of `level` and above to `file`, or to standard error without one.

    The file is appended to, and created readable by its owner alone. A later call replaces what an
    earlier one set up. Call it from the main thread. Raises InputError if the level isn't one of
    `LEVELS` or the file can't be written.
    """
    if level not in LEVELS:
        raise InputError(
            tr(
                "There is no log level {level!r}: it is one of {levels}.",
                level=level,
                levels=", ".join(LEVELS),
            )
        )
    if file is not None and resolved(file).is_fifo():  # opening it might wait for ever
        raise InputError(
            tr("Can't write the log to {file}: it is a pipe, choose a file with --log.", file=file)
        )
    try:
        handler = _StderrHandler() if file is None else _file_handler(file, rotate=False)
    except OSError as error:
        raise InputError(
            tr(
                "Can't write the log to {file} ({reason}): choose another file with --log.",
                file=file,
                reason=error.strerror,
            )
        ) from None
    _install(handler, LogSettings(level, file.absolute() if file is not None else None))


def set_up_window_logging(level: str = WINDOW_LEVEL, file: Path | None = None) -> None:
    """Set up logging for the window, which may have been started without a terminal.

    As `set_up_logging`; without `file`, records go to `window_log()`, which is rotated at 1 MB with
    two older files kept, or to standard error if that can't be written.
    """
    if file is not None or level not in LEVELS:
        set_up_logging(level, file)
        return
    path = window_log()
    try:
        make_folder(path.parent)
        handler = _file_handler(path, rotate=True)
    except OSError as error:
        set_up_logging(level)
        _logger.warning("Can't write the log to %s (%s)", path, error.strerror)
    else:
        _install(handler, LogSettings(level, path))


def window_log() -> Path:
    """Return the file that the window logs to unless --log names another."""
    return log_folder() / "poolviz.log"


def current_log_settings() -> LogSettings:
    """Return the level and file in force, for `set_up_logging(*settings)` in a child process."""
    return _State.settings


class SecretsRemovedFormatter(logging.Formatter):
    """Formats a record, its traceback included, and removes every password from the result.

    What can't be printed is written as escapes, and a message has one line, whatever it quotes.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line of `record`."""
        record.message = on_one_line(record.message)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return the text to write for `record`."""
        lines = super().format(record).split("\n")
        return without_secrets("\n".join(map(on_one_line, lines)))


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at the time; it is None in a program without a terminal."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(SecretsRemovedFormatter(_ON_STDERR))

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record."""
        if sys.stderr is not None:
            self.stream = sys.stderr
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Do nothing: there is no other place to report that standard error can't be written."""


def _file_handler(file: Path, *, rotate: bool) -> logging.Handler:
    # Imported only here: logging.handlers loads sockets and pickle, which no command needs.
    from poolviz.system.log_file import LogFile  # noqa: PLC0415

    handler = LogFile(file, rotate=rotate)
    handler.setFormatter(SecretsRemovedFormatter(_IN_FILE))
    return handler


def _install(handler: logging.Handler, settings: LogSettings) -> None:
    before = _State.handler
    _poolviz.addHandler(handler)
    _poolviz.setLevel(settings.level.upper())
    _State.handler, _State.settings = handler, settings
    if before is not None:
        _poolviz.removeHandler(before)
        before.close()
