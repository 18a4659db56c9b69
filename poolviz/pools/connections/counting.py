"""Count a connection in once it can be used, and out once it is closed or garbage collected."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

from poolviz.pools.base import ConnectionCounter


def count_in(connection: Any, counter: ConnectionCounter, began: float) -> Callable[[], object]:
    """Count a connection as opened, and return the function that counts it as closed.

    `began` is the time (perf_counter) at which connecting began. The function counts once,
    however often and from whichever threads it is called; if it wasn't called by the time the
    connection is garbage collected, the connection is counted as closed then. Connections
    that are open when the interpreter exits are not counted as closed.
    """
    count_out = weakref.finalize(connection, count_opened(connection, counter, began))
    count_out.atexit = False
    return count_out


class NumberingCounter(ABC):
    """A counter that gives each connection a number. Called from any thread.

    `numbers` has those of the driver's connections by their `id`. That of a connection that is gone
    stays until another has its `id`, so it is asked only for one that is held.
    """

    numbers: dict[int, int]

    @abstractmethod
    def opened_next(self, seconds: float) -> int:
        """Count a connection that was opened, in `seconds`, and return its number."""

    @abstractmethod
    def closed_number(self, number: int) -> None:
        """Count a connection that was opened before, and is closed."""


def count_opened(connection: Any, counter: ConnectionCounter, began: float) -> Callable[[], object]:
    """Count a connection as opened, and return a function that counts it as closed, to be called
    once. `began` as in `count_in`."""
    seconds = perf_counter() - began
    if not isinstance(counter, NumberingCounter):
        counter.opened(seconds)
        return counter.closed
    number = counter.opened_next(seconds)
    counter.numbers[id(connection)] = number
    return partial(counter.closed_number, number)


class CountedConnection:
    """A mixin for a driver's connection class, before that class, that counts its connections.

    The class calls `count_in` once it is connected and before anyone can hold the connection,
    so that an attempt that fails is never counted.
    """

    _count_out: Callable[[], object] | None = None

    def count_in(self, counter: ConnectionCounter, began: float) -> None:
        """Count the connection as opened; `began` as in the function `count_in`."""
        self._count_out = count_in(self, counter, began)

    def count_out(self) -> None:
        """Count the connection as closed, unless that was done or it was never opened."""
        if self._count_out is not None:
            self._count_out()

    def close(self) -> None:
        """Close the connection and count it as closed."""
        self.disconnect()
        self.count_out()

    def disconnect(self) -> None:
        """Close the connection, but count it as open until its holder closes or drops it."""
        super().close()  # type: ignore[misc]
