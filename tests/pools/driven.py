"""A pool for tasks that threads can call, so that one suite tests pools of both kinds."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from poolviz.model.parameters import Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, PoolStopped, TaskPool

_T = TypeVar("_T")
PATIENCE = 50.0  # seconds: only ever reached when something is broken
RETURN = 5.0  # seconds for connections to come back; as above


class Driven:
    """A TaskPool on a loop in a thread of its own, with the interface of a ThreadPool.

    Each call is a task on that loop, as each client of the engine is; the caller's thread waits
    for its end. A waiting caller is sent away by cancelling its task, as by the engine.
    """

    def __init__(
        self,
        kind: type[TaskPool],
        conninfo: str,
        counter: ConnectionCounter,
        limits: Mapping[str, Value],
        *connect: Mapping[str, Value],
    ) -> None:
        self.waits, self.exhausted = kind.waits, kind.exhausted
        self.loop_errors: list[str] = []  # reported to the loop's exception handler
        self._inside: set[asyncio.Task[Any]] = set()
        self._lent = 0
        self._stopped = False
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._record_error)
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop of a test")
        self._thread.start()
        try:
            self._pool: TaskPool = self._do(self._opened(kind, conninfo, counter, limits, *connect))
        except BaseException:
            self._end_loop()
            raise

    @property
    def inside(self) -> int:
        """How many callers are inside acquire."""
        return len(self._inside)

    def acquire(self) -> Any:
        try:
            return self._do(self._acquire(None))
        except CancelledError:  # the loop ended before the task began
            raise PoolStopped from None

    def acquire_within(self, seconds: float) -> Any:
        """Acquire; PoolStopped if the caller was cancelled after `seconds`."""
        return self._do(self._acquire(seconds))

    def execute(self, connection: Any, statement: str) -> None:
        self._do(self._pool.execute(connection, statement))

    def begin(self, connection: Any, transaction: bool) -> None:
        self._do(self._pool.begin(connection, transaction))

    def commit(self, connection: Any) -> None:
        self._do(self._pool.commit(connection))

    def rollback(self, connection: Any) -> None:
        self._do(self._pool.rollback(connection))

    def release(self, connection: Any) -> None:
        self._do(self._release(connection))

    def raw(self, connection: Any) -> Any:
        return connection

    def close_connection(self, connection: Any) -> None:
        """Close a connection, as its client could."""

        async def close() -> None:
            done = connection.close()
            if inspect.isawaitable(done):
                await done

        self._do(close())

    def resize(self, limits: Mapping[str, Value]) -> None:
        self._do(self._pool.resize(limits))

    def interrupt(self) -> None:
        async def cancel() -> None:
            self._stopped = True
            for task in self._inside:
                task.cancel()

        if self._thread.is_alive():
            self._do(cancel())

    def reported_counts(self) -> ReportedCounts:
        return self._pool.reported_counts()

    def close(self) -> None:
        """Send all callers away, wait until they have released, and close the pool."""
        if not self._thread.is_alive():
            return
        self.interrupt()
        try:
            left = self._do(self._close())
        finally:
            self._end_loop()
        assert not left, f"left on the loop: {left}"
        assert not self.loop_errors, self.loop_errors

    def _record_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # Not mere warnings of a library, such as for a connection released in a transaction.
        if "exception" in context or "task" in context:
            self.loop_errors.append(repr(context))

    async def _acquire(self, seconds: float | None) -> Any:
        if self._stopped:
            raise PoolStopped
        task = asyncio.current_task()
        assert task is not None
        self._inside.add(task)
        alarm = self._loop.call_later(seconds, task.cancel) if seconds is not None else None
        try:
            connection = await self._pool.acquire()
        except asyncio.CancelledError:
            raise PoolStopped from None
        finally:
            self._inside.discard(task)
            if alarm is not None:
                alarm.cancel()
        self._lent += 1
        return connection

    async def _release(self, connection: Any) -> None:
        try:
            await self._pool.release(connection)
        finally:
            self._lent -= 1

    @staticmethod
    async def _opened(
        kind: type[TaskPool],
        conninfo: str,
        counter: ConnectionCounter,
        limits: Mapping[str, Value],
        *connect: Mapping[str, Value],
    ) -> TaskPool:
        pool = kind(conninfo, counter, limits, *connect)
        await pool.open()
        return pool

    async def _close(self) -> list[str]:
        """Close the pool, and return the tasks that are left on the loop."""
        deadline = self._loop.time() + RETURN
        while self._inside or self._lent:
            if self._loop.time() > deadline:
                return [f"{self._lent} connections that were never released"]
            await asyncio.sleep(0.002)
        await asyncio.wait_for(self._pool.close(), PATIENCE)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            _, others = await asyncio.wait(others, timeout=1)
        return [repr(task) for task in others]

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
        self._thread.join(PATIENCE)
        self._loop.close()
