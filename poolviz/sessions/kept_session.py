"""One file of the sessions folder, as lists show it. Reading it runs nothing and reads no samples
but the last."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from poolviz.language import trn
from poolviz.load.fleet import processes_of
from poolviz.model.errors import InputError
from poolviz.model.messages import RunStarted
from poolviz.model.text import on_one_line, shortened
from poolviz.sessions.file.background_writer import is_being_recorded
from poolviz.sessions.file.label import LONGEST_NOTE, Label
from poolviz.sessions.file.reader import SessionHeader

BESIDE = ("-wal", "-shm", "-journal")  # SQLite's files
_LONGEST = 200  # characters of what a file says of itself


class Ending(StrEnum):
    """How the run of a session ended."""

    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"
    KILLED = "killed"
    RECORDING = "being recorded"
    UNREADABLE = "can't be read"


@dataclass(frozen=True)
class KeptSession:
    """What a list shows of a session. `sentence` says why it failed or can't be read; of one that
    can't be, only `path`, `size` and that are known. `members` are the names of its pools, if they
    are several. Texts are on one line."""

    path: Path
    size: int  # bytes, with what SQLite keeps beside it
    ending: Ending
    sentence: str = ""
    started: datetime | None = None
    duration_s: float = 0.0
    pool: str = ""
    server: str = ""
    label: Label = field(default_factory=Label)
    members: tuple[str, ...] = ()
    swept: bool = False  # it is the session of a sweep of sizes
    processes: int = 1  # with which it began

    @classmethod
    def of(cls, path: Path) -> KeptSession:
        """Describe the file at `path`, whatever is in it."""
        size = _size(path)
        try:
            reader = SessionHeader(path)
            duration = reader.duration
        except InputError as error:
            return cls(path, size, Ending.UNREADABLE, str(error))
        began, ended = reader.began, reader.ended
        try:
            started = datetime.fromtimestamp(began.started, UTC)
        except (OverflowError, OSError, ValueError):
            started = None
        if ended is not None:
            # A sweep stops its run when everything is measured.
            stopped = ended.stopped and not reader.sweep_complete
            ending = Ending.STOPPED if stopped else Ending.DONE
            ending = Ending.FAILED if ended.failure else ending
        else:
            ending = Ending.RECORDING if is_being_recorded(path) else Ending.KILLED
        return cls(
            path,
            size,
            ending,
            _shown(ended.failure if ended is not None else ""),
            started,
            duration,
            _shown(began.scenario.pool),
            _shown(began.environment.get("server", "")),
            _shown_label(reader.label),
            tuple(map(_shown, reader.members)),
            reader.swept,
            _processes(began),
        )

    @property
    def processes_in_words(self) -> str:
        """How many processes it began with, in the language in use; "" for one."""
        return trn("{n} process", "{n} processes", self.processes) if self.processes > 1 else ""

    @property
    def files(self) -> list[Path]:
        """The session first, then what SQLite may keep beside it."""
        return files_of(self.path)

    def as_object(self) -> dict[str, Any]:
        """Return it as the object that `poolviz sessions --json` prints."""
        return {
            "path": str(self.path),
            "name": self.label.name or None,
            "note": self.label.note or None,
            "keep": self.label.keep,
            "pool": self.pool or None,
            "members": list(self.members),
            "processes": self.processes,
            "swept": self.swept,
            "server": self.server or None,
            "started": self.started.isoformat() if self.started is not None else None,
            "duration_s": self.duration_s if self.started is not None else None,
            "size_bytes": self.size,
            "ended": self.ending.value,
            "sentence": self.sentence or None,
        }


def _processes(began: RunStarted) -> int:
    """Return with how many processes a run began, of a file that may say anything."""
    try:
        return processes_of(began.scenario.fleet)
    except (TypeError, ValueError, OverflowError):
        return 1


def files_of(path: Path) -> list[Path]:
    """Return a session and the files that SQLite may keep beside it."""
    return [path, *(path.with_name(path.name + end) for end in BESIDE)]


def _size(path: Path) -> int:
    total = 0
    for file in files_of(path):
        try:
            total += file.lstat().st_size
        except OSError:
            continue  # it isn't there, or is gone meanwhile
    return total


def _shown_label(label: Label) -> Label:
    """Return a label that may come from anywhere as it may be shown."""
    note = "\n".join(on_one_line(line) for line in label.note[:LONGEST_NOTE].split("\n"))
    return Label(_shown(label.name), note, label.keep)


def _shown(text: str) -> str:
    return shortened(on_one_line(text), _LONGEST)
