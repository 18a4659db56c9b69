"""The engine of one process on a worker of a fleet, from the coordinator's side."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import msgspec

from poolviz.language import tr
from poolviz.model.messages import (
    CLOCK,
    WORKER,
    BeginLoad,
    ChangeTogether,
    Command,
    MarkAdded,
    ProblemReported,
    Report,
    RunEnded,
    RunStarted,
    SampleTaken,
    ServerRestarted,
    StartRun,
    StopRun,
    pack,
    unpack_report,
)
from poolviz.model.parameters import Value
from poolviz.runs.engine_process import STOP_LIMIT
from poolviz.runs.fleet.actor import LEASE
from poolviz.runs.fleet.clock import ClockEstimate, Offset
from poolviz.runs.fleet.worker import FleetWorker, WorkerLost
from poolviz.runs.spawned_engine import KILL_LIMIT, START_LIMIT
from poolviz.sessions.member_sum import shifted

EVERY = 0.2  # seconds between two batches
# By then the engine of a worker that can't be reached has ended, and its clients with it.
LOST_AFTER = LEASE + STOP_LIMIT + KILL_LIMIT
_SILENT_AFTER = 2.0  # seconds without an answer before that is said
_logger = logging.getLogger(__name__)


class RemoteEngine:
    """One process of the run, in a child of a worker (a `MemberEngine`).

    `on_report` is called by a thread of its own, for every report, in order; moments in them are
    those of this machine's clock. The last one is always RunEnded, also when the worker is lost:
    then with a `failure` that says so.
    """

    pid = 0

    def __init__(
        self,
        start: StartRun,
        on_report: Callable[[Report], None],
        worker: FleetWorker,
        limit: float = START_LIMIT,
    ) -> None:
        self._limit = limit
        self._start, self._on_report, self._worker = start, on_report, worker
        self._lock = threading.Lock()  # guards the commands; held for microseconds
        self._commands: list[bytes] = []  # that may not have arrived
        self._first = 0  # the number of the first of them
        self._wake = threading.Event()
        self._killed = self._silent = False
        self._open = 0
        self._times = _Times(worker.clock)
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """RunEnded hasn't been reported yet."""
        return self._thread.is_alive()

    def begin_load(self) -> None:
        """Begin the load, once a PoolOpened said that it waits for this."""
        self._send(BeginLoad())

    def change_together(self, values: dict[str, Value]) -> None:
        """Make several changes at one moment, which share a segment."""
        self._send(ChangeTogether(values))

    def server_restarted(self) -> None:
        """Say that the server was restarted, as the engine had asked."""
        self._send(ServerRestarted())

    def stop(self) -> None:
        """End the run. RunEnded comes within a few seconds, or the worker is lost."""
        self._send(StopRun())

    def kill(self) -> None:
        """End the engine at once, whatever it is doing. RunEnded follows."""
        self._killed = True
        self._wake.set()

    def _send(self, command: Command) -> None:
        with self._lock:
            self._commands.append(pack(command))
        self._wake.set()

    def _run(self) -> None:
        failure = ""
        ended = None
        try:
            self._worker.begin(pack(self._start), self._limit, self._wait)
            ended = self._until_ended()
        except WorkerLost:
            failure = self._loss()
        except Exception as error:
            _logger.exception("the process on %s can't be followed", self._worker.address)
            failure = tr("A fault of poolviz itself ended the run: {error!r}.", error=error)
        self._worker.release()
        self._deliver(ended or RunEnded(self._open, failure, 1))

    def _until_ended(self) -> RunEnded:
        """Hand every report on; return the RunEnded."""
        taken = 0
        while True:
            self._wake.clear()
            for data in self._exchange(taken):
                taken += 1
                report = unpack_report(data)
                if isinstance(report, RunEnded):
                    return report
                self._deliver(self._times.ours(report, self._worker.address))
            self._wake.wait(EVERY)

    def _exchange(self, taken: int) -> list[bytes]:
        with self._lock:
            first, commands = self._first, tuple(self._commands)
        limit = KILL_LIMIT if self._killed else LOST_AFTER
        reports = self._worker.exchange(
            taken, first, commands, kill=self._killed, timeout=limit, waits=self._wait
        )
        with self._lock:
            del self._commands[: len(commands)]
            self._first += len(commands)
        if self._silent:
            self._silent = False
            self._deliver(ProblemReported("engine", ""))
        return reports

    def _wait(self, seconds: float) -> None:
        """Say that the worker doesn't answer, once; give it up if it was to be ended."""
        if self._killed and seconds > KILL_LIMIT:
            raise WorkerLost
        if seconds > _SILENT_AFTER and not self._silent:
            self._silent = True
            sentence = tr(
                "Its worker {address} hasn't answered for {seconds:g} s. What it records "
                "meanwhile is added when it does.",
                address=self._worker.address,
                seconds=_SILENT_AFTER,
            )
            self._deliver(ProblemReported("engine", sentence))

    def _loss(self) -> str:
        if self._killed:
            return tr("The engine was ended at once, before it could close its connections.")
        return tr(
            "Its worker {address} was lost, and its clients are gone with it. What was received "
            "until then is kept.",
            address=self._worker.address,
        )

    def _deliver(self, report: Report) -> None:
        """Hand a report on; what goes wrong there keeps none of the next ones back."""
        if isinstance(report, SampleTaken):
            self._open = report.sample.open.last
        try:
            self._on_report(report)
        except Exception:
            _logger.exception("a report of a worker was not taken")


class _Times:
    """Puts the moments of a worker's reports on this machine's clock.

    Its start is known to within the bound of the estimate then. Samples count from there by that
    machine's steady clock; once it has drifted by more than the bounds, they are moved by what is
    beyond them.
    """

    def __init__(self, clock: ClockEstimate) -> None:
        self._clock = clock
        self._began: Offset | None = None
        self._drift = 0.0  # by which moments are moved
        self._newest = 0.0

    def ours(self, report: Report, address: str) -> Report:
        """Return a report with its moments as they are here."""
        match report:
            case RunStarted():
                self._began = self._clock.steady()
                facts = {WORKER: address, CLOCK: str(self._clock.wall())}
                return msgspec.structs.replace(
                    report,
                    started=self._clock.in_our_wall_time(report.started),
                    environment={**report.environment, **facts},
                )
            case SampleTaken(sample):
                self._follow_drift()
                moved = shifted(sample, max(-self._drift, self._newest - sample.t))
                self._newest = moved.t
                return SampleTaken(moved)
            case MarkAdded(mark):
                return MarkAdded(msgspec.structs.replace(mark, t=max(mark.t - self._drift, 0.0)))
            case _:
                return report

    def _follow_drift(self) -> None:
        if self._began is None:
            return
        now = self._clock.steady()
        drifted, bound = now.ahead - self._began.ahead, now.bound + self._began.bound
        self._drift = min(max(self._drift, drifted - bound), drifted + bound)
