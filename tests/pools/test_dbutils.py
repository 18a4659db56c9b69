"""DBUtils' pool, with limits that change while it is in use."""

from __future__ import annotations

import time
from typing import Any

import psycopg2
import pytest
from dbutils.pooled_db import (  # type: ignore[import-untyped]
    TooManyConnectionsError,
)
from psycopg2.extensions import connection, make_dsn

from poolviz.model.errors import InputError, ServerError
from poolviz.pools.registry import pool_class
from tests.pools.bench import LONG, Bench, RecordingCounter, Waiter, until, waiting
from tests.pools.conftest import Benches, ClosableDatabase
from tests.pools.driven import Driven

Ours: Any = pool_class("dbutils.PooledDB")


def test_a_connection_that_is_reopened_within_an_operation_commits_as_the_old_one(
    bench: Benches,
) -> None:
    one = bench(Ours, maxconnections=1, maxusage=2)
    (held,) = one.fill(1)
    pool, do = one.pool, one.holders.do
    for transaction in (False, True):
        do(held, pool.rollback, held)
        do(held, pool.begin, held, transaction)
        before = pool.raw(held)
        for _ in range(5):
            do(held, pool.execute, held, "SELECT 1")
        assert pool.raw(held) is not before
        assert pool.raw(held).autocommit is not transaction
    one.release([held])


# Waiting


def test_callers_wait_for_timeout_and_get_the_librarys_error(bench: Benches) -> None:
    one = bench(Ours, maxconnections=1, timeout=LONG)
    held = one.fill(1)
    with waiting(one, 3):
        one.change(timeout=0.05)
        began = time.monotonic()
        with pytest.raises(TooManyConnectionsError) as it:
            one.holders.take()
        assert not isinstance(it.value, Ours.refused)
        assert time.monotonic() - began >= 0.05
        assert one.pool.reported_counts().pending == 3  # earlier callers keep the old timeout
    one.release(held)


def test_without_blocking_new_and_waiting_callers_get_an_error_at_once(
    bench: Benches,
) -> None:
    one = bench(Ours, maxconnections=1, timeout=LONG)
    held = one.fill(1)
    with waiting(one, 3) as waiters:
        one.change(blocking=False)
        for waiter in waiters:
            error = waiter.finish().error
            assert isinstance(error, TooManyConnectionsError)
            assert not isinstance(error, Ours.refused)  # it has waited
    with pytest.raises(Ours.refused) as it:
        one.holders.take()
    assert it.type.__name__ == "TooManyConnectionsError"
    one.change(blocking=True)
    with waiting(one, 1) as waiters:
        one.release(held)
        one.release([waiters[0].finish().connection])


# Moving the limits


def test_a_lowered_maxconnections_is_reached(bench: Benches) -> None:
    one = bench(Ours, maxcached=4, maxconnections=4)
    held = one.fill(4)
    one.release([held.pop()])
    one.change(maxcached=2, maxconnections=2)
    assert one.counter.open == 3
    one.release([held.pop()])
    assert one.counter.open == 2
    one.release(held)
    assert one.counter.open == 2
    one.change(maxcached=1)
    assert one.counter.open == 1
    one.settle()


def test_a_changed_maxusage_applies_to_every_connection(bench: Benches) -> None:
    one = bench(Ours, maxcached=2, maxconnections=2)
    held = one.fill(2)
    one.release([held.pop()])
    one.change(maxusage=1)
    one.release(held)
    assert one.counter.came == 2
    one.release(one.acquire(2))  # each was used once, and is reopened for its second statement
    assert (one.counter.came, one.counter.open) == (4, 2)
    one.change(maxusage=0)
    for _ in range(3):
        one.release(one.acquire(2))
    assert one.counter.came == 4
    one.settle()


def test_a_raised_mincached_is_opened_and_a_lowered_one_closes_nothing(bench: Benches) -> None:
    one = bench(Ours, mincached=2, maxcached=8, maxconnections=8)
    assert one.counter.open == 2
    held = one.acquire(1)
    one.change(mincached=5)
    assert one.counter.open == 5
    assert one.pool.reported_counts().used == 1
    one.change(mincached=0)
    assert one.counter.open == 5
    one.release(held)
    one.settle()


