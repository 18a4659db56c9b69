"""The counters on a PostgreSQL connection: each one counts itself in and out."""

from __future__ import annotations

import weakref
from time import perf_counter
from typing import Any

from psycopg2 import OperationalError
from psycopg2.extensions import connection

from poolviz.pools.base import ConnectionCounter
from poolviz.pools.connections.connect_faults import wait_to_connect


def counted_connection(counter: ConnectionCounter) -> type[connection]:
    """A class of connection that `counter` counts, for psycopg2's `connection_factory`.

    Opened once connected, before anybody can hold it; closed once, after it was closed or when
    it is forgotten unclosed. A connection that can't be made is never counted. Nothing in
    between is touched: a statement costs what it costs without.
    """

    class CountedConnection(connection):
        """A psycopg2 connection that counts itself in and out."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            begun = perf_counter()
            wait_to_connect(counter, OperationalError)
            super().__init__(*args, **kwargs)
            counter.opened(perf_counter() - begun)
            # A finalizer runs once, whoever is first: close, in any thread, or the collector.
            self._count_out = weakref.finalize(self, counter.closed)
            self._count_out.atexit = False

        def close(self) -> None:
            """Close the connection, and count it out if that is still to do."""
            super().close()
            self._count_out()

        def hang_up(self) -> None:
            """Close the connection, which somebody may still hold: it stays counted until then."""
            super().close()

    return CountedConnection
