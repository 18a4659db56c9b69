"""psycopg's pools, with limits that change while they are in use."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg2.extensions import make_dsn
from psycopg_pool import (
    PoolTimeout,
    TooManyRequests,
)

from poolviz.pools.base import Pool, PoolStopped
from poolviz.pools.connections.psycopg import libpq_conninfo
from poolviz.pools.registry import pool_class
from tests.pools.bench import LONG, Crowd, RecordingCounter, Waiter, until, waiting
from tests.pools.conftest import Benches, ClosableDatabase

Threads = pool_class("psycopg_pool.ConnectionPool")
Null = pool_class("psycopg_pool.NullConnectionPool")
Tasks: Any = pool_class("psycopg_pool.AsyncConnectionPool")
Class = type[Pool]


@pytest.fixture(params=[Threads, Tasks], ids=lambda kind: kind.id)
def ours(request: pytest.FixtureRequest) -> Class:
    """The pools that keep connections."""
    found: Class = request.param
    return found


# Raising min_size


def test_missing_connections_are_opened_when_min_size_is_raised(
    ours: Class, bench: Benches
) -> None:
    one = bench(ours, min_size=2, max_size=10)
    assert one.counter.open == 2
    one.release(one.fill(10))
    one.change(min_size=8)
    one.settle()
    assert one.counter.peak == one.counter.came == 10
    one.change(min_size=1, max_size=3)
    assert one.counter.open == 3
    one.change(min_size=7, max_size=7)
    until(lambda: one.counter.open == 7, "seven are open")
    one.settle()


# Raising max_size


@pytest.mark.parametrize("kind", [Threads, Tasks, Null], ids=lambda kind: kind.id)
def test_waiting_callers_are_served_when_max_size_is_raised(kind: Class, bench: Benches) -> None:
    floor = {"min_size": 1} if "min_size" in kind.limits else {}
    one = bench(kind, max_size=1, timeout=LONG, **floor)
    held = one.fill(1)
    with waiting(one, 5) as waiters:
        one.change(max_size=3)
        until(lambda: one.pool.reported_counts().pending == 3, "two started")
        assert one.counter.open == 3
        one.change(max_size=6)
        one.release([waiter.finish().connection for waiter in waiters])
    one.release(held)
    assert one.counter.peak == one.counter.came == 6


def test_waiting_callers_of_a_null_pool_are_served_when_its_limit_is_removed(
    bench: Benches,
) -> None:
    one = bench(Null, max_size=1, timeout=LONG)
    held = one.fill(1)
    with waiting(one, 8) as waiters:
        one.change(max_size=0)
        one.release([waiter.finish().connection for waiter in waiters])
    one.release(held)
    one.settle()
    assert one.counter.came == 9


# Lowering


def test_connections_beyond_a_lowered_max_size_are_closed(ours: Class, bench: Benches) -> None:
    one = bench(ours, min_size=2, max_size=6)
    held = one.fill(6)
    one.release(held[:3])
    one.change(min_size=1, max_size=2)
    assert one.counter.open == 3
    one.release(held[3:])
    assert one.counter.open == 2
    one.settle()


def test_a_null_pool_reaches_a_lowered_limit_while_a_caller_waits(bench: Benches) -> None:
    one = bench(Null, max_size=3, timeout=LONG)
    held = one.fill(3)
    with waiting(one, 1) as (waiter,):
        one.change(max_size=1)
        one.release([held.pop(), held.pop()])
        assert one.counter.open == 1
        assert waiter.is_alive()
        one.release(held)
        one.release([waiter.finish().connection])
    assert one.counter.came == 3


def test_a_place_whose_connection_cant_be_opened_is_given_up_first(
    ours: Class, bench: Benches, closable_database: ClosableDatabase
) -> None:
    one = bench(ours, database=closable_database.name, min_size=4, max_size=4, timeout=LONG)
    held = one.fill(4)
    closable_database.refuse_connections()
    close = getattr(one.pool, "close_connection", None) or (lambda conn: conn.close())
    for conn in held[:2]:
        close(conn)
    one.release(held[:2])  # the pool fails to open two others
    one.change(min_size=2, max_size=2)
    one.use(*held[2:])
    one.release(held[2:])
    assert one.counter.open == one.pool.reported_counts().open == 2
    closable_database.allow_connections()
    one.release(one.fill(2))
    one.settle()


def test_lost_places_beyond_a_lowered_limit_stay_empty(
    ours: Class, bench: Benches, closable_database: ClosableDatabase
) -> None:
    one = bench(ours, database=closable_database.name, min_size=4, max_size=4, timeout=LONG)
    held = one.fill(4)
    closable_database.refuse_connections()
    one.kill_backends()
    one.release(held)
    until(lambda: one.pool.reported_counts().open == 0, "none is open")
    one.change(min_size=2, max_size=2)
    closable_database.allow_connections()
    until(lambda: one.counter.open == 2, "two are open")
    one.release(one.fill(2))
    one.settle()


# How old, how long idle


def test_a_changed_max_idle_applies_at_once(ours: Class, bench: Benches) -> None:
    one = bench(ours, min_size=1, max_size=4)
    one.release(one.fill(4))
    one.change(max_idle=300.0)
    one.change(max_idle=0.05)
    until(lambda: one.counter.open == 1, "one is kept")
    one.settle()
    one.change(max_idle=600.0)
    one.release(one.fill(4))
    assert one.counter.open == 4


def test_a_changed_lifetime_applies_to_every_connection(ours: Class, bench: Benches) -> None:
    one = bench(ours, min_size=1, max_size=1)
    one.release(one.fill(1))
    assert one.counter.came == 1
    one.change(max_lifetime=0.001)
    one.release(one.fill(1))
    until(lambda: one.counter.came == 2, "another was opened in its place")
    one.change(max_lifetime=3600.0)
    for _ in range(3):
        one.release(one.fill(1))
    one.settle()
    assert one.counter.came == 2


# Running out


@pytest.mark.parametrize("kind", [Threads, Tasks, Null], ids=lambda kind: kind.id)
def test_a_caller_waits_for_timeout_or_not_at_all_if_too_many_wait(
    kind: Class, bench: Benches
) -> None:
    floor = {"min_size": 1} if "min_size" in kind.limits else {}
    one = bench(kind, max_size=1, max_waiting=2, timeout=LONG, **floor)
    held = one.fill(1)
    with waiting(one, 2):
        with pytest.raises(kind.refused):
            one.holders.take()
        one.change(max_waiting=0, timeout=0.05)
        began = time.monotonic()
        with pytest.raises(PoolTimeout, match=r"after 0\.05 sec"):
            one.holders.take()
        assert time.monotonic() - began >= 0.05
        assert one.pool.reported_counts().pending == 2
    assert set(kind.exhausted) == {PoolTimeout, TooManyRequests}
    assert kind.refused == (TooManyRequests,)
    one.release(held)


def test_callers_that_gave_up_dont_count_as_waiting(ours: Class, bench: Benches) -> None:
    one = bench(ours, min_size=1, max_size=1, timeout=0.01)
    held = one.fill(1)
    for _ in range(3):
        assert one.refuses()
    assert one.pool.reported_counts().pending == 0
    one.release(held)
    one.settle()


# What a server or its absence does


def test_an_idle_connection_that_was_lost_is_replaced_when_it_is_released(
    ours: Class, bench: Benches
) -> None:
    one = bench(ours, min_size=1, max_size=1)
    one.kill_backends()
    (lost,) = one.take(1)
    assert not one.works(lost)
    one.release([lost])
    until(lambda: one.counter.came == 2 and one.counter.open == 1, "it was replaced")
    one.release(one.fill(1))
    one.settle()


def test_a_null_pool_keeps_nothing(bench: Benches) -> None:
    one = bench(Null, max_size=0)
    for number in range(1, 4):
        one.release(one.acquire(1))
        assert (one.counter.came, one.counter.open) == (number, 0)


def test_a_waiting_caller_of_a_null_pool_gets_a_new_connection_for_a_broken_one(
    bench: Benches,
) -> None:
    one = bench(Null, max_size=1, timeout=LONG)
    held = one.fill(1)
    with waiting(one, 1) as (waiter,):
        one.kill_backends()
        one.release(held)
        one.use(waiter.finish().connection)
        one.release([waiter.connection])
    one.settle()


def pools_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("pool-")]


@pytest.mark.parametrize("kind", [Threads, Null], ids=lambda kind: kind.id)
def test_close_ends_the_pools_own_threads(kind: Class, bench: Benches) -> None:
    one = bench(kind)
    assert pools_threads()
    held = one.acquire(1)
    one.pool.close()
    assert pools_threads() == []
    one.release(held)


def test_a_pool_that_cant_connect_raises_the_drivers_error_and_leaves_no_thread(
    conninfo: str,
) -> None:
    counter = RecordingCounter()
    nowhere = make_dsn(conninfo, dbname="no_such_database")
    with pytest.raises(psycopg.OperationalError, match="no_such_database"):
        Threads(nowhere, counter, Threads.limits.defaults())  # type: ignore[call-arg]
    assert pools_threads() == []
    assert counter.came == 0


def test_empty_parameters_of_a_conninfo_are_removed(conninfo: str) -> None:
    odd = f"{conninfo} hostaddr='' connect_timeout=''"
    with pytest.raises(psycopg.Error):
        psycopg.connect(odd)
    assert conninfo_to_dict(libpq_conninfo(odd)) == {
        key: value for key, value in conninfo_to_dict(conninfo).items() if value != ""
    }
    psycopg.connect(libpq_conninfo(odd)).close()


# The end


def test_callers_that_arrive_during_an_interrupt_are_sent_away_too(
    bench: Benches,
) -> None:
    one = bench(Threads, min_size=1, max_size=2, timeout=LONG)

    def come_and_go() -> None:
        while True:
            one.pool.release(one.pool.acquire())

    callers = [Waiter(come_and_go) for _ in range(16)]
    until(lambda: one.counter.open == 2, "all is in use")
    one.pool.interrupt()
    assert all(isinstance(caller.finish().error, PoolStopped) for caller in callers)
    one.settle()


def test_tasks_cancelled_while_they_wait_lose_no_connection(conninfo: str) -> None:
    counter = RecordingCounter()
    rng = random.Random(1)

    async def client(pool: Any) -> None:
        conn = await pool.acquire()
        try:
            await asyncio.sleep(0)
        finally:
            await asyncio.shield(pool.release(conn))

    async def run() -> None:
        pool = Tasks(conninfo, counter, Tasks.limits.complete({"min_size": 1, "max_size": 3}))
        await pool.open()
        for _ in range(60):
            clients = [asyncio.create_task(client(pool)) for _ in range(12)]
            for one in rng.sample(clients, 8):
                for _ in range(rng.randrange(6)):
                    await asyncio.sleep(0)
                one.cancel()
            await asyncio.gather(*clients, return_exceptions=True)
        held = [await asyncio.wait_for(pool.acquire(), LONG) for _ in range(3)]
        assert pool.reported_counts().open == pool.reported_counts().used == counter.open == 3
        for conn in held:
            await pool.release(conn)
        await pool.close()

    asyncio.run(run())
    assert counter.open == 0


def test_changing_sizes_under_load_never_opens_more_than_allowed(
    ours: Class, bench: Benches
) -> None:
    one = bench(ours, min_size=0, max_size=6)
    with Crowd(one, 10) as crowd:
        for _ in range(10):
            one.change(min_size=6)
            crowd.work(20)
            one.change(min_size=0)
            crowd.work(20)
    assert one.counter.peak <= 6
    one.settle()
