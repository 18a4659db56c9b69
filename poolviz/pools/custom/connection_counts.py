"""Counts the connections of a user's pool, which connects by code of its own.

The libraries' pools within it count what they connect, and what is found in its lists and queues is
counted when it was made. Any other connection is counted from the first time that it is lent.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Collection
from time import perf_counter
from typing import Any

from psycopg2.extensions import connection

from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter
from poolviz.pools.connections.counting import count_in, count_opened
from poolviz.pools.custom.lending import driver_connection
from poolviz.pools.custom.library_pools import (
    connections_within,
    count_connections,
    counts_of,
    library_pools,
)


class ConnectionCounts:
    """Counts the connections of one user's pool, in any number of generations of it.

    Connections of the class `factory` count themselves. The others are keyed by `id`: they may be
    of any class, and need not be hashable. Called from any thread.
    """

    def __init__(self, counter: ConnectionCounter, factory: type[connection]) -> None:
        self._counter, self._factory = counter, factory
        self._lock = threading.Lock()  # guards _known
        self._known: dict[int, tuple[Callable[[], Any], Callable[[], object]]] = {}

    def watch(self, pool: Any, began: float, *, but: Collection[int] = ()) -> list[Any]:
        """Count the connections that a pool holds, whose making began at `began`, and have it
        count those that it will open. Return the libraries' pools in it, without those whose `id`
        is in `but`."""
        libraries = [each for each in library_pools(pool) if id(each) not in but]
        for each in libraries:
            count_connections(each, self._counter, self._factory, self.opened)
        held = [*connections_within(pool)]
        now = perf_counter()
        for each in held:
            self.opened(driver_connection(each), now - (now - began) / len(held))
        return libraries

    def opened(self, connection: Any, began: float) -> bool:
        """Count a connection, if it is new, and return whether it is; `began` is the time at which
        connecting began."""
        if isinstance(connection, self._factory):
            return False
        with self._lock:
            known = self._known.get(id(connection))
            new = known is None or known[0]() is not connection
            if new:
                self._known[id(connection)] = self._counted(connection, began)
        return new

    def count_closed(self) -> None:
        """Count out all connections that were closed, though they may still be referred to."""
        with self._lock:
            for key, (reference, count_out) in list(self._known.items()):
                connection = reference()
                if connection is None:
                    del self._known[key]  # counted out when it was garbage collected
                elif is_closed(connection):
                    count_out()
                    del self._known[key]

    def reported(self, libraries: list[Any]) -> ReportedCounts:
        """Return the own counts of libraries' pools; connections that they have opened meanwhile
        are counted, too."""
        for each in libraries:
            for found in connections_within(each, depth=0):
                self.opened(found, perf_counter())
        return counts_of(libraries)

    def _counted(self, connection: Any, began: float) -> tuple[Any, Callable[[], object]]:
        try:
            reference = weakref.ref(connection)
        except TypeError:  # of a class without weak references: until it is seen to be closed
            return (lambda: connection), count_opened(connection, self._counter, began)
        return reference, count_in(connection, self._counter, began)


def is_closed(connection: Any) -> bool:
    """Return whether a driver's connection is closed, as far as it says so."""
    try:
        closed = getattr(connection, "closed", None)
        if closed is None:
            closed = getattr(connection, "is_closed", False)
        return bool(closed() if callable(closed) else closed)
    except Exception:  # noqa: BLE001 - a property of the user's
        return False
