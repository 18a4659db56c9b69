"""What SQLAlchemy's own pools do, where poolviz departs from it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection
from sqlalchemy import pool as library
from sqlalchemy.pool import QueuePool

from tests.pools.bench import LONG, Waiter, until

MakeBare = Callable[..., QueuePool]


@pytest.fixture
def bare(conninfo: str) -> Iterator[MakeBare]:
    """Makes the library's own pools; the test gives everything back."""
    made: list[QueuePool] = []

    def connect() -> Any:
        return psycopg2.connect(conninfo)

    def make(size: int, overflow: int, timeout: float = LONG) -> QueuePool:
        pool = QueuePool(connect, size, overflow, timeout)
        made.append(pool)
        return pool

    yield make
    for pool in made:
        pool.dispose()


def pid(conn: Any) -> int:
    return int(conn.dbapi_connection.info.backend_pid)


def test_waiters_dont_notice_a_raised_limit(
    bare: MakeBare,
) -> None:
    pool: Any = bare(1, 0, timeout=0.5)
    held = pool.connect()
    began = time.monotonic()
    waiter = Waiter(pool.connect)
    until(lambda: len(pool._pool.not_empty._waiters) == 1, "it waits")
    pool._max_overflow = 5
    with pool._pool.mutex:
        pool._pool.not_empty.notify_all()
    waiter.finish()
    assert waiter.done_at - began >= 0.5
    waiter.connection.close()
    held.close()


def test_a_lowered_limit_is_never_reached_under_load(bare: MakeBare) -> None:
    pool: Any = bare(1, 3)
    held = [pool.connect() for _ in range(4)]
    pool._max_overflow = 0
    for _ in range(20):
        held.pop(0).close()
        held.append(pool.connect())
    assert len({pid(conn) for conn in held}) == pool.checkedout() == 4
    for conn in held:
        conn.close()


def test_a_lowered_queue_size_is_no_bound(bare: MakeBare) -> None:
    pool: Any = bare(3, 2)
    held = [pool.connect() for _ in range(5)]
    for conn in held[:2]:
        conn.close()
    pool._pool.maxsize = 1
    for conn in held[2:]:
        conn.close()
    assert pool.checkedin() == 5
    pool._overflow += 2  # right again, so that dispose() is
    pool.dispose()


def test_dispose_allows_as_many_again_as_are_in_use(bare: MakeBare) -> None:
    pool = bare(3, 0, timeout=0)
    held = [pool.connect() for _ in range(3)]
    pool.dispose()
    held += [pool.connect() for _ in range(3)]
    assert len({pid(conn) for conn in held}) == 6
    for conn in held:
        conn.close()


class Meeting:
    """A creator whose callers all connect before any of them goes on."""

    def __init__(self, conninfo: str, size: int) -> None:
        self.made: list[connection] = []
        self._conninfo, self._barrier = conninfo, threading.Barrier(size)

    def __call__(self) -> connection:
        made = psycopg2.connect(self._conninfo)
        self.made.append(made)
        self._barrier.wait(30)
        return made

    def close(self) -> None:
        for made in self.made:
            made.close()


def test_each_of_the_first_clients_of_staticpool_opens_a_connection(conninfo: str) -> None:
    creator = Meeting(conninfo, 6)
    pool = library.StaticPool(creator)
    clients = [Waiter(pool.connect) for _ in range(6)]
    held = [client.finish().connection for client in clients]
    assert len({conn.dbapi_connection for conn in held}) == len(creator.made) == 6
    creator.close()
    held.clear()


def test_singletonthreadpool_closes_a_connection_in_use(conninfo: str) -> None:
    pool = library.SingletonThreadPool(lambda: psycopg2.connect(conninfo), pool_size=1)
    held = pool.connect()
    other: Any = Waiter(pool.connect).finish().connection
    raw: Any = held.dbapi_connection
    assert raw.closed
    other.close()
    held.close()
    pool.dispose()


def test_a_lowered_size_of_singletonthreadpool_closes_nothing(conninfo: str) -> None:
    pool: Any = library.SingletonThreadPool(lambda: psycopg2.connect(conninfo), pool_size=3)
    for client in [Waiter(pool.connect) for _ in range(3)]:
        client.finish().connection.close()
    pool.size = 1
    assert len(pool._all_conns) == 3
    pool.dispose()


def test_assertionpool_lets_two_threads_through_at_once(
    conninfo: str,
) -> None:
    creator = Meeting(conninfo, 2)
    pool = library.AssertionPool(creator)
    clients = [Waiter(pool.connect) for _ in range(2)]
    assert [client.finish().error for client in clients] == [None, None]
    for client in clients:
        with suppress(AssertionError):  # the library's own, where it finds that out on return
            client.connection.close()
    creator.close()
