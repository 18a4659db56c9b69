"""Operations that are cancelled before they are done: how many, where, and at what moment.

A task is cancelled as an application's is whose caller has gone: `task.cancel()`, once, wherever
it waits. What then becomes of the connection is up to the pool. Nothing can cancel a thread; the
server ends its statement instead, by a statement timeout.

An operation may be over before the moment at which it would have been cancelled. Then the next one
is cancelled in its place, so that the share that is asked for is kept as far as it can be.
"""

from __future__ import annotations

import random
from asyncio import CancelledError
from collections.abc import Awaitable
from contextlib import suppress
from time import perf_counter
from typing import Any, TypeVar

from poolviz.language import tr_noop
from poolviz.load.steps import Alarm, Steps
from poolviz.model.dialect import timeout_statements
from poolviz.model.parameters import Choice, Number, Parameter

ACQUIRE, STATEMENT, RELEASE, ANYWHERE = "acquire", "statement", "release", "anywhere"
_FIRST_GUESS = 0.001  # seconds that a step is taken to last until one has
_GROWTH = 1.25  # of such a guess, for each step that was cancelled within it
_LEAST_TIMEOUT = 0.001  # seconds: servers count them in milliseconds, and 0 means none
_SHOWN = {
    ACQUIRE: "inside acquire",
    STATEMENT: "inside a statement",
    RELEASE: "inside release",
    ANYWHERE: "between acquire and release",
}
_T = TypeVar("_T")


def cancel_parameters(group: str) -> tuple[Parameter, ...]:
    """Return the settings of the load that concern this, in that group of the window."""
    return (
        Number(
            key="cancel_share",
            group=group,
            default=0.0,
            maximum=1.0,
            slider=(0, 1),
            help="The share of operations, 0 to 1, that are cancelled before they are done, at a "
            "random moment: a task by task.cancel(), as when the client of a request disconnects; "
            "a thread's statement by a statement timeout.",
        ),
        Choice(
            key="cancel_in",
            group=group,
            default=STATEMENT,
            choices=(ACQUIRE, STATEMENT, RELEASE, ANYWHERE),
            help="Where operations are cancelled: inside acquire, a statement or release, or "
            "anywhere from the beginning of acquire to the end of release, the hold included. "
            "Clients that are threads: inside a statement.",
        ),
    )


def of_threads(group: str) -> Choice:
    """Return the setting `cancel_in` for a pool whose clients are threads."""
    return Choice(
        key="cancel_in",
        group=group,
        default=STATEMENT,
        choices=(STATEMENT,),
        help=tr_noop(
            "Where operations are interrupted: threads can't be cancelled, and so the server ends "
            "their statements, by a statement timeout of 1 ms or more."
        ),
    )


class CancelledByClient(CancelledError):
    """An operation was cancelled on purpose. The text says where."""


class Cancellations:
    """Which operations of one client are cancelled, and when. Used by that client alone."""

    __slots__ = ("_due", "_guess", "_rng", "_seed")

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._rng: random.Random | None = None  # made when it is needed, which is seldom
        self._due = False  # the next operation is to be cancelled
        self._guess = 0.0  # seconds that what is to be cancelled lasts

    def next(self, share: float) -> float | None:
        """Return in how many seconds the operation that begins is to be cancelled, counted within
        the step that is chosen for it; None for an operation that isn't."""
        rng = self._rng = self._rng or random.Random(f"{self._seed}/cancellations")
        self._due = rng.random() < share or self._due
        return rng.random() * self._guess if self._due else None

    def learn(self, seconds: float, *, cancelled: bool) -> None:
        """Note that a step was cancelled, or was over after `seconds` before it could be."""
        if cancelled:
            self._due = False
            self._guess = max(self._guess * _GROWTH, _FIRST_GUESS)
        else:
            self._guess = seconds


