"""Where an engine's process was when it ended or hung: the last thing it tells, by a pipe.

`faulthandler` writes the line of code into that pipe without Python's lock when the process
crashes, when an import takes too long, and when the parent asks, whatever the user's code does
meanwhile. `os._exit` and a process that kills itself leave no such trace, so the child notes them
before they are done.

The child calls `keep_trace` and `limit_import`, the parent makes a `TracePipe`.
"""

from __future__ import annotations

import faulthandler
import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from poolviz.language import tr
from poolviz.pools.custom.places import Place, innermost

IMPORT_LIMIT = 7.0  # seconds that a user's file has until it is imported

_WHERE = getattr(signal, "SIGUSR1", 0)  # asks the child where it is; Windows has none
_EXIT = "poolviz exit: "
_ANSWER = 0.5  # seconds that a child has to say where it is
_TIMEOUT = "Timeout ("  # faulthandler's words, as those below
_CRASH = "Fatal Python error: "
_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>.*)$')


class LastTrace(NamedTuple):
    """What ended a process, as part of a sentence, and the line of the user's code if known.

    `what` is empty if nothing was traced. `timed_out` says that an import took too long.
    """

    what: str = ""
    place: Place | None = None
    timed_out: bool = False


class TracePipe:
    """The parent's side. Not for Windows, where handles can't be inherited by number."""

    def __init__(self) -> None:
        self._read, self.write = os.pipe()
        if sys.platform != "win32":
            os.set_blocking(self._read, False)
            os.set_blocking(self.write, False)  # what has no room is lost; nobody waits

    def close_write(self) -> None:
        """Close the end that the child has inherited."""
        os.close(self.write)

    def ask(self, process: int) -> Place | None:
        """Return the line of the user's code in which a child that hangs is; None if unknown."""
        if sys.platform == "win32":
            return None
        with suppress(OSError):
            os.kill(process, _WHERE)
        select.select([self._read], [], [], _ANSWER)
        time.sleep(_ANSWER / 10)  # the answer has several parts, and no end that could be told
        return _innermost(self._text())

    def read(self) -> LastTrace:
        """Return what the child has written; to be called once it has ended."""
        return parse_trace(self._text())

    def _text(self) -> str:
        data = b""
        with suppress(OSError):
            while more := os.read(self._read, 65_536):
                data += more
        return data.decode(errors="replace")

    def close(self) -> None:
        """Close the end that is read."""
        os.close(self._read)


def parse_trace(text: str) -> LastTrace:
    """Return what the last report in `text` says."""
    starts = [text.rfind(words) for words in (_EXIT, _TIMEOUT, _CRASH)]
    begin = max(starts)
    if begin < 0:
        return LastTrace()
    first = text[begin:].partition("\n")[0]
    place = _innermost(text[begin:])
    if first.startswith(_TIMEOUT):
        return LastTrace("", place, timed_out=True)
    if first.startswith(_CRASH):
        return LastTrace(tr("a crash, {lower}", lower=first.removeprefix(_CRASH).lower()), place)
    return LastTrace(first.removeprefix(_EXIT), place)


def _innermost(text: str) -> Place | None:
    """Return the innermost line of the user's own files in the stacks of all threads, else of an
    installed library: threads that wait in one mustn't hide the one that stands in user code."""
    frames = (_FRAME.match(line) for line in text.splitlines())
    return innermost(
        Place(each["file"], int(each["line"]), each["function"]) for each in frames if each
    )


def keep_trace(pipe: int) -> None:
    """Have this process trace its end into `pipe`, the descriptor that it has inherited."""
    faulthandler.enable(file=pipe, all_threads=False)
    if sys.platform != "win32":
        faulthandler.register(_WHERE, file=pipe)
    process = os.getpid()

    def noting(function: Callable[..., Any], name: str, *, of_this: bool) -> Callable[..., Any]:
        """Return `function`, which notes first that it was called; with `of_this`, only where its
        first argument is this process."""

        def call(*arguments: Any, **named: Any) -> Any:
            own = os.getpid() == process  # and not a fork of it
            if own and (not of_this or (arguments[0] in (0, process) and arguments[1])):
                _note(pipe, f"{name}({', '.join(map(_shown, arguments))})")
            return function(*arguments, **named)

        return call

    os._exit = noting(os._exit, "os._exit", of_this=False)
    os.kill = noting(os.kill, "os.kill", of_this=True)
    signal.raise_signal = noting(signal.raise_signal, "signal.raise_signal", of_this=False)


@contextmanager
def limit_import(pipe: int | None) -> Iterator[None]:
    """End this process with a trace if the block takes longer than `IMPORT_LIMIT`."""
    trace: Any = {} if pipe is None else {"file": pipe}
    with suppress(Exception):  # a packaged program on Windows may have no standard error
        faulthandler.dump_traceback_later(IMPORT_LIMIT, exit=True, **trace)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _note(pipe: int, what: str) -> None:
    """Write what ends this process, and where, as faulthandler would."""
    lines = [_EXIT + what]
    frame = sys._getframe(2)
    at: Any = frame
    while at is not None:
        code = at.f_code
        lines.append(f'  File "{code.co_filename}", line {at.f_lineno} in {code.co_name}')
        at = at.f_back
    with suppress(OSError):
        os.write(pipe, ("\n".join(lines) + "\n").encode(errors="replace")[:32_000])


def _shown(argument: object) -> str:
    """Return a number as it is, and a signal by its name."""
    return argument.name if isinstance(argument, signal.Signals) else str(argument)
