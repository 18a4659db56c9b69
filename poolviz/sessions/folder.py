"""The folder of recorded sessions: one file a run, of which the newest are kept."""

from __future__ import annotations

import logging
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from poolviz.model.errors import InputError
from poolviz.sessions.file.reader import is_session
from poolviz.sessions.file.writer import is_being_recorded
from poolviz.system.folders import make_folder

KEPT_FOR = timedelta(days=90)
KEPT_BYTES = 2_000_000_000  # of all sessions together; the newest is kept whatever its size

_OURS = re.compile(r"(\d{4}-\d\d-\d\dT\d{6}\.\d{3})Z(?:-[0-9a-f]{4})?\.poolviz")
_STAMP = "%Y-%m-%dT%H%M%S.%f"
_BESIDE = ("-wal", "-shm", "-journal")  # SQLite's files

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Kept:
    """A file in the folder that has the name of a session, and what SQLite keeps beside it."""

    path: Path
    started: datetime

    @property
    def files(self) -> list[Path]:
        """The session first."""
        return [self.path, *(self.path.with_name(self.path.name + end) for end in _BESIDE)]

    def size(self) -> int:
        """Return its bytes; OSError if it can't be looked at."""
        return sum(file.stat().st_size for file in self.files if file.exists())


class SessionsFolder:
    """The sessions in one folder: those of the last `kept_for`, and of them the newest that take
    `kept_bytes`. Not thread-safe."""

    def __init__(
        self, folder: Path, *, kept_for: timedelta = KEPT_FOR, kept_bytes: int = KEPT_BYTES
    ) -> None:
        self.folder = folder
        self._kept_for, self._kept_bytes = kept_for, kept_bytes

    def new_path(self) -> Path:
        """Return the path for a run that starts now, and remove the sessions that are too old or
        too many, the oldest first. OSError if the folder can't be made or read."""
        make_folder(self.folder)
        now = datetime.now(UTC)
        self._prune(now)
        moment = f"{now:%Y-%m-%dT%H%M%S}.{now.microsecond // 1000:03}Z"
        # Several may start in the same millisecond, and a file is there only a moment later.
        return self.folder / f"{moment}-{secrets.token_hex(2)}.poolviz"

    def _prune(self, now: datetime) -> None:
        """Remove what is too old or too much. Never the newest, one that is being recorded, or a
        file that is no session, whatever its name."""
        room = self._kept_bytes
        for number, kept in enumerate(self._sessions()):
            try:
                room -= kept.size()
                too_old = now - kept.started > self._kept_for
                if number and (too_old or room < 0) and _is_removable(kept.path):
                    for file in reversed(kept.files):
                        file.unlink(missing_ok=True)
            except (OSError, InputError) as error:
                _logger.warning("an old session can't be removed: %s", error)

    def _sessions(self) -> list[_Kept]:
        """Return the files with a session's name, the newest first."""
        found = []
        for path in self.folder.iterdir():
            match = _OURS.fullmatch(path.name)
            if match is not None and path.is_file() and not path.is_symlink():
                try:
                    started = datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC)
                except ValueError:
                    continue  # the 99th of a month: not a name of ours
                found.append(_Kept(path, started))
        return sorted(found, key=lambda kept: kept.started, reverse=True)


def _is_removable(path: Path) -> bool:
    return is_session(path) and not is_being_recorded(path)
