"""The engine's process: takes commands from its parent until the run is over.

Nothing of the window or the command line is imported here. `main` runs in the main thread; the
engine's own threads do the rest, and its reporter writes to the pipe.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from poolviz.engine.engine import Engine
from poolviz.model.messages import (
    AddNote,
    ChangeSetting,
    Report,
    StartRun,
    StopRun,
    pack,
    unpack_command,
)
from poolviz.pools.registry import pool_class
from poolviz.runs.engine_process import STOP_LIMIT, PipeEnd
from poolviz.system.logs import set_up_logging


def main(arguments: Sequence[str]) -> None:
    """Serve one run over the pipe whose end was inherited.

    `arguments` are the pipe's handle, the level and the file of the log as JSON, and perhaps the
    id of a pool, whose library is imported before the run is known.
    """
    _end_with_parent()
    handle, log_settings, *pools = arguments
    level, file = json.loads(log_settings)
    set_up_logging(level, Path(file) if file is not None else None)
    for pool in pools:
        with suppress(Exception):  # the run reports it, should it have this pool
            pool_class(pool).import_library()
    serve(PipeEnd(int(handle)))
    # Not by the interpreter, which would wait for threads of a pool that never end.
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(0)


def _end_with_parent() -> None:
    """End this process some seconds after the parent did, whatever its threads are doing.

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
        time.sleep(2 * STOP_LIMIT)  # for an orderly end
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def serve(pipe: PipeEnd[Any, Any]) -> None:
    """Take commands from `pipe` until it closes or the run is over."""
    engine: Engine | None = None

    def send(report: Report) -> None:
        try:
            pipe.send_bytes(pack(report))
        except OSError:
            os._exit(1)  # nobody is left to report to; the sockets close with the process

    try:
        while True:
            command = unpack_command(pipe.recv_bytes())
            match command:
                case StartRun():
                    engine = Engine(command, send)
                case _ if engine is None:
                    continue
                case ChangeSetting(key, value):
                    engine.change(key, value)
                case AddNote(text):
                    engine.add_note(text)
                case StopRun():
                    engine.stop()
                    engine.wait(2 * STOP_LIMIT)
                    return
    except EOFError:
        if engine is not None:
            engine.stop()
            engine.wait(STOP_LIMIT)
