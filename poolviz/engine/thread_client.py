"""A client in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from poolviz.engine.client_group import ClientEvents, backoff
from poolviz.load.behaviour import Behaviour
from poolviz.pools.base import ThreadCalls, ThreadPool
from poolviz.pools.custom.places import Place, place_of_thread


class ThreadClient:
    """A client that is a thread. The control thread calls every public method."""

    def __init__(self, behaviour: Behaviour, pool: ThreadPool, events: ClientEvents) -> None:
        self.behaviour = behaviour
        self._events = events
        # To sleep is to wait for this lock, which only `wake` releases.
        self._wakeup = threading.Lock()
        self._wakeup.acquire()
        self._actions = _Actions(pool, self._sleep)
        name = f"client {behaviour.number}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the client. RuntimeError if the system has no thread for it."""
        self._thread.start()

    def leave(self) -> None:
        """Ask the client to end after the operation in progress."""
        self.behaviour.stopping = True
        self.wake()

    def wake(self) -> None:
        """End the sleep in progress; if there is none, the next one."""
        if self._wakeup.locked():
            self._wakeup.release()

    def join(self, timeout: float) -> bool:
        """Wait until the client has ended; False if it hasn't within `timeout` seconds."""
        self._thread.join(max(timeout, 0))
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether the client has yet to end."""
        return self._thread.is_alive()

    @property
    def place(self) -> Place | None:
        """Where in the user's code the client is."""
        return place_of_thread(self._thread.ident)

    def cut(self) -> None:
        """Interrupt what runs on the connections that the client holds or is giving back, which may
        take a rollback."""
        for steps, connection in self.behaviour.held():
            assert isinstance(steps, _Steps)
            # The client may have given it back or closed it by now; then nothing is left to cut.
            with suppress(Exception):
                steps.abort(connection, partial(self.behaviour.holds, connection))

    def _run(self) -> None:
        try:
            failures = 0
            while not self._live():
                self._sleep(backoff(failures))
                failures += 1
        finally:
            if not self.behaviour.stopping:
                self._events.ended(self.behaviour.number)

    def _live(self) -> bool:
        """Carry the behaviour out; return False if something else than its end has ended it."""
        try:
            self.behaviour.live(self._actions).send(None)
        except StopIteration:
            return True  # which is how a coroutine returns
        except BaseException as error:  # noqa: BLE001 - reported
            failed: BaseException = error
        else:
            failed = RuntimeError("a step of a client that is a thread waited for an event loop")
        # Errors of pools and drivers are figures of their own. What arrives here was raised from
        # outside into the thread, or is a fault of poolviz.
        self._events.failed(self.behaviour, failed)
        return self.behaviour.stopping

    def _sleep(self, seconds: float) -> None:
        # The wake that came with `stopping` may have ended an earlier sleep of the same operation.
        if seconds > 0 and not self.behaviour.stopping:
            self._wakeup.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))


class _Actions:
    """What a thread does (a `steps.Actions`)."""

    awaits = False

    def __init__(self, pool: ThreadPool, sleep: Callable[[float], None]) -> None:
        self._pool, self._sleep = pool, sleep
        self._steps: dict[str, _Steps] = {}  # by their use

    def steps(self, use: str) -> _Steps:
        """Return the steps of a use of the pool."""
        if use not in self._steps:
            self._steps[use] = _Steps(self._pool.calls(use))
        return self._steps[use]

    def alarm(self) -> None:
        """Return None: nothing can cancel a thread."""

    async def sleep(self, seconds: float) -> None:
        self._sleep(seconds)


class _Steps:
    """The calls of a pool, which are done when they return (a `steps.Steps`). Looked up once:
    what a client does between two of them is time that it adds."""

    def __init__(self, calls: ThreadCalls) -> None:
        self.acquire, self.release = calls.acquire, calls.release
        self.execute, self.begin = calls.execute, calls.begin
        self.commit, self.rollback = calls.commit, calls.rollback
        self.driver, self.abort = calls.raw, calls.abort
