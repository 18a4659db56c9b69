"""The command line. Each command reads its options, hands over, and says how it went."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

import poolviz
from poolviz.commands import doctor as doctors
from poolviz.commands import run as headless
from poolviz.model.errors import InputError, PoolvizError
from poolviz.model.parameters import Parameter, Value
from poolviz.pools import catalogue
from poolviz.scenarios import schema
from poolviz.scenarios.check import Declared, declared
from poolviz.scenarios.draft import Draft, Mistake, assignment
from poolviz.scenarios.presets import open_scenario, presets
from poolviz.sessions.thresholds import FIGURES

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
    poolviz [SCENARIO.toml | PRESET | SESSION.poolviz] [--dsn URL]   opens the window
    poolviz run [SCENARIO.toml | PRESET] …                           the same without a window
    """


@commands.command(_WINDOW, hidden=True)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--dsn", help="Your own server: a PostgreSQL, MySQL or SQLite URL, or libpq's keywords."
)
def window(file: Path | None, dsn: str | None) -> int:
    """Open the window; where there is no display, run the scenario without one."""
    start: Draft | Path | None = None
    if file is not None and file.suffix == _SESSION:
        if not file.exists():
            raise InputError(f"There is no file {file}.")
        start = file
    elif file is not None:
        start = open_scenario(file, list(commands.commands))
    reason = headless.no_window()
    if reason:
        return headless.instead_of_window(reason, start, dsn)
    from poolviz.ui.app import run_window  # noqa: PLC0415 - Qt is loaded for a window alone

    status: int = run_window(start, dsn)
    return status


@commands.command()
@click.argument("scenario", type=click.Path(path_type=Path), required=False)
@click.option(
    "--dsn", metavar="URL", help="Your own server; without it poolviz brings a PostgreSQL."
)
@click.option("--pool", metavar="ID", help="The pool to run, as `poolviz pools` lists them.")
@click.option("--limit", "limits", metavar="KEY=VALUE", multiple=True, help="A limit of the pool.")
@click.option("--load", metavar="KEY=VALUE", multiple=True, help="A setting of the load.")
@click.option("--at", metavar="SECONDS:KEY=VALUE", multiple=True, help="A change or a fault.")
@click.option("--duration", metavar="SECONDS", help="How long to run; 20 s if nothing says.")
@click.option("--seed", type=int, metavar="N", help="Of the random draws; 1 if nothing says.")
@click.option(
    "--out",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Write a file in the format of its suffix: .png .csv .json .toml .poolviz.",
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
    draft = Draft() if scenario is None else open_scenario(scenario)
    given: dict[str, Any] = {"pool": pool, "dsn": dsn, "duration": duration, "seed": seed}
    draft = draft.but(**{key: value for key, value in given.items() if value is not None})
    if pool is not None and scenario is not None:
        draft = draft.but(limits={})
    draft = _with_options(draft, limits, load, at)
    draft = draft.but(fail_if=[*draft.fail_if, *fail_if])
    return headless.run(draft, list(out), as_json=as_json, quiet=quiet)


def _with_options(
    draft: Draft, limits: Sequence[str], load: Sequence[str], at: Sequence[str]
) -> Draft:
    """`draft` with what the options say, and with the mistakes in them."""
    try:
        known = declared(draft.pool)
    except InputError:
        return draft  # which has a mistake that is told when it is checked
    mistakes = list(draft.mistakes)
    said: dict[str, dict[str, object]] = {"limits": {}, "load": {}}
    changes = list(draft.changes)
    for section, option, texts in (("limits", "--limit", limits), ("load", "--load", load)):
        for text in texts:
            try:
                key, value = assignment(text, option)
                said[section][key] = _parsed(getattr(known, section).find(key), value)
            except InputError as error:
                mistakes.append(Mistake((), str(error)))
    for text in at:
        try:
            changes.append(_change(text, known))
        except InputError as error:
            mistakes.append(Mistake((), str(error)))
    return draft.but_in(**said).but(changes=changes, mistakes=tuple(mistakes))


def _change(text: str, known: Declared) -> dict[str, object]:
    """What `SECONDS:KEY=VALUE` says; of a switch, `SECONDS:KEY` turns it on."""
    moment, colon, rest = text.partition(":")
    if not colon:
        raise InputError(f"--at {text}: it takes SECONDS:KEY=VALUE, such as 3:maxconn=8.")
    if "=" not in rest and rest.strip() and (bare := known.find(rest.strip()).bare) is not None:
        return {"at": moment, rest.strip(): bare}
    key, value = assignment(rest, "--at")
    return {"at": moment, key: _parsed(known.find(key), value)}


def _parsed(parameter: Parameter, text: str) -> Value:
    """`text` as the parameter's value; a file is looked for from here."""
    return parameter.in_folder(parameter.parse(text), Path.cwd())


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def pools(as_json: bool) -> None:
    """List every pool, its limits, and what a change of each does."""
    click.echo(catalogue.as_json() if as_json else catalogue.as_text())


@commands.command("presets")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_presets(as_json: bool) -> None:
    """List the scenarios that poolviz brings along: `poolviz run NAME` runs one."""
    known = presets()
    if as_json:
        listed = [{"name": p.name, "title": p.title, "watch": p.watch} for p in known]
        click.echo(msgspec.json.format(msgspec.json.encode({"presets": listed})).decode())
    else:
        click.echo("\n\n".join(f"{p.name}\n  {p.title}. {p.watch.get('en', '')}" for p in known))


@commands.command("schema")
@click.option("--text", "as_text", is_flag=True, help="Print every key for people instead.")
def print_schema(as_text: bool) -> None:
    """Print the JSON Schema of scenario files: every key, with its bounds, default and help."""
    click.echo(schema.as_text() if as_text else schema.as_json(FIGURES))


@commands.command()
@click.argument("session", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
def export(session: Path, files: tuple[Path, ...]) -> None:
    """Write a recorded session in other formats, each by its file's suffix."""
    headless.export(session, list(files))


@commands.command()
@click.option("--dsn", metavar="URL", help="Your own server; without it poolviz brings one.")
@click.option("--scale", type=int, metavar="N", default=1, help="As pgbench's: 100,000 accounts.")
@click.option("--drop", is_flag=True, help="Drop them instead, and nothing else.")
def tables(dsn: str | None, scale: int, drop: bool) -> None:
    """Make the tables that the statements read and read_write work on, in a schema poolviz.

    A run makes them by itself where they aren't there; this is for doing it, or undoing it, apart.
    """
    click.echo(headless.tables(dsn, scale, drop=drop))


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> int:
    """Tell what this machine lacks, what for, and the command that installs it.

    The exit status is 1 where something is missing that poolviz can't do without, else 0.
    """
    findings = doctors.examine()
    click.echo(doctors.as_json(findings) if as_json else doctors.as_text(findings))
    return int(any(each.state == doctors.MISSING for each in findings))


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
