"""Where the engine's process puts what libraries and a user's pool print when nobody asked them.

Python prints to standard error a thread's last exception, one in a finalizer, warnings, and log
records of libraries if no handler was set up. All of that goes to poolviz's log, at level info with
its traceback, and so to standard error only if that level is asked for. What the user should know
is told in a sentence.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Callable
from typing import TextIO

from poolviz.language import tr, tr_noop
from poolviz.model.error_text import sentence_part
from poolviz.pools.custom.places import place_of_error

_MOST = 5  # ends of threads that are told
_logger = logging.getLogger(__name__)


def catch_stray_errors(on_problem: Callable[[str], None]) -> None:
    """Log stray errors from now on. `on_problem` gets a sentence for a thread that has ended by
    one, in that thread. Call it once."""
    reported: set[str] = set()

    def thread_ended(ended: threading.ExceptHookArgs) -> None:
        error, name = ended.exc_value, "unknown" if ended.thread is None else ended.thread.name
        if error is None or isinstance(error, SystemExit):
            return
        _logger.info("thread %s ended", name, exc_info=error)
        place = place_of_error(error)
        text = (
            tr_noop("A thread of the pool, {name}, ended by {error} ({place}).")
            if place
            else tr_noop("A thread of poolviz, {name}, ended by {error}.")
        )
        sentence = tr(text, name=name, error=sentence_part(error), place=place)
        if sentence not in reported and len(reported) < _MOST:
            reported.add(sentence)
            on_problem(sentence)

    threading.excepthook = thread_ended
    sys.unraisablehook = _not_raised
    warnings.showwarning = _show_warning
    logging.lastResort = _LogOfLibraries(logging.WARNING)


def _not_raised(unraisable: sys.UnraisableHookArgs) -> None:
    """Log an exception that couldn't be raised, as in a finalizer."""
    _logger.info(
        "%s: %s",
        unraisable.err_msg or "Exception ignored in",
        type(unraisable.object).__name__,
        exc_info=unraisable.exc_value,
    )


def _show_warning(  # noqa: PLR0917 - the parameters of the function that it replaces
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001 - as above
    line: str | None = None,  # noqa: ARG001
) -> None:
    """Log a warning of Python's."""
    _logger.info("%s, line %d: %s: %s", filename, lineno, category.__name__, message)


class _LogOfLibraries(logging.Handler):
    """Takes the records that no handler was set up for, which Python would print."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record as one of poolviz's."""
        if record.name.partition(".")[0] == "poolviz":
            return
        try:
            _logger.info("%s: %s", record.name, record.getMessage(), exc_info=record.exc_info)
        except Exception:  # noqa: BLE001 - a library's mistake in its own record
            _logger.info("%s logged a record that can't be shown", record.name)
