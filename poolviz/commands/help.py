"""`poolviz help`."""

from __future__ import annotations

import click

from poolviz.model.errors import InputError

_FAIL_IF = "fail-if"


@click.command(name="help", short_help="Show more about a command or a topic.")
@click.argument("topic", required=False)
@click.pass_context
def command(ctx: click.Context, topic: str | None) -> None:
    """Show the help of a command, or of the topic fail-if: the figures of --fail-if."""
    assert ctx.parent is not None
    group = ctx.parent.command
    if topic is None:
        click.echo(ctx.parent.get_help())
        return
    if topic == _FAIL_IF:
        from poolviz.sessions.thresholds import help_text  # noqa: PLC0415 - loads numpy

        click.echo(help_text())
        return
    assert isinstance(group, click.Group)
    known = group.get_command(ctx.parent, topic)
    if known is None:
        from poolviz.model.parameters import suggest  # noqa: PLC0415 - for a mistake

        topics = [*group.list_commands(ctx.parent), _FAIL_IF]
        raise InputError(f"{topic} is neither a command nor a topic: {suggest(topic, topics)}.")
    with click.Context(known, info_name=topic, parent=ctx.parent) as about:
        click.echo(known.get_help(about))
