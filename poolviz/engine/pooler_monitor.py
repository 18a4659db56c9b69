"""What a pooler in between says of itself, asked for twice a second at its console."""

from __future__ import annotations

from collections.abc import Callable

from poolviz.engine.view_thread import ViewThread
from poolviz.language import tr
from poolviz.model.error_text import sentence_part
from poolviz.model.sample import PoolerView
from poolviz.servers.dispatch import passwords, pooler_console_for

INTERVAL = 0.5  # seconds


class PoolerMonitor(ViewThread[PoolerView]):
    """Reads the console of a pooler, if there is one: `console` is its conninfo, or "".

    `on_problem` is called in the thread with a sentence, and with an empty one when the problem
    is over.
    """

    def __init__(self, console: str, conninfo: str, on_problem: Callable[[str], None]) -> None:
        def ended(error: BaseException) -> None:
            on_problem(
                tr(
                    "The pooler's own view is missing, which is a fault of poolviz: {error}.",
                    error=sentence_part(error, passwords(console)),
                )
            )

        reader = pooler_console_for(console, conninfo) if console else None
        super().__init__(reader, "pooler monitor", INTERVAL, on_problem, ended)

    def take(self) -> PoolerView | None:
        """Return what was seen last since the last call; None if nothing was."""
        views = self.take_all()
        return views[-1] if views else None
