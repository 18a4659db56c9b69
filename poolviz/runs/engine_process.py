"""The engine in a process of its own, which painting can't slow and which may be killed.

A child takes part in one run. It speaks msgpack over a pipe and ends by itself when its parent's
end of the pipe closes, however the parent ended. The parent kills a child that doesn't stop when
it is told to.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from time import perf_counter

from poolviz.model.messages import (
    AddNote,
    ChangeSetting,
    Command,
    ProblemReported,
    Report,
    RunEnded,
    SampleTaken,
    StartRun,
    StopRun,
    pack,
    unpack_report,
)
from poolviz.model.parameters import Value
from poolviz.pools.registry import is_built_in
from poolviz.runs.spawned_engine import START_LIMIT, SpawnedEngine, how_ended, spawn_engine

STOP_LIMIT = 4.0  # seconds that an engine has to stop
_SILENT_AFTER = 5.0  # seconds without any report before the engine is said to hang
_logger = logging.getLogger(__name__)


class EngineProcess:
    """One run in a child process.

    `on_report` is called from this object's own reader thread, for every report, in order. The
    last one is always RunEnded, also when the child died: then with a `failure` that says so.
    Every method may be called from any thread.
    """

    def __init__(
        self,
        start: StartRun,
        on_report: Callable[[Report], None],
        spawned: SpawnedEngine | None = None,
    ) -> None:
        self._child = spawned or spawn_engine()
        self._process, self._pipe = self._child.process, self._child.pipe
        self._pool = start.scenario.pool
        self._on_report = on_report
        self._sending = threading.Lock()  # a command is one small write to a pipe nobody fills
        self._stop_asked_at: float | None = None
        self._killed = False
        self._open = 0
        self._send(start)
        self._reader = threading.Thread(target=self._read, name="engine reports", daemon=True)
        self._reader.start()

    @property
    def running(self) -> bool:
        """RunEnded hasn't been reported yet."""
        return self._reader.is_alive()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def change(self, key: str, value: Value) -> None:
        """Change a limit or a setting of the load, or inject a fault. Answered by a MarkAdded or
        a ChangeRefused."""
        self._send(ChangeSetting(key, value))

    def add_note(self, text: str) -> None:
        """Put a note on the timeline, now."""
        self._send(AddNote(text))

    def stop(self) -> None:
        """End the run. RunEnded comes within a few seconds, or the child is killed."""
        if self._stop_asked_at is None:
            self._stop_asked_at = perf_counter()
            self._send(StopRun())

    def kill(self) -> None:
        """End the child at once, whatever it is doing. RunEnded follows."""
        self._killed = True
        if self._process.poll() is None:
            self._process.kill()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until RunEnded was reported; False if it wasn't by then."""
        self._reader.join(timeout)
        return not self._reader.is_alive()

    def close(self) -> None:
        """End the run and the child. Blocks for a few seconds at most."""
        self.stop()
        self._reader.join()

    def _send(self, command: Command) -> None:
        try:
            with self._sending:
                self._pipe.send_bytes(pack(command))
        except OSError:
            return  # the child is gone; the reader sees that too, and reports it

    def _read(self) -> None:
        ended = None
        try:
            ended = self._until_ended()
        except (EOFError, OSError):
            pass  # the child is gone without a word: reported below
        except Exception:
            _logger.exception("The engine's reports can't be read")
        finally:
            with self._sending:
                self._pipe.close()  # which ends the child, if it is still alive
            status = self._child.end()
        self._on_report(ended or RunEnded(self._open, self._death(status), 1))

    def _until_ended(self) -> RunEnded | None:
        """Hand every report on; the RunEnded, or None where the child had to be given up."""
        heard, patience, silent = perf_counter(), START_LIMIT, False
        while True:
            if self._pipe.poll(0.25):
                report = unpack_report(self._pipe.recv_bytes())
                if isinstance(report, RunEnded):
                    return report
                heard, patience = perf_counter(), _SILENT_AFTER
                if silent:
                    silent = False
                    self._on_report(ProblemReported("engine", ""))
                if isinstance(report, SampleTaken):
                    self._open = report.sample.open.last
                self._on_report(report)
            elif self._stop_asked_at is not None:
                if perf_counter() - max(self._stop_asked_at, heard) > STOP_LIMIT:
                    self._process.kill()
                    return None
            elif not silent and perf_counter() - heard > patience:
                silent = True
                sentence = (
                    f"The engine hasn't answered for {patience:g} s: stop the run to start again."
                )
                self._on_report(ProblemReported("engine", sentence))

    def _death(self, status: int) -> str:
        """Why there is no RunEnded of the child's own, in a sentence."""
        if self._killed:
            return "The engine was ended at once, before it could close its connections."
        if self._stop_asked_at is not None:
            return "The engine didn't stop when it was asked to and was ended."
        trace = self._child.last_trace()
        if trace.place is not None and not is_built_in(self._pool):
            return f"{self._pool} {how_ended(status, trace)}: what was recorded until then is kept."
        how = f"ended by itself with status {status}"
        if status < 0:
            how = f"was killed by {signal.Signals(-status).name}"
        return f"The engine {how}: what it recorded until then is kept; start again."
