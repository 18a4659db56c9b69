"""The same engine in a child process: what the window uses, so that painting never slows a client.

The child is spawned, never forked, and speaks msgpack over a pipe. It ends by itself when its
parent's end of the pipe closes, in whatever way the parent ended; the parent kills it when it
doesn't answer an order to stop.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any

from poolviz.engine.engine import Engine
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
    unpack_command,
    unpack_report,
)
from poolviz.model.parameters import Value

_SILENT_AFTER = 5.0  # seconds without any report before the engine is said to hang
_KILL_AFTER = 4.0  # seconds that an engine has to stop


class EngineProcess:
    """One run in a child process.

    `on_report` is called from the link's own reader thread, for every report, in order. The last
    one is always RunEnded, also when the child died: then with a `failure` that says so.
    """

    def __init__(self, begin: StartRun, on_report: Callable[[Report], None]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._on_report = on_report
        self._sending = threading.Lock()  # a command is one small write to a pipe nobody fills
        self._stop_requested_at: float | None = None
        self._open = 0
        self._exit_code: int | None = None
        self._process = context.Process(target=_live, args=(theirs,), name="poolviz engine")
        self._process.daemon = True
        self._process.start()
        theirs.close()
        self._send(begin)
        self._reader = threading.Thread(target=self._read, name="engine's reports", daemon=True)
        self._reader.start()

    @property
    def running(self) -> bool:
        """RunEnded hasn't come yet."""
        return self._reader.is_alive()

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._process.pid

    def change(self, key: str, value: Value) -> None:
        """Change a limit or a setting of the load; a MarkAdded or a ChangeRefused comes."""
        self._send(ChangeSetting(key, value))

    def add_note(self, text: str) -> None:
        """Put a note on the timeline, now."""
        self._send(AddNote(text))

    def stop(self) -> None:
        """End the run; RunEnded comes within a few seconds, or the child is killed."""
        if self._stop_requested_at is None:
            self._stop_requested_at = perf_counter()
            self._send(StopRun())

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
            return  # the child is gone; the reader sees that too, and says so

    def _read(self) -> None:
        ended = None
        try:
            ended = self._until_ended()
        except (EOFError, OSError):
            pass  # the child is gone without a word: said below
        finally:
            with self._sending:
                self._pipe.close()  # which ends the child, if it still lives
            self._bury()
        self._on_report(ended or RunEnded(self._open, self._epitaph(), 1))

    def _until_ended(self) -> RunEnded | None:
        """Hand every report on; the RunEnded, or None where the child had to be given up."""
        heard, silent = perf_counter(), False
        while True:
            if self._pipe.poll(0.25):
                report = unpack_report(self._pipe.recv_bytes())
                if isinstance(report, RunEnded):
                    return report
                heard = perf_counter()
                if silent:
                    silent = False
                    self._on_report(ProblemReported("engine", ""))
                if isinstance(report, SampleTaken):
                    self._open = report.sample.open.last
                self._on_report(report)
            elif self._stop_requested_at is not None:
                if perf_counter() - max(self._stop_requested_at, heard) > _KILL_AFTER:
                    return None
            elif not silent and perf_counter() - heard > _SILENT_AFTER:
                silent = True
                sentence = "The engine hasn't answered for 5 s: stop the run to start again."
                self._on_report(ProblemReported("engine", sentence))

    def _bury(self) -> None:
        """Make sure that the child is gone."""
        self._process.join(1.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._exit_code = self._process.exitcode
        self._process.close()

    def _epitaph(self) -> str:
        code = self._exit_code
        if self._stop_requested_at is not None:
            return "The engine didn't stop when it was asked to and was ended."
        how = (
            f"was killed by {signal.Signals(-code).name}"
            if code and code < 0
            else (f"ended by itself with status {code}")
        )
        return f"The engine {how}: what it recorded until then is kept; start again."


def _live(pipe: Connection[Any, Any]) -> None:
    """The child's main thread: takes commands until the pipe closes or the run is over."""
    # Ctrl+C reaches the whole terminal; the parent decides what becomes of the run.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    engine: Engine | None = None

    def send(report: Report) -> None:
        try:
            pipe.send_bytes(pack(report))
        except OSError:
            os._exit(1)  # nobody is left to report to; the sockets close with the process

    try:
        while True:
            command = unpack_command(pipe.recv_bytes())
            if isinstance(command, StartRun):
                engine = Engine(command, send)
            elif engine is None:
                continue
            elif isinstance(command, ChangeSetting):
                engine.change(command.key, command.value)
            elif isinstance(command, AddNote):
                engine.add_note(command.text)
            else:
                engine.stop()
                engine.wait(2 * _KILL_AFTER)
                return
    except EOFError:
        if engine is not None:
            engine.stop()
            engine.wait(_KILL_AFTER)
