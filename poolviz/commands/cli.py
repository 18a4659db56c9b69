"""The command line: finds each command by its file in this folder and runs it.

To add a command, write a file here, named for it, that holds a click command called `command`.
Its module level imports nothing heavy, since `poolviz --help` loads every command: what a command
needs it imports when it runs.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Any, cast

import click

from poolviz import commands
from poolviz.commands.click_words import WINDOW, TranslatedCommand, mistake, too_many
from poolviz.commands.options import LOG_OPTIONS, set_up_logging
from poolviz.model.errors import InputError, PoolvizError
from poolviz.model.text import sentence
from poolviz.model.version import VERSION
from poolviz.system.interrupts import INTERRUPTED, interrupted

_SHARED = frozenset(
    {
        *("cli", "click_words", "console", "drafts", "driver", "examination", "options"),
        *("progress_line", "sizing"),
    }
)  # hold no command
_HELP = ("-h", "--help")
_SETTINGS = {"help_option_names": list(_HELP), "max_content_width": 100}


class _WithLog(TranslatedCommand):
    """A command with the options of the log beside its own."""

    def __init__(self, command: click.Command, name: str) -> None:
        super().__init__(
            name,
            # Whatever is too many is refused below, in the user's language.
            context_settings={**_SETTINGS, "allow_extra_args": True},
            callback=command.callback,
            params=[*command.params, *LOG_OPTIONS],
            help=command.help,
            short_help=command.short_help,
            hidden=command.hidden,
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the arguments. Raises InputError if there are more than the command takes."""
        extra = super().parse_args(ctx, args)
        if extra and not ctx.resilient_parsing:
            raise InputError(too_many(extra, ctx))
        return extra

    def invoke(self, ctx: click.Context) -> Any:
        """Set up logging, then run the command."""
        set_up_logging(ctx)
        return super().invoke(ctx)


class CommandsByFile(TranslatedCommand, click.Group):
    """The commands in this folder, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Return the names of all commands; only the window has none on the command line."""
        names = (module.name for module in pkgutil.iter_modules(commands.__path__))
        return sorted(name for name in names if name not in _SHARED)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, with the options that all have; None without one."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{commands.__name__}.{cmd_name}")
        return _WithLog(cast("click.Command", module.command), cmd_name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Have arguments that name no command open the window."""
        named = next((arg for arg in args if not arg.startswith("-")), None)
        about = args[:1] and args[0] in (*_HELP, "--version")
        if not about and (named not in self.list_commands(ctx) or args[0] != named):
            args = [WINDOW, *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=CommandsByFile,
    context_settings=_SETTINGS,
    subcommand_metavar="[COMMAND | SCENARIO.toml | PRESET | SESSION.poolviz] [OPTIONS]…",
)
@click.version_option(VERSION, prog_name="poolviz", message="%(prog)s %(version)s")
def group() -> None:
    """A laboratory for database connection pools.

    Without a command poolviz opens its window: with a scenario, a preset or a recorded session
    if one is named, and on your own server with --dsn URL, where the load starts when you press
    Start. Without --dsn it brings a PostgreSQL of its own and starts at once.

    \b
      poolviz [SCENARIO.toml | PRESET | SESSION.poolviz] [--dsn URL]    the window
      poolviz run [SCENARIO.toml | PRESET | SESSION.poolviz] [OPTIONS]… a run without a window
      poolviz help TOPIC                                                commands, connect, faults …
    """


def run_command_line(arguments: list[str]) -> int:
    """Run one command and return its exit status; mistakes are told on standard error."""
    try:
        status: Any = group.main(arguments, prog_name="poolviz", standalone_mode=False)
    except click.exceptions.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        _complain(mistake(error))
        return error.exit_code
    except InputError as error:
        for problem in error.problems:
            _complain(problem)
        return error.exit_status
    except PoolvizError as error:
        if str(error):
            _complain(str(error))
        return INTERRUPTED if interrupted() else error.exit_status
    return status if isinstance(status, int) else 0


def _complain(problem: str) -> None:
    click.echo(f"poolviz: {sentence(problem)}", file=sys.stderr)
