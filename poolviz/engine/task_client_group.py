"""Clients that are tasks on one asyncio loop, which has a thread of its own, and their pool."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping
from time import perf_counter
from typing import Any, TypeVar

from poolviz.engine.client_group import (
    CANCEL_AGAIN_UNTIL,
    CANCEL_UNTIL,
    CUT_UNTIL,
    FINISH_UNTIL,
    ClientFailed,
    ClientGroup,
)
from poolviz.engine.load_generator_monitor import LoadGeneratorMonitor
from poolviz.engine.task_client import TaskClient
from poolviz.load.behaviour import Behaviour
from poolviz.model.parameters import Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, TaskPool

_CLOSE_LIMIT = 2.0  # seconds for a pool to close; what it leaves open goes with the loop
_T = TypeVar("_T")

_logger = logging.getLogger(__name__)


class TaskClientGroup(ClientGroup[TaskClient]):
    """Clients that are tasks. Owns the loop and its thread; the pool lives on that loop.

    Raises what the pool raises, if that connects when it is opened and can't.
    """

    def __init__(
        self,
        kind: type[TaskPool],
        conninfo: str,
        counter: ConnectionCounter,
        limits: Mapping[str, Value],
        seed: int,
        *,
        on_client_failure: ClientFailed,
    ) -> None:
        super().__init__(kind, conninfo, seed, on_client_failure)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="loop", daemon=True)
        self._thread.start()
        try:
            self._pool: TaskPool = self._on_loop(_open(kind, conninfo, counter, limits))
        except BaseException:
            self._end_loop()
            raise

    def set_load(self, load: Mapping[str, Value]) -> None:
        """Apply the settings of the load."""

        async def set_load() -> None:
            self._set_load(load, self._new_client)

        self._on_loop(set_load())

    def load_monitor(self) -> LoadGeneratorMonitor:
        """Return a monitor whose timers run on the loop."""
        return LoadGeneratorMonitor(self._loop)

    def follow_shape(self) -> None:
        """Let as many clients work as the load's shape says now."""

        async def follow_shape() -> None:
            self._follow_shape()

        self._on_loop(follow_shape())

    def set_stuck(self, clients: int) -> None:
        """Let that many clients keep their connection."""

        async def set_stuck() -> None:
            self._set_stuck(clients)

        self._on_loop(set_stuck())

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply `limits` to the pool."""
        self._on_loop(self._pool.resize(limits))

    def stop(self, cancel_statements: Callable[[], None]) -> None:
        """Stop every client. Those that wait for a connection are cancelled at once."""
        self._on_loop(self._stop(cancel_statements))

    def close(self) -> None:
        """Close the pool, and end the loop with whatever is left on it."""

        async def close() -> None:
            await asyncio.wait_for(self._pool.close(), _CLOSE_LIMIT)

        try:
            self._on_loop(close())
        except TimeoutError:
            pass  # its connections go with the loop: their sockets are closed below
        finally:
            self._end_loop()

    def reported_counts(self) -> ReportedCounts:
        """Return the pool's own counts."""
        return self._pool.reported_counts()

    def _new_client(self, behaviour: Behaviour) -> TaskClient:
        return TaskClient(behaviour, self._pool, self._on_client_failure)

    async def _stop(self, cancel_statements: Callable[[], None]) -> None:
        began = perf_counter()
        for client in self._all:
            client.leave()
            client.cut(waiting_only=True)
        await self._join(began + FINISH_UNTIL)
        for until in (CANCEL_UNTIL, CANCEL_AGAIN_UNTIL):
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

    def _on_loop(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine on the loop and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _run_loop(self) -> None:
        """The loop's thread."""
        while True:
            try:
                self._loop.run_forever()
                return
            except (SystemExit, KeyboardInterrupt):
                # asyncio lets these out of the loop. The client that raised it ends and reports it;
                # the others need the loop.
                _logger.exception("a task left the event loop")

    def _end_loop(self) -> None:
        async def cancel_all() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self._on_loop(cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _open(
    kind: type[TaskPool], conninfo: str, counter: ConnectionCounter, limits: Mapping[str, Value]
) -> TaskPool:
    pool = kind(conninfo, counter, limits)
    await pool.open()
    return pool
