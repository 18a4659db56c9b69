"""Where in a user's own code something happens: the innermost line of it in a traceback, a thread
or a coroutine, so that a sentence can name file and line.
"""

from __future__ import annotations

import inspect
import linecache
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from poolviz.language import tr
from poolviz.model.secrets import without_secrets

_POOLVIZ = f"{Path(__file__).parents[2]}{os.sep}"
_STANDARD = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
_INSTALLED = tuple(sysconfig.get_path(name) for name in ("purelib", "platlib"))
_MOST_OF_A_LINE = 100  # characters of a line of source that are shown


@dataclass(frozen=True)
class Place:
    """A line of a file, in a function."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        """Return the place and its source: `own.py, line 12, in getconn: time.sleep(60)`."""
        source = linecache.getline(self.file, self.line).strip()[:_MOST_OF_A_LINE]
        shown = without_secrets("".join(c for c in source if c.isprintable()))
        inside = (
            "" if self.function == "<module>" else tr(", in {function}", function=self.function)
        )
        place = tr(
            "{name}, line {line}{inside}", name=Path(self.file).name, line=self.line, inside=inside
        )
        return f"{place}: {shown}" if shown else place


def place_of_error(error: BaseException) -> Place | None:
    """Return where in the user's code an exception was raised or passed through.

    That is the innermost line of the user's own files; if there is none, of an installed library.
    None if there is neither. A syntax error is in the line that it names.
    """
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return Place(error.filename, error.lineno, "<module>")
    steps, traceback = [], error.__traceback__
    while traceback is not None:
        steps.append((traceback.tb_frame, traceback.tb_lineno))
        traceback = traceback.tb_next
    return _innermost(reversed(steps))


def place_of_function(made: Any) -> Place | None:
    """Return where a function, or the constructor of a class, begins; None if it has no source."""
    made = vars(made).get("__init__", None) if isinstance(made, type) else inspect.unwrap(made)
    code = getattr(getattr(made, "__func__", made), "__code__", None)
    return None if code is None else Place(code.co_filename, code.co_firstlineno, code.co_name)


def place_of_thread(ident: int | None) -> Place | None:
    """Return where in the user's code the thread with that `ident` is now, as `place_of_error`."""
    frame = None if ident is None else sys._current_frames().get(ident)
    return _innermost(_outwards(frame))


def place_of_coroutine(coroutine: Any) -> Place | None:
    """Return where in the user's code a coroutine is suspended, as `place_of_error`."""
    steps: list[tuple[FrameType, int]] = []
    while coroutine is not None and len(steps) < 1_000:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            break
        steps.append((frame, frame.f_lineno))
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return _innermost(reversed(steps))


def _outwards(frame: FrameType | None) -> Iterator[tuple[FrameType, int]]:
    while frame is not None:
        yield frame, frame.f_lineno
        frame = frame.f_back


def _innermost(steps: Iterable[tuple[FrameType, int]]) -> Place | None:
    return innermost(
        Place(frame.f_code.co_filename, line, frame.f_code.co_name) for frame, line in steps
    )


def innermost(places: Iterable[Place]) -> Place | None:
    """Return the first place of the user's own files, else of an installed library.

    `places` are the lines of a stack, the innermost first.
    """
    library: Place | None = None
    for place in places:
        file = place.file
        # What isn't absolute is a frozen module, or a packaged program's own.
        if not Path(file).is_absolute() or file.startswith(_POOLVIZ):
            continue
        if file.startswith(_INSTALLED):
            library = library or place
        elif not file.startswith(_STANDARD):
            return place
    return library
