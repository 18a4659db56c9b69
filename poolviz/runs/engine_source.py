"""Where the engines of a run with several processes come from: this machine, or a fleet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from poolviz.model.messages import Report, StartRun
from poolviz.model.parameters import Value
from poolviz.runs.engine_process import EngineProcess
from poolviz.runs.spawned_engine import SpawnedEngine, spawn_engine
from poolviz.sessions.member_sum import LAG


class MemberEngine(Protocol):
    """The engine of one process. Every method may be called from any thread, and returns at
    once."""

    @property
    def running(self) -> bool:
        """Its RunEnded hasn't been reported yet."""

    @property
    def pid(self) -> int:
        """The id of its process on this machine; 0 if it is on another one."""

    def begin_load(self) -> None:
        """Begin the load, of a run that waits for it."""

    def change_together(self, values: dict[str, Value]) -> None:
        """Make several changes at one moment, which share a segment."""

    def server_restarted(self) -> None:
        """Say that the server was restarted, as the engine had asked."""

    def stop(self) -> None:
        """End the run. RunEnded comes within a few seconds."""

    def kill(self) -> None:
        """End the engine at once, whatever it is doing. RunEnded follows."""


class EngineSource(Protocol):
    """Starts engines. Used by one thread at a time.

    `patience` is how many seconds the record waits for what a process has to say of a moment.
    """

    patience: float

    @property
    def facts(self) -> Mapping[str, str]:
        """What the environment of the run says of where its processes are."""

    def prepare(self) -> None:
        """Make ready for one more engine, so that several are made ready at the same time."""

    def start(
        self, start: StartRun, on_report: Callable[[Report], None], limit: float
    ) -> MemberEngine:
        """Start the engine that was prepared first, which may be silent for `limit` seconds until
        it runs. `on_report` is called by a thread of its own for every report, in order; the last
        one is always RunEnded, however it ends."""

    def discard(self) -> None:
        """End what was prepared and not started."""


class LocalEngines:
    """Engines in processes of this machine (an `EngineSource`). `spawned` is the first one, if it
    was started already."""

    patience = LAG

    def __init__(self, pool: str, spawned: SpawnedEngine | None = None) -> None:
        self._pool, self._spare = pool, spawned
        self._prepared: deque[SpawnedEngine] = deque()

    @property
    def facts(self) -> Mapping[str, str]:
        """Nothing: it is this machine, which each process describes."""
        return {}

    def prepare(self) -> None:
        """Start a child, which imports what every run needs meanwhile."""
        spare, self._spare = self._spare, None
        self._prepared.append(spare or spawn_engine(self._pool))

    def start(
        self, start: StartRun, on_report: Callable[[Report], None], limit: float
    ) -> MemberEngine:
        """Have the oldest child run it."""
        return EngineProcess(start, on_report, self._prepared.popleft(), start_limit=limit)

    def discard(self) -> None:
        """End children that were given nothing to run."""
        spare, self._spare = self._spare, None
        for child in (*self._prepared, *([spare] if spare is not None else [])):
            child.close()
        self._prepared.clear()
