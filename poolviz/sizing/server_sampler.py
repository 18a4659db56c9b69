"""Asks the server five times a second what the backends of a run are doing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import closing
from types import TracebackType
from typing import Self

import psutil

from poolviz.language import tr
from poolviz.servers.monitor import Monitor
from poolviz.sessions.sweep_record import KeptObservation

_EVERY = 0.2  # seconds
_STOP_LIMIT = 12.0  # seconds: a call of a monitor ends within ten
_logger = logging.getLogger(__name__)


class ServerSampler:
    """A thread with a monitor of its own, which it connects and closes.

    `clock` returns the seconds since the run began. `local` says that the server is on this
    machine, whose load is then measured too. The thread appends to `observations`; whoever reads
    it takes a copy. `problem` says why nothing is known of the server.
    """

    def __init__(
        self, make_monitor: Callable[[], Monitor | None], clock: Callable[[], float], *, local: bool
    ) -> None:
        self.observations: list[KeptObservation] = []
        self.problem = ""
        self._make_monitor, self._clock, self._local = make_monitor, clock, local
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="server sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join(_STOP_LIMIT)

    def _run(self) -> None:
        try:
            self._observe()
        except Exception as error:
            _logger.exception("observing the server failed")
            self.problem = tr("What the server does isn't known: {error}.", error=repr(error))

    def _observe(self) -> None:
        monitor = self._make_monitor()
        if monitor is None:
            return
        with closing(monitor):
            psutil.cpu_percent(None)  # what is measured next is since this call
            while not self._stopping.wait(_EVERY):
                activity = monitor.activity()
                load = psutil.cpu_percent(None) / 100 if self._local else None
                self.problem = monitor.problem
                counts = None if activity is None else tuple(activity)
                self.observations.append(KeptObservation(self._clock(), counts, load))
