"""What an export format declares, and how its files are written: all of them whole, or none."""

from __future__ import annotations

import pkgutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.sessions.share_done import ShareDone, unheard
from poolviz.system.files import appending, atomic_write, cannot_write, check_writable

if TYPE_CHECKING:
    from poolviz.sessions.recorder import Recorder

# The names of the charts, from above, as pictures have them.
PICTURE = (
    *("connections", "wait", "heatmap", "throughput"),
    *("opened", "ages", "fairness", "pooler", "server", "lanes"),
)
# Those that are drawn where none are chosen.
USUAL = ("connections", "wait", "throughput")
# Those of reports, which draw some curves of a chart by themselves, because their scale is another.
REPORT = ("connections", "waiting", "wait", "throughput", "pooler", "server", "lanes")
# Where pictures have these curves, unless they have a chart of that name.
_PARTS = {"waiting": "connections"}
NAMES = tuple(dict.fromkeys((*PICTURE, *REPORT)))

# Gets the record and the paths; where a format has charts and some are chosen, also their names as
# `charts`; one that takes long gets `share_done`.
Write: TypeAlias = Callable[..., None]


@dataclass(frozen=True)
class Exporter:
    """An export format.

    `write` gets the record and the paths to write to: the file itself, and one for each suffix in
    `beside`, which replaces that of the file. These are temporary paths with the same suffixes; one
    that `appends` adds what is written to the file that is there. `check_path` raises InputError if
    the file itself can't be written. `charts` are the names of the charts that it has, and `chosen`
    those that are drawn; none are all. A name means the same curves in every format.
    One that is `long` reads every sample, and says meanwhile how far it is.
    """

    label: str
    write: Write
    beside: tuple[str, ...] = ()
    appends: bool = False
    check_path: Callable[[Path], None] = check_writable
    charts: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    long: bool = False

    def of_charts(self, names: Sequence[str]) -> Exporter:
        """Return the exporter of these charts alone, in the order of the format; one without charts
        has all that it has. InputError if a name isn't that of a chart, or the format has none of
        these charts."""
        check_charts(names)
        if not names or not self.charts:
            return self
        chosen = tuple(chart for chart in self.charts if self._draws(chart, names))
        if not chosen:
            raise InputError(
                tr(
                    "{label} has no chart {names}: its charts are {charts}.",
                    label=self.label,
                    names=" or ".join(names),
                    charts=", ".join(self.charts),
                )
            )
        return replace(self, chosen=chosen)

    def _draws(self, chart: str, names: Sequence[str]) -> bool:
        """Whether a chart has what was chosen: it was itself, or the chart whose curves it has, or
        curves that this format has only in it."""
        whole = chart if chart in PICTURE else _PARTS.get(chart)
        inside = (_PARTS.get(name) for name in names if name not in self.charts)
        return chart in names or whole in names or chart in inside

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return every file that an export to `path` makes, `path` first."""
        return (path, *(path.with_suffix(suffix) for suffix in self.beside))

    def check(self, path: Path) -> None:
        """Raise InputError if an export to `path` can't be written. Leaves nothing behind."""
        self.check_path(path)
        for file in self.files(path)[1:]:
            check_writable(file)

    def export(
        self, recorder: Recorder, path: Path, share_done: ShareDone = unheard
    ) -> tuple[Path, ...]:
        """Write what is recorded to `path` and return the files that were made. `share_done` hears
        how much is.

        Raises InputError if they can't be written or nothing was recorded.
        """
        if recorder.began is None:
            raise InputError(
                tr("Can't write {path}: the run never began, nothing was recorded.", path=path)
            )
        self.check(path)
        files = self.files(path)
        options: dict[str, Any] = {"charts": self.chosen} if self.chosen else {}
        if self.long:
            options["share_done"] = share_done
        try:
            with (appending if self.appends else atomic_write)(*files) as drafts:
                self.write(recorder, drafts, **options)
        except OSError as error:
            raise cannot_write(path, error) from None
        except sqlite3.Error as error:
            raise InputError(tr("Can't write {path}: {error}.", path=path, error=error)) from None
        share_done(1.0)
        return files


def check_charts(names: Sequence[str]) -> None:
    """Raise InputError if one of these isn't the name of a chart of a session."""
    for name in names:
        if name not in NAMES:
            raise InputError(
                tr(
                    "There is no chart {name!r}: they are {names}.",
                    name=name,
                    names=", ".join(NAMES),
                )
            )


def write_by_name(name: str, of_sweep: str = "") -> Write:
    """Return a `write` that loads the function `module:function` when it is first called. With
    `of_sweep`, that one writes the whole session of a sweep of sizes, unless charts are chosen."""

    def write(recorder: Recorder, paths: Sequence[Path], **options: Any) -> None:
        # Commands that only name formats need neither messages nor numpy, which these load.
        from poolviz.model.messages import PART  # noqa: PLC0415

        sweep, began = recorder.sweep, recorder.began
        part = began is not None and PART in began.environment
        if of_sweep and sweep is not None and sweep.visits and not part and not options:
            pkgutil.resolve_name(of_sweep)(recorder, paths)
        else:
            pkgutil.resolve_name(name)(recorder, paths, **options)

    return write
