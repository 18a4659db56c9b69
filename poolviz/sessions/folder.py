"""The folder of recorded sessions: one file a run, of which the newest are kept."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

_KEPT = 20
_OURS = re.compile(r"\d{4}-\d\d-\d\dT\d{6}\.\d{3}Z\.poolviz")
_SUFFIXES = ("", "-wal", "-shm")  # the session and SQLite's files beside it


class SessionsFolder:
    """The sessions in one folder. Not thread-safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new_path(self) -> Path:
        """Return the path for a run that starts now, and remove the oldest sessions. OSError if the
        folder can't be made."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._prune()
        now = datetime.now(UTC)
        return self.folder / f"{now:%Y-%m-%dT%H%M%S}.{now.microsecond // 1000:03}Z.poolviz"

    def _prune(self) -> None:
        ours = sorted(path for path in self.folder.iterdir() if _OURS.fullmatch(path.name))
        for path in ours[: max(len(ours) - _KEPT + 1, 0)]:
            for suffix in _SUFFIXES:
                with suppress(OSError):  # in use; the next run tries again
                    path.with_name(path.name + suffix).unlink(missing_ok=True)
