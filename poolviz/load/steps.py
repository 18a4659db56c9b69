"""What a client does with a pool, step by step, and what a thread or a task does for it."""

from __future__ import annotations

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
