"""A child process for the engine: started, asked about a user's pool, and ended.

The child is a new interpreter that runs `engine_child` and nothing else: unlike a process of
multiprocessing it never imports the caller's main module, so that a script without a guard, a
notebook or `python -` may start one.

A user's pool is imported there alone, in the child that then runs it. That code may start processes
of its own: child and descendants are a process group, which ends with the child.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from multiprocessing import connection
from typing import Any, TypeAlias

import msgspec

from poolviz.language import environment_with_language, tr
from poolviz.model.errors import InputError
from poolviz.model.messages import (
    DescribePool,
    PoolDescribed,
    PoolUnusable,
    pack,
    unpack_report,
)
from poolviz.model.pool_description import PoolDescription
from poolviz.pools.custom.loader import source_of
from poolviz.pools.custom.places import Place
from poolviz.pools.registry import is_built_in
from poolviz.runs.engine_trace import IMPORT_LIMIT, LastTrace, TracePipe
from poolviz.system import interrupts
from poolviz.system.logs import current_log_settings

if sys.platform == "win32":
    PipeEnd: TypeAlias = connection.PipeConnection
else:
    PipeEnd: TypeAlias = connection.Connection

ENGINE = "_engine"  # the argument by which a packaged program starts as an engine
PIPE_LOST = 86  # the exit status of a child that can't read or write its pipe any more
BROKEN = 87  # that of a child which fails for what the user's code has done to Python
START_LIMIT = 20.0  # seconds that a child may take to load what every run needs
MESSAGE_LIMIT = 5  # seconds for the rest of a message, once its beginning has crossed the pipe
KILL_LIMIT = 5.0  # seconds for a killed process to be gone
LONGEST = 256 << 20  # bytes of a report; the events of a million operations have 30 MB
_MARGIN = 1.5  # seconds more than its own limit, after which a child that imports is killed
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from poolviz.runs.engine_signals import ignore_signals; ignore_signals(); "
    "from poolviz.runs.engine_child import main; main(sys.argv[1:])"
)
_logger = logging.getLogger(__name__)


class SpawnedEngine:
    """A child that has been started and waits to be told what to run."""

    def __init__(
        self, process: subprocess.Popen[bytes], pipe: PipeEnd[Any, Any], trace: TracePipe | None
    ) -> None:
        self.process, self.pipe, self.trace = process, pipe, trace
        self._imported: dict[str, object] = {}  # the pools it was asked about: their files' states
        self._last: LastTrace | None = None  # what it told of its end, once it has ended
        self._status: int | None = None

    @property
    def alive(self) -> bool:
        """The child hasn't ended."""
        return self.process.poll() is None

    def takes(self, id: str, *others: str) -> bool:
        """Return whether it hasn't imported the pool `id` yet, nor any but the `others`."""
        return id not in self._imported and self._imported.keys() <= set(others)

    def is_ready_for(self, id: str) -> bool:
        """Return whether it can run the pool `id` now: it is one of poolviz and no code of a user's
        was imported, or it is the user's and was imported from the file as it is now."""
        if is_built_in(id):
            return not self._imported
        same_source = {each.rpartition(":")[0] for each in self._imported}
        ours = self._imported.get(id)
        return ours is not None and ours == _state(id) and len(same_source) == 1

    def describe(self, id: str) -> PoolDescription | InputError:
        """Have the child import a pool of the user's; what it tells, or why it can't be used.

        Blocks until then, `IMPORT_LIMIT` and the child's start at most. A child that doesn't
        answer is ended. `id` is one from `registry.pool_id`.
        """
        self._imported[id] = _state(id)
        try:
            self.pipe.send_bytes(pack(DescribePool(id)))
            if self.pipe.poll(START_LIMIT):  # it says at first that it begins
                self.pipe.recv_bytes(LONGEST)
                if self.pipe.poll(IMPORT_LIMIT + _MARGIN):
                    match unpack_report(self.pipe.recv_bytes(LONGEST)):
                        case PoolDescribed(description):
                            return description
                        case PoolUnusable(problems):
                            return InputError(*problems)
        except (EOFError, OSError):
            pass  # it has ended or closed the pipe
        except (msgspec.MsgspecError, ValueError, MemoryError):
            _logger.exception("an answer of a pool's process can't be read")
            self.close()
            return InputError(
                tr(
                    "{id} can't be loaded: it writes into the pipe by which poolviz and the "
                    "pool's process talk. Write to own files only.",
                    id=id,
                )
            )
        return InputError(
            tr("{id} can't be loaded: {why_silent}.", id=id, why_silent=self._why_silent())
        )

    def end(self, patience: float = 1.0) -> int | None:
        """Wait for the child to end, and kill it after `patience` seconds; its exit status, or None
        if even that didn't end it within `KILL_LIMIT`.

        What it has started ends with it.
        """
        if self._last is None:
            self._status = _end(self.process, patience)
            self._last = self.trace.read() if self.trace is not None else LastTrace()
            if self.trace is not None:
                self.trace.close()
        return self._status

    def close(self) -> None:
        """End the child."""
        self.pipe.close()
        self.end()

    def ask(self) -> Place | None:
        """Return the line of the user's code in which the child is; None if it can't be known.
        Blocks for half a second."""
        return None if self.trace is None else self.trace.ask(self.process.pid)

    def last_trace(self) -> LastTrace:
        """Return what the child that has ended told of its end."""
        return self._last or LastTrace()

    def _why_silent(self) -> str:
        """End a child that doesn't answer; why it doesn't, as part of a sentence."""
        hangs = self.alive and not self.pipe.closed and not _is_readable(self.pipe)
        place = self.ask() if hangs else None
        if hangs:
            self.process.kill()
        self.pipe.close()
        status = self.end()
        trace = self.last_trace()
        if hangs or trace.timed_out:
            where = trace.place or place
            sentence = tr(
                "its import hasn't ended after {limit:g} s. Connect, wait and start threads in the "
                "constructor, not where the file is imported",
                limit=IMPORT_LIMIT,
            )
            return f"{where}: {sentence}" if where else sentence
        if status is None:
            return tr("its process can't be ended")
        return tr("importing it {how_ended}", how_ended=how_ended(status, trace))


