"""click's own words in the user's language: of helps, and of the mistakes that it finds.

click takes them from gettext, which asks the environment alone and not what the user prefers. So
none of its texts is printed: helps are written by the classes here, and a mistake is worded anew
from what its exception holds.
"""

from __future__ import annotations

import copy
import inspect
import re

import click

from poolviz.language import FALLBACK, current_language, tr, tr_noop

WINDOW = "window"  # the command that `poolviz` without one means
_HEADINGS = {"Options": tr_noop("Options"), "Commands": tr_noop("Commands")}
_OF_CLICK = (tr_noop("Show this message and exit."), tr_noop("Show the version and exit."))
# What stands in usages for something that is typed instead.
PLACEHOLDERS = (
    *(
        tr_noop("ACTION"),
        tr_noop("ADDRESS"),
        tr_noop("AGE"),
        tr_noop("COMMAND"),
        tr_noop("CONDITION"),
        tr_noop("FILE"),
    ),
    *(tr_noop("FILES"), tr_noop("HIGH"), tr_noop("KEY"), tr_noop("LOW"), tr_noop("MARK")),
    *(tr_noop("NAME"), tr_noop("OPTIONS"), tr_noop("PORT"), tr_noop("PRESET")),
    *(tr_noop("SCENARIO"), tr_noop("SECONDS"), tr_noop("SESSION"), tr_noop("SIZE")),
    *(tr_noop("TOPIC"), tr_noop("VALUE"), tr_noop("WORDS")),
)
_PLACEHOLDER = re.compile(r"[A-Z]{2,}")


def placeholders(usage: str) -> str:
    """Return `usage`, such as `KEY=VALUE`, with its placeholders in the language in use."""
    return _PLACEHOLDER.sub(lambda match: tr(match[0]), usage)


class _Formatter(click.HelpFormatter):
    """Writes help with click's own words in the user's language."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line of usage."""
        super().write_usage(prog, args, tr("Usage: ") if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        """Write a heading."""
        super().write_heading(tr(_HEADINGS.get(heading, heading)))


class _Context(click.Context):
    formatter_class = _Formatter


class TranslatedCommand(click.Command):
    """A command whose help is in the user's language."""

    context_class = _Context

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the parameters, with their helps translated."""
        params = super().get_params(ctx)
        return params if current_language() == FALLBACK else list(map(_translated, params))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the arguments. A mistake in their form says of which command it is."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the parts of the line of usage."""
        return list(map(placeholders, super().collect_usage_pieces(ctx)))

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write what the command does."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(tr(inspect.cleandoc(self.help or "")))

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return what the command does in a line."""
        return tr(super().get_short_help_str(limit))


def _translated(parameter: click.Parameter) -> click.Parameter:
    if not isinstance(parameter, click.Option) or not parameter.help:
        return parameter
    translated = copy.copy(parameter)
    translated.help = tr(parameter.help)
    translated.metavar = parameter.metavar and placeholders(parameter.metavar)
    return translated


def mistake(error: click.ClickException) -> str:
    """Return what is wrong with a command line, and what to do, as a sentence."""
    context = getattr(error, "ctx", None)
    path = command_path(context)
    if isinstance(error, click.NoSuchOption):
        return _no_such_option(error, path)
    if isinstance(error, click.MissingParameter) and error.param is not None:
        assert context is not None  # TranslatedCommand says it
        return tr(
            "{what} is missing: `{path} --help` says what it is.",
            what=placeholders(error.param.make_metavar(context)),
            path=path,
        )
    if isinstance(error, click.BadOptionUsage):
        return _of_value(error, path)
    return f"{error.format_message().rstrip('.')}."


def too_many(extra: list[str], context: click.Context) -> str:
    """Return what is wrong with arguments that a command has no use for."""
    return tr(
        "{words} is more than `{path}` takes: `{path} --help` says what it takes.",
        words=" ".join(map(str, extra)),
        path=command_path(context),
    )


def command_path(context: click.Context | None) -> str:
    """Return how a command is typed, without its arguments."""
    if context is None:
        return "poolviz"
    if context.info_name == WINDOW and context.parent is not None:
        return context.parent.command_path
    return context.command_path


def _no_such_option(error: click.NoSuchOption, path: str) -> str:
    *others, last = error.possibilities or ("",)
    near = tr("{others} or {last}", others=", ".join(others), last=last) if others else last
    hint = (
        tr("perhaps {names} is meant", names=near)
        if near
        else tr("`{path} --help` lists them", path=path)
    )
    return tr(
        "There is no option {option_name}: {hint}.",
        option_name=error.option_name,
        hint=hint,
    )


def _of_value(error: click.BadOptionUsage, path: str) -> str:
    """Return what is wrong with an option that lacks its value, or has one and takes none."""
    assert error.ctx is not None  # as above
    option = next(
        each
        for each in error.ctx.command.get_params(error.ctx)
        if error.option_name in (*each.opts, *each.secondary_opts)
    )
    if isinstance(option, click.Option) and option.is_flag:
        return tr("{option} takes no value.", option=error.option_name)
    return tr(
        "{option} needs a value, {metavar}: `{path} --help` says which.",
        option=error.option_name,
        metavar=option.make_metavar(error.ctx),
        path=path,
    )
