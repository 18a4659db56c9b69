"""`poolviz doctor`."""

from __future__ import annotations

import click

from poolviz.commands import options


@click.command(short_help="Tell what this machine or a server lacks, and what mends it.")
@click.option(
    "--dsn",
    metavar="URL",
    help="Test this server instead: version, free connections, what its user may do, TLS, times, "
    "and whether a pooler stands in between. Nothing is changed there.",
)
@options.as_json
def command(dsn: str | None, as_json: bool) -> int:
    """Tell what this machine lacks, what for, and the command that installs it.

    The exit status is 1 where something is missing that poolviz can't do without, else 0. With
    --dsn it is 3 where the server can't be reached.
    """
    from poolviz.commands import examination  # noqa: PLC0415 - not for --help

    if dsn is not None:
        from poolviz.servers.dispatch import diagnose  # noqa: PLC0415 - loads a driver

        found = diagnose(dsn)
        click.echo(
            examination.server_as_json(found) if as_json else examination.server_as_text(found)
        )
        return 0
    findings = examination.examine()
    click.echo(examination.as_json(findings) if as_json else examination.as_text(findings))
    return int(any(each.state == examination.MISSING for each in findings))
