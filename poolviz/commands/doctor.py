"""`poolviz doctor`."""

from __future__ import annotations

import click

from poolviz.commands import options


@click.command(short_help="Tell what this machine lacks, and the command that installs it.")
@options.as_json
def command(as_json: bool) -> int:
    """Tell what this machine lacks, what for, and the command that installs it.

    The exit status is 1 where something is missing that poolviz can't do without, else 0.
    """
    from poolviz.commands import examination  # noqa: PLC0415 - not for --help

    findings = examination.examine()
    click.echo(examination.as_json(findings) if as_json else examination.as_text(findings))
    return int(any(each.state == examination.MISSING for each in findings))
