"""The line on a terminal that shows how far something long is."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import click

from poolviz.model.text import on_one_line, shortened
from poolviz.sessions.share_done import ShareDone, unheard
from poolviz.system.interrupts import end_at_once, handled_by

_EVERY = 0.1  # seconds between two drawings
_WIDTH = 20
WIPE = "\r\x1b[K"


def bar(share: float) -> str:
    """Return a bar of which `share` is filled."""
    return ("█" * round(_WIDTH * min(max(share, 0.0), 1.0))).ljust(_WIDTH, "░")


@contextmanager
def progress_line(words: str, *, quiet: bool = False) -> Iterator[ShareDone]:
    """Show `words` and how much is done on a line of standard error, where that is a terminal, for
    the length of a block of the main thread."""
    if quiet or not sys.stderr.isatty():
        yield unheard
        return
    room = shutil.get_terminal_size().columns - _WIDTH - len(" 100 % ")
    shown, last = shortened(on_one_line(words), max(room, _WIDTH)), 0.0

    def show(share: float) -> None:
        nonlocal last
        if monotonic() - last >= _EVERY:
            last = monotonic()
            line = f"{WIPE}{bar(share)} {round(100 * share):3} % {shown}"
            click.echo(line, err=True, nl=False)

    show(0.0)
    try:
        yield show
    finally:
        click.echo(WIPE, err=True, nl=False)


@contextmanager
def wiped_by_signals() -> Iterator[None]:
    """Have a signal wipe a line that is shown before it ends the process, during a block."""

    def end() -> None:
        if sys.stderr.isatty():
            sys.stderr.write(WIPE)
            sys.stderr.flush()
        end_at_once()

    with handled_by(end):
        yield
