"""A client that is a task on an asyncio loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from poolviz.engine.client_group import ClientEvents, backoff
from poolviz.load.behaviour import Behaviour
from poolviz.pools.base import TaskCalls, TaskPool
from poolviz.pools.custom.places import Place, place_of_coroutine


class TaskClient:
    """A client that is a task. Every method is called on the loop."""

    def __init__(self, behaviour: Behaviour, pool: TaskPool, events: ClientEvents) -> None:
        self.behaviour = behaviour
        self._pool = pool
        self._events = events
        self._wakeup: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the client."""
        name = f"client {self.behaviour.number}"
        self._task = asyncio.get_running_loop().create_task(self._run(), name=name)
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
    def place(self) -> Place | None:
        """Where in the user's code the client is."""
        return None if self._task is None else place_of_coroutine(self._task.get_coro())

    @property
    def task(self) -> asyncio.Task[None]:
        """The task of a client that was started."""
        if self._task is None:
            raise RuntimeError("The client wasn't started.")
        return self._task

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                if failures:
                    await self._sleep(backoff(failures - 1))
                await self.behaviour.live(_Actions(self._pool, self._sleep))
                return
            except GeneratorExit:
                raise  # the loop is gone, and no further step is possible
            except BaseException as error:  # noqa: BLE001 - reported
                # Errors of pools and drivers are figures of their own. What arrives here cancelled
                # the task during a pause, or is a fault of poolviz.
                self._events.failed(self.behaviour, error)
                if self.behaviour.stopping:
                    return
                failures += 1

    def _done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # which was reported; asyncio would print it, if nobody asked for it
        if not self.behaviour.stopping:
            self._events.ended(self.behaviour.number)

    async def _sleep(self, seconds: float) -> None:
        if self.behaviour.stopping:
            return
        _forget_cancellations()
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


def _forget_cancellations() -> None:
    """Let a client that goes on after it was cancelled count as not cancelled, which
    `asyncio.timeout` and task groups rely on."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()


class _Alarm:
    """Cancels the task that makes it, once (a `steps.Alarm`)."""

    def __init__(self) -> None:
        self._task, self._loop = asyncio.current_task(), asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.rang = False

    def start(self, seconds: float) -> None:
        if not self.rang:
            self._timer = self._loop.call_later(seconds, self._ring)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        if self._task is not None:
            self.rang = True
            self._task.cancel()


class _Actions:
    """What a task does: the pool's own coroutines, with nothing around them (a
    `steps.Actions`)."""

    awaits = True

    def __init__(self, pool: TaskPool, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._pool = pool
        self.sleep = sleep

    def alarm(self) -> _Alarm:
        """Return what cancels the task that calls this."""
        return _Alarm()

    def steps(self, use: str) -> TaskCalls:
        """Return the steps of a use of the pool."""
        return self._pool.calls(use)
