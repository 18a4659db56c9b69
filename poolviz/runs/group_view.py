"""The server's view of all processes of a run, asked for over one connection."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from poolviz.engine.run import OTHER_PROGRAMS, SERVERS_VIEW
from poolviz.engine.server_monitor import ServerMonitor
from poolviz.engine.server_room import ServerRoom, most_connections
from poolviz.model.messages import StartRun
from poolviz.model.sample import Sample
from poolviz.servers.monitor import Views


class GroupView:
    """Watches the backends of a run whose processes don't, and gives each its own.

    `on_problem` is called with a topic and a sentence, by any thread. Other methods are called by
    the thread that owns the processes.
    """

    def __init__(self, start: StartRun, on_problem: Callable[[str, str], None]) -> None:
        self._monitor = ServerMonitor(
            start.conninfo,
            start.application_name,
            lambda sentence: on_problem(SERVERS_VIEW, sentence),
        )
        self._room = ServerRoom(lambda sentence: on_problem(OTHER_PROGRAMS, sentence))
        self._views = Views()
        self._newest: dict[str, Sample] = {}  # of each process, by its application name
        self._due: set[str] = set()  # those that haven't got their part of the views yet

    def completed(self, name: str, sample: Sample) -> Sample:
        """Return a sample of the process with that application name, with its own backends if they
        were counted anew."""
        self._newest[name] = sample
        views = self._monitor.take_views()
        if views is not None:
            self._views, self._due = views, set(self._newest)
            self._room.see(views.whole, sum(map(most_connections, self._newest.values())))
        if name not in self._due:
            return sample
        self._due.discard(name)
        return msgspec.structs.replace(sample, server=self._views.of(name))

    def forget(self, name: str) -> None:
        """Note that a process has ended."""
        self._newest.pop(name, None)

    def close(self) -> None:
        """Disconnect, waiting for a second at most."""
        self._monitor.close(timeout=1.0)
