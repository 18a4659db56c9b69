"""`poolviz presets`."""

from __future__ import annotations

import click

from poolviz.commands import options
from poolviz.language import in_users_language
from poolviz.model.preset_titles import title_in_words


@click.command(short_help="List the scenarios that poolviz brings along.")
@options.as_json
def command(as_json: bool) -> None:
    """List the scenarios that poolviz brings along: `poolviz run NAME` runs one."""
    import msgspec  # noqa: PLC0415 - as below

    from poolviz.scenarios.presets import presets  # noqa: PLC0415 - only to list them

    known = presets()
    if as_json:
        listed = [{"name": p.name, "title": p.title, "watch": p.watch} for p in known]
        click.echo(msgspec.json.format(msgspec.json.encode({"presets": listed})).decode())
    else:
        click.echo(
            "\n\n".join(
                f"{p.name}\n  {title_in_words(p.title)}. {in_users_language(p.watch)}"
                for p in known
            )
        )
