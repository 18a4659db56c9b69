"""A client that is a task on an asyncio loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from poolviz.engine.client_group import ClientFailed
from poolviz.load.behaviour import Behaviour
from poolviz.pools.base import TaskPool

_logger = logging.getLogger(__name__)


class TaskClient:
    """A client that is a task. Every method is called on the loop."""

    def __init__(self, behaviour: Behaviour, pool: TaskPool, on_failure: ClientFailed) -> None:
        self.behaviour = behaviour
        self._pool = pool
        self._on_failure = on_failure
        self._wakeup: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the client."""
        name = f"client {self.behaviour.number}"
        self._task = asyncio.get_running_loop().create_task(
            self.behaviour.live(_Actions(self._pool, self._sleep)), name=name
        )
        self._task.add_done_callback(self._done)

    def leave(self) -> None:
        """Ask the client to end after the operation in progress."""
        self.behaviour.stopping = True
        self.wake()

    def wake(self) -> None:
        """End the sleep in progress."""
        if self._wakeup is not None:
            _end(self._wakeup)

    def cut(self, *, waiting_only: bool = False) -> None:
        """Cancel the step in progress; with `waiting_only`, only if it waits for a connection."""
        if self._task is not None and (self.behaviour.acquiring or not waiting_only):
            self._task.cancel()

    @property
    def alive(self) -> bool:
        """Whether the client has yet to end."""
        return self._task is not None and not self._task.done()

    @property
    def task(self) -> asyncio.Task[None]:
        """The task of a client that was started."""
        if self._task is None:
            raise RuntimeError("The client wasn't started.")
        return self._task

    def _done(self, task: asyncio.Task[None]) -> None:
        # Errors of pools and drivers are figures. What arrives here is a fault of poolviz, or a
        # SystemExit of the user's own pool.
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _logger.error("client %d ended", self.behaviour.number, exc_info=error)
            self._on_failure(self.behaviour.number, error)

    async def _sleep(self, seconds: float) -> None:
        if self.behaviour.stopping:
            return
        loop = asyncio.get_running_loop()
        wakeup = self._wakeup = loop.create_future()
        timer = loop.call_later(seconds, _end, wakeup)
        try:
            await wakeup
        finally:
            timer.cancel()
            self._wakeup = None


def _end(wakeup: asyncio.Future[None]) -> None:
    if not wakeup.done():
        wakeup.set_result(None)


class _Actions:
    """The pool's own coroutines, with nothing around them (a `behaviour.Actions`)."""

    def __init__(self, pool: TaskPool, sleep: Callable[[float], Awaitable[None]]) -> None:
        self.acquire, self.execute, self.release = pool.acquire, pool.execute, pool.release
        self.begin, self.commit, self.rollback = pool.begin, pool.commit, pool.rollback
        self.sleep = sleep
