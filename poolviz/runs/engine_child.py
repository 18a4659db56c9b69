"""The engine's process: takes commands from its parent until the run is over.

Nothing of the window or the command line is imported here. `main` runs in the main thread, and so
does the import of a user's pool; the engine's own threads do the rest, and its reporter writes to
the pipe.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from poolviz.engine.engine import Engine
from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.messages import (
    AddNote,
    BeginLoad,
    ChangeSetting,
    ChangeTogether,
    DescribePool,
    ImportBegun,
    PoolDescribed,
    PoolUnusable,
    Report,
    RunEnded,
    ServerRestarted,
    StartRun,
    StopRun,
    pack,
    unpack_command,
)
from poolviz.pools.custom.user_errors import phrase
from poolviz.pools.description import describe
from poolviz.pools.registry import load_pool
from poolviz.runs.engine_process import STOP_LIMIT
from poolviz.runs.engine_signals import ignore_signals
from poolviz.runs.engine_trace import keep_trace, limit_import
from poolviz.runs.spawned_engine import BROKEN, PIPE_LOST, PipeEnd
from poolviz.runs.stray_errors import catch_stray_errors
from poolviz.system.driver_environment import remove_driver_variables
from poolviz.system.logs import set_up_logging

# Kept here, for the user's code may replace them.
_exit, _getppid = os._exit, os.getppid
_THREAD_LIMIT = 3.0  # seconds that a new thread may take to run
_IDLE_LIMIT = 1.0  # seconds to end for a process that runs nothing
_logger = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> None:
    """Serve one run over the pipe whose end was inherited.

    `arguments` are the pipe's handle and settings as JSON: `log`, the level and the file of the
    log, `trace`, the descriptor for `keep_trace`, and `pool`, the id of a pool of poolviz whose
    library is imported before the run is known.
    """
    begun = threading.Event()
    _end_with_parent(begun)
    handle, settings = arguments
    given = json.loads(settings)
    level, file = given["log"]
    set_up_logging(level, Path(file) if file is not None else None)
    if given["trace"] is not None:
        keep_trace(given["trace"])
    if given["pool"] is not None:
        with suppress(Exception):  # the run reports it, should it have this pool
            load_pool(given["pool"]).import_library()
    child = _Child(PipeEnd(int(handle)), given["trace"], begun)
    try:
        child.serve()
    except BaseException:
        if not child.imported:
            raise
        with suppress(BaseException):  # the user's code may have replaced anything
            _logger.info("the engine's process failed", exc_info=True)
        _exit(BROKEN)
    # Not by the interpreter, which would wait for threads of a pool that never end.
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    _exit(0)


def _end_with_parent(begun: threading.Event) -> None:
    """End this process some seconds after the parent did, whatever its threads are doing: soon
    unless a run has `begun`, whose connections are closed first.

    Standard input is a pipe that closes with the parent. A pool that reads standard input finds it
    empty.
    """
    try:
        tether = os.dup(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
    except OSError:
        return  # started without one

    def watch() -> None:
        with suppress(OSError):
            os.read(tether, 1)
        time.sleep(2 * STOP_LIMIT if begun.is_set() else _IDLE_LIMIT)  # for an orderly end
        _end_group()
        _exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


class _Child:
    """Takes commands from `pipe` until it closes or the run is over."""

    def __init__(self, pipe: PipeEnd[Any, Any], trace: int | None, begun: threading.Event) -> None:
        self._pipe, self._trace, self._begun = pipe, trace, begun
        self._parent = _getppid()
        self.imported = False  # code of the user's
        self._engine: Engine | None = None
        catch_stray_errors(self._tell)
        if sys.platform != "win32":
            # A process that the user's code forks has no part in this.
            os.register_at_fork(after_in_child=pipe.close)

    def serve(self) -> None:
        """Take commands until there are no more; then end what the user's code has started."""
        try:
            while True:
                command = unpack_command(self._pipe.recv_bytes())
                engine = self._engine
                match command:
                    case DescribePool(id):
                        self._describe(id)
                    case StartRun():
                        if command.own_server:
                            remove_driver_variables()
                        self._begun.set()
                        self._engine = Engine(command, self._send, counts=False)
                    case _ if engine is None:
                        continue
                    case BeginLoad():
                        engine.begin_load()
                    case ChangeSetting(key, value):
                        engine.change(key, value)
                    case ChangeTogether(values):
                        engine.change_together(values)
                    case AddNote(text):
                        engine.add_note(text)
                    case ServerRestarted():
                        engine.server_restarted()
                    case StopRun():
                        engine.stop()
                        engine.wait(2 * STOP_LIMIT)
                        return
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            _logger.exception("a command can't be read")
            sentence = tr(
                "The engine was sent a command that can't be read and has ended: start again."
            )
            self._send(RunEnded(0, sentence, 1))
        except OSError:  # the user's code has closed the pipe, or this is a fork of the process
            _exit(PIPE_LOST)
        except EOFError:
            if self._engine is not None:
                self._engine.stop()
                self._engine.wait(STOP_LIMIT)
            if _getppid() != self._parent:
                _end_group()

    def _describe(self, id: str) -> None:
        """Import a user's pool, and answer with what it is or why it can't be used."""
        self._send(ImportBegun())
        self.imported = True
        answer: Report
        try:
            with limit_import(self._trace):
                kind = load_pool(id)
                _check_threads(id)
                answer = PoolDescribed(describe(kind))
                pack(answer)  # what is too large for a message is found here
                with suppress(Exception):  # the run reports it
                    kind.import_library()
        except InputError as error:
            answer = PoolUnusable(error.problems)
        except BaseException as error:
            _logger.info("a pool can't be described", exc_info=True)
            answer = PoolUnusable(
                (
                    tr(
                        "{id} can't be used: describing it raised {phrase}.",
                        id=id,
                        phrase=phrase(error),
                    ),
                )
            )
        ignore_signals()  # the user's code may have set others
        self._send(answer)

    def _tell(self, sentence: str) -> None:
        """Report what a thread has ended by. Called in that thread."""
        if self._engine is not None:
            self._engine.report_problem("threads", sentence)

    def _send(self, report: Report) -> None:
        try:
            self._pipe.send_bytes(pack(report))
        except OSError:
            _exit(PIPE_LOST)  # nobody is left to report to; the sockets close with the process


def _check_threads(id: str) -> None:
    """Raise InputError if the user's code has changed Python so that no thread can be started."""
    started: threading.Event | None = None
    with suppress(BaseException):
        started = threading.Event()
        threading.Thread(target=started.set, name="check", daemon=True).start()
    if started is None or not started.wait(_THREAD_LIMIT):
        raise InputError(
            tr(
                "{id} can't be used: since it was imported, no thread can be started in "
                "its process, and clients are threads; don't replace parts of the module "
                "threading.",
                id=id,
            )
        )


def _end_group() -> None:
    """End this process and those that the user's code has started: the parent, which would do so,
    is gone."""
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
