"""Files that users name: read if they are ordinary and not too large, written whole or not at all.

A file is written under another name in the folder where it is to be, and renamed once it is
complete. Whatever fails before that leaves the folder as it was.
"""

from __future__ import annotations

import os
import platform
import secrets
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.system.interrupts import half_written, temporary_folders

# What names of temporary files begin with: another machine may write to the same folder.
_DRAFT = f".poolviz-{zlib.crc32(platform.node().encode()):08x}-"


def resolved(path: Path) -> Path:
    """Return `path` as an absolute one that passes through no link; it needn't exist.

    Whatever a user names goes through here first. Raises InputError if it can't be a path.
    """
    try:
        found = path.resolve()
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            path.stat()  # raises for a name that is too long, and for links in a circle
    except RuntimeError:  # which is how Python 3.11 and 3.12 report those
        why = tr("its links lead to each other in a circle")
    except (OSError, ValueError) as error:
        why = reason(error)
    else:
        return found
    raise InputError(tr("Can't use the path {path}: {why}.", path=path, why=why))


def is_same_file(one: Path, other: Path) -> bool:
    """Return whether both paths lead to the same file, by links of either kind too."""
    if resolved(one) == resolved(other):
        return True
    try:
        return one.samefile(other)
    except OSError:  # one of them doesn't exist
        return False


def read_bytes(path: Path, most: int) -> bytes:
    """Return the contents of an ordinary file of at most `most` bytes, or raise InputError.

    Nothing else is read: a pipe or a device might never end.
    """
    try:
        # Without O_NONBLOCK opening a pipe waits until somebody writes to it.
        with open(path, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise InputError(tr("Can't read {path}: it is not an ordinary file.", path=path))
            data = file.read(most + 1) or b""  # None where there is nothing to read yet
    except (OSError, ValueError) as error:
        raise InputError(
            tr("Can't read {path}: {reason}.", path=path, reason=reason(error))
        ) from None
    if len(data) > most:
        size = (
            tr("{most} MB", most=most >> 20)
            if most >= 1 << 20
            else tr("{most} kB", most=most >> 10)
        )
        raise InputError(tr("Can't read {path}: it is larger than {size}.", path=path, size=size))
    return data


def reason(error: OSError | ValueError) -> str:
    """Return why a path can't be used, for a sentence."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, UnicodeError):
        return tr("it contains characters that no file's name can have")
    return tr("it contains a NUL character") if "null" in str(error) else str(error)


@contextmanager
def atomic_write(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Yield a temporary path for each of `paths`, to write to; rename them at the end of the block.

    A temporary path has the suffix of the path it stands for and lies in the same folder. If
    `paths` names a symbolic link, the file that it points to is replaced. An exception in the block
    leaves the files as they were and removes the temporary ones. Those that a killed process left
    in these folders are removed too.
    """
    targets = [path.resolve() for path in paths]
    for folder in {target.parent for target in targets}:
        _remove_abandoned(folder)
    own = f"{_DRAFT}{os.getpid()}-{secrets.token_hex(4)}"
    drafts = tuple(
        target.with_name(f"{own}-{number}{target.suffix}") for number, target in enumerate(targets)
    )
    half_written.update(map(str, drafts))
    try:
        yield drafts
        for draft, target in zip(drafts, targets, strict=True):
            draft.replace(target)
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
        half_written.difference_update(map(str, drafts))


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield an empty folder that is the user's alone, and remove it with all that is in it at the
    end of the block, or when a signal ends the process at once."""
    made = tempfile.TemporaryDirectory(prefix="poolviz-", ignore_cleanup_errors=True)
    temporary_folders.add(made.name)
    try:
        with made as folder:
            yield Path(folder)
    finally:  # once it is gone: until then, another thread may end the process
        temporary_folders.discard(made.name)


@contextmanager
def appending(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Yield a temporary path for each of `paths`, to write to; append what was written to the files
    at the end of the block. An exception in the block leaves the files as they were."""
    with temporary_folder() as folder:
        drafts = tuple(folder / f"{number}" for number in range(len(paths)))
        yield drafts
        for draft, path in zip(drafts, paths, strict=True):
            with path.open("ab") as file:
                file.write(draft.read_bytes())


def _remove_abandoned(folder: Path) -> None:
    """Remove the temporary files of processes of this machine that are gone."""
    import psutil  # noqa: PLC0415 - not needed before the first file is written

    for draft in folder.glob(f"{_DRAFT}*"):
        process = draft.name.removeprefix(_DRAFT).partition("-")[0]
        with suppress(OSError):  # somebody else's; its owner's next poolviz removes it
            if process.isdecimal() and not psutil.pid_exists(int(process)):
                draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, replacing a file that is there; InputError if it can't be
    written."""
    check_writable(path)
    try:
        with atomic_write(path) as (draft,):
            draft.write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from None


def check_writable(path: Path) -> None:
    """Raise InputError if no file can be written at `path`. Leaves nothing behind."""
    target = resolved(path)
    try:
        if path.is_dir():
            raise InputError(
                tr("Can't write {path}: it is a folder, give the name of a file.", path=path)
            )
        if path.exists():
            if not path.is_file():
                raise InputError(tr("Can't write {path}: it is not an ordinary file.", path=path))
            if not os.access(path, os.W_OK):
                raise InputError(
                    tr("Can't write {path}: you have no permission to change it.", path=path)
                )
        elif not path.parent.exists():
            raise InputError(
                tr(
                    "Can't write {path}: there is no folder {parent}, create it.",
                    path=path,
                    parent=path.parent,
                )
            )
        elif not path.parent.is_dir():
            raise InputError(
                tr("Can't write {path}: {parent} is not a folder.", path=path, parent=path.parent)
            )
        elif not target.parent.exists():  # where a link leads to
            raise InputError(
                tr(
                    "Can't write {path}: it is a link to {target}, and there is no folder "
                    "{folder}, create it.",
                    path=path,
                    target=target,
                    folder=target.parent,
                )
            )
        # `exists` above raises for a name that is too long; this, for a folder that takes no file.
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise cannot_write(path, error) from None


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def cannot_write(path: Path, error: OSError) -> InputError:
    """Return the error to raise when writing to `path` failed with `error`."""
    return InputError(tr("Can't write {path}: {value}.", path=path, value=error.strerror or error))
