"""The server's view of all processes of a run, asked for over one connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from poolviz.engine.pooler_monitor import PoolerMonitor
from poolviz.engine.run import OTHER_PROGRAMS, POOLERS_VIEW, SERVERS_VIEW
from poolviz.engine.server_monitor import ServerMonitor
from poolviz.engine.server_room import ServerRoom, most_connections
from poolviz.model.messages import StartRun
from poolviz.model.sample import PoolerView, Sample
from poolviz.servers.monitor import Views

_KEPT = 60  # views, a second each: samples that come later get none


class GroupView:
    """Watches the backends of a run whose processes don't, and gives each its own, and what a
    pooler in between says of all of them.

    `on_problem` is called with a topic and a sentence, by any thread. Other methods are called by
    the thread that owns the processes.
    """

    def __init__(self, start: StartRun, on_problem: Callable[[str, str], None]) -> None:
        self._monitor = ServerMonitor(
            start.conninfo,
            start.application_name,
            lambda sentence: on_problem(SERVERS_VIEW, sentence),
        )
        self._pooler = PoolerMonitor(
            start.pooler, start.conninfo, lambda sentence: on_problem(POOLERS_VIEW, sentence)
        )
        self._pooled = bool(start.pooler)
        self._said: PoolerView | None = None  # by the pooler, of all processes
        self._got: dict[str, PoolerView] = {}  # what each process got of that last
        self._room = ServerRoom(lambda sentence: on_problem(OTHER_PROGRAMS, sentence))
        self._views: deque[Views] = deque(maxlen=_KEPT)
        self._newest: dict[str, Sample] = {}  # of each process, by its application name
        self._given: dict[str, float] = {}  # when the view was taken that each of them got last

    def completed(self, name: str, sample: Sample, at: float) -> Sample:
        """Return a sample of the process with that application name, with its own backends if they
        were counted anew. The sample was taken `at` that Unix time; it may come late."""
        self._newest[name] = sample
        for views in self._monitor.take_all():
            self._views.append(views)
            if not self._pooled:  # the pooler opens fewer connections than the pools
                self._room.see(views.whole, sum(map(most_connections, self._newest.values())))
        self._said = self._pooler.take() or self._said
        if self._said is not None and self._got.get(name) is not self._said:
            self._got[name] = self._said
            sample = msgspec.structs.replace(sample, pooler=self._said)
        known = next((each for each in reversed(self._views) if each.at <= at), None)
        if known is None or known.at <= self._given.get(name, 0.0):
            return sample
        self._given[name] = known.at
        return msgspec.structs.replace(sample, server=known.of(name, self._newest))

    def forget(self, name: str) -> None:
        """Note that a process has ended."""
        self._newest.pop(name, None)
        self._given.pop(name, None)
        self._got.pop(name, None)

    def close(self) -> None:
        """Disconnect, waiting for two seconds at most."""
        self._pooler.close(timeout=1.0)
        self._monitor.close(timeout=1.0)
