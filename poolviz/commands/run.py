"""`poolviz run`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from poolviz.commands import options
from poolviz.model.errors import InputError
from poolviz.sessions.export.registry import suffixes

if TYPE_CHECKING:
    from poolviz.model.parameters import Parameter, Value
    from poolviz.runs.repetition import Replay
    from poolviz.scenarios.check import Declared
    from poolviz.scenarios.draft import Draft


@click.command(short_help="Run a load on a pool without a window, and print what was measured.")
@click.argument("scenario", type=options.FILE, required=False)
@options.dsn
@click.option("--pool", metavar="ID", help="The pool to run, as `poolviz pools` lists them.")
@click.option(
    "--own-pool",
    metavar="KEY=VALUE",
    multiple=True,
    help="How a pool of your own is used: acquire=METHOD, release=METHOD, url=run, clients=tasks.",
)
@click.option("--limit", "limits", metavar="KEY=VALUE", multiple=True, help="A limit of the pool.")
@click.option("--load", metavar="KEY=VALUE", multiple=True, help="A setting of the load.")
@click.option(
    "--connect",
    metavar="KEY=VALUE",
    multiple=True,
    help="An argument that the pool's driver connects with; `poolviz help connect` lists them.",
)
@click.option(
    "--at", metavar="SECONDS:KEY=VALUE", multiple=True, help="A change or a fault during the run."
)
@click.option("--duration", metavar="SECONDS", help="How long to run; 20 s by default.")
@click.option("--seed", type=int, metavar="N", help="Seed of the random numbers; 1 by default.")
@click.option(
    "--out",
    metavar="FILE",
    multiple=True,
    type=options.FILE,
    help=f"Write a file in the format of its suffix: {' '.join(suffixes())}.",
)
@click.option(
    "--no-keep", is_flag=True, help="Record no session; else one is kept in the sessions folder."
)
@click.option(
    "--create-tables",
    is_flag=True,
    help="Allow the tables of read and read_write, in a schema poolviz, on your own server.",
)
@click.option(
    "--fail-if",
    metavar="CONDITION",
    multiple=True,
    help="Exit with 99 if it holds, e.g. 'wait_p95 > 50ms'; `poolviz help fail-if` lists figures.",
)
@click.option(
    "--metrics",
    metavar="[HOST:]PORT",
    help="Serve metrics to Prometheus while it runs, on loopback unless a host is named.",
)
@click.option(
    "--otlp",
    metavar="URL",
    help="Push metrics to an OpenTelemetry collector while it runs: http://127.0.0.1:4318.",
)
@options.anonymous
@options.as_json
@click.option("--quiet", is_flag=True, help="Print no progress and no warnings.")
def command(
    *,
    scenario: Path | None,
    dsn: str | None,
    pool: str | None,
    own_pool: tuple[str, ...],
    limits: tuple[str, ...],
    load: tuple[str, ...],
    connect: tuple[str, ...],
    at: tuple[str, ...],
    duration: str | None,
    seed: int | None,
    out: tuple[Path, ...],
    no_keep: bool,
    fail_if: tuple[str, ...],
    create_tables: bool,
    metrics: str | None,
    otlp: str | None,
    anonymous: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Run a load on a pool without a window, and print what was measured.

    SCENARIO is a scenario's file (.toml), the name of a preset, or a session (.poolviz), which is
    run again: the same load and seed, with every change and fault at its time, those made by hand
    included. With --pool another pool runs it; what that doesn't have is left out, and named. A
    session that was recorded on a server of your own needs --dsn.

    The session is kept in the sessions folder, as those of the window are, unless --out names a
    .poolviz file for it or --no-keep is given; `poolviz sessions` lists them. --anonymous concerns
    the files of --out and what --json prints; a .poolviz file is then written at the end.

    Times are in seconds or carry a unit: 50ms, 2min. The exit status is 0 when the run is done,
    1 when it ended early, is incomplete or had no operation that succeeded, 2 for wrong use, 3 when
    there is no server to work with, 99 when a condition of --fail-if came true, and 130 when
    Ctrl+C, SIGTERM or SIGHUP ended it, with the result up to then.
    """
    from poolviz.commands.driver import run_draft  # noqa: PLC0415 - loads what a run needs
    from poolviz.runs.runner import Runner  # noqa: PLC0415 - likewise
    from poolviz.scenarios.draft import Draft  # noqa: PLC0415 - likewise
    from poolviz.scenarios.presets import open_scenario  # noqa: PLC0415 - likewise
    from poolviz.sessions.folder import is_session_file  # noqa: PLC0415 - likewise

    replay, notes = None, []
    if scenario is not None and is_session_file(scenario):
        replay = _replay_of(scenario)
        draft = replay.draft
    else:
        draft = Draft() if scenario is None else open_scenario(scenario)
    given: dict[str, Any] = {"pool": pool, "dsn": dsn, "duration": duration, "seed": seed}
    draft = draft.with_fields(**{key: value for key, value in given.items() if value is not None})
    if replay is not None:
        replay.check_server(draft.dsn)
    elif pool is not None and scenario is not None:
        draft = draft.with_fields(limits={}, connect={})
    draft = _with_own_pool(draft, own_pool)
    with Runner() as runner:
        runner.learn(draft.pool)
        if replay is not None:
            draft, left_out = replay.fitted(draft)
            notes = [replay.sentence, *left_out]
        sections = {"limits": limits, "load": load, "connect": connect}
        draft = _with_options(draft, sections, at)
        if fail_if:
            draft = draft.with_fields(fail_if=[*draft.fail_if, *fail_if])
        return run_draft(
            draft,
            list(out),
            runner,
            notes=notes,
            anonymous=anonymous,
            as_json=as_json,
            quiet=quiet,
            keep=not no_keep,
            create_tables=create_tables,
            metrics=metrics,
            otlp=otlp,
        )


