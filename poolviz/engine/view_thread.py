"""The thread that reads a view of the server, or of a pooler, while a run goes on."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from poolviz.servers.monitor import ViewReader

V = TypeVar("V")
_MOST_SEEN = 60  # views that wait to be taken

_logger = logging.getLogger(__name__)


class ViewThread(Generic[V]):
    """Owns a reader of a view and the thread that uses it, once every `interval` seconds, or with
    None when it is woken. There may be nothing to read: then the thread ends at once.

    `on_problem` is called in that thread with a sentence, and with an empty one when the problem
    is over. The run goes on without the view for as long as there is none. `on_fault` is called
    with an error that is a fault of poolviz, with which the thread ends.
    """

    def __init__(
        self,
        reader: ViewReader[V] | None,
        name: str,
        interval: float | None,
        on_problem: Callable[[str], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self._reader, self._interval = reader, interval
        self._on_problem, self._on_fault = on_problem, on_fault
        self._problem = ""
        self._seen: deque[V] = deque(maxlen=_MOST_SEEN)
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def take_all(self) -> list[V]:
        """Return what was seen since the last call, oldest first."""
        return [self._seen.popleft() for _ in range(len(self._seen))]

    def close(self, timeout: float) -> None:
        """End the thread and its connection, waiting at most `timeout` seconds for it."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        if self._reader is None:
            return
        try:
            self._watch(self._reader)
        except BaseException as error:
            _logger.exception("%s ended", self._thread.name)
            self._on_fault(error)

    def _watch(self, reader: ViewReader[V]) -> None:
        try:
            while not self._closing:
                if not self._act():
                    if (view := reader.read()) is not None:
                        self._seen.append(view)
                    if reader.problem != self._problem:
                        self._problem = reader.problem
                        self._on_problem(self._problem)
                self._wake.wait(self._interval)
                self._wake.clear()
        finally:
            reader.close()

    def _act(self) -> bool:
        """Do what else was asked for, in place of reading; return whether there was anything."""
        return False
