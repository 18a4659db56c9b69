"""`poolviz compare`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from poolviz.commands import options
from poolviz.language import tr
from poolviz.model.errors import InputError


@click.command(short_help="Compare recorded sessions: charts over one axis, and what differs.")
@click.argument("sessions", nargs=-1, required=True, metavar="SESSION SESSION…")
@click.option(
    "--align",
    metavar="start|MARK",
    default="start",
    help="Where the axis has zero: at the start, as by default, or at the first mark with this key "
    "or text.",
)
@click.option(
    "--member",
    metavar="NAME",
    default="",
    help="Compare one process of each session, such as 'process 2', instead of their sums.",
)
@click.option(
    "--out",
    metavar="FILE",
    multiple=True,
    type=options.FILE,
    help="Write a file in the format of its suffix: .html .png .svg .pdf .csv .json .md.",
)
@options.charts(
    "Only these charts in pictures and reports: connections, waiting, wait, throughput, or one of "
    "them by its own name; a name that there isn't lists them."
)
@options.as_json
def command(
    *,
    sessions: tuple[str, ...],
    align: str,
    member: str,
    out: tuple[Path, ...],
    charts: tuple[str, ...],
    as_json: bool,
) -> None:
    """Compare recorded sessions with the first of them, the baseline.

    SESSION is a session file, or a session that is kept, as `poolviz sessions` takes it: by its
    name, or by the beginning of its file's name. Two to eight of them.

    Printed are the figures of each, once it had settled, with 95 % intervals, and what differs from
    the baseline; where the sessions have the same changes and faults, segment by segment too. The
    HTML file has charts of all sessions over one axis to zoom into, and needs no network.
    """
    import msgspec  # noqa: PLC0415 - `poolviz --help` loads this file

    from poolviz.commands.console import names_of, say  # noqa: PLC0415 - loads numpy
    from poolviz.commands.progress_line import progress_line, wiped_by_signals  # noqa: PLC0415
    from poolviz.sessions.comparison import Compared, name_of  # noqa: PLC0415 - likewise
    from poolviz.sessions.comparison_files import (  # noqa: PLC0415 - likewise
        DRAWN,
        as_text,
        check_file,
        write_file,
    )
    from poolviz.sessions.overlays import check_charts  # noqa: PLC0415 - likewise
    from poolviz.sessions.recorder import Recorder  # noqa: PLC0415 - likewise

    check_charts(charts)
    for path in out:
        check_file(path)
    if charts and not any(path.suffix.lower() in DRAWN for path in out):
        raise InputError(
            tr("None of these files has charts: write a picture or a report by --out.")
        )
    paths = [_path_of(text) for text in sessions]
    with ExitStack() as stack:
        named = [
            (name_of(path), stack.enter_context(Recorder.open(path, member))) for path in paths
        ]
        with wiped_by_signals():
            with progress_line(tr("Comparing the sessions")) as share_done:
                compared = Compared.of(named, align, share_done, charts)
                comparison = compared.comparison
            for path in out:
                with progress_line(tr("Writing {file}", file=path.name)):
                    write_file(compared, path)
        click.echo(msgspec.json.encode(comparison) if as_json else as_text(comparison))
        if out:
            say(names_of(out))


def _path_of(text: str) -> Path:
    """Return the file of a session that is named by its path or as one that is kept."""
    from poolviz.sessions.folder import SessionsFolder  # noqa: PLC0415 - loads numpy
    from poolviz.system.folders import sessions_folder  # noqa: PLC0415 - only here

    path = Path(text)
    if path.exists() or path.suffix:
        return path
    return SessionsFolder(sessions_folder()).find(text).path
