"""The engine's process: takes commands from its parent until the run is over.

Nothing of the window or the command line is imported here. `main` runs in the main thread; the
engine's own threads do the rest, and its reporter writes to the pipe.
"""

from __future__ import annotations

import json
import os
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
    handle, log_settings, *pools = arguments
    level, file = json.loads(log_settings)
    set_up_logging(level, Path(file) if file is not None else None)
    for pool in pools:
        with suppress(Exception):  # the run reports it, should it have this pool
            pool_class(pool).import_library()
    serve(PipeEnd(int(handle)))


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
