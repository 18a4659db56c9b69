"""The engine in a process of its own, which painting can't slow and which may be killed.

A child takes part in one run. It speaks msgpack over a pipe and ends by itself when its parent's
end of the pipe closes, however the parent ended. The parent kills a child that doesn't stop when
it is told to.
"""

from __future__ import annotations

import logging
import queue
import signal
import threading
from collections.abc import Callable
from time import perf_counter

from poolviz.engine.sample_maker import SampleMaker
from poolviz.language import tr
from poolviz.model.messages import (
    AddNote,
    BeginLoad,
    ChangeSetting,
    ChangeTogether,
    Command,
    ProblemReported,
    Report,
    RunEnded,
    SampleTaken,
    ServerRestarted,
    StartRun,
    StopRun,
    pack,
    unpack_report,
)
from poolviz.model.parameters import Value
from poolviz.pools.registry import is_built_in
from poolviz.runs.spawned_engine import (
    BROKEN,
    KILL_LIMIT,
    LONGEST,
    MESSAGE_LIMIT,
    PIPE_LOST,
    START_LIMIT,
    SpawnedEngine,
    how_ended,
    spawn_engine,
)

STOP_LIMIT = 4.0  # seconds that an engine has to stop
_SILENT_AFTER = 5.0  # seconds without any report before the engine is said to hang
_GIVE_UP_AFTER = 30.0  # more seconds without any report until a silent engine is ended
_MOST_COMMANDS = 1000  # that wait for an engine which doesn't take them
_LATEST_STOP = 3 * STOP_LIMIT  # for an engine that was told to stop and still reports
CLOSE_LIMIT = _LATEST_STOP + 3 * MESSAGE_LIMIT + 2 * KILL_LIMIT  # all of that together
_ASK_AFTER = 7.0  # seconds without any report before a user's pool is asked where it is
_LOOK = 0.25  # seconds between two looks at a silent engine
_logger = logging.getLogger(__name__)


