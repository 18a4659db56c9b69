"""Asks the server once a second what it sees of the run, over a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from poolviz.model.sample import ServerView
from poolviz.servers.dispatch import monitor_for

INTERVAL = 1.0  # seconds


class ServerMonitor:
    """Owns the `Monitor` on the server and the one thread that uses it. Without a monitor it
    rests."""

    def __init__(
        self,
        conninfo: str,
        application_name: str,
        on_trouble: Callable[[str], None],
    ) -> None:
        self._monitor = monitor_for(conninfo, application_name)
        self._on_trouble = on_trouble  # a sentence, or "" when all is well again
        self._said = ""
        self._latest: ServerView | None = None
        self._wake = threading.Event()
        self._cancelling = self._closing = False
        self._thread = threading.Thread(target=self._watch, name="server's view", daemon=True)
        self._thread.start()

    def take(self) -> ServerView | None:
        """What was seen since the last call; None if nothing new was."""
        latest, self._latest = self._latest, None
        return latest

    def cancel_statements(self) -> None:
        """Have the server cancel what this run's backends are doing. Returns at once."""
        self._cancelling = True
        self._wake.set()

    def close(self, timeout: float) -> None:
        """End the thread and its connection, waiting at most `timeout` seconds for it."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout)

    def _watch(self) -> None:
        monitor = self._monitor
        if monitor is None:
            return
        try:
            while not self._closing:
                if self._cancelling:
                    self._cancelling = False
                    monitor.cancel_statements()
                else:
                    self._latest = monitor.view()
                    if monitor.problem != self._said:
                        self._said = monitor.problem
                        self._on_trouble(self._said)
                self._wake.wait(INTERVAL)
                self._wake.clear()
        finally:
            monitor.close()