def test_a_raised_mincached_applies_even_if_it_cant_be_opened(
    bench: Benches, closable_database: ClosableDatabase
) -> None:
    one = bench(Ours, database=closable_database.name, mincached=1, maxcached=5)
    closable_database.refuse_connections()
    with pytest.raises(ServerError, match=r"^mincached is 4 now, .* not currently accepting") as it:
        one.change(mincached=4)
    assert "\n" not in str(it.value)
    assert one.counter.open == 1
    closable_database.allow_connections()
    one.change(mincached=4)
    assert one.counter.open == 4
    one.settle()


def test_a_failed_start_closes_the_connections_it_had_opened(
    conninfo: str, closable_database: ClosableDatabase
) -> None:
    class ConnectionCounter(RecordingCounter):
        def opened(self, seconds: float) -> None:
            super().opened(seconds)
            if self.came == 2:
                closable_database.refuse_connections()

    counter = ConnectionCounter()
    limits = Ours.limits.complete({"mincached": 4})
    with pytest.raises(psycopg2.OperationalError, match="not currently accepting") as it:
        Ours(make_dsn(conninfo, dbname=closable_database.name), counter, limits)
    assert it.tb is not None  # by which the half-made pool still lives
    assert (counter.came, counter.went) == (2, 2)


def test_maxcached_is_at_least_mincached_and_0_is_no_limit(bench: Benches) -> None:
    one = bench(Ours, mincached=3, maxcached=1, maxconnections=6)
    one.release(one.fill(6))
    assert one.counter.open == Ours.kept(one.limits) == 3
    one.change(maxcached=0)
    one.release(one.fill(6))
    assert one.counter.open == Ours.kept(one.limits) == 6
    one.change(maxcached=4)
    assert one.counter.open == Ours.kept(one.limits) == 4
    one.settle()


def test_mincached_may_not_be_above_maxconnections() -> None:
    with pytest.raises(InputError, match="mincached is 9 and maxconnections is 3"):
        Ours.limits.complete({"mincached": 9, "maxconnections": 3})


# The library's failover


def test_a_lost_connection_is_replaced_without_the_client_noticing(
    bench: Benches,
) -> None:
    one = bench(Ours, maxcached=2, maxconnections=2)
    held = one.fill(2)
    one.kill_backends()
    one.use(*held)
    assert (one.counter.came, one.counter.open) == (4, 2)
    one.release(held)
    one.kill_backends()
    one.release(one.acquire(2))
    assert (one.counter.came, one.counter.open) == (6, 2)
    one.settle()


def cancel_statement(admin: connection, one: Bench, but: int = 0) -> int:
    """Cancel the statement that runs on the pool's connection, unless by backend `but`; the
    backend that ran it."""
    found: list[tuple[int, bool]] = []

    def cancelled() -> bool:
        with admin.cursor() as cursor:
            cursor.execute(
                "SELECT pid, pg_cancel_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = %s AND query LIKE '%%sleep%%' AND state = 'active' "
                "AND pid <> %s",
                (one.name, but),
            )
            found.extend(cursor.fetchall())
        return bool(found)

    until(cancelled, "a statement runs")
    return found[0][0]


def test_a_cancelled_statement_is_repeated_as_in_the_library(
    bench: Benches, admin: connection
) -> None:
    one = bench(Ours, maxconnections=1, maxcached=1)
    held = one.pool.acquire()
    caller = Waiter(lambda: one.pool.execute(held, "SELECT pg_sleep(600)"))
    first = cancel_statement(admin, one)
    assert cancel_statement(admin, one, but=first) != first
    assert isinstance(caller.finish().error, psycopg2.errors.QueryCanceled)
    one.pool.release(held)
    one.settle()


def test_a_cancelled_statement_is_not_repeated_after_interrupt(
    bench: Benches, admin: connection
) -> None:
    one = bench(Ours, maxconnections=1, maxcached=1)
    held = one.pool.acquire()
    caller = Waiter(lambda: one.pool.execute(held, "SELECT pg_sleep(600)"))
    one.pool.interrupt()
    cancel_statement(admin, one)
    assert isinstance(caller.finish().error, psycopg2.errors.QueryCanceled)
    assert one.counter.came == 1
    one.pool.release(held)
    one.settle()


def test_an_aborted_statement_is_not_repeated_after_interrupt(bench: Benches) -> None:
    one = bench(Ours, maxconnections=1, maxcached=1)
    held = one.pool.acquire()
    caller = Waiter(lambda: one.pool.execute(held, "SELECT pg_sleep(600)"))
    one.pool.interrupt()
    assert not isinstance(one.pool, Driven)
    one.pool.abort(held, lambda: True)
    assert isinstance(caller.finish().error, psycopg2.Error)
    assert one.counter.came == 1
    one.pool.release(held)
