"""What an export format declares, and how its files are written: all of them whole, or none."""

from __future__ import annotations

import pkgutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from poolviz.model.errors import InputError
from poolviz.system.files import appending, atomic_write, cannot_write, check_writable

if TYPE_CHECKING:
    from poolviz.sessions.recorder import Recorder

# The names of the charts in a picture, and in a report, from above.
PICTURE = ("connections", "wait", "throughput")
REPORT = ("connections", "waiting", "wait", "throughput", "server")

# Gets the record and the paths; where a format has charts and some are chosen, also their names as
# `charts`.
Write: TypeAlias = Callable[..., None]


@dataclass(frozen=True)
class Exporter:
    """An export format.

    `write` gets the record and the paths to write to: the file itself, and one for each suffix in
    `beside`, which replaces that of the file. These are temporary paths with the same suffixes; one
    that `appends` adds what is written to the file that is there. `check_path` raises InputError if
    the file itself can't be written. `charts` are the names of the charts that it has, and `chosen`
    those that are drawn; none are all.
    """

    label: str
    write: Write
    beside: tuple[str, ...] = ()
    appends: bool = False
    check_path: Callable[[Path], None] = check_writable
    charts: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()

    def of_charts(self, names: Sequence[str]) -> Exporter:
        """Return the exporter of these charts alone; a format without charts has all that it has.
        InputError if a format with charts has none of a name."""
        if not names or not self.charts:
            return self
        for name in names:
            if name not in self.charts:
                raise InputError(
                    f"{self.label} has no chart {name!r}: its charts are {', '.join(self.charts)}."
                )
        return replace(self, chosen=tuple(name for name in self.charts if name in names))

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return every file that an export to `path` makes, `path` first."""
        return (path, *(path.with_suffix(suffix) for suffix in self.beside))

    def check(self, path: Path) -> None:
        """Raise InputError if an export to `path` can't be written. Leaves nothing behind."""
        self.check_path(path)
        for file in self.files(path)[1:]:
            check_writable(file)

    def export(self, recorder: Recorder, path: Path) -> tuple[Path, ...]:
        """Write what is recorded to `path` and return the files that were made.

        Raises InputError if they can't be written or nothing was recorded.
        """
        if recorder.began is None:
            raise InputError(f"Can't write {path}: the run never began, nothing was recorded.")
        self.check(path)
        files = self.files(path)
        try:
            with (appending if self.appends else atomic_write)(*files) as drafts:
                self.write(recorder, drafts, **({"charts": self.chosen} if self.chosen else {}))
        except OSError as error:
            raise cannot_write(path, error) from None
        except sqlite3.Error as error:
            raise InputError(f"Can't write {path}: {error}.") from None
        return files


def write_by_name(name: str) -> Write:
    """Return a `write` that loads the function `module:function` when it is first called."""

    def write(recorder: Recorder, paths: Sequence[Path], **charts: Sequence[str]) -> None:
        pkgutil.resolve_name(name)(recorder, paths, **charts)

    return write
