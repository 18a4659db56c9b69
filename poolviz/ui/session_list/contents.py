"""What the sessions folder holds, and small pictures of it, read by a worker's thread. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poolviz.model.errors import InputError
from poolviz.sessions.file.format import FORMAT
from poolviz.sessions.file.reader import SessionHeader
from poolviz.sessions.folder import SessionsFolder
from poolviz.sessions.kept_session import Ending, KeptSession, files_of
from poolviz.sessions.recorder import Recorder

_POINTS = 120  # of a small picture
_LARGEST_OLD = 5_000_000  # bytes of a session of an earlier format, which takes long to read

Signature = tuple[tuple[int, int], ...]


class FolderContents:
    """The sessions of a folder. A file that hasn't changed is not read again. Belongs to one
    thread."""

    def __init__(self, folder: SessionsFolder) -> None:
        self._folder = folder
        self._known: dict[Path, tuple[Signature, KeptSession]] = {}

    def read(self) -> list[KeptSession] | None:
        """Return every session, the newest first; None if nothing has changed since the last call.
        InputError if the folder can't be read."""
        before, self._known = self._known, {}
        changed = False
        for path in self._folder.paths():
            signature = _signature(path)
            found = before.get(path)
            # Only asking again shows that whoever records a session was killed.
            if found is None or found[0] != signature or found[1].ending is Ending.RECORDING:
                kept = KeptSession.of(path)
                changed = changed or found is None or kept != found[1]
                found = signature, kept
            self._known[path] = found
        if changed or before.keys() != self._known.keys() or not before:
            return [kept for _, kept in self._known.values()]
        return None


@dataclass(frozen=True)
class Preview:
    """A session as a small picture: its mean counts in bins of equal width."""

    used: NDArray[np.float64]
    open: NDArray[np.float64]
    waiting: NDArray[np.float64]


def preview_of(session: KeptSession) -> Preview | None:
    """Return what a small picture of a session shows; None if it can't be read at once, or nothing
    was recorded."""
    try:
        old = SessionHeader(session.path).version < FORMAT
        if old and session.size > _LARGEST_OLD:
            return None
        with Recorder.open(session.path) as recorder:
            view = recorder.view(0.0, recorder.duration, _POINTS)
    except (InputError, OSError):
        return None  # the list says what is wrong with it
    if len(view.t) < 2:
        return None
    levels = view.levels
    return Preview(
        levels["used"].mean.copy(), levels["open"].mean.copy(), levels["pending"].mean.copy()
    )


def _signature(path: Path) -> Signature:
    """Return what changes whenever a session's file does."""
    found = []
    for file in files_of(path):
        try:
            status = file.stat()
        except OSError:
            continue  # it isn't there, or is gone meanwhile
        found.append((status.st_mtime_ns, status.st_size))
    return tuple(found)
