"""Writing files that are there whole or not at all.

A file is written under another name in the folder where it is to be, and renamed once it is
complete. Whatever fails before that leaves the folder as it was.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poolviz.model.errors import InputError


@contextmanager
def atomic_write(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Yield a temporary path for each of `paths`, to write to; rename them at the end of the block.

    A temporary path has the suffix of the path it stands for and lies in the same folder. If
    `paths` names a symbolic link, the file that it points to is replaced. An exception in the block
    leaves the files as they were and removes the temporary ones.
    """
    targets = [path.resolve() for path in paths]
    drafts = tuple(
        target.with_name(f".poolviz-{secrets.token_hex(6)}{target.suffix}") for target in targets
    )
    try:
        yield drafts
        for draft, target in zip(drafts, targets, strict=True):
            draft.replace(target)
    finally:
        for draft in drafts:
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
    try:
        if path.is_dir():
            raise InputError(f"Can't write {path}: it is a folder, give the name of a file.")
        if path.exists():
            if not path.is_file():
                raise InputError(f"Can't write {path}: it is not an ordinary file.")
            if not os.access(path, os.W_OK):
                raise InputError(f"Can't write {path}: you have no permission to change it.")
        elif not path.parent.exists():
            raise InputError(f"Can't write {path}: there is no folder {path.parent}, create it.")
        elif not path.parent.is_dir():
            raise InputError(f"Can't write {path}: {path.parent} is not a folder.")
        # `exists` above raises for a name that is too long; this, for a folder that takes no file.
        with tempfile.TemporaryFile(dir=path.resolve().parent):
            pass
    except OSError as error:
        raise cannot_write(path, error) from None


def cannot_write(path: Path, error: OSError) -> InputError:
    """Return the error to raise when writing to `path` failed with `error`."""
    return InputError(f"Can't write {path}: {error.strerror or error}.")
