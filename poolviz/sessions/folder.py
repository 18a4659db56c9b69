"""The folder of recorded sessions: a new file for each run, the newest ones kept."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

_KEPT = 20
_OURS = re.compile(r"\d{4}-\d\d-\d\dT\d{6}\.\d{3}Z\.poolviz")
_COMPANIONS = ("", "-wal", "-shm")  # SQLite's files beside a session


class SessionsFolder:
    """The sessions in one folder. Used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new_path(self) -> Path:
        """The file for a run that begins now. The oldest make room; OSError if none can be made."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._prune()
        now = datetime.now(UTC)
        return self.folder / f"{now:%Y-%m-%dT%H%M%S}.{now.microsecond // 1000:03}Z.poolviz"

    def _prune(self) -> None:
        ours = sorted(path for path in self.folder.iterdir() if _OURS.fullmatch(path.name))
        for path in ours[: max(len(ours) - _KEPT + 1, 0)]:
            for suffix in _COMPANIONS:
                with suppress(OSError):  # somebody looks at it; the next run tries again
                    path.with_name(path.name + suffix).unlink(missing_ok=True)
