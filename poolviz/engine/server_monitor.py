"""The server's own view of the run, asked for once a second over a connection of its own."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from poolviz.language import tr
from poolviz.model.error_text import sentence_part
from poolviz.model.sample import ServerView
from poolviz.servers.dispatch import monitor_for
from poolviz.servers.monitor import Monitor, Views

INTERVAL = 1.0  # seconds
_MOST_SEEN = 60  # views that wait to be taken

_logger = logging.getLogger(__name__)


class ServerMonitor:
    """Owns the `Monitor` of the server and the thread that uses it. SQLite has no server to watch.

    `on_problem` is called in that thread with a sentence, and with an empty one when the problem
    is over. The run goes on without the server's view for as long as there is none. One that
    doesn't `watch`, because another one sees the same backends, connects to cancel statements only.
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
        self._on_problem, self._watches = on_problem, watch
        self._problem = ""
        self._seen: deque[Views] = deque(maxlen=_MOST_SEEN)
        self._wake = threading.Event()
        self._cancelling = self._closing = False
        self._thread = threading.Thread(target=self._run, name="server monitor", daemon=True)
        self._thread.start()

    def take(self) -> ServerView | None:
        """Return what was seen last since the last call; None if nothing was."""
        views = self.take_views()
        return views[-1].whole if views else None

    def take_views(self) -> list[Views]:
        """Return what was seen of each process since the last call, oldest first."""
        return [self._seen.popleft() for _ in range(len(self._seen))]

    def cancel_statements(self) -> None:
        """Ask the server to cancel what this run's backends are doing. Returns at once."""
        self._cancelling = True
        self._wake.set()

    def close(self, timeout: float) -> None:
        """End the thread and its connection, waiting at most `timeout` seconds for it."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        if self._monitor is None:
            return
        try:
            self._watch(self._monitor)
        except BaseException as error:
            _logger.exception("the server monitor ended")
            self._on_problem(
                tr(
                    "The server's own view is missing, which is a fault of poolviz: {error}.",
                    error=sentence_part(error),
                )
            )

    def _watch(self, monitor: Monitor) -> None:
        try:
            while not self._closing:
                if self._cancelling:
                    self._cancelling = False
                    monitor.cancel_statements()
                elif self._watches:
                    if (views := monitor.views()) is not None:
                        self._seen.append(views)
                    if monitor.problem != self._problem:
                        self._problem = monitor.problem
                        self._on_problem(self._problem)
                self._wake.wait(INTERVAL if self._watches else None)
                self._wake.clear()
        finally:
            monitor.close()
