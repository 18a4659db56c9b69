"""`poolviz tables`."""

from __future__ import annotations

import click

from poolviz.commands import options


@click.command(short_help="Make, or drop, the tables that some statements need.")
@options.dsn
@click.option(
    "--scale",
    type=options.WHOLE_NUMBER,
    metavar="N",
    default=1,
    help="As pgbench's: 100,000 accounts.",
)
@click.option("--drop", is_flag=True, help="Drop the tables that poolviz made, and nothing else.")
def command(dsn: str | None, scale: int, drop: bool) -> None:
    """Make the tables that the statements read and read_write work on, in a schema poolviz.

    A run makes them where they are missing, on your own server only with --create-tables; this
    makes or drops them without a run.
    """
    from poolviz.commands.console import say  # noqa: PLC0415 - loads what a run needs
    from poolviz.load.settings import SETTINGS  # noqa: PLC0415 - likewise
    from poolviz.runs.runner import Runner  # noqa: PLC0415 - likewise
    from poolviz.runs.tables import drop_tables, make_tables  # noqa: PLC0415 - likewise

    SETTINGS["scale"].check(scale)
    with Runner() as runner:
        target = runner.reach(dsn, say)
        done = drop_tables(target, say) if drop else make_tables(target, scale, say)
    click.echo(done)
