"""The PgBouncer of the tests is one, and in transaction mode."""

from __future__ import annotations

from contextlib import ExitStack, closing

import psycopg2

from tests.servers.fixtures import tcp_server
from tests.servers.pgbouncer import pgbouncer

__all__ = ["pgbouncer", "tcp_server"]


def backend(connection: psycopg2.extensions.connection) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def test_clients_share_a_backend_from_transaction_to_transaction(pgbouncer: str) -> None:
    with ExitStack() as stack:
        one, other = (stack.enter_context(closing(psycopg2.connect(pgbouncer))) for _ in range(2))
        held = backend(one)  # until its transaction ends
        assert backend(other) != held
        one.rollback()
        other.rollback()
        first = backend(one)
        one.rollback()
        assert backend(other) == first
