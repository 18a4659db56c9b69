"""The folders that outlast a run: the user's data and the logs."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path


def home() -> Path:
    """Return the folder of poolviz' data: POOLVIZ_HOME, else the user's data folder. It may not
    exist yet."""
    return _named_home() or _user_folder("data")


def sessions_folder() -> Path:
    """Return the folder of the sessions that are kept: POOLVIZ_SESSIONS, else `sessions` in
    poolviz' data. It may not exist yet."""
    named = os.environ.get("POOLVIZ_SESSIONS")
    return Path(named).absolute() if named else home() / "sessions"


def log_folder() -> Path:
    """Return the folder of log files: `logs` in POOLVIZ_HOME, else the user's log folder. It may
    not exist yet."""
    named = _named_home()
    return named / "logs" if named else _user_folder("log")


def make_folder(folder: Path) -> None:
    """Make `folder` and its missing parents, whatever the umask; those that exist stay as they are.

    They are their owner's alone. Root's may be passed through by all, because the account that
    runs root's embedded server has to. Raises OSError.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    mode = 0o755 if sys.platform != "win32" and os.geteuid() == 0 else 0o700
    with suppress(FileExistsError):  # another process was faster
        folder.mkdir(mode)
        folder.chmod(mode)


def private_opener(path: str, flags: int) -> int:
    """Open `path` as the `opener` of `open()`; a file that this creates is its owner's alone."""
    return os.open(path, flags, 0o600)


def _named_home() -> Path | None:
    named = os.environ.get("POOLVIZ_HOME")
    return Path(named).absolute() if named else None


def _user_folder(kind: str) -> Path:
    import platformdirs  # noqa: PLC0415 - not needed where POOLVIZ_HOME is set

    if kind == "log":
        return platformdirs.user_log_path("poolviz", appauthor=False)
    return platformdirs.user_data_path("poolviz", appauthor=False)
