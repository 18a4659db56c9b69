"""`poolviz help`."""

from __future__ import annotations

from collections.abc import Callable

import click

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.text import shortened

# Each function imports what it needs, because `poolviz --help` loads this file.


def _limits() -> str:
    from poolviz.pools.catalogue import limits_as_text  # noqa: PLC0415 - loads every library

    return tr(
        "--limit KEY=VALUE, [limits] of a scenario: limits of the pools.\n\n{limits_as_text}",
        limits_as_text=limits_as_text(),
    )


def _connect() -> str:
    from poolviz.pools.catalogue import (  # noqa: PLC0415 - loads every library
        connect_arguments_as_text,
    )

    about = tr(
        "--connect KEY=VALUE, [connect] of a scenario: arguments that a pool's driver connects\n"
        "with. They apply when the pool is made, and so for a whole run."
    )
    return f"{about}\n\n{connect_arguments_as_text()}"


def _load() -> str:
    from poolviz.load.settings import SETTINGS  # noqa: PLC0415 - loads numpy
    from poolviz.scenarios.schema import declarations_as_text  # noqa: PLC0415 - likewise

    about = tr("--load KEY=VALUE, [load] of a scenario: what the clients do.")
    return f"{about}\n\n{declarations_as_text(SETTINGS)}"


def _faults() -> str:
    from poolviz.load.faults import FAULT_PARAMETERS  # noqa: PLC0415 - loads numpy
    from poolviz.scenarios.schema import declarations_as_text  # noqa: PLC0415 - likewise

    about = tr(
        "--at SECONDS:KEY=VALUE, [[changes]] of a scenario: a change of a limit or of a setting\n"
        "of the load, or one of these faults."
    )
    return f"{about}\n\n{declarations_as_text(FAULT_PARAMETERS)}"


def _own_pool() -> str:
    from poolviz.scenarios.schema import own_options_as_text  # noqa: PLC0415 - loads libraries

    about = tr("--own-pool KEY=VALUE, [own_pool] of a scenario: how a pool of your own is used.")
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


@click.command(name="help", short_help="Explain a figure, a pool, a limit, a fault, or a command.")
@click.argument("topic", required=False)
@click.option("--search", metavar="WORDS", help="List the topics in which all these words stand.")
@click.pass_context
def command(ctx: click.Context, topic: str | None, search: str | None) -> None:
    """Explain a topic: a figure, a chart, a pool, a limit, a setting of the load, a fault, a
    connect argument, a preset, an export format, or a command. Without one, list all topics.

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
    assert isinstance(group, click.Group)
    if search is not None:
        if topic is not None:
            raise InputError(tr("Give a topic or --search WORDS, not both."))
        click.echo(_found(search))
    elif topic is None:
        click.echo(_listing(_shown_commands(group, ctx.parent)))
    else:
        name = topic.strip().lower().replace("_", "-")
        if show := TOPICS.get(_OPTIONS.get(name, name)):
            click.echo(show())
        elif (known := group.get_command(ctx.parent, topic)) is not None:
            with click.Context(known, info_name=topic, parent=ctx.parent) as about:
                click.echo(known.get_help(about))
        else:
            click.echo(_explained(topic, _shown_commands(group, ctx.parent)))


def _shown_commands(group: click.Group, ctx: click.Context) -> list[str]:
    """Return the names of the commands that are typed."""
    known = {name: group.get_command(ctx, name) for name in group.list_commands(ctx)}
    return [name for name, each in known.items() if each is not None and not each.hidden]


def _listing(commands: list[str]) -> str:
    """Return the names of all topics, and of the commands."""
    from poolviz.help.as_text import filled, listing  # noqa: PLC0415 - loads every pool's library
    from poolviz.help.topics import topics  # noqa: PLC0415 - likewise

    about = tr(
        "`poolviz help TOPIC` explains one of these, `poolviz help --search WORDS` finds them."
    )
    whole = f"{tr('Commands')}\n{filled(', '.join(commands), '  ')}"
    kinds = tr("All of a kind\n{filled}", filled=filled(", ".join(TOPICS), "  "))
    return "\n\n".join((filled(about), listing(topics()), kinds, whole))


def _explained(topic: str, commands: list[str]) -> str:
    """Return the text of a topic. InputError suggests the nearest ones."""
    from poolviz.help.as_text import as_text  # noqa: PLC0415 - loads every pool's library
    from poolviz.help.topics import find, suggestion, topics  # noqa: PLC0415 - likewise

    known = topics()
    found = find(known, topic)
    if found is None:
        near = suggestion(known, topic, (*commands, *TOPICS))
        raise InputError(
            tr(
                "{topic} is neither a command nor a topic: {near}.",
                topic=shortened(topic, 80),
                near=near,
            )
        )
    return as_text(found)


def _found(words: str) -> str:
    """Return the topics in which all words stand. InputError if there are none."""
    from poolviz.help.as_text import found  # noqa: PLC0415 - loads every pool's library
    from poolviz.help.topics import search, suggestion, topics  # noqa: PLC0415 - likewise

    known = topics()
    topics_found = search(known, words)
    if not topics_found:
        raise InputError(
            tr(
                "No topic has '{words}': {suggestion}.",
                words=shortened(words, 80),
                suggestion=suggestion(known, words),
            )
        )
    return found(topics_found)
