"""A PostgreSQL server whose processes are stopped, as if it had vanished behind its socket.

The process that accepts connections is stopped first and continued last. So as long as any process
is stopped, it is; and it starts no further ones meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from poolviz.language import tr
from poolviz.model.errors import ServerError


@contextmanager
def frozen_server_of(backend: int) -> Iterator[None]:
    """Stop the server that the process `backend` belongs to, for the duration of the block.

    Raises ServerError if this user may not.
    """
    try:
        main = psutil.Process(backend).parent()
        if main is None:
            raise ServerError(tr("The server's main process can't be found."))
        try:
            main.suspend()
            for process in main.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    process.suspend()
            yield
        finally:
            resume(main)
    except psutil.AccessDenied:
        raise ServerError(tr("This user may not stop the server's processes.")) from None
    except psutil.NoSuchProcess:
        raise ServerError(tr("The server has ended.")) from None


def resume_server_in(data: Path) -> None:
    """Let the server in the folder `data` go on if it is stopped."""
    with suppress(OSError, ValueError, IndexError, psutil.Error):
        lines = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace")
        resume(psutil.Process(int(lines.splitlines()[0])))


def resume(main: psutil.Process) -> None:
    """Let a server go on, `main` being its main process; nothing if it isn't stopped or is gone."""
    with suppress(psutil.NoSuchProcess):
        if main.status() != psutil.STATUS_STOPPED:
            return
        for process in main.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.resume()
        main.resume()
