"""`poolviz size`."""

from __future__ import annotations

from pathlib import Path

import click

from poolviz.commands import options


@click.command(short_help="Find out how large the pool should be.")
@click.argument("scenario", type=options.FILE, required=False)
@options.dsn
@click.option("--pool", metavar="ID", help="The pool, as `poolviz pools` lists them.")
@click.option(
    "--own-pool",
    metavar="KEY=VALUE",
    multiple=True,
    help="How a pool of your own is used: acquire=METHOD, release=METHOD, url=run, clients=tasks.",
)
@click.option(
    "--limit",
    "limits",
    metavar="KEY=LOW..HIGH",
    multiple=True,
    help="A limit to sweep, two at most; with KEY=VALUE, one that stays as it is.",
)
@click.option("--load", metavar="KEY=VALUE", multiple=True, help="A setting of the load.")
@click.option(
    "--connect",
    metavar="KEY=VALUE",
    multiple=True,
    help="An argument that the pool's driver connects with; `poolviz help connect` lists them.",
)
@click.option(
    "--target",
    "targets",
    metavar="CONDITION",
    multiple=True,
    help="What a size has to meet, e.g. 'wait_p95 < 20ms'; several have to be met together.",
)
@click.option(
    "--budget", metavar="SECONDS", default="2min", show_default=True, help="How long to measure."
)
@click.option("--seed", type=int, metavar="N", help="Seed of the random numbers; 1 by default.")
@click.option(
    "--out",
    metavar="FILE",
    multiple=True,
    type=options.FILE,
    help="Write the answer as .json, or the session that was recorded as .poolviz.",
)
@click.option(
    "--no-keep", is_flag=True, help="Record no session; else one is kept in the sessions folder."
)
@click.option(
    "--create-tables",
    is_flag=True,
    help="Allow the tables of read and read_write, in a schema poolviz, on your own server.",
)
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
    targets: tuple[str, ...],
    budget: str,
    seed: int | None,
    out: tuple[Path, ...],
    no_keep: bool,
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
    left.

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
            out=out,
            keep=not no_keep,
            create_tables=create_tables,
            as_json=as_json,
            quiet=quiet,
        )
    )
