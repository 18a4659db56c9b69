"""`poolviz size`."""

from __future__ import annotations

from pathlib import Path

import click

from poolviz.commands import options


@click.command(short_help="Find out how large the pool should be.")
@click.argument("scenario", type=options.FILE, required=False)
@options.dsn
@options.pool
@options.own_pool
@click.option(
    "--limit",
    "limits",
    metavar="KEY=LOW..HIGH",
    multiple=True,
    help="A limit to sweep, two at most; with KEY=VALUE, one that stays as it is.",
)
@options.load
@options.connect
@click.option(
    "--target",
    "targets",
    metavar="CONDITION",
    multiple=True,
    help="What a size has to meet, e.g. 'wait_p95 < 20ms'; several have to be met together.",
)
@click.option(
    "--budget", metavar="SECONDS", default="2min", help="How long to measure; 2min by default."
)
@options.seed
@options.processes
@click.option(
    "--out",
    metavar="FILE",
    multiple=True,
    type=options.FILE,
    help="Write the answer as .html .png .svg .pdf .csv .json or .md, or the session that was "
    "recorded as .poolviz.",
)
@click.option(
    "--measured",
    is_flag=True,
    help="Measure nothing: answer from what the sweep of SESSION measured, for another --target if "
    "that is given.",
)
@options.no_keep
@options.create_tables
@options.as_json
@options.quiet
def command(
    *,
    scenario: Path | None,
    dsn: str | None,
    pool: str | None,
    own_pool: tuple[str, ...],
    limits: tuple[str, ...],
    load: tuple[str, ...],
    connect: tuple[str, ...],
    targets: tuple[str, ...],
    budget: str,
    seed: int | None,
    processes: str | None,
    out: tuple[Path, ...],
    no_keep: bool,
    measured: bool,
    create_tables: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Find out how large the pool should be: run the load at one size after the other, and say the
    smallest one with 95 % of the best throughput that meets the target, what limits it, and what
    other sizes would do.

    SCENARIO is a scenario's file (.toml), the name of a preset, or a session (.poolviz), whose load
    is used. All sizes are measured in one run, in random order, each at least three times; sizes
    around the knee are added as they become known. Without --limit the limit is swept that says how
    many connections the pool has, from 1 to as many as the clients could use and the server has
    left. With --processes so many of them share what the server has left, and the answer is for
    each.

    Ctrl+C ends the sweep with what was measured until then, and the status 130. Otherwise the exit
    status is 0, 1 when it ended early or no size meets the target, 2 for wrong use, and 3 when
    there is no server to work with.
    """
    from poolviz.commands.sizing import (  # noqa: PLC0415 - loads what a run needs
        SizeOptions,
        find_and_print,
    )

    return find_and_print(
        SizeOptions(
            scenario=scenario,
            dsn=dsn,
            pool=pool,
            own_pool=own_pool,
            limits=limits,
            load=load,
            connect=connect,
            targets=targets,
            budget=budget,
            seed=seed,
            processes=processes,
            out=out,
            keep=not no_keep,
            measured=measured,
            create_tables=create_tables,
            as_json=as_json,
            quiet=quiet,
        )
    )
