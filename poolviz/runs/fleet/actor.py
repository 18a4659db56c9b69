"""The worker's side of a fleet: an actor of Dask's, which holds the engine of one process.

The engine is a child of the worker's process, as it is of poolviz' own on one machine. What it
reports waits here until the coordinator has it, which asks five times a second. One that isn't
heard of for `LEASE` seconds is gone, or can't be reached: then the engine ends by itself.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from time import perf_counter, time
from typing import NamedTuple

import msgspec

from poolviz.language import tr, use_language
from poolviz.model.messages import (
    BeginLoad,
    ChangeTogether,
    Report,
    RunEnded,
    ServerRestarted,
    StartRun,
    StopRun,
    pack,
    unpack_command,
)
from poolviz.model.version import VERSION
from poolviz.runs.engine_process import EngineProcess
from poolviz.runs.fleet.clock import Reading

LEASE = 8.0  # seconds without the coordinator until the engine ends
_LOOK = 0.5  # seconds between two looks at that
_MOST = 8 << 20  # bytes of reports in one answer, about


class Answer(NamedTuple):
    """What a worker answers: reports from the number that was asked for on, and its clocks."""

    reports: list[bytes]
    clocks: Reading


class EngineActor:
    """Holds the engine of one process, from `begin` until its RunEnded.

    Dask calls `exchange` in the worker's event loop and `begin` in a thread for actors; the
    engine's reports come from its reader thread, and another thread sees to the lease.
    """

    def __init__(self, language: str) -> None:
        use_language(language)
        self._engine: EngineProcess | None = None
        self._lock = threading.Lock()  # guards the two below; held for microseconds
        self._reports: deque[bytes] = deque()  # that the coordinator may not have yet
        self._first = 0  # the number of the first of them
        self._commands = 0  # that were carried out
        self._heard_at = perf_counter()
        self._left = False  # the lease has run out

    def version(self) -> str:
        """Return the version of poolviz on this machine."""
        return VERSION

    def begin(self, start: bytes, limit: float) -> None:
        """Start the engine, with a StartRun as bytes; do nothing if it was. It may be silent for
        `limit` seconds until it runs."""
        if self._engine is not None:
            return
        command = unpack_command(start)
        assert isinstance(command, StartRun)
        self._heard_at = perf_counter()
        self._engine = EngineProcess(command, self._keep, start_limit=limit)
        threading.Thread(target=self._watch, name="fleet lease", daemon=True).start()

    async def exchange(
        self, taken: int, first: int, commands: Sequence[bytes], *, kill: bool
    ) -> Answer:
        """Carry out commands and return reports.

        `taken` is the number of reports that the coordinator has. `first` is the number of the
        first command: those that were carried out are not repeated, whatever became of the answer.
        """
        clocks = Reading(perf_counter(), time())
        self._heard_at = clocks.steady
        engine = self._engine
        for command in commands[max(self._commands - first, 0) :]:
            self._commands += 1
            if engine is not None:
                _carry_out(engine, command)
        if kill and engine is not None:
            engine.kill()
        return Answer(self._from(taken), clocks)

    def _from(self, taken: int) -> list[bytes]:
        """Forget reports up to a number, and return those that follow."""
        with self._lock:
            while self._reports and self._first < taken:
                self._reports.popleft()
                self._first += 1
            reports: list[bytes] = []
            size = 0
            for report in self._reports:
                reports.append(report)
                size += len(report)
                if size > _MOST:
                    break
        return reports

    def _keep(self, report: Report) -> None:
        if isinstance(report, RunEnded) and self._left and not report.failure:
            report = msgspec.structs.replace(report, failure=_unreached(), exit_status=1)
        data = pack(report)
        with self._lock:
            self._reports.append(data)

    def _watch(self) -> None:
        """End the engine once the coordinator is gone."""
        engine = self._engine
        assert engine is not None
        while not engine.wait(_LOOK):
            if perf_counter() - self._heard_at > LEASE:
                self._left = True
                engine.stop()


def _unreached() -> str:
    return tr(
        "Its worker heard nothing of this run for {lease:g} s and ended its clients.", lease=LEASE
    )


def _carry_out(engine: EngineProcess, data: bytes) -> None:
    match unpack_command(data):
        case BeginLoad():
            engine.begin_load()
        case ChangeTogether(values):
            engine.change_together(values)
        case ServerRestarted():
            engine.server_restarted()
        case StopRun():
            engine.stop()
        case _:
            pass
