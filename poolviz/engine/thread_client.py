"""A client in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from poolviz.load.behaviour import Behaviour
from poolviz.pools.base import ThreadPool


class Client:
    """One caller. Its thread runs `_live`; everything else is called by the control thread."""

    def __init__(self, behaviour: Behaviour, pool: ThreadPool) -> None:
        self.behaviour = behaviour
        self._pool = pool
        # Sleeping is waiting for this lock, which only `wake` ever releases.
        self._wakeup = threading.Lock()
        self._wakeup.acquire()
        self._actions = _Actions(pool, self._sleep)
        name = f"client {behaviour.number}"
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)

    def start(self) -> None:
        """Start working."""
        self._thread.start()

    def leave(self) -> None:
        """End after the operation in progress."""
        self.behaviour.stopping = True
        self.wake()

    def wake(self) -> None:
        """End the sleep in progress, or else the next one."""
        if self._wakeup.locked():
            self._wakeup.release()

    def join(self, timeout: float) -> bool:
        """Wait for the client's end; False if it hasn't come within `timeout` seconds."""
        self._thread.join(max(timeout, 0))
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """The client hasn't left yet."""
        return self._thread.is_alive()

    def cut(self) -> None:
        """Break off a statement that nothing else could end."""
        actions = self._actions
        connection = actions.connection
        if connection is None:
            return
        # The client may give it back or close it at this very moment; then there is nothing to cut.
        with suppress(Exception):
            self._pool.abort(connection, lambda: actions.connection is connection)

    def _live(self) -> None:
        try:
            self.behaviour.live(self._actions).send(None)
        except StopIteration:
            return
        raise RuntimeError("A step of a client that is a thread waited for an event loop.")

    def _sleep(self, seconds: float) -> None:
        # The wake that came with `stopping` may have ended an earlier sleep of the same operation.
        if seconds > 0 and not self.behaviour.stopping:
            self._wakeup.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))


class _Actions:
    """Steps that are done when they return (a `behaviour.Actions`)."""

    def __init__(self, pool: ThreadPool, sleep: Callable[[float], None]) -> None:
        self._pool, self._sleep = pool, sleep
        self.connection: Any = None  # the one that is held, for whoever has to break it off

    async def acquire(self) -> Any:
        connection = self.connection = self._pool.acquire()
        return connection

    async def execute(self, connection: Any, statement: str) -> None:
        self._pool.execute(connection, statement)

    async def release(self, connection: Any) -> None:
        self.connection = None
        self._pool.release(connection)

    async def begin(self, connection: Any, transaction: bool) -> None:
        self._pool.begin(connection, transaction)

    async def commit(self, connection: Any) -> None:
        self._pool.commit(connection)

    async def rollback(self, connection: Any) -> None:
        self._pool.rollback(connection)

    async def sleep(self, seconds: float) -> None:
        self._sleep(seconds)
