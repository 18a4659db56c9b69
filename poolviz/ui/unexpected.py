"""Where unexpected errors of the window's process end up, from every thread: each is logged with
its traceback, counted by the place where it was raised, and told in one sentence.

PySide hands an exception of a slot to `sys.excepthook` and goes on. One that leaves an override of
an event or of an item's `paint` is another matter: it may be raised in whoever caused the event,
or be lost, and what would have been painted after it isn't. So each override is `contained`, and so
is each part of what a timer does: it hands its exceptions to `sys.excepthook` too.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from traceback import walk_tb
from types import TracebackType

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

from poolviz.language import tr
from poolviz.model.secrets import without_secrets

_logger = logging.getLogger(__name__)
_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
}
_Place = tuple[str | tuple[str, int], ...]
_LONGEST = 200  # characters of an error's own words in a sentence


class _Collected(threading.local):
    """The errors that the innermost `collected` block of this thread has had; None outside."""

    errors: list[BaseException] | None = None


_collected = _Collected()


@contextmanager
def contained() -> Iterator[None]:
    """Have an unexpected error end this block, or the function decorated with it, and nothing else.

    It goes to `sys.excepthook`, or to the `collected` block around it.
    """
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - SystemExit would end the process unclosed
        if _collected.errors is not None:
            _collected.errors.append(error)
        else:
            sys.excepthook(type(error), error, error.__traceback__)


@contextmanager
def collected() -> Iterator[None]:
    """Raise at the end of this block the first error that was contained within it."""
    before, _collected.errors = _collected.errors, []
    try:
        yield
        errors = _collected.errors
    finally:
        _collected.errors = before
    if errors:
        raise errors[0]


class UnexpectedErrors:
    """Takes the unexpected errors of every thread while it is entered.

    `tell` gets a sentence. It may be called from any thread. The first error of each place is
    logged with its traceback and told; repetitions are counted, and the 10th, the 100th and so on
    are logged and told with that number, so that one at each frame doesn't fill log and window.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._lock = threading.Lock()  # guards the counts
        self._counts: Counter[_Place] = Counter()
        self._before = sys.excepthook, threading.excepthook, sys.unraisablehook
        self._qt_before: Callable[[QtMsgType, QMessageLogContext, str], None] | None = None

    def __enter__(self) -> None:
        self._before = sys.excepthook, threading.excepthook, sys.unraisablehook
        sys.excepthook, threading.excepthook = self._take, self._take_of_thread
        sys.unraisablehook = self._take_unraisable
        self._qt_before = qInstallMessageHandler(_log_message_of_qt)

    def __exit__(self, *_: object) -> None:
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._before
        qInstallMessageHandler(self._qt_before)

    def _take_of_thread(self, args: threading.ExceptHookArgs) -> None:
        where = f"in the thread {args.thread.name}" if args.thread is not None else "in a thread"
        self._take(args.exc_type, args.exc_value, args.exc_traceback, where)

    def _take_unraisable(self, args: sys.UnraisableHookArgs) -> None:
        where = args.err_msg or "where nobody could be told"
        self._take(args.exc_type, args.exc_value, args.exc_traceback, where)

    def _take(
        self,
        kind: type[BaseException],
        error: BaseException | None,
        trace: TracebackType | None,
        where: str = "in the window",
    ) -> None:
        """Log, count and tell one error. Called by Python, in the thread of the error."""
        error = kind() if error is None else error
        place = _place_of(error, trace)
        with self._lock:
            self._counts[place] += 1
            count = self._counts[place]
        if count == 1:
            _logger.critical("unexpected error %s", where, exc_info=(kind, error, trace))
        elif _is_power_of_ten(count):
            last = place[-1] if len(place) > 1 else "an unknown place"
            _logger.critical("unexpected %s at %s, %d times by now", place[0], last, count)
        else:
            return
        self._tell(_sentence(error, count))


def _sentence(error: BaseException, count: int) -> str:
    """Return what to tell of an error that has happened `count` times."""
    if count == 1:
        return tr(
            "Something unexpected happened in poolviz ({error}). Everything else goes on. "
            "Please report it, with the log.",
            error=_words_of(error),
        )
    return tr(
        "Something unexpected happened in poolviz ({error}), {count:,} times by now. "
        "Everything else goes on. Please report it, with the log.",
        error=_words_of(error),
        count=count,
    )


def _words_of(error: BaseException) -> str:
    """Return class and message of an error, whatever the class does when it is asked."""
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 - another program's class
        words = tr("its message can't be shown")
    line = " ".join(without_secrets(words).split())
    if len(line) > _LONGEST:
        line = f"{line[:_LONGEST]}…"
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _place_of(error: BaseException, trace: TracebackType | None) -> _Place:
    """Return the class of an error, and the files and lines that led to it."""
    calls = ((frame.f_code.co_filename, line) for frame, line in walk_tb(trace))
    return (type(error).__name__, *calls)


def _is_power_of_ten(count: int) -> bool:
    return str(count).rstrip("0") == "1"


def _log_message_of_qt(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    """Log what Qt would write to standard error, which a desktop program may not have."""
    _logger.log(_LEVELS.get(kind, logging.ERROR), "Qt: %s (%s)", message, context.category)
