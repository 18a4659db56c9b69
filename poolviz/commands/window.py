"""The window, which `poolviz` without a command opens."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from poolviz.commands import options
from poolviz.language import tr
from poolviz.model.errors import InputError

if TYPE_CHECKING:
    from poolviz.scenarios.draft import Draft

_SESSION = ".poolviz"


@click.command(hidden=True)
@click.argument("file", type=options.FILE, required=False)
@options.dsn
@click.option("--reset-settings", is_flag=True, help="Reset the window's settings, and end.")
@click.pass_context
def command(
    ctx: click.Context,
    file: Path | None,
    dsn: str | None,
    reset_settings: bool,
) -> int:
    """Open the window; where there is no display, run the scenario without one.

    FILE is a scenario (.toml), the name of a preset, or a recorded session (.poolviz).
    """
    if reset_settings:
        return _reset_settings(file, dsn)
    with _collection_paused():
        from poolviz.runs.request import check_draft  # noqa: PLC0415 - not for --help
        from poolviz.runs.runner import Runner  # noqa: PLC0415 - likewise
        from poolviz.scenarios.draft import Draft  # noqa: PLC0415 - likewise
        from poolviz.scenarios.presets import open_scenario  # noqa: PLC0415 - likewise
        from poolviz.system.display import display_problem  # noqa: PLC0415 - likewise
        from poolviz.system.qt_libraries import qt_error  # noqa: PLC0415 - likewise

    start: Draft | Path | None = None
    if file is not None and file.suffix == _SESSION:
        if not file.exists():
            raise InputError(tr("There is no file {file}.", file=file))
        start = file
    elif file is not None:
        start = open_scenario(file, _command_names(ctx))
    reason = display_problem()
    if reason is not None:
        return _without_window(reason, start, dsn)
    draft = start if not isinstance(start, Path) else None
    draft = draft or Draft()
    with Runner() as runner:
        runner.learn(draft.pool)
        scenario = check_draft(draft)
        # Engine and server start while Qt is imported.
        named = dsn is not None or isinstance(start, Path) or draft.dsn
        runner.warm_up(scenario.pool, server=not named)
        with _collection_paused():
            error = qt_error()
            if not error:
                from poolviz.ui.app import run_window  # noqa: PLC0415 - for a window alone
        if not error:
            return run_window(start, dsn, runner)
    return _without_window(tr("Qt can't be loaded ({error})", error=error), start, dsn)


def _reset_settings(file: Path | None, dsn: str | None) -> int:
    """Reset the settings and say what that did."""
    from poolviz.system.qt_libraries import qt_error  # noqa: PLC0415 - not for --help

    if file is not None or dsn is not None:
        raise InputError(tr("--reset-settings stands alone: it opens no window."))
    if error := qt_error():
        raise InputError(
            tr("Qt, which keeps the settings, can't be loaded ({error}).", error=error)
        )
    from poolviz.ui import app  # noqa: PLC0415 - as above

    click.echo(app.reset_settings())
    return 0


@contextmanager
def _collection_paused() -> Iterator[None]:
    """Import without garbage collection, which takes a tenth of the time and finds nothing.

    Later collections skip what was imported.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _command_names(ctx: click.Context) -> list[str]:
    """Return the commands that a mistyped name may have meant."""
    assert ctx.parent is not None
    group = ctx.parent.command
    assert isinstance(group, click.Group)
    return [name for name in group.list_commands(ctx.parent) if name != ctx.info_name]


def _without_window(reason: str, start: Draft | Path | None, dsn: str | None) -> int:
    """Run the scenario without a window, and leave its graphs and data in this folder."""
    from poolviz.commands.driver import run_draft  # noqa: PLC0415 - where there is no window
    from poolviz.runs.request import check_draft, with_duration  # noqa: PLC0415 - likewise
    from poolviz.runs.runner import Runner  # noqa: PLC0415 - likewise
    from poolviz.scenarios.draft import Draft  # noqa: PLC0415 - likewise
    from poolviz.sessions.export.file_name import run_name  # noqa: PLC0415 - likewise

    if isinstance(start, Path):
        raise InputError(
            tr(
                "{reason}, so {start} can't be shown; `poolviz export {start} "
                "graphs.png` draws it.",
                reason=reason,
                start=start,
            )
        )
    draft = start or Draft()
    if dsn is not None:
        draft = draft.with_fields(dsn=dsn)
    with Runner() as runner:
        runner.learn(draft.pool)
        scenario = with_duration(check_draft(draft))
        name = run_name(scenario, time.time())
        files = [Path(name + suffix) for suffix in (".csv", ".png")]
        click.echo(
            tr(
                "poolviz: {reason}, so {pool} runs for {duration:g} s without a window "
                "and writes its graphs and data to {files} and {files2}.",
                reason=reason,
                pool=scenario.pool,
                duration=scenario.duration,
                files=files[1],
                files2=files[0],
            ),
            err=True,
        )
        return run_draft(draft, files, runner, as_json=False, quiet=False)
