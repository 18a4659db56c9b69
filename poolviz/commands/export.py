"""`poolviz export`."""

from __future__ import annotations

from pathlib import Path

import click

from poolviz.commands import options
from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.sessions.export.exporter import NAMES


@click.command(short_help="Write a recorded session in other formats.")
@click.argument("session", type=options.FILE)
@click.argument("files", nargs=-1, required=True, type=options.FILE, metavar="FILE…")
@click.option(
    "--tidy", is_flag=True, help="CSV with a row for each figure instead of one for each sample."
)
@click.option(
    "--member",
    metavar="NAME",
    default="",
    help="One of the pools that ran at the same time, instead of their sum.",
)
@click.option("--from", "start", metavar="SECONDS", help="Leave out what was before.")
@click.option("--to", "end", metavar="SECONDS", help="Leave out what came later.")
@options.charts(f"Only these charts, in pictures and reports: {', '.join(NAMES)}.")
@options.anonymous
def command(
    session: Path,
    files: tuple[Path, ...],
    *,
    tidy: bool,
    member: str,
    start: str | None,
    end: str | None,
    charts: tuple[str, ...],
    anonymous: bool,
) -> None:
    """Write a recorded session in other formats, each by its file's suffix.

    With --from or --to, all figures, tables and charts are of that part of the session alone;
    whether the run is complete, and what its pool left open, is said of the whole.
    """
    from poolviz.commands.console import names_of, say  # noqa: PLC0415 - loads numpy
    from poolviz.commands.progress_line import (  # noqa: PLC0415 - loads numpy
        progress_line,
        wiped_by_signals,
    )
    from poolviz.runs.exports import check_exports, write_exports  # noqa: PLC0415 - loads numpy
    from poolviz.sessions.derived import Scope  # noqa: PLC0415 - likewise
    from poolviz.sessions.recorder import Recorder  # noqa: PLC0415 - likewise

    start_s, end_s = _seconds("--from", start), _seconds("--to", end)
    scope = Scope(start_s, end_s, anonymous, charts)
    scope.check()
    exports = check_exports(files, tidy=tidy, charts=scope.charts)
    words = tr("Writing {files}", files=", ".join(path.name for path in files))
    with (
        Recorder.open(session, member) as recorder,
        wiped_by_signals(),
        progress_line(words) as share_done,
    ):
        written = list(write_exports(recorder, exports, scope, share_done))
    say(names_of(written))


def _seconds(option: str, text: str | None) -> float | None:
    """Return the seconds that an option says. InputError if it says none."""
    from poolviz.model.parameters import parse_seconds  # noqa: PLC0415 - a command loads quickly

    if text is None:
        return None
    try:
        return parse_seconds(text)
    except ValueError as error:
        raise InputError(f"{option} {text} {error}.") from None
