"""The files that are written from a record at the end of a run or on request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.sessions.derived import EVERYTHING, Scope, derived
from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.share_done import ShareDone, portion, unheard
from poolviz.system.files import resolved


def check_exports(
    files: Sequence[Path], *, tidy: bool = False, charts: Sequence[str] = ()
) -> dict[Path, Exporter]:
    """Return the format of each file by its suffix, `tidy` where it can be, and of these `charts`.

    InputError where a suffix isn't known, a file can't be written, two would be the same, there is
    no chart of a name, or no file has charts of which some were chosen. Leaves nothing behind.
    """
    exports = {path: exporter_for(path, tidy=tidy).of_charts(charts) for path in files}
    if charts and not any(exporter.charts for exporter in exports.values()):
        raise InputError(tr("None of these files has charts: export a picture or a report."))
    places: dict[Path, Path] = {}
    for path, exporter in exports.items():
        exporter.check(path)
        for file in exporter.files(path):
            other = places.setdefault(resolved(file), path)
            if other != path:
                raise InputError(
                    tr(
                        "{other} and {path} would both write {file}: rename one of them.",
                        other=other,
                        path=path,
                        file=file,
                    )
                )
    return exports


def write_exports(
    recorder: Recorder,
    exports: Mapping[Path, Exporter],
    scope: Scope = EVERYTHING,
    share_done: ShareDone = unheard,
) -> Iterator[Path]:
    """Write each file, and yield every path that was made, once it is there. `share_done` hears how
    much of all of it is done."""
    first = 0 if scope.is_whole else 1  # what is to be exported is made first
    steps = first + len(exports)
    with derived(recorder, scope, portion(share_done, 0, steps)) as exported:
        for number, (path, exporter) in enumerate(exports.items(), first):
            yield from exporter.export(exported, path, portion(share_done, number, steps))
