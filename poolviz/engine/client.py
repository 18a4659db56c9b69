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
        self._connection: Any = None
        # Sleeping is waiting for this lock, which only `nudge` ever releases.
        self._bell = threading.Lock()
        self._bell.acquire()
        name = f"client {behaviour.number}"
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def leave(self) -> None:
        """End after the operation in progress."""
        self.behaviour.leaving = True
        self.nudge()

    def nudge(self) -> None:
        """End the sleep in progress, or else the next one."""
        if self._bell.locked():
            self._bell.release()

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
        connection = self._connection
        if connection is None:
            return
        # The client may give it back or close it at this very moment; then there is nothing to cut.
        with suppress(Exception):
            self._pool.abort(connection, lambda: self._connection is connection)

    def _live(self) -> None:
        acts: tuple[Callable[[Any], Any], ...]
        pool = self._pool
        acts = (
            self._acquire,
            self._execute,
            self._sleep,
            self._release,
            lambda what: pool.begin(*what),
            pool.commit,
            pool.rollback,
        )
        steps = self.behaviour.steps()
        try:
            step, argument = next(steps)
            while True:
                try:
                    outcome = acts[step](argument)
                except Exception as error:  # noqa: BLE001 - the behaviour decides what it means
                    step, argument = steps.throw(error)
                else:
                    step, argument = steps.send(outcome)
        except StopIteration:
            return

    def _acquire(self, _: None) -> Any:
        connection = self._connection = self._pool.acquire()
        return connection

    def _execute(self, what: tuple[Any, str]) -> None:
        self._pool.execute(*what)

    def _sleep(self, seconds: float) -> None:
        # The nudge that came with `leaving` may have ended an earlier sleep of the same operation.
        if seconds > 0 and not self.behaviour.leaving:
            self._bell.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))

    def _release(self, connection: Any) -> None:
        self._connection = None
        self._pool.release(connection)
