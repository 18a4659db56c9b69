"""`poolviz pools`."""

from __future__ import annotations

import click

from poolviz.commands import options


@click.command(short_help="List the pools, their limits, and what a change of each does.")
@options.as_json
def command(as_json: bool) -> None:
    """List every pool, its limits, and what a change of each does."""
    from poolviz.pools import catalogue  # noqa: PLC0415 - loads every pool's library

    click.echo(catalogue.as_json() if as_json else catalogue.as_text())