def how_ended(status: int, trace: LastTrace) -> str:
    """Return how a process ended that should have gone on, as part of a sentence."""
    where = f" ({trace.place})" if trace.place is not None else ""
    if trace.what:
        return tr("ended the process by {what}{where}", what=trace.what, where=where)
    if status < 0:
        with suppress(ValueError):
            return tr(
                "ended the process by {name}{where}", name=signal.Signals(-status).name, where=where
            )
    if status == PIPE_LOST:
        return tr(
            "closed the pipe by which poolviz and the pool's process talk: close own files only"
        )
    if status == BROKEN:
        return tr("changed Python so that poolviz can't run in the same process")
    return tr("ended the process with status {status}", status=status)


def _limit_waits(pipe: PipeEnd[Any, Any]) -> None:
    """Give reading the rest of a message, and writing one, an end, whatever the child does: both
    raise BlockingIOError then."""
    if sys.platform != "win32":
        with socket.socket(fileno=os.dup(pipe.fileno())) as end:
            limit = struct.pack("ll", MESSAGE_LIMIT, 0)  # a struct timeval
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def spawn_engine(pool: str | None = None) -> SpawnedEngine:
    """Start a child, which imports what every run needs while its parent goes on.

    `pool` is the id of the pool that the run will probably have, whose library is imported too if
    it is one of poolviz.
    """
    ours, theirs = multiprocessing.Pipe()
    _limit_waits(ours)
    handle = theirs.fileno()
    trace = None if sys.platform == "win32" else TracePipe()
    options: dict[str, Any] = {}
    if sys.platform == "win32":
        os.set_handle_inheritable(handle, True)
        startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})
        options = {"startupinfo": startup, "creationflags": subprocess.CREATE_NO_WINDOW}
    elif trace is not None:
        options = {"pass_fds": (handle, trace.write), "process_group": 0}
    known = pool if pool is not None and is_built_in(pool) else None
    try:
        with interrupts.blocked():
            process = subprocess.Popen(
                _command(handle, trace, known),
                stdin=subprocess.PIPE,  # closes with this process, however it ends
                stdout=_standard_error(),
                env=environment_with_language(),
                **options,
            )
    except BaseException:
        ours.close()
        if trace is not None:
            trace.close()
        raise
    finally:
        theirs.close()
        if trace is not None:
            trace.close_write()
    return SpawnedEngine(process, ours, trace)


def _command(handle: int, trace: TracePipe | None, pool: str | None) -> list[str]:
    level, file = current_log_settings()
    settings = {
        "trace": None if trace is None else trace.write,
        "log": [level, None if file is None else str(file)],
        "pool": pool,
    }
    arguments = [str(handle), json.dumps(settings)]
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


def _state(id: str) -> object:
    """Return what changes when the file of a user's pool is written; "" for one in a module."""
    path = source_of(id)
    try:
        status = path.stat() if path is not None else None
    except OSError:
        return "missing"
    return "" if status is None else (status.st_mtime_ns, status.st_size, status.st_ino)


def _is_readable(pipe: PipeEnd[Any, Any]) -> bool:
    """Return whether something can be read from a pipe, which may be its end."""
    try:
        return pipe.poll(0)
    except (EOFError, OSError):
        return True


def _end(process: subprocess.Popen[bytes], patience: float) -> int | None:
    """Wait for a child to end, kill it after `patience` seconds, and end its group."""
    if process.stdin is not None:
        process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    if process.returncode is None:
        process.kill()
    if sys.platform != "win32":
        # Its number can't be another group's while a process of its own group is left.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    try:
        return process.wait(KILL_LIMIT)
    except subprocess.TimeoutExpired:
        _logger.error("process %d can't be ended", process.pid)
        return None
