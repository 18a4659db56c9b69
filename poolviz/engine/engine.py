"""Runs a scenario: one pool, its clients, the meter, and the changes of limits as they come.

Threads: `control` makes the pool, changes limits and clients, and ends the run; `sampler` takes
a sample each tick; `reporter` actions reports on, so that nobody who counts or controls ever waits
for a pipe; the server_monitor asks the server; and each client is a thread. Samples are taken under
one small lock, since control takes one too, at the moment of a change.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

from poolviz.engine.client_group import ClientGroup, ThreadClientGroup
from poolviz.engine.meter import ConnectionEventBuffer
from poolviz.engine.run import Run, told
from poolviz.engine.server_monitor import ServerMonitor
from poolviz.engine.task_client import TaskClientGroup
from poolviz.model.messages import (
    AddNote,
    ChangeSetting,
    ProblemReported,
    Report,
    RunEnded,
    StartRun,
    StopRun,
)
from poolviz.model.parameters import Value
from poolviz.model.scenario import Scenario
from poolviz.pools.base import Pool, TaskPool, ThreadPool
from poolviz.pools.registry import pool_class
from poolviz.servers.dispatch import with_application_name


class Engine:
    """One run. `on_report` is called from the reporter's thread, in order; RunEnded comes last."""

    def __init__(self, begin: StartRun, on_report: Callable[[Report], None]) -> None:
        self._begin = begin
        self._on_report = on_report
        self._counter = ConnectionEventBuffer()
        self._commands: queue.SimpleQueue[ChangeSetting | AddNote | StopRun] = queue.SimpleQueue()
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._control, name="control", daemon=True),
            threading.Thread(target=self._report, name="reporter", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def change(self, key: str, value: Value) -> None:
        """Change a limit or a setting of the load; a MarkAdded or a ChangeRefused comes."""
        self._commands.put(ChangeSetting(key, value))

    def add_note(self, text: str) -> None:
        """Put a note on the timeline, now."""
        self._commands.put(AddNote(text))

    def stop(self) -> None:
        """End the run; RunEnded comes within two seconds."""
        # control itself may be waiting there, resizing the pool
        self._counter.connect_faults.disable()
        self._commands.put(StopRun())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over and everything is reported; False if it isn't by then."""
        until = None if timeout is None else perf_counter() + timeout
        for thread in self._threads:
            thread.join(None if until is None else max(until - perf_counter(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _report(self) -> None:
        while True:
            report = self._reports.get()
            self._on_report(report)
            if isinstance(report, RunEnded):
                return

    def _control(self) -> None:
        begin, counter = self._begin, self._counter
        try:
            kind = pool_class(begin.scenario.pool)
            conninfo = with_application_name(begin.conninfo, begin.application_name)
            group = _group_for(kind, conninfo, counter, begin.scenario)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises ends as a sentence
            why = told(error, begin.conninfo)
            self._reports.put(RunEnded(0, str(why), why.exit_status))
            return
        server_monitor = ServerMonitor(begin.conninfo, begin.application_name, self._tell_of_server)
        run: Run | None = None
        failure, left_open = "", 0
        try:
            try:
                run = Run(
                    begin=begin,
                    kind=kind,
                    group=group,
                    counter=counter,
                    server_monitor=server_monitor,
                    reports=self._reports,
                )
                run.live(self._commands)
            finally:
                if run is not None:
                    left_open = run.end()
                else:
                    server_monitor.close(timeout=1.0)
                    group.close()
        except Exception as error:
            failure = f"The engine failed, which is a fault of poolviz: {error!r}."
            raise
        finally:
            rows = None if run is None else run.rows
            self._reports.put(RunEnded(left_open, failure, 1 if failure else 0, rows))

    def _tell_of_server(self, sentence: str) -> None:
        self._reports.put(ProblemReported("server's view", sentence))


def _group_for(
    kind: type[Pool], conninfo: str, counter: ConnectionEventBuffer, scenario: Scenario
) -> ClientGroup[Any]:
    """The pool of a scenario, and a group of the kind of clients it is made for."""
    if issubclass(kind, TaskPool):
        return TaskClientGroup(kind, conninfo, counter, scenario.limits, scenario.seed)
    if issubclass(kind, ThreadPool):
        return ThreadClientGroup(kind, conninfo, counter, scenario.limits, scenario.seed)
    raise TypeError(f"{kind.id} is neither a ThreadPool nor a TaskPool")
