"""Calls of a pool that may not return, as a user's own pool or a silent server can make them.

A call is made in a thread, or on an event loop, that the caller waits for with a limit. Where the
limit is over, the caller gets PoolBlocked, which says where the call is stuck, and goes on.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any, Generic, TypeVar

from poolviz.engine.run_time import RunTime
from poolviz.language import tr
from poolviz.model.errors import PoolvizError
from poolviz.pools.custom.places import Place, place_of_thread

T = TypeVar("T")

Problem = Callable[[str, str], None]  # gets a topic and a sentence, as a ProblemReported

_GRACE = 1.0  # seconds that a call without a limit of its own still has once the run is to end
_SLOW = 5.0  # seconds after which such a call is reported
_LOOK = 0.05  # seconds between two looks at whether the run is to end
_TOPIC = "a call of the pool"


def _none() -> int:
    return 0


class PoolBlocked(PoolvizError):
    """A call of a pool didn't return in time."""

    exit_status = 1

    def __init__(self, what: str, seconds: float, place: Place | None) -> None:
        where = (
            tr("It is at {place}.", place=place)
            if place is not None
            else tr("Does the server answer?")
        )
        super().__init__(
            tr(
                "{what} hasn't returned within {seconds:.1f} s. {where}",
                what=what,
                seconds=seconds,
                where=where,
            )
        )


class Patience:
    """How long to wait for calls of a pool. The control thread calls every method.

    `on_problem` hears of a call without a limit of its own that takes long, and when it is over.
    """

    def __init__(self, run_time: RunTime, on_problem: Problem) -> None:
        self._run_time, self._on_problem = run_time, on_problem

    def wait(
        self,
        what: str,
        done: Callable[[float], bool],
        place: Callable[[], Place | None],
        limit: float | None,
        progress: Callable[[], int] | None = None,
    ) -> None:
        """Wait until `done`, which waits for some seconds itself, is true.

        Raises PoolBlocked after `limit` seconds. With `progress`, these begin anew whenever that
        changes. With `progress` or without a limit, a call is also given up a second after the
        run is to end.
        """
        lasting = limit is None or progress is not None
        progress = progress or _none
        began = since = perf_counter()
        reported, known = False, progress()
        while not done(_LOOK if limit is None else min(_LOOK, limit)):
            now = perf_counter()
            if (made := progress()) != known:
                since, known = now, made
            if limit is not None and now - since >= limit:
                raise PoolBlocked(what, now - since, place())
            if lasting and min(self._run_time.over_for, now - began) >= _GRACE:
                raise PoolBlocked(what, now - began, place())
            if limit is None and now - began >= _SLOW and not reported:
                reported = True
                sentence = str(PoolBlocked(what, now - began, place()))
                self._on_problem(
                    _TOPIC, tr("{sentence} Changes of the run wait for it.", sentence=sentence)
                )
        if reported:
            self._on_problem(_TOPIC, "")


class _Call(Generic[T]):
    """One call, and what came of it."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self.done = threading.Event()
        self._result: T | None = None
        self._error: BaseException | None = None

    def make(self) -> None:
        """Make the call."""
        try:
            self._result = self._function()
        except BaseException as error:  # noqa: BLE001 - raised again by `outcome`
            self._error = error
        self.done.set()

    def outcome(self) -> T:
        """Return or raise what the call did."""
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]


class _Caller(threading.Thread):
    """A thread that makes calls, one after the other, until it is told to end."""

    def __init__(self) -> None:
        super().__init__(name="pool calls", daemon=True)
        self.calls: queue.SimpleQueue[_Call[Any] | None] = queue.SimpleQueue()
        self.start()

    def run(self) -> None:
        """Make the calls in the queue."""
        while (call := self.calls.get()) is not None:
            call.make()


class PoolCalls:
    """Makes calls in a thread of its own. If a call doesn't return, the next has another thread.

    The control thread calls every method. All calls have the same thread as long as none blocks.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._caller: _Caller | None = None

    def make(
        self,
        what: str,
        function: Callable[[], T],
        limit: float | None = None,
        progress: Callable[[], int] | None = None,
    ) -> T:
        """Return what `function` returns, or raise what it raises.

        Raises PoolBlocked as `Patience.wait`; `what` names the call in that sentence.
        """
        if self._caller is None:
            self._caller = _Caller()
        caller, call = self._caller, _Call(function)
        caller.calls.put(call)
        try:
            self._patience.wait(
                what, call.done.wait, lambda: place_of_thread(caller.ident), limit, progress
            )
        except PoolBlocked:
            self.close()  # the thread ends if the call ever returns
            raise
        return call.outcome()

    def close(self) -> None:
        """Let the thread end."""
        if self._caller is not None:
            self._caller.calls.put(None)
            self._caller = None
