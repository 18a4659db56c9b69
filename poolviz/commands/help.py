"""`poolviz help`."""

from __future__ import annotations

from collections.abc import Callable

import click

from poolviz.model.errors import InputError

# Each function imports what it needs, because `poolviz --help` loads this file.


def _limits() -> str:
    from poolviz.pools.catalogue import limits_as_text  # noqa: PLC0415 - loads every library

    return f"--limit KEY=VALUE, [limits] of a scenario: limits of the pools.\n\n{limits_as_text()}"


def _connect() -> str:
    from poolviz.pools.catalogue import (  # noqa: PLC0415 - loads every library
        connect_arguments_as_text,
    )

    about = (
        "--connect KEY=VALUE, [connect] of a scenario: arguments that a pool's driver connects\n"
        "with. They apply when the pool is made, and so for a whole run."
    )
    return f"{about}\n\n{connect_arguments_as_text()}"


def _load() -> str:
    from poolviz.load.settings import SETTINGS  # noqa: PLC0415 - loads numpy
    from poolviz.scenarios.schema import declarations_as_text  # noqa: PLC0415 - likewise

    about = "--load KEY=VALUE, [load] of a scenario: what the clients do."
    return f"{about}\n\n{declarations_as_text(SETTINGS)}"


def _faults() -> str:
    from poolviz.load.faults import FAULT_PARAMETERS  # noqa: PLC0415 - loads numpy
    from poolviz.scenarios.schema import declarations_as_text  # noqa: PLC0415 - likewise

    about = (
        "--at SECONDS:KEY=VALUE, [[changes]] of a scenario: a change of a limit or of a setting\n"
        "of the load, or one of these faults."
    )
    return f"{about}\n\n{declarations_as_text(FAULT_PARAMETERS)}"


def _own_pool() -> str:
    from poolviz.scenarios.schema import own_options_as_text  # noqa: PLC0415 - loads libraries

    about = "--own-pool KEY=VALUE, [own_pool] of a scenario: how a pool of your own is used."
    return f"{about}\n\n{own_options_as_text()}"


def _fail_if() -> str:
    from poolviz.sessions.thresholds import help_text  # noqa: PLC0415 - loads numpy

    return help_text()


TOPICS: dict[str, Callable[[], str]] = {
    "limits": _limits,
    "connect": _connect,
    "load": _load,
    "faults": _faults,
    "own-pool": _own_pool,
    "fail-if": _fail_if,
}
_OPTIONS = {"limit": "limits", "at": "faults"}  # whose topic has another name


@click.command(name="help", short_help="Show more about a command or a topic.")
@click.argument("topic", required=False)
@click.pass_context
def command(ctx: click.Context, topic: str | None) -> None:
    """Show the help of a command or of a topic.

    \b
    limits     every limit, and the pools that have it
    connect    every connect argument, and the pools whose driver takes it
    load       every setting of the load
    faults     every fault
    own-pool   the options of a pool of your own
    fail-if    the figures of --fail-if
    """
    assert ctx.parent is not None
    group = ctx.parent.command
    if topic is None:
        click.echo(ctx.parent.get_help())
        return
    name = topic.strip().lower().replace("_", "-")
    if show := TOPICS.get(_OPTIONS.get(name, name)):
        click.echo(show())
        return
    assert isinstance(group, click.Group)
    known = group.get_command(ctx.parent, topic)
    if known is None:
        from poolviz.model.parameters import suggest  # noqa: PLC0415 - for a mistake

        topics = [*group.list_commands(ctx.parent), *TOPICS]
        raise InputError(f"{topic} is neither a command nor a topic: {suggest(topic, topics)}.")
    with click.Context(known, info_name=topic, parent=ctx.parent) as about:
        click.echo(known.get_help(about))
