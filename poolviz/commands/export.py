"""`poolviz export`."""

from __future__ import annotations

from pathlib import Path

import click

from poolviz.commands import options


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
def command(session: Path, files: tuple[Path, ...], *, tidy: bool, member: str) -> None:
    """Write a recorded session in other formats, each by its file's suffix."""
    from poolviz.commands.console import names_of, say  # noqa: PLC0415 - loads numpy
    from poolviz.runs.exports import check_exports, write_exports  # noqa: PLC0415 - loads numpy
    from poolviz.sessions.recorder import Recorder  # noqa: PLC0415 - likewise

    exports = check_exports(files, tidy=tidy)
    with Recorder.open(session, member) as recorder:
        say(names_of(list(write_exports(recorder, exports))))
