"""The folder of recorded sessions: one file a run, of which the newest and the named are kept."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Unpack

import msgspec

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.sessions.file.background_writer import is_being_recorded
from poolviz.sessions.file.label import LabelChanges
from poolviz.sessions.file.label_writer import write_label
from poolviz.sessions.file.opening import is_session
from poolviz.sessions.file.reader import SessionHeader
from poolviz.sessions.kept_session import KeptSession, files_of
from poolviz.sessions.limits import SessionLimits, read_limits, write_limits

_OURS = re.compile(r"(\d{4}-\d\d-\d\dT\d{6}\.\d{3})Z(?:-[0-9a-f]{4})?\.poolviz")
SUFFIX = ".poolviz"
_STAMP = "%Y-%m-%dT%H%M%S.%f"
_FEW = 3  # sessions that a sentence names

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Kept:
    """A file in the folder that has the name of a session, and what SQLite keeps beside it."""

    path: Path
    started: datetime

    def size(self) -> int:
        """Return its bytes; OSError if it can't be looked at."""
        return sum(file.stat().st_size for file in files_of(self.path) if file.exists())


class SessionsFolder:
    """The sessions in one folder: those of the last `kept_for`, and of them the newest that take
    `kept_bytes`, which the user sets by `set_limits`; named and marked ones always. Not
    thread-safe, except that several may read."""

    def __init__(
        self, folder: Path, *, kept_for: timedelta | None = None, kept_bytes: int | None = None
    ) -> None:
        self.folder = folder
        self._kept_for, self._kept_bytes = kept_for, kept_bytes

    def new_path(self) -> Path:
        """Return the path for a run that starts now, and remove the sessions that are too old or
        too many, the oldest first. OSError if the folder can't be made or read."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        now = datetime.now(UTC)
        self._prune(now)
        moment = f"{now:%Y-%m-%dT%H%M%S}.{now.microsecond // 1000:03}Z"
        # Several may start in the same millisecond, and a file is there only a moment later.
        return self.folder / f"{moment}-{secrets.token_hex(2)}.poolviz"

    def sessions(self) -> Iterator[KeptSession]:
        """Yield what is kept, the newest first; whatever is wrong with a file is said in it.
        InputError if the folder can't be read."""
        for path in self.paths():
            yield KeptSession.of(path)

    def find(self, text: str) -> KeptSession:
        """Return the session that `text` names: by its file, by the name it was given, or by the
        beginning of its file's name. The file may be outside of the folder. InputError if that is
        none, or several."""
        paths = self.paths()
        exact = [path for path in paths if text in (path.name, str(path))]
        exact = exact or [path for path in paths if Path(text).absolute() == path.absolute()]
        if not exact and _is_elsewhere(text):
            exact = [Path(text)]
        if exact:
            return KeptSession.of(exact[0])
        found = [each for each in map(KeptSession.of, paths) if text and each.label.name == text]
        if not found and text:
            found = [KeptSession.of(path) for path in paths if path.name.startswith(text)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise InputError(
                tr(
                    "{words!r} names no session in {folder}: `poolviz sessions` lists them.",
                    words=text,
                    folder=self.folder,
                )
            )
        names = ", ".join(each.path.name for each in found[:_FEW])
        more = tr(" and {number} more", number=len(found) - _FEW) if len(found) > _FEW else ""
        raise InputError(
            tr(
                "{words!r} may be {names}{more}: say more of the file's name.",
                words=text,
                names=names,
                more=more,
            )
        )

    def relabel(self, path: Path, **changes: Unpack[LabelChanges]) -> None:
        """Change what is given of a session's label. InputError if it can't be, or another one has
        the name."""
        if name := changes.get("name"):
            for other in self.sessions():
                if other.label.name == name and other.path != path:
                    raise InputError(
                        tr(
                            "{file} is called {name} already: choose another name.",
                            file=other.path.name,
                            name=name,
                        )
                    )
        write_label(path, msgspec.structs.replace(SessionHeader(path).label, **changes))

    def delete(self, path: Path) -> None:
        """Remove a session, whatever its label. InputError if it is no session, is being recorded,
        or can't be removed."""
        if path.parent.absolute() != self.folder.absolute():
            raise InputError(
                tr(
                    "{path} isn't in {folder}: poolviz removes only what is kept there.",
                    path=path,
                    folder=self.folder,
                )
            )
        if not is_session(path):
            raise InputError(
                tr("{path} is not a poolviz session: remove the file yourself.", path=path)
            )
        if is_being_recorded(path):
            raise InputError(tr("{path} is being recorded: stop its run first.", path=path))
        try:
            _remove(path)
        except OSError as error:
            raise InputError(
                tr("Can't remove {path}: {value}.", path=path, value=error.strerror or error)
            ) from None

    def delete_all(self, paths: Iterable[Path]) -> tuple[list[Path], list[InputError]]:
        """Remove sessions as `delete` does, each whatever becomes of the others. Return those that
        are gone, and why the others aren't."""
        gone, errors = [], []
        for path in paths:
            try:
                self.delete(path)
            except InputError as error:
                errors.append(error)
            else:
                gone.append(path)
        return gone, errors

    def limits(self) -> SessionLimits:
        """Return the limits of age and size. InputError if they can't be read."""
        return read_limits(self.folder)

    def set_limits(self, limits: SessionLimits) -> None:
        """Store the limits; sessions beyond them go when the next run begins. InputError."""
        write_limits(self.folder, limits)

    def paths(self) -> list[Path]:
        """Return every file that is called a session, the newest first."""
        try:
            if not self.folder.exists():
                return []
            found = [
                path
                for path in self.folder.iterdir()
                if path.suffix == SUFFIX and not path.name.startswith(".")
            ]
        except OSError as error:
            raise InputError(
                tr(
                    "Can't read {folder}: {value}.",
                    folder=self.folder,
                    value=error.strerror or error,
                )
            ) from None
        return sorted(found, key=lambda path: path.name, reverse=True)

    def _prune(self, now: datetime) -> None:
        """Remove what is too old or too much. Never the newest, one that has a name or a keep mark,
        is being recorded or can't be read, or a file that is no session, whatever its name."""
        try:
            limits = self.limits()
        except InputError as error:
            _logger.warning("%s", error)
            return
        kept_for = self._kept_for or limits.age
        room = self._kept_bytes or limits.size_bytes
        for number, kept in enumerate(self._sessions()):
            try:
                if room is not None:
                    room -= kept.size()
                too_old = kept_for is not None and now - kept.started > kept_for
                too_much = room is not None and room < 0
                if number and (too_old or too_much) and _is_removable(kept.path):
                    _remove(kept.path)
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


def is_session_file(path: Path) -> bool:
    """Whether `path` is called a session, whatever is in it."""
    return path.suffix.lower() == SUFFIX


def _is_elsewhere(text: str) -> bool:
    """Whether `text` is the path of a file that is called a session."""
    try:
        return Path(text).suffix == SUFFIX and Path(text).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _is_removable(path: Path) -> bool:
    if not is_session(path) or is_being_recorded(path):
        return False
    return not SessionHeader(path).label.stays


def _remove(path: Path) -> None:
    for file in reversed(files_of(path)):
        file.unlink(missing_ok=True)
