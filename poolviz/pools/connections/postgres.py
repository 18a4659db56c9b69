"""psycopg2 connections that a counter counts."""

from __future__ import annotations

from typing import Any

from psycopg2 import OperationalError
from psycopg2.extensions import connection

from poolviz.pools.base import ConnectionCounter
from poolviz.pools.connections.connect_faults import wait_to_connect
from poolviz.pools.connections.counting import CountedConnection
from poolviz.pools.connections.network import libpq_timeout


def counted_connection(counter: ConnectionCounter) -> type[connection]:
    """Return a connection class that `counter` counts, for psycopg2's `connection_factory`.

    Executing a statement costs the same as with psycopg2's own class.
    """

    class CountedPsycopg2Connection(CountedConnection, connection):
        """A psycopg2 connection that counts itself."""

        def __init__(self, dsn: str, *args: Any, **kwargs: Any) -> None:
            began = wait_to_connect(
                counter, OperationalError, lambda: libpq_timeout(dsn, OperationalError)
            )
            super().__init__(dsn, *args, **kwargs)
            self.count_in(counter, began)

    return CountedPsycopg2Connection
