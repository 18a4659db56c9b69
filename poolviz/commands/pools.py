"""`poolviz pools`."""

from __future__ import annotations

import click

from poolviz.commands import options


@click.command(short_help="List the pools, their limits, and what a change of each does.")
@options.as_json
def command(as_json: bool) -> None:
    """List every pool, its limits, and what a change of each does."""
    from poolviz.pools import catalogue  # noqa: PLC0415 - loads every pool's library
    from poolviz.pools.registry import is_built_in, listings  # noqa: PLC0415 - likewise
    from poolviz.runs.runner import Runner  # noqa: PLC0415 - likewise

    with Runner() as runner:
        # Packages of others are imported by a process of their own.
        for listing in listings():
            if not is_built_in(listing.id):
                runner.learn(listing.id)
    click.echo(catalogue.as_json() if as_json else catalogue.as_text())
