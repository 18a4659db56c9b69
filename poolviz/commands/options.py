"""Options that several commands share, and what their texts mean."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from poolviz.language import tr
from poolviz.model.errors import InputError, ParameterError
from poolviz.system import logs

_Command = TypeVar("_Command", bound=Callable[..., Any])
_LEVEL, _FILE = "log_level", "log_file"  # names of parameters
_EXAMPLES = {
    "--limit": "maxconn=8",
    "--load": "clients=20",
    "--connect": "prepare_threshold=never",
    "--at": "3:maxconn=8",
    "--own-pool": "acquire=get_connection",
}


class _File(click.Path):
    """The path of a file, which is not looked at here: whoever uses it says what is wrong."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,  # noqa: ARG002 - click's
        ctx: click.Context | None,  # noqa: ARG002 - likewise
    ) -> Path:
        """Return the path."""
        return Path(value)


class _WholeNumber(click.types.IntParamType):
    """A whole number."""

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,  # noqa: ARG002 - click's
    ) -> int:
        """Return the number. Raises ParameterError."""
        try:
            return int(value)
        except ValueError:
            problem = tr("is {value}: it takes a whole number.", value=value)
            raise ParameterError(_option(param), problem) from None


class _Level(click.types.StringParamType):
    """A level of the log, however its capitals are."""

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,  # noqa: ARG002 - click's
    ) -> str:
        """Return the level as `system.logs` writes it. Raises ParameterError."""
        level = str(value).lower()
        if level not in logs.LEVELS:
            problem = tr(
                "is {value}: it takes {levels}.", value=value, levels=", ".join(logs.LEVELS)
            )
            raise ParameterError(_option(param), problem)
        return level


def _option(param: click.Parameter | None) -> str:
    return param.opts[-1] if param is not None else ""


FILE = _File()
WHOLE_NUMBER = _WholeNumber()
dsn = click.option(
    "--dsn",
    metavar="URL",
    help="Your own server: a PostgreSQL, MySQL or SQLite URL, or libpq's keywords. Without it "
    "poolviz brings a PostgreSQL of its own.",
)
pooler = click.option(
    "--pooler",
    metavar="DSN",
    help="The console of a pooler that --dsn leads through, such as PgBouncer's: "
    "postgresql://user@host:6432/pgbouncer.",
)
pool = click.option("--pool", metavar="ID", help="The pool to run, as `poolviz pools` lists them.")
own_pool = click.option(
    "--own-pool",
    metavar="KEY=VALUE",
    multiple=True,
    help="How a pool of your own is used: acquire=METHOD, release=METHOD, url=run, clients=tasks.",
)
load = click.option("--load", metavar="KEY=VALUE", multiple=True, help="A setting of the load.")
connect = click.option(
    "--connect",
    metavar="KEY=VALUE",
    multiple=True,
    help="An argument that the pool's driver connects with; `poolviz help connect` lists them.",
)
seed = click.option(
    "--seed", type=WHOLE_NUMBER, metavar="N", help="Seed of the random numbers; 1 by default."
)
processes = click.option(
    "--processes",
    metavar="N",
    help="How many processes run it, each with a pool and clients of its own.",
)
no_keep = click.option(
    "--no-keep", is_flag=True, help="Record no session; else one is kept in the sessions folder."
)
lanes = click.option(
    "--lanes",
    metavar="SIZE",
    help="How much the session keeps of who had which connection when: 20MB or none for all; by "
    "default as `poolviz sessions limits` says.",
)
create_tables = click.option(
    "--create-tables",
    is_flag=True,
    help="Allow the tables of read and read_write, in a schema poolviz, on your own server.",
)
quiet = click.option("--quiet", is_flag=True, help="Print no progress and no warnings.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def charts(text: str) -> Callable[[_Command], _Command]:
    """Return the option `--charts NAME,…`, which may be given several times, with `text` as its
    help. The command gets every name once, in the order in which they were given."""
    return click.option(
        "--charts", metavar="NAME,…", multiple=True, callback=_names_of_charts, help=text
    )


def _names_of_charts(
    _context: click.Context, _parameter: click.Parameter, texts: Sequence[str]
) -> tuple[str, ...]:
    names = [name.strip() for text in texts for name in text.split(",")]
    if texts and not any(names):
        raise InputError(tr("--charts takes names of charts, separated by commas."))
    return tuple(dict.fromkeys(filter(None, names)))


anonymous = click.option(
    "--anonymous",
    is_flag=True,
    help="Name no host, user, database, file or address in what is written, nor what a user wrote: "
    "titles and notes.",
)


def set_up_logging(ctx: click.Context) -> None:
    """Log as --log-level and --log say; the window logs to a file of its own without them."""
    level, file = ctx.params.pop(_LEVEL), ctx.params.pop(_FILE)
    given = {key: value for key, value in (("level", level), ("file", file)) if value is not None}
    if ctx.command.name == "window":
        logs.set_up_window_logging(**given)
    else:
        logs.set_up_logging(**given)


LOG_OPTIONS: list[click.Parameter] = [
    click.Option(
        [_LEVEL, "--log-level"],
        type=_Level(),
        metavar=f"[{'|'.join(logs.LEVELS)}]",
        help="Log from this level on, to standard error or to the file of --log.",
    ),
    click.Option(
        [_FILE, "--log"],
        type=FILE,
        metavar="FILE",
        help="Write the log to this file.",
    ),
]


def assignment(text: str, option: str) -> tuple[str, str]:
    """Return the key and the value of `KEY=VALUE`; InputError where `text` isn't that."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(
            tr(
                "{option} {text}: it takes KEY=VALUE, such as {examples}.",
                option=option,
                text=text,
                examples=_EXAMPLES[option],
            )
        )
    return key.strip(), value.strip()
