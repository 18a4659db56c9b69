"""The server's own view of the run, asked for once a second over a connection of its own."""

from __future__ import annotations

from collections.abc import Callable

from poolviz.engine.view_thread import ViewThread
from poolviz.language import tr
from poolviz.model.error_text import sentence_part
from poolviz.model.sample import ServerView
from poolviz.servers.dispatch import monitor_for
from poolviz.servers.monitor import Views

INTERVAL = 1.0  # seconds


class ServerMonitor(ViewThread[Views]):
    """Reads the `Monitor` of the server. SQLite has no server to watch.

    `on_problem` is called in the thread with a sentence, and with an empty one when the problem
    is over. One that doesn't `watch`, because another one sees the same backends, connects to
    cancel statements only.
    """

    def __init__(
        self,
        conninfo: str,
        application_name: str,
        on_problem: Callable[[str], None],
        *,
        watch: bool = True,
    ) -> None:
        self._monitor = monitor_for(conninfo, application_name)
        self._watches, self._cancelling = watch, False

        def ended(error: BaseException) -> None:
            on_problem(
                tr(
                    "The server's own view is missing, which is a fault of poolviz: {error}.",
                    error=sentence_part(error),
                )
            )

        interval = INTERVAL if watch else None
        super().__init__(self._monitor, "server monitor", interval, on_problem, ended)

    def take(self) -> ServerView | None:
        """Return what was seen last since the last call; None if nothing was."""
        views = self.take_all()
        return views[-1].whole if views else None

    def cancel_statements(self) -> None:
        """Ask the server to cancel what this run's backends are doing. Returns at once."""
        self._cancelling = True
        self._wake.set()

    def _act(self) -> bool:
        cancelling, self._cancelling = self._cancelling, False
        if cancelling and self._monitor is not None:
            self._monitor.cancel_statements()
        return cancelling or not self._watches
