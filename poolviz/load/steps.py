"""What a client does with a pool, step by step, and what a thread or a task does for it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol


class Steps(Protocol):
    """What a client does with a pool in one use of it, as a thread or a task does it.

    Each returns, for a task, what it has to await, and raises when that is awaited. For a thread it
    is done when it returns.
    """

    def acquire(self) -> Any:
        """Return a connection of the pool's."""

    def execute(self, connection: Any, statement: str) -> Any:
        """Run a statement."""

    def release(self, connection: Any) -> Any:
        """Give a connection back to the pool."""

    def begin(self, connection: Any, transaction: bool) -> Any:
        """Set the connection to one transaction (True) or to autocommit."""

    def commit(self, connection: Any) -> Any:
        """Commit the transaction."""

    def driver(self, connection: Any) -> Any:
        """Return the driver's connection behind one that was acquired."""

    def rollback(self, connection: Any) -> Any:
        """Roll the transaction back."""


class Alarm(Protocol):
    """Cancels the task that made it, once. Used on the task's loop."""

    rang: bool

    def start(self, seconds: float) -> None:
        """Cancel the task in so many seconds, unless it was cancelled already."""

    def stop(self) -> None:
        """Don't."""


class Actions(Protocol):
    """What a thread or a task does for a behaviour. `awaits` says whether its steps are awaited."""

    awaits: bool

    def steps(self, use: str) -> Steps:
        """Return the steps of a use of the pool."""

    def alarm(self) -> Alarm | None:
        """Return what cancels this task; None for a thread, which nothing can cancel."""

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Pause until the time is over, or the client is woken or stopped."""
