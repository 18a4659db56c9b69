"""The process of an export that the window asks for: one file of one session, and its end.

It is told by its arguments what to write, and says in lines of JSON what becomes of it. When its
standard input closes, it is cancelled or its parent has ended: it ends at once and leaves nothing
half-written.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from time import monotonic

import msgspec

from poolviz.model.errors import PoolvizError
from poolviz.runs.exports import write_exports
from poolviz.sessions.derived import Scope
from poolviz.sessions.export.registry import exporters
from poolviz.sessions.recorder import Recorder
from poolviz.system import interrupts

_CLEANING_LIMIT = 10.0  # seconds
_EVERY = 0.1  # seconds between two reports of progress
_TURNS = 20  # attempts to remove a folder in which another thread opens files


class Task(msgspec.Struct, frozen=True):
    """What to export: the session file, the file to write and the suffix of its format."""

    session: str
    target: str
    suffix: str
    start: float | None = None
    end: float | None = None
    anonymous: bool = False
    charts: tuple[str, ...] = ()


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of what becomes of it: the share that is done, the files that were written, a sentence
    that says why none were, or the traceback of an error that nobody expected."""

    progress: float = 0.0
    files: tuple[str, ...] = ()
    failure: str = ""
    unexpected: str = ""


def main(arguments: list[str]) -> None:
    """Export what the one argument says, which is a `Task` as JSON."""
    interrupts.install()
    interrupts.listen()
    task = msgspec.json.decode(arguments[0], type=Task)
    session = Path(task.session)
    watcher = threading.Thread(target=_end_with_parent, args=(session,), daemon=True)
    watcher.start()
    try:
        _say(_outcome(task))
    except BrokenPipeError:  # nobody hears it any more: the watcher cleans up and ends this process
        watcher.join(_CLEANING_LIMIT)


def _outcome(task: Task) -> Outcome:
    """Export, and return what became of it."""
    try:
        return Outcome(files=_export(task))
    except PoolvizError as error:
        return Outcome(failure=str(error))
    except Exception:  # noqa: BLE001 - told to the parent, which logs it
        return Outcome(unexpected=traceback.format_exc())


def _export(task: Task) -> tuple[str, ...]:
    last = 0.0

    def progressed(share: float) -> None:
        nonlocal last
        if share >= 1 or monotonic() - last > _EVERY:
            last = monotonic()
            _say(Outcome(progress=share))

    scope = Scope(task.start, task.end, task.anonymous)
    exporter = exporters()[task.suffix].of_charts(task.charts)
    with Recorder.open(Path(task.session)) as recorder:
        files = write_exports(recorder, {Path(task.target): exporter}, scope, progressed)
        return tuple(map(str, files))


def _say(outcome: Outcome) -> None:
    sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
    sys.stdout.flush()


def _end_with_parent(session: Path) -> None:
    with suppress(OSError):
        while os.read(0, 1024):  # not by sys.stdin, whose lock Python takes when it ends
            pass
    # The copy is the parent's to remove, unless it was killed. What reads it may have SQLite put a
    # file beside it meanwhile, which is removed in another turn.
    for _ in range(_TURNS):
        with suppress(OSError):
            for path in session.parent.glob(f"{session.name}*"):
                path.unlink(missing_ok=True)
            session.parent.rmdir()
            break
    interrupts.end_at_once()
