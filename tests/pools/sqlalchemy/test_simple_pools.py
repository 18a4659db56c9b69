"""SQLAlchemy's NullPool, StaticPool, SingletonThreadPool and AssertionPool."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg2.extensions import connection

from poolviz.pools.base import PoolStopped
from poolviz.pools.registry import pool_class
from tests.pools.bench import Waiter, until
from tests.pools.conftest import Benches

Null = pool_class("sqlalchemy.NullPool")
Static = pool_class("sqlalchemy.StaticPool")
Singleton = pool_class("sqlalchemy.SingletonThreadPool")
Assertion = pool_class("sqlalchemy.AssertionPool")


@pytest.fixture
def table(admin: connection) -> Iterator[str]:
    with admin.cursor() as cursor:
        cursor.execute("CREATE TABLE sums (n int)")
        yield "sums"
        cursor.execute("DROP TABLE sums")


def rows(admin: connection, table: str) -> int:
    with admin.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return int(cursor.fetchall()[0][0])


# NullPool


def test_each_caller_of_nullpool_gets_a_new_connection(bench: Benches) -> None:
    one = bench(Null)
    for number in (1, 2, 3):
        held = one.acquire(2)
        assert one.counter.open == one.pool.reported_counts().used == 2
        one.release(held)
        assert one.counter.open == 0
        assert one.counter.came == 2 * number


# StaticPool


def test_a_rollback_undoes_the_work_of_another_client_in_staticpool(
    bench: Benches, admin: connection, table: str
) -> None:
    one = bench(Static)
    writer, passer_by = one.pool.acquire(), one.pool.acquire()
    with writer.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} VALUES (1)")
        one.pool.release(passer_by)  # the library rolls back on return
        writer.commit()
    one.pool.release(writer)
    assert rows(admin, table) == 0
    one.settle()


def test_a_single_client_of_staticpool_keeps_what_it_commits(
    bench: Benches, admin: connection, table: str
) -> None:
    one = bench(Static)
    writer = one.pool.acquire()
    with writer.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} VALUES (1)")
    writer.commit()
    one.pool.release(writer)
    assert rows(admin, table) == 1


@pytest.mark.parametrize("dialect", ["postgresql", "sqlite"])
def test_staticpool_keeps_one_connection_of_its_first_clients(bench: Benches, dialect: str) -> None:
    one = bench(Static, dialect=dialect)
    pool: Any = one.pool
    creator, barrier = pool._pool._creator, threading.Barrier(6)

    def together() -> Any:
        made = creator()
        barrier.wait(30)
        return made

    pool._pool._creator = together
    held = [client.finish().connection for client in [Waiter(pool.acquire) for _ in range(6)]]
    assert one.counter.open == pool.reported_counts().open == 6
    for conn in held:
        pool.release(conn)
    assert one.counter.open == pool.reported_counts().open == 1
    one.settle()


def test_staticpool_is_closed_when_the_last_client_releases_it(bench: Benches) -> None:
    one = bench(Static)
    first, last = one.pool.acquire(), one.pool.acquire()
    one.pool.close()
    one.pool.release(first)
    assert one.counter.open == 1
    one.pool.execute(last, "SELECT 1")
    one.pool.release(last)
    assert one.counter.open == 0


# SingletonThreadPool


def test_a_thread_keeps_its_connection(bench: Benches) -> None:
    one = bench(Singleton, pool_size=3)
    for _ in range(4):
        one.release(one.acquire(3))
    assert one.counter.came == one.counter.open == 3
    one.settle()


def test_a_further_thread_closes_a_connection_in_use_as_in_the_library(
    bench: Benches,
) -> None:
    one = bench(Singleton, pool_size=2)
    held = one.acquire(2)
    held += one.acquire(1)
    assert one.backends() in (2, 3)  # the server may not have noticed yet
    until(lambda: one.backends() == 2, "one is closed on the server")
    lost = [conn for conn in held if not one.works(conn)]
    assert len(lost) == 1
    assert held[2] not in lost
    assert one.counter.open == one.pool.reported_counts().used == 3  # its client still holds it
    one.release(lost)
    assert one.counter.open == 2
    one.release([conn for conn in held if conn not in lost])
    one.settle()


def test_a_connection_that_is_opened_anew_after_it_was_taken_away_is_closed_on_release(
    bench: Benches,
) -> None:
    one = bench(Singleton, pool_size=1)
    held = one.acquire(1)
    record = held[0]._connection_record
    record.invalidate()  # as a pre-ping does that finds it lost
    others = one.acquire(1)  # in another thread, which takes its place
    held[0].dbapi_connection = record.get_connection()
    assert one.counter.open == 2
    one.release(held)
    assert one.counter.open == 1
    one.release(others)
    one.settle()


def test_a_lowered_size_closes_idle_connections_at_once_and_others_on_release(
    bench: Benches,
) -> None:
    one = bench(Singleton, pool_size=4)
    held = one.acquire(4)
    one.release([held.pop()])
    one.change(pool_size=1)
    assert one.counter.open == 3
    one.use(*held)
    for left in (2, 1, 1):
        one.release([held.pop()])
        assert one.counter.open == left
    one.settle()


# AssertionPool


def test_only_one_of_two_threads_is_served_by_assertionpool(bench: Benches) -> None:
    one = bench(Assertion)
    pool: Any = one.pool
    creator, inside, may_go_on = pool._pool._creator, threading.Event(), threading.Event()

    def slow() -> Any:
        inside.set()
        may_go_on.wait(30)
        return creator()

    pool._pool._creator = slow
    first = Waiter(pool.acquire)
    assert inside.wait(30)
    with pytest.raises(AssertionError, match="already checked out"):
        pool.acquire()
    may_go_on.set()
    held = first.finish().connection
    with pytest.raises(AssertionError, match="already checked out"):
        pool.acquire()
    pool.release(held)
    pool.release(pool.acquire())
    assert one.counter.came == 1
    one.settle()


@pytest.mark.parametrize("kind", [Null, Static, Singleton, Assertion], ids=lambda kind: kind.id)
def test_acquire_raises_after_interrupt(bench: Benches, kind: Any) -> None:
    one = bench(kind)
    held = one.acquire(1)
    one.pool.interrupt()
    with pytest.raises(PoolStopped):
        one.pool.acquire()
    one.use(*held)
    one.release(held)
