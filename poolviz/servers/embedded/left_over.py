"""The end of a server that an earlier poolviz left behind."""

from __future__ import annotations

import logging
import signal
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from poolviz.language import tr
from poolviz.model.errors import ServerError

_LIMIT = 5.0  # seconds for a process to end before it gets a stronger signal

_logger = logging.getLogger(__name__)


def end_left_over(data: Path, main: int | None) -> None:
    """End the PostgreSQL that works in the folder `data`, if there is one: ask its main process
    to shut down, then kill what is left. Raises ServerError if it doesn't end.

    `main` is the process id in the server's lock file. That alone doesn't suffice: it may belong
    to any other program by now.
    """
    processes = _working_in(data)
    if processes:
        pids = [process.pid for process in processes]
        _logger.info("Ending a PostgreSQL that was left behind (processes %s)", pids)
    main_processes = [process for process in processes if process.pid == main]
    if sys.platform != "win32":
        for request in (signal.SIGINT, signal.SIGQUIT):  # a fast, then an immediate shutdown
            for process in main_processes:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(request)
            main_processes = psutil.wait_procs(main_processes, timeout=_LIMIT)[1]
    _, left = psutil.wait_procs(processes, timeout=1.0)  # the others end once the main one has
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _, left = psutil.wait_procs(left, timeout=_LIMIT)
    if left:
        raise ServerError(
            tr(
                "A PostgreSQL that an earlier poolviz left behind (process {pid}) can't be ended: "
                "end it yourself, then start poolviz again.",
                pid=left[0].pid,
            )
        )


def _working_in(data: Path) -> list[psutil.Process]:
    """Return PostgreSQL's processes whose working directory is `data`."""
    found = []
    for process in psutil.process_iter(["name"]):
        if (process.info["name"] or "").startswith("postgres"):
            with suppress(psutil.Error, OSError):
                if Path(process.cwd()) == data:
                    found.append(process)
    return found
