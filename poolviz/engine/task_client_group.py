"""Clients that are tasks on one asyncio loop, which has a thread of its own, and their pool."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from time import perf_counter
from typing import Any, TypeVar

from poolviz.engine.client_group import (
    CANCEL_AGAIN_UNTIL,
    CANCEL_UNTIL,
    CLOSE_LIMIT,
    CUT_UNTIL,
    FINISH_UNTIL,
    OPEN_LIMIT,
    ClientGroup,
)
from poolviz.engine.load_generator_monitor import LoadGeneratorMonitor
from poolviz.engine.meter import ConnectionEventBuffer
from poolviz.engine.pool_calls import Patience, PoolBlocked, Problem
from poolviz.engine.task_client import TaskClient
from poolviz.language import tr
from poolviz.load.behaviour import Behaviour
from poolviz.model.parameters import Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import NOTHING, ConnectionCounter, TaskPool
from poolviz.pools.custom.places import Place, place_of_coroutine, place_of_thread

_STOP_LIMIT = 2 * CUT_UNTIL  # seconds for the loop to stop all clients
_END_LIMIT = 0.5  # seconds for what is left on the loop to end, and then for the loop
_BLOCKED_LIMIT = 0.2  # seconds for any call once the loop was seen to be blocked
_T = TypeVar("_T")

_logger = logging.getLogger(__name__)


class TaskClientGroup(ClientGroup[TaskClient]):
    """Clients that are tasks. Owns the loop and its thread; the pool lives on that loop.

    Raises what the pool raises, if that connects when it is opened and can't, or PoolBlocked.
    """

    def __init__(
        self,
        kind: type[TaskPool],
        conninfo: str,
        connections: ConnectionEventBuffer,
        limits: Mapping[str, Value],
        seed: int,
        *,
        patience: Patience,
        on_problem: Problem,
        connect: Mapping[str, Value] = NOTHING,
    ) -> None:
        super().__init__(kind, conninfo, seed, on_problem, connections.numbers)
        self._patience = patience
        self._blocked = False
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_log_error)
        self._thread = threading.Thread(target=self._run_loop, name="loop", daemon=True)
        self._thread.start()
        try:
            self._pool: TaskPool = self._on_loop(
                tr("Opening the pool"),
                _open(kind, conninfo, connections, limits, connect),
                OPEN_LIMIT,
                lambda: connections.opened_so_far,
            )
        except BaseException:
            self._end_loop()
            raise

    def set_load(self, load: Mapping[str, Value]) -> None:
        """Apply the settings of the load."""

        async def set_load() -> None:
            self._set_load(load, self._new_client)

        self._on_loop(tr("The event loop"), set_load())

    def complete(self) -> None:
        """Start clients in place of those that ended."""

        async def complete() -> None:
            self._complete(self._new_client)

        self._on_loop(tr("The event loop"), complete())

    def load_monitor(self) -> LoadGeneratorMonitor:
        """Return a monitor whose timers run on the loop."""
        return LoadGeneratorMonitor(self._loop)

    def follow_shape(self) -> None:
        """Let as many clients work as the load's shape says now."""

        async def follow_shape() -> None:
            self._follow_shape()

        self._on_loop(tr("The event loop"), follow_shape())

    def set_stuck(self, clients: int) -> None:
        """Let that many clients keep their connection."""

        async def set_stuck() -> None:
            self._set_stuck(clients)

        self._on_loop(tr("The event loop"), set_stuck())

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply `limits` to the pool."""
        self._on_loop(tr("Changing the pool's limits"), self._pool.resize(limits))

    def stop(self, cancel_statements: Callable[[], None]) -> None:
        """Stop every client. Those that wait for a connection are cancelled at once."""
        self._abandon_requests()
        for client in self._all:
            client.behaviour.stopping = True  # also where the loop is blocked and can't be asked
        try:
            self._on_loop(tr("The event loop"), self._stop(cancel_statements), _STOP_LIMIT)
        except PoolBlocked as error:
            self._on_problem("stop", str(error))
        self._tell_remaining()

    def close(self) -> None:
        """Close the pool, and end the loop with whatever is left on it."""

        async def close() -> bool:
            try:
                await asyncio.wait_for(self._pool.close(), CLOSE_LIMIT)
            except TimeoutError:
                return False  # its connections go with the loop: their sockets are closed below
            return True

        try:
            if not self._on_loop(tr("Closing the pool"), close(), CLOSE_LIMIT + _END_LIMIT):
                _logger.info("the pool didn't close within %g s", CLOSE_LIMIT)
        except PoolBlocked as error:
            self._give_up_closing(error)
        finally:
            self._end_loop()

    def take_findings(self) -> tuple[str, ...]:
        """Return what the pool says of its measurement."""
        return self._pool.take_findings()

    def reported_counts(self) -> ReportedCounts:
        """Return the pool's own counts."""
        return self._pool.reported_counts()

    def _new_client(self, behaviour: Behaviour) -> TaskClient:
        return TaskClient(behaviour, self._pool, self._events)

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

    def _on_loop(
        self,
        what: str,
        coroutine: Coroutine[Any, Any, _T],
        limit: float | None = None,
        progress: Callable[[], int] | None = None,
    ) -> _T:
        """Run a coroutine on the loop and return its result. Raises PoolBlocked as
        `Patience.wait`; then the coroutine is cancelled."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)

        def done(seconds: float) -> bool:
            return bool(concurrent.futures.wait([future], seconds).done)

        def place() -> Place | None:
            # A loop that goes on is where some client is now; what is waited for is elsewhere.
            if self._blocked or self._is_blocked():
                return place_of_thread(self._thread.ident) or place_of_coroutine(coroutine)
            tasks = asyncio.all_tasks(self._loop)
            others = (t.get_coro() for t in tasks if not t.get_name().startswith("client "))
            places = map(place_of_coroutine, (coroutine, *others))
            return next(filter(None, places), None)

        try:
            self._patience.wait(
                what, done, place, _BLOCKED_LIMIT if self._blocked else limit, progress
            )
        except PoolBlocked:
            self._blocked = self._is_blocked()
            future.cancel()
            raise
        return future.result()

    def _is_blocked(self) -> bool:
        """Return whether the loop doesn't run what it is given."""
        runs = threading.Event()
        self._loop.call_soon_threadsafe(runs.set)
        return not runs.wait(_BLOCKED_LIMIT)

    def _run_loop(self) -> None:
        """The loop's thread."""
        while True:
            try:
                self._loop.run_forever()
                return
            except (SystemExit, KeyboardInterrupt) as error:
                # asyncio lets these out of the loop. The others need the loop.
                self._tell_error(tr("A task of the pool"), error)

    def _end_loop(self) -> None:
        async def cancel_all() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            if others:
                await asyncio.wait(others, timeout=_END_LIMIT)

        with suppress(PoolBlocked):  # its thread ends with the process
            self._on_loop(tr("The event loop"), cancel_all(), 2 * _END_LIMIT)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_END_LIMIT)
        if not self._thread.is_alive():
            self._loop.close()


def _log_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # noqa: ARG001
    """Log what asyncio would print: an error that a library's task ended with, which nobody asked
    for. What clients meet is in the figures."""
    _logger.info("asyncio: %s", context.get("message"), exc_info=context.get("exception"))


async def _open(
    kind: type[TaskPool],
    conninfo: str,
    counter: ConnectionCounter,
    limits: Mapping[str, Value],
    connect: Mapping[str, Value],
) -> TaskPool:
    pool = kind(conninfo, counter, limits, connect) if connect else kind(conninfo, counter, limits)
    await pool.open()
    return pool