class EngineProcess:
    """One run in a child process.

    `on_report` is called from this object's own reader thread, for every report, in order. The
    last one is always RunEnded, also when the child died: then with a `failure` that says so. A
    child that has reported nothing for `start_limit` seconds counts as silent.
    Every method may be called from any thread.
    """

    def __init__(
        self,
        start: StartRun,
        on_report: Callable[[Report], None],
        spawned: SpawnedEngine | None = None,
        *,
        start_limit: float = START_LIMIT,
    ) -> None:
        self._child = spawned or spawn_engine()
        self._process, self._pipe = self._child.process, self._child.pipe
        self._pool, self._start_limit = start.scenario.pool, start_limit
        self._on_report = on_report
        self._samples = SampleMaker(users=not is_built_in(self._pool))
        # Commands wait here for the thread that writes them: an engine that doesn't read them, a
        # stopped one for instance, must not block whoever gives them.
        self._outbox: queue.Queue[bytes | None] = queue.Queue(_MOST_COMMANDS)
        self._refused = False
        self._stop_asked_at: float | None = None
        self._killed = False
        self._open = 0
        self._failure = ""
        self._send(start)
        self._writer = threading.Thread(target=self._write, name="engine commands", daemon=True)
        self._reader = threading.Thread(target=self._read, name="engine reports", daemon=True)
        self._writer.start()
        self._reader.start()

    @property
    def running(self) -> bool:
        """RunEnded hasn't been reported yet."""
        return self._reader.is_alive()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def begin_load(self) -> None:
        """Begin the load, once a PoolOpened said that it waits for this."""
        self._send(BeginLoad())

    def change(self, key: str, value: Value) -> None:
        """Change a limit or a setting of the load, or inject a fault. Answered by a MarkAdded or
        a ChangeRefused."""
        self._send(ChangeSetting(key, value))

    def change_together(self, values: dict[str, Value]) -> None:
        """Make several changes at one moment, which share a segment."""
        self._send(ChangeTogether(values))

    def add_note(self, text: str) -> None:
        """Put a note on the timeline, now."""
        self._send(AddNote(text))

    def server_restarted(self) -> None:
        """Say that the server was restarted, as the engine had asked."""
        self._send(ServerRestarted())

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
        self._reader.join(CLOSE_LIMIT)
        if self._reader.is_alive():
            _logger.error("the engine's reports didn't end")

    def _send(self, command: Command) -> None:
        try:
            self._outbox.put_nowait(pack(command))
        except queue.Full:
            self._refused = True

    def _write(self) -> None:
        """Write commands to the pipe, until there are no more or nobody takes them."""
        while (data := self._outbox.get()) is not None:
            try:
                self._pipe.send_bytes(data)
            except OSError:
                return  # the child is gone or hangs; the reader sees that too, and reports it

    def _read(self) -> None:
        ended = None
        try:
            ended = self._until_ended()
        except Exception as error:
            if self._is_unreadable(error):
                _logger.exception("a report of the engine can't be read")
                self._failure = tr(
                    "The engine sent a report that can't be read ({named}) and was ended: "
                    "what it recorded until then is kept; start again.",
                    named=_named(error),
                )
                self._process.kill()
        status = self._end()
        self._deliver(ended or RunEnded(self._open, self._failure or self._death(status), 1))

    def _is_unreadable(self, error: Exception) -> bool:
        """Whether `error` is of a report, not of a child that is gone."""
        if isinstance(error, BlockingIOError) or not self._pipe.readable:
            return True  # half a report, and no more of it; or one that is too long
        return not isinstance(error, EOFError | OSError)

    def _end(self) -> int | None:
        """End both threads' work on the pipe, and the child; its exit status."""
        try:
            self._outbox.put_nowait(None)
        except queue.Full:
            self._process.kill()  # it takes no commands, so it wouldn't end by itself
        self._writer.join(_LOOK)
        if self._writer.is_alive():
            self._process.kill()
            self._writer.join(2 * MESSAGE_LIMIT)
        self._pipe.close()  # which ends the child, if it is still alive
        return self._child.end()

    def _deliver(self, report: Report) -> None:
        """Hand a report on; what goes wrong there keeps none of the next ones back."""
        try:
            self._on_report(report)
        except Exception:
            _logger.exception("a report of the engine was not taken")

    def _until_ended(self) -> RunEnded | None:
        """Hand every report on; the RunEnded, or None where the child had to be given up."""
        # Silence is counted in looks, so that a suspended program doesn't take it for the child's.
        silence, patience, warned, asked = 0.0, self._start_limit, False, False
        while True:
            alive = self._process.poll() is None
            if self._pipe.poll(_LOOK):
                report = unpack_report(self._pipe.recv_bytes(LONGEST))
                if isinstance(report, RunEnded):
                    return report
                silence, patience, asked = 0.0, _SILENT_AFTER, False
                if warned:
                    warned = False
                    self._deliver(ProblemReported("engine", ""))
                for each in self._samples.reports(report):
                    if isinstance(each, SampleTaken):
                        self._open = each.sample.open.last
                    self._deliver(each)
            elif not alive:
                return None  # and another process holds the pipe that it inherited
            else:
                silence += _LOOK
            if self._overdue(silence):
                self._process.kill()
                return None
            if silence > _ASK_AFTER and not asked:
                asked = True
                if self._hangs_in_users_code(silence):
                    return None
            if silence > patience + _GIVE_UP_AFTER:
                self._failure = tr(
                    "The engine hasn't answered for {silence:.0f} s and was ended: what it "
                    "recorded until then is kept; start again.",
                    silence=silence,
                )
                self._process.kill()
                return None
            if not warned and silence > patience:
                warned = True
                sentence = tr(
                    "The engine hasn't answered for {patience:g} s: stop the run to start again.",
                    patience=patience,
                )
                self._deliver(ProblemReported("engine", sentence))
            if self._refused:
                self._refused = False
                sentence = tr("The engine takes no more changes: those made now are lost.")
                self._deliver(ProblemReported("commands", sentence))

    def _hangs_in_users_code(self, silence: float) -> bool:
        """Whether a silent engine is in the code of a user's pool, which holds Python's lock for as
        long: then it is ended, for nothing there can go on."""
        place = None if is_built_in(self._pool) else self._child.ask()
        if place is None:
            return False
        self._failure = tr(
            "{pool} has kept all threads from running for {silence:.0f} s and was "
            "ended: it is at {place}. What was recorded until then is kept.",
            pool=self._pool,
            silence=silence,
            place=place,
        )
        self._process.kill()
        return True

    def _overdue(self, silence: float) -> bool:
        """Whether the engine should have ended by now: it was told to, and is silent or goes on."""
        if self._stop_asked_at is None:
            return False
        passed = perf_counter() - self._stop_asked_at
        return passed > _LATEST_STOP or min(passed, silence) > STOP_LIMIT

    def _death(self, status: int | None) -> str:
        """Why there is no RunEnded of the child's own, in a sentence."""
        if self._killed:
            return tr("The engine was ended at once, before it could close its connections.")
        if self._stop_asked_at is not None:
            return tr("The engine didn't stop when it was asked to and was ended.")
        trace = self._child.last_trace()
        known = trace.place is not None or status in (BROKEN, PIPE_LOST)
        if status is not None and known and not is_built_in(self._pool):
            return tr(
                "{pool} {how_ended}: what was recorded until then is kept.",
                pool=self._pool,
                how_ended=how_ended(status, trace),
            )
        if status is None:
            how = tr("can't be ended (process {pid})", pid=self._process.pid)
        elif status < 0:
            how = tr("was killed by {signal_name}", signal_name=_signal_name(-status))
        else:
            how = tr("ended by itself with status {status}", status=status)
        return tr("The engine {how}: what it recorded until then is kept; start again.", how=how)


def _named(error: Exception) -> str:
    if isinstance(error, BlockingIOError):
        return tr(
            "half of it, and nothing more within {message_limit} s", message_limit=MESSAGE_LIMIT
        )
    return f"{type(error).__name__}: {error}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return tr("signal {number}", number=number)
