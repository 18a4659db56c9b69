"""The command line. Each command reads its options, hands over, and says how it went."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

import poolviz
from poolviz import catalogue, headless
from poolviz.model.errors import InputError, PoolvizError
from poolviz.model.parameters import Value, suggest
from poolviz.model.scenario import Draft, assignment, read_draft, unknown_key

_WINDOW = "window"  # the command that `poolviz` without one means
_SESSION = ".poolviz"


class _Commands(click.Group):
    """The commands, of which the window is the one that needs no name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = next((arg for arg in args if not arg.startswith("-")), None)
        own = not args or args[0] not in ("--help", "--version")
        if own and (named not in self.commands or args[0] != named):
            args = [_WINDOW, *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(poolviz.__version__, prog_name="poolviz", message="%(prog)s %(version)s")
def commands() -> None:
    """A laboratory for database connection pools.

    \b
    poolviz [SCENARIO.toml | SESSION.poolviz] [--dsn URL]   opens the window
    poolviz run [SCENARIO.toml] …                           the same without a window
    """


@commands.command(_WINDOW, hidden=True)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--dsn", help="Your own PostgreSQL, as a URL or as keywords.")
def window(file: Path | None, dsn: str | None) -> int:
    """Open the window; where there is no display, run the scenario without one."""
    start: Draft | Path | None = None
    if file is not None:
        if not file.exists():
            near = suggest(str(file), [name for name in commands.commands if name[0] != "_"])
            raise InputError(f"{file} is neither a file nor a command: {near}.")
        start = file if file.suffix == _SESSION else read_draft(file)
    reason = headless.no_window()
    if reason:
        return headless.instead_of_window(reason, start, dsn)
    from poolviz.ui.app import run_window  # noqa: PLC0415 - Qt is loaded for a window alone

    status: int = run_window(start, dsn)
    return status


@commands.command()
@click.argument("scenario", type=click.Path(path_type=Path), required=False)
@click.option("--dsn", metavar="URL", help="Your own PostgreSQL; without it poolviz brings one.")
@click.option("--pool", metavar="ID", help="The pool to run, as `poolviz pools` lists them.")
@click.option("--limit", "limits", metavar="KEY=VALUE", multiple=True, help="A limit of the pool.")
@click.option("--load", metavar="KEY=VALUE", multiple=True, help="A setting of the load.")
@click.option("--at", metavar="SECONDS:KEY=VALUE", multiple=True, help="A change while it runs.")
@click.option("--duration", metavar="SECONDS", help="How long to run; 20 s if nothing says.")
@click.option("--seed", type=int, metavar="N", help="Of the random draws; 1 if nothing says.")
@click.option(
    "--out",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Write a file in the format of its suffix: .png .csv .json .poolviz.",
)
@click.option("--fail-if", metavar="CONDITION", multiple=True, help="E.g. 'wait_p95 > 50ms'.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.option("--quiet", is_flag=True, help="Print no progress.")
def run(
    *,
    scenario: Path | None,
    dsn: str | None,
    pool: str | None,
    limits: tuple[str, ...],
    load: tuple[str, ...],
    at: tuple[str, ...],
    duration: str | None,
    seed: int | None,
    out: tuple[Path, ...],
    fail_if: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> int:
    """Run a load on a pool without a window, and print what was measured.

    Times are in seconds or carry a unit: 50ms, 2min. The exit status is 0 when it is done, 2 for
    wrong use, 3 when there is no server to work with, 99 when a --fail-if came true.
    """
    draft = Draft() if scenario is None else read_draft(scenario)
    given: dict[str, Any] = {"pool": pool, "dsn": dsn, "duration": duration, "seed": seed}
    draft = msgspec.structs.replace(draft, **{k: v for k, v in given.items() if v is not None})
    if pool is not None and scenario is not None:
        draft = msgspec.structs.replace(draft, limits={})
    draft = _with_options(draft, limits, load, at)
    draft = msgspec.structs.replace(draft, fail_if=[*draft.fail_if, *fail_if])
    return headless.run(draft, list(out), as_json=as_json, quiet=quiet)


def _with_options(
    draft: Draft, limits: Sequence[str], load: Sequence[str], at: Sequence[str]
) -> Draft:
    """`draft` with what the options say; InputError holds every mistake in them."""
    known = headless.declared(draft.pool)
    mistakes: list[InputError] = []
    new_limits, new_load, changes = dict(draft.limits), dict(draft.load), list(draft.changes)
    for option, texts, target, index in (
        ("--limit", limits, new_limits, 0),
        ("--load", load, new_load, 1),
    ):
        for text in texts:
            try:
                key, value = assignment(text, option)
                target[key] = known[index].find(key).parse(value)
            except InputError as error:
                mistakes.append(error)
    for text in at:
        try:
            moment, colon, rest = text.partition(":")
            if not colon:
                raise InputError(f"--at {text}: it takes SECONDS:KEY=VALUE, such as 3:maxconn=8.")
            key, value = assignment(rest, "--at")
            changes.append({"at": moment, key: _parsed(key, value, known)})
        except InputError as error:
            mistakes.append(error)
    if mistakes:
        raise InputError.merged(mistakes)
    return msgspec.structs.replace(draft, limits=new_limits, load=new_load, changes=changes)


def _parsed(key: str, text: str, known: headless.Declared) -> Value:
    """`text` as the value of the parameter that goes by `key`."""
    for parameters in known:
        if key in parameters:
            return parameters[key].parse(text)
    raise unknown_key(key, *known)


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def pools(as_json: bool) -> None:
    """List every pool, its limits, and what a change of each does."""
    click.echo(catalogue.as_json() if as_json else catalogue.as_text())


@commands.command()
@click.argument("session", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
def export(session: Path, files: tuple[Path, ...]) -> None:
    """Write a recorded session in other formats, each by its file's suffix."""
    headless.export(session, list(files))


@commands.command("_keeper", hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def keeper(arguments: tuple[str, ...]) -> int:
    """Start a server and end it with this process' parent (the embedded server's helper)."""
    from poolviz.servers import keeper as server_keeper  # noqa: PLC0415 - needed by it alone

    return server_keeper.main(list(arguments)) or 0


def run_command_line(arguments: list[str]) -> int:
    """Run one command; its exit status. Mistakes are told in a sentence on standard error."""
    try:
        status = commands.main(arguments, prog_name="poolviz", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        _complain(error.format_message())
        return error.exit_code
    except InputError as error:
        for problem in error.problems:
            _complain(problem)
        return error.exit_status
    except PoolvizError as error:
        _complain(str(error))
        return error.exit_status
    return status if isinstance(status, int) else 0


def _complain(sentence: str) -> None:
    click.echo(f"poolviz: {sentence}", file=sys.stderr)
