"""`poolviz run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from poolviz.commands import options
from poolviz.sessions.export.registry import suffixes


@click.command(short_help="Run a load on a pool without a window, and print what was measured.")
@click.argument("scenario", type=options.FILE, required=False)
@options.dsn
@options.pooler
@options.pool
@options.own_pool
@click.option("--limit", "limits", metavar="KEY=VALUE", multiple=True, help="A limit of the pool.")
@options.load
@options.connect
@click.option(
    "--at", metavar="SECONDS:KEY=VALUE", multiple=True, help="A change or a fault during the run."
)
@click.option("--duration", metavar="SECONDS", help="How long to run; 20 s by default.")
@options.seed
@options.processes
@click.option(
    "--fleet",
    metavar="ADDRESS",
    help="Run the processes on the workers of a Dask cluster: tls://SCHEDULER:8786, or tcp:// on "
    "this machine.",
)
@click.option(
    "--out",
    metavar="FILE",
    multiple=True,
    type=options.FILE,
    help=f"Write a file in the format of its suffix: {' '.join(suffixes())}.",
)
@options.no_keep
@options.lanes
@options.create_tables
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
@options.quiet
def command(
    *,
    scenario: Path | None,
    dsn: str | None,
    pooler: str | None,
    pool: str | None,
    own_pool: tuple[str, ...],
    limits: tuple[str, ...],
    load: tuple[str, ...],
    connect: tuple[str, ...],
    at: tuple[str, ...],
    duration: str | None,
    seed: int | None,
    processes: str | None,
    fleet: str | None,
    out: tuple[Path, ...],
    no_keep: bool,
    lanes: str | None,
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
    from poolviz.commands.drafts import (  # noqa: PLC0415 - loads what a run needs
        check_for_pool,
        cut_off,
        draft_from,
        ineffective,
        with_options,
        with_own_pool,
    )
    from poolviz.commands.driver import run_draft  # noqa: PLC0415 - likewise
    from poolviz.runs.runner import Runner  # noqa: PLC0415 - likewise
    from poolviz.sessions.limits import parse_size  # noqa: PLC0415 - likewise

    notes: list[str] = []
    draft, replay = draft_from(scenario)
    written_for = draft.pool
    if replay is None and (late := cut_off(draft, duration)):
        notes.append(late)
    given: dict[str, Any] = {"pool": pool, "dsn": dsn, "duration": duration, "seed": seed}
    given["pooler"] = pooler
    draft = draft.with_fields(**{key: value for key, value in given.items() if value is not None})
    if replay is not None:
        replay.check_server(draft.dsn)
    elif pool is not None and scenario is not None:
        draft = draft.with_fields(limits={}, connect={})
    draft = with_own_pool(draft, own_pool)
    with Runner() as runner:
        runner.learn(draft.pool)
        if replay is not None:
            draft, left_out = replay.fitted(draft)
            notes = [replay.sentence, *left_out]
        number = () if processes is None else (f"processes={processes}",)
        sections = {"limits": limits, "load": load, "connect": connect, "fleet": number}
        draft = with_options(draft, sections, at)
        if pool is not None and scenario is not None and replay is None:
            check_for_pool(draft, scenario, written_for)
        notes += ineffective(draft, load)
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
            **({} if lanes is None else {"lanes": parse_size(lanes)}),
            create_tables=create_tables,
            metrics=metrics,
            otlp=otlp,
            fleet=fleet,
        )