def _replay_of(session: Path) -> Replay:
    """Return the session to run again: a file, or one of the sessions folder by its file's name."""
    from poolviz.runs.repetition import Replay  # noqa: PLC0415 - loads what a run needs
    from poolviz.sessions.folder import SessionsFolder  # noqa: PLC0415 - likewise
    from poolviz.system.folders import sessions_folder  # noqa: PLC0415 - only here

    kept = sessions_folder() / session.name
    if session.parent == Path() and not session.exists() and kept.exists():
        session = SessionsFolder(sessions_folder()).find(session.name).path
    return Replay.open(session)


def _with_own_pool(draft: Draft, own_pool: Sequence[str]) -> Draft:
    """Return `draft` with its pool used as the options say. InputError for a mistake in them."""
    from poolviz.scenarios.toml_file import draft_of  # noqa: PLC0415 - loads what a run needs

    if not own_pool:
        return draft
    given = dict(options.assignment(text, "--own-pool") for text in own_pool)
    used = draft_of({"pool": draft.pool, "own_pool": given})
    return draft.with_fields(pool=used.pool, mistakes=(*draft.mistakes, *used.mistakes))


def _with_options(draft: Draft, sections: Mapping[str, Sequence[str]], at: Sequence[str]) -> Draft:
    """Return `draft` with what the options say, those of `limits`, `load` and `connect` by section,
    and with the mistakes in them."""
    from poolviz.scenarios.check import declared  # noqa: PLC0415 - loads what a run needs
    from poolviz.scenarios.draft import Mistake  # noqa: PLC0415 - likewise

    try:
        known = declared(draft.pool, draft.dsn)
    except InputError:
        return draft  # the pool is a mistake that is reported when the draft is checked
    mistakes = list(draft.mistakes)
    said: dict[str, dict[str, object]] = {section: {} for section in sections}
    changes = list(draft.changes)
    for section, texts in sections.items():
        option = f"--{section.removesuffix('s')}"
        for text in texts:
            try:
                key, value = options.assignment(text, option)
                said[section][key] = _parsed(known.find_in(section, key), value)
            except InputError as error:
                mistakes.append(Mistake((), str(error)))
    for text in at:
        try:
            changes.append(_change(text, known))
        except InputError as error:
            mistakes.append(Mistake((), str(error)))
    return draft.with_values(**said).with_fields(changes=changes, mistakes=tuple(mistakes))


def _change(text: str, known: Declared) -> dict[str, object]:
    """Return what `SECONDS:KEY=VALUE` says; of a switch, `SECONDS:KEY` turns it on."""
    moment, colon, rest = text.partition(":")
    if not colon:
        raise InputError(f"--at {text}: it takes SECONDS:KEY=VALUE, such as 3:maxconn=8.")
    if "=" not in rest and rest.strip() and (bare := known.find(rest.strip()).bare) is not None:
        return {"at": moment, rest.strip(): bare}
    key, value = options.assignment(rest, "--at")
    return {"at": moment, key: _parsed(known.find(key), value)}


def _parsed(parameter: Parameter, text: str) -> Value:
    """Return `text` as the parameter's value; a file is looked for from the current folder."""
    return parameter.in_folder(parameter.parse(text), Path.cwd())
