"""`poolviz schema`."""

from __future__ import annotations

import click


@click.command(short_help="Print what a scenario file may hold, as a JSON Schema or as text.")
@click.option("--text", "as_text", is_flag=True, help="Print every key for people instead.")
def command(as_text: bool) -> None:
    """Print the JSON Schema of scenario files: every key, with its bounds, default and help."""
    from poolviz.scenarios import schema  # noqa: PLC0415 - loads every pool's library
    from poolviz.sessions.thresholds import FIGURES  # noqa: PLC0415 - likewise

    click.echo(schema.as_text() if as_text else schema.as_json(FIGURES))