class CancelledSteps:
    """The steps of one operation of a task, in one of which it is cancelled.

    `moment` is the time within that step, in seconds. Once `end` was called, nothing is.
    """

    def __init__(
        self, steps: Steps, alarm: Alarm, cancellations: Cancellations, where: str, moment: float
    ) -> None:
        self._steps, self._alarm, self._cancellations = steps, alarm, cancellations
        self._where, self._left = where, moment
        self._within = ANYWHERE
        self._raised = False  # the client knows that it was cancelled
        self._took = 0.0
        self._began = perf_counter()
        self.begin, self.commit, self.rollback = steps.begin, steps.commit, steps.rollback
        self.driver = steps.driver
        if where == ANYWHERE:
            alarm.start(moment)

    def acquire(self) -> Awaitable[Any]:
        """Acquire a connection."""
        return self._within_step(ACQUIRE, self._steps.acquire())

    def execute(self, connection: Any, statement: str) -> Awaitable[None]:
        """Run a statement."""
        return self._within_step(STATEMENT, self._steps.execute(connection, statement))

    def release(self, connection: Any) -> Awaitable[None]:
        """Give a connection back."""
        return self._within_step(RELEASE, self._steps.release(connection))

    def meant(self, error: BaseException) -> BaseException:
        """Return the error to count for one that came out of a step: CancelledByClient if it was
        cancelled here."""
        if isinstance(error, CancelledByClient):
            return error
        if self._alarm.rang and isinstance(error, CancelledError):
            self._raised = True
            return CancelledByClient(f"cancelled by the client {_SHOWN[self._within]}")
        return error

    @property
    def swallowed(self) -> BaseException | None:
        """The error to count for a cancellation that the library has kept from its caller."""
        if not self._alarm.rang or self._raised:
            return None
        where = _SHOWN[self._within]
        return CancelledByClient(f"cancelled by the client {where}, and not told so by the library")

    def end(self) -> None:
        """Let the operation be over."""
        self._alarm.stop()
        if self._where == ANYWHERE:
            self._took = perf_counter() - self._began
        self._where = ""
        if self._alarm.rang or self._took:
            self._cancellations.learn(self._took, cancelled=self._alarm.rang)

    async def _within_step(self, step: str, call: Awaitable[_T]) -> _T:
        if not self._alarm.rang:
            self._within = step
        timed = step == self._where
        began = perf_counter()
        if timed:
            self._alarm.start(self._left)
        try:
            return await call
        finally:
            if timed:
                self._alarm.stop()
                took = perf_counter() - began
                self._took += took
                self._left = max(self._left - took, 0.0)
            if not self._alarm.rang:
                self._within = ANYWHERE


class TimedOutSteps:
    """The steps of one operation of a thread, whose statements get a statement timeout, of `moment`
    seconds.

    Whatever becomes of the statement, the timeout is lifted, or rolled back with the transaction.
    """

    def __init__(
        self, steps: Steps, dialect: str, cancellations: Cancellations, moment: float
    ) -> None:
        self._steps, self._cancellations = steps, cancellations
        self._limit = max(moment, _LEAST_TIMEOUT)
        self._set, self._lift = timeout_statements(dialect, self._limit)
        self._limited = self._timed_out = False
        self._took = 0.0
        self.acquire, self.begin, self.driver = steps.acquire, steps.begin, steps.driver

    def execute(self, connection: Any, statement: str) -> None:
        """Run a statement, within the time allowed."""
        if self._set and not self._limited:
            self._steps.execute(connection, self._set)
            self._limited = True
        began = perf_counter()
        try:
            self._steps.execute(connection, statement)
        except BaseException:
            self._timed_out = perf_counter() - began >= self._limit
            self._unlimit(connection)
            raise
        self._took = max(self._took, perf_counter() - began)

    def commit(self, connection: Any) -> None:
        """Commit the transaction."""
        self._unlimit(connection)
        self._steps.commit(connection)

    def rollback(self, connection: Any) -> None:
        """Roll the transaction back."""
        self._unlimit(connection)
        self._steps.rollback(connection)

    def release(self, connection: Any) -> None:
        """Give a connection back."""
        self._unlimit(connection)
        self._steps.release(connection)

    swallowed = None

    def meant(self, error: BaseException) -> BaseException:
        """Return the error itself: the driver says that the statement was cancelled."""
        return error

    def end(self) -> None:
        """Let the operation be over."""
        self._set = ""
        if self._timed_out or self._took:
            self._cancellations.learn(self._took, cancelled=self._timed_out)

    def _unlimit(self, connection: Any) -> None:
        if not self._limited:
            return
        self._limited = False
        with suppress(BaseException):  # the transaction has failed, and undoes it
            self._steps.execute(connection, self._lift)
