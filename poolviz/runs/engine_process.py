"""The engine in a process of its own, which painting can't slow and which may be killed.

A child takes part in one run. It speaks msgpack over a pipe and ends by itself when its parent's
end of the pipe closes, however the parent ended. The parent kills a child that doesn't stop when
it is told to.

The child is a new interpreter that runs `engine_child` and nothing else: unlike a process of
multiprocessing it never imports the caller's main module, so that a script without a guard, a
notebook or `python -` may start one.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection
from time import perf_counter
from typing import Any, TypeAlias

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
from poolviz.system.logs import current_log_settings

if sys.platform == "win32":
    PipeEnd: TypeAlias = connection.PipeConnection
else:
    PipeEnd: TypeAlias = connection.Connection

ENGINE = "_engine"  # the argument by which a packaged program starts as an engine
STOP_LIMIT = 4.0  # seconds that an engine has to stop
_SILENT_AFTER = 5.0  # seconds without any report before the engine is said to hang
_START_LIMIT = 20.0  # the same before its first report: it has libraries to load
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from poolviz.runs.engine_signals import ignore_signals; ignore_signals(); "
    "from poolviz.runs.engine_child import main; main(sys.argv[1:])"
)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpawnedEngine:
    """A child that has been started and waits to be told what to run."""

    process: subprocess.Popen[bytes]
    pipe: PipeEnd[Any, Any]

    def close(self) -> None:
        """End the child."""
        self.pipe.close()
        end_process(self.process)


def spawn_engine(pool: str | None = None) -> SpawnedEngine:
    """Start a child, which imports what every run needs while its parent goes on.

    `pool` is the id of the pool that the run will probably have, whose library is imported too.
    """
    ours, theirs = multiprocessing.Pipe()
    handle = theirs.fileno()
    options: dict[str, Any] = {"pass_fds": (handle,)}
    if sys.platform == "win32":
        os.set_handle_inheritable(handle, True)
        startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})
        options = {"startupinfo": startup, "creationflags": subprocess.CREATE_NO_WINDOW}
    try:
        process = subprocess.Popen(
            _command(handle, pool), stdin=subprocess.DEVNULL, stdout=_standard_error(), **options
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return SpawnedEngine(process, ours)


def _command(handle: int, pool: str | None) -> list[str]:
    level, file = current_log_settings()
    arguments = [str(handle), json.dumps([level, None if file is None else str(file)])]
    if pool is not None:
        arguments.append(pool)
    if getattr(sys, "frozen", False):
        return [sys.executable, ENGINE, *arguments]
    # A pool of the user's own is found where the parent finds it.
    places = json.dumps([place for place in sys.path if isinstance(place, str)])
    return [sys.executable, "-c", _BOOT, *arguments, places]


def _standard_error() -> int:
    """Where the child's standard output goes, which a user's pool may print to: apart from the
    results that this process prints."""
    try:
        os.fstat(2)
    except OSError:
        return subprocess.DEVNULL
    return 2


def end_process(process: subprocess.Popen[bytes], patience: float = 1.0) -> int:
    """Wait for a process to end, and kill it after `patience` seconds; its exit status."""
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


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
        child = spawned or spawn_engine()
        self._process, self._pipe = child.process, child.pipe
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
            status = end_process(self._process)
        self._on_report(ended or RunEnded(self._open, self._death(status), 1))

    def _until_ended(self) -> RunEnded | None:
        """Hand every report on; the RunEnded, or None where the child had to be given up."""
        heard, patience, silent = perf_counter(), _START_LIMIT, False
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
        how = f"ended by itself with status {status}"
        if status < 0:
            how = f"was killed by {signal.Signals(-status).name}"
        return f"The engine {how}: what it recorded until then is kept; start again."
