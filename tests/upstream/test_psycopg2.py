"""What psycopg2's own pools do, where poolviz departs from it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2.pool import ThreadedConnectionPool

from tests.pools.bench import select_one


@pytest.fixture
def bare(conninfo: str) -> Iterator[ThreadedConnectionPool]:
    """The library's own pool, 2 to 5 connections."""
    pool = ThreadedConnectionPool(2, 5, conninfo)
    yield pool
    pool.closeall()


def test_a_maxconn_below_the_number_in_use_is_no_limit(
    bare: ThreadedConnectionPool,
) -> None:
    held = [bare.getconn() for _ in range(5)]
    bare.maxconn = 3
    held += [bare.getconn() for _ in range(6)]
    assert all(select_one(conn) for conn in held)


def test_a_failed_rollback_loses_a_place(bare: ThreadedConnectionPool, conninfo: str) -> None:
    admin = psycopg2.connect(conninfo)
    conn = bare.getconn()
    assert select_one(conn)
    with admin.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", (conn.info.backend_pid,))
    admin.close()
    with pytest.raises(psycopg2.Error):
        bare.putconn(conn)
    assert conn.closed
    assert len(bare._used) == 1  # type: ignore[attr-defined]


def test_a_changed_minconn_opens_and_closes_nothing(
    bare: ThreadedConnectionPool,
) -> None:
    for minconn in (0, 5):
        bare.minconn = minconn
        assert len(bare._pool) == 2  # type: ignore[attr-defined]
