"""What every export format declares, and how its files come to be whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from poolviz.model.errors import InputError
from poolviz.sessions.file.writer import check_writable, sibling
from poolviz.sessions.recorder import Recorder

Write: TypeAlias = Callable[[Recorder, Sequence[Path]], None]


@dataclass(frozen=True)
class Exporter:
    """One format. `write` gets the record and the paths to write to: the file itself, and one
    for each suffix in `beside`. They end as the real files do, and lie beside them."""

    suffix: str
    label: str
    write: Write
    beside: tuple[str, ...] = ()
    check_path: Callable[[Path], None] = check_writable

    def files(self, path: Path) -> tuple[Path, ...]:
        """Every file that an export to `path` makes, `path` first."""
        return (path, *(path.with_suffix(suffix) for suffix in self.beside))

    def check(self, path: Path) -> None:
        """InputError where an export to `path` couldn't be written. Leaves nothing behind."""
        self.check_path(path)
        for file in self.files(path)[1:]:
            check_writable(file)

    def export(self, recorder: Recorder, path: Path) -> tuple[Path, ...]:
        """Write what is recorded to `path`; the files that were made. InputError where they
        can't be written, or where nothing was recorded."""
        if recorder.began is None:
            raise InputError(f"Can't write {path}: the run never began, nothing was recorded.")
        self.check(path)
        files = self.files(path)
        with _written_whole(files) as drafts:
            self.write(recorder, drafts)
        return files


@contextmanager
def _written_whole(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Other names beside `files` to write to; they take their places once all is written."""
    places = [file.resolve() for file in files]  # a link keeps pointing where it does
    drafts = [sibling(place) for place in places]
    try:
        yield drafts
        for draft, place in zip(drafts, places, strict=True):
            draft.replace(place)
    except OSError as error:
        raise InputError(f"Can't write {files[0]}: {error.strerror}.") from None
    except sqlite3.Error as error:
        raise InputError(f"Can't write {files[0]}: {error}.") from None
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
