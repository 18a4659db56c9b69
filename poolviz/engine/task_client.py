"""Clients that are tasks on one asyncio loop, which runs in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from time import perf_counter
from typing import Any, TypeVar

from poolviz.engine.client_group import (
    CANCELLED_AGAIN_UNTIL,
    CANCELLED_UNTIL,
    CUT_UNTIL,
    LET_GO_UNTIL,
    ClientGroup,
)
from poolviz.engine.load_generator_monitor import LoadGeneratorMonitor
from poolviz.load.behaviour import Behaviour
from poolviz.model.parameters import Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, TaskPool

_CLOSE_LIMIT = 2.0  # seconds for a pool to close; what it leaves then goes with the loop
_T = TypeVar("_T")


class TaskClient:
    """One caller. Everything is called on the loop."""

    def __init__(self, behaviour: Behaviour, pool: TaskPool) -> None:
        self.behaviour = behaviour
        self._pool = pool
        self._wakeup: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start working."""
        name = f"client {self.behaviour.number}"
        self._task = asyncio.get_running_loop().create_task(
            self.behaviour.live(_Actions(self._pool, self._sleep)), name=name
        )

    def leave(self) -> None:
        """End after the operation in progress."""
        self.behaviour.stopping = True
        self.wake()

    def wake(self) -> None:
        """End the sleep in progress."""
        if self._wakeup is not None:
            _ring(self._wakeup)

    def cut(self, *, waiting_only: bool = False) -> None:
        """Break off the step in progress; or only if that is waiting for a connection."""
        if self._task is not None and (self.behaviour.acquiring or not waiting_only):
            self._task.cancel()

    @property
    def alive(self) -> bool:
        """The client hasn't left yet."""
        return self._task is not None and not self._task.done()

    @property
    def task(self) -> asyncio.Task[None]:
        """The task that is this client, once it was started."""
        if self._task is None:
            raise RuntimeError("The client wasn't started.")
        return self._task

    async def _sleep(self, seconds: float) -> None:
        if self.behaviour.stopping:
            return
        loop = asyncio.get_running_loop()
        wakeup = self._wakeup = loop.create_future()
        alarm = loop.call_later(seconds, _ring, wakeup)
        try:
            await wakeup
        finally:
            alarm.cancel()
            self._wakeup = None


def _ring(wakeup: asyncio.Future[None]) -> None:
    if not wakeup.done():
        wakeup.set_result(None)


class _Actions:
    """The pool's own coroutines, with nothing around them (a `behaviour.Actions`)."""

    def __init__(self, pool: TaskPool, sleep: Callable[[float], Awaitable[None]]) -> None:
        self.acquire, self.execute, self.release = pool.acquire, pool.execute, pool.release
        self.begin, self.commit, self.rollback = pool.begin, pool.commit, pool.rollback
        self.sleep = sleep


class TaskClientGroup(ClientGroup[TaskClient]):
    """Clients that are tasks. Owns the loop and its thread; the pool lives on that loop."""

    def __init__(
        self,
        kind: type[TaskPool],
        conninfo: str,
        counter: ConnectionCounter,
        limits: Mapping[str, Value],
        seed: int,
    ) -> None:
        super().__init__(kind, conninfo, seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop", daemon=True)
        self._thread.start()
        try:
            self._pool: TaskPool = self._do(self._opened(kind, conninfo, counter, limits))
        except BaseException:
            self._end_loop()
            raise

    def set_load(self, load: Mapping[str, Value]) -> None:
        """Have as many clients as `load` says, working as it says."""

        async def work() -> None:
            self._set_load(load, lambda behaviour: TaskClient(behaviour, self._pool))

        self._do(work())

    def load_monitor(self) -> LoadGeneratorMonitor:
        """Beats on the loop."""
        return LoadGeneratorMonitor(self._loop)

    def follow_shape(self) -> None:
        """Have as many clients at work as the load's shape says now."""

        async def follow_shape() -> None:
            self._follow_shape()

        self._do(follow_shape())

    def set_stuck(self, clients: int) -> None:
        """Have so many clients never come back."""

        async def set_stuck() -> None:
            self._set_stuck(clients)

        self._do(set_stuck())

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Have the pool follow its limits."""
        self._do(self._pool.resize(limits))

    def stop(self, cancel_statements: Callable[[], None]) -> None:
        """End every client; waiting ones at once, by cancelling them."""
        self._do(self._stop(cancel_statements))

    def close(self) -> None:
        """Close the pool, and end the loop with whatever is left on it."""

        async def close() -> None:
            await asyncio.wait_for(self._pool.close(), _CLOSE_LIMIT)

        try:
            self._do(close())
        except TimeoutError:
            pass  # its connections go with the loop: their sockets are closed below
        finally:
            self._end_loop()

    def reported_counts(self) -> ReportedCounts:
        """The pool's own counts."""
        return self._pool.reported_counts()

    @staticmethod
    async def _opened(
        kind: type[TaskPool], conninfo: str, counter: ConnectionCounter, limits: Mapping[str, Value]
    ) -> TaskPool:
        pool = kind(conninfo, counter, limits)
        await pool.open()
        return pool

    async def _stop(self, cancel_statements: Callable[[], None]) -> None:
        began = perf_counter()
        for client in self._all:
            client.leave()
            client.cut(waiting_only=True)
        await self._join(began + LET_GO_UNTIL)
        for until in (CANCELLED_UNTIL, CANCELLED_AGAIN_UNTIL):
            if self._remaining():
                cancel_statements()
                await self._join(began + until)
        for client in self._remaining():
            client.cut()
        await self._join(began + CUT_UNTIL)

    async def _join(self, until: float) -> None:
        remaining = [client.task for client in self._remaining()]
        if remaining:
            await asyncio.wait(remaining, timeout=max(until - perf_counter(), 0))

    def _do(self, what: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    def _end_loop(self) -> None:
        async def leave_nothing() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self._do(leave_nothing())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
