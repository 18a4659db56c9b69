"""Work that may block, done off the GUI thread; its outcome is handed back to that thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic
from typing import TypeVar

from poolviz.ui.unexpected import contained

Outcome = TypeVar("Outcome")
_TURN = 0.005  # seconds


class Inbox:
    """Calls that other threads want made in the GUI thread. Posting never waits."""

    def __init__(self) -> None:
        self._callbacks: deque[Callable[[], None]] = deque()  # append and popleft are atomic

    def post(self, callback: Callable[[], None]) -> None:
        """Have `callback` called by the next `deliver`. May be called from any thread."""
        self._callbacks.append(callback)

    def deliver(self) -> None:
        """Make the calls that have come in, in their order. Called by the GUI thread.

        One that raises is reported and doesn't keep the later ones from being made. One may call
        this method itself, as closing the window does.
        """
        for _ in range(len(self._callbacks)):
            if not self._callbacks:
                return  # one of them has made the others
            with contained():
                self._callbacks.popleft()()


class Worker:
    """One thread that does one job after the other and reports to an inbox."""

    def __init__(self, name: str, inbox: Inbox) -> None:
        self._inbox = inbox
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"poolviz {name}", daemon=True)
        self._thread.start()

    def do(
        self,
        work: Callable[[], Outcome],
        then: Callable[[Outcome], None] = lambda _: None,
        failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        """Do `work` in the thread, then call `then` or `failed` in the GUI thread.

        Without `failed`, an exception is raised again in the GUI thread, where it is reported. One
        such as SystemExit ends the job only, not the thread.
        """

        def job() -> None:
            try:
                outcome = work()
            except BaseException as error:  # noqa: BLE001 - handed to whoever asked for the work
                self._inbox.post(_failing(failed, error))
            else:
                self._inbox.post(lambda: then(outcome))

        self._jobs.put(job)

    def close(self, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> bool:
        """Finish the jobs given so far, then end; False if that took longer than `seconds`.

        `meanwhile` is called every few milliseconds, since a job may need the GUI thread.
        """
        self._jobs.put(None)
        until = monotonic() + seconds
        while self._thread.is_alive() and monotonic() < until:
            meanwhile()
            self._thread.join(_TURN)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _failing(
    failed: Callable[[BaseException], None] | None, error: BaseException
) -> Callable[[], None]:
    """Return the callback that reports `error`."""

    def callback() -> None:
        if failed is None:
            raise error
        failed(error)

    return callback
