"""What a client does with a pool, step by step, and what a thread or a task does for it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol


class Steps(Protocol):
    """What a client does with a pool in one use of it, as a thread or a task does it."""

    def acquire(self) -> Awaitable[Any]:
        """Return a connection of the pool's."""

    def execute(self, connection: Any, statement: str) -> Awaitable[None]:
        """Run a statement."""

    def release(self, connection: Any) -> Awaitable[None]:
        """Give a connection back to the pool."""

    def begin(self, connection: Any, transaction: bool) -> Awaitable[None]:
        """Set the connection to one transaction (True) or to autocommit."""

    def commit(self, connection: Any) -> Awaitable[None]:
        """Commit the transaction."""

    def rollback(self, connection: Any) -> Awaitable[None]:
        """Roll the transaction back."""
