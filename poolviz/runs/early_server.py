"""The embedded server, started before a run asks for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from poolviz.servers.embedded.server import EmbeddedServer

Say = Callable[[str], None]
_CANCEL_LIMIT = 20.0  # seconds to wait for a start of the server that is cancelled
_logger = logging.getLogger(__name__)


class EarlyServer:
    """The embedded server, being started by a thread of its own before it is asked for."""

    def __init__(self) -> None:
        self._server: EmbeddedServer | None = None
        self._error: Exception | None = None
        self._cancelled = threading.Event()
        self._lock = threading.Lock()  # guards the two below, and each call of `say`
        self._words = ""
        self._say: Say | None = None
        self._thread = threading.Thread(target=self._start, name="server start", daemon=True)
        self._thread.start()

    def wait(self, say: Say) -> EmbeddedServer:
        """Return the server once it runs; `say` hears what goes on. Raises what its start did."""
        with self._lock:
            self._say = say
            if self._words:
                say(self._words)
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._server is not None
        return self._server

    def stop(self) -> None:
        """Stop the server, or its start."""
        self._cancelled.set()
        self._thread.join(_CANCEL_LIMIT)
        if self._thread.is_alive():  # its processes end with this one
            _logger.error("the start of the server could not be cancelled")
        elif self._server is not None:
            self._server.stop()

    def _start(self) -> None:
        try:
            self._server = EmbeddedServer.start(self._progress, self._cancelled)
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error

    def _progress(self, words: str) -> None:
        with self._lock:
            self._words = words
            if self._say is not None:
                self._say(words)
