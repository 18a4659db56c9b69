"""aiopg's pool: the library's faults, on its own class, and how ours does without."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import aiopg
import psycopg2
import pytest
from psycopg2.extensions import QueryCanceledError, make_dsn

from poolviz.pools.registry import pool_class
from tests.pools.bench import LONG, Crowd, until, waiting
from tests.pools.conftest import Benches
from tests.pools.places import Postgres
from tests.servers.fixtures import ask

Ours: Any = pool_class("aiopg.Pool")
_COUNT = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bare'"


def with_bare(conninfo: str, what: Callable[[Any], Awaitable[None]], **sizes: float) -> None:
    """Try something on the library's own pool."""

    async def run() -> None:
        dsn = make_dsn(conninfo, application_name="bare")
        async with aiopg.create_pool(dsn, **sizes) as pool:
            await asyncio.wait_for(what(pool), LONG)

    asyncio.run(run())


async def use(conn: Any, statement: str = "SELECT 1") -> None:
    async with conn.cursor() as cursor:
        await cursor.execute(statement)


def test_the_library_drops_connections_open_when_its_queue_is_shortened(conninfo: str) -> None:
    async def shorten(pool: Any) -> None:
        held = [await pool.acquire() for _ in range(4)]
        pool._free = deque(pool._free, maxlen=2)
        for conn in held:
            await pool.release(conn)
        assert pool.size == 2
        assert ask(conninfo, _COUNT) == 4
        for conn in held:
            await conn.close()

    with_bare(conninfo, shorten, minsize=0, maxsize=4)


def test_ours_closes_what_a_lowered_limit_has_no_room_for(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=4, timeout=LONG)
    held = one.fill(4)
    one.change(maxsize=2)
    for left in (3, 2, 2, 2):
        one.release([held.pop()])
        assert one.counter.open == one.pool.reported_counts().open == left
    one.settle()


def test_a_raise_holds_at_once_though_a_shrink_is_still_draining(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=6, timeout=LONG)
    held = one.fill(6)
    one.change(maxsize=2)
    one.release([held.pop()])
    one.change(maxsize=8)
    held += one.acquire(3)
    assert one.counter.open == len(held) == 8
    assert one.refuses()
    one.release(held)
    one.settle()


def test_our_waiters_start_when_the_limit_is_raised(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=1, timeout=LONG)
    held = one.fill(1)
    with waiting(one, 5) as waiters:
        one.change(maxsize=6)
        one.release([waiter.finish().connection for waiter in waiters])
    one.release(held)


def test_the_library_wakes_nobody_when_a_connection_comes_back_in_a_transaction(
    conninfo: str,
) -> None:
    async def give_back(pool: Any) -> None:
        conn = await pool.acquire()
        await use(conn, "BEGIN")
        waiter = asyncio.ensure_future(pool.acquire())
        while not pool._cond._waiters:
            await asyncio.sleep(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            await pool.release(conn)
        with pytest.raises(TimeoutError):
            await waiter
        assert pool.size == 0

    with_bare(conninfo, give_back, minsize=0, maxsize=1, timeout=0.5)


def test_our_waiter_gets_the_place_of_one_that_came_back_in_a_transaction(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=1, timeout=LONG)
    held = one.take(1)
    one.pool.begin(held[0], True)
    with waiting(one, 1) as waiters:
        one.release(held)
        one.release([waiters[0].finish().connection])
    assert one.counter.came == 2
    one.settle()


def test_waiters_get_the_places_of_connections_that_the_server_ended(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=2, timeout=LONG)
    held = one.fill(2)
    with waiting(one, 2) as waiters:
        one.kill_backends()
        for conn in held:
            with pytest.raises(psycopg2.Error):
                one.use(conn)
        one.release(held)
        one.release([waiter.finish().connection for waiter in waiters])
    one.settle()


def test_a_connection_that_the_server_ended_while_idle_is_replaced(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=1)
    one.release(one.acquire(1))
    one.kill_backends()

    def works() -> bool:  # it shows once the loop has read the end of the connection
        held = one.take(1)
        worked = one.works(held[0])
        one.release_broken(held)
        return worked

    until(works, "a new connection is handed out")
    gc.collect()
    until(one.agreed, "the lost one is counted out")


def test_a_statement_that_the_server_breaks_off_is_an_error_and_no_end_of_the_task(
    bench: Benches, postgres: Postgres
) -> None:
    one = bench(Ours, minsize=0, maxsize=1)
    held = one.fill(1)
    with pytest.raises(QueryCanceledError):
        one.pool.execute(
            held[0],
            "SET statement_timeout = '50ms'; SELECT pg_sleep(60)",
        )
    one.use(*held)
    one.release(held)


def test_acquire_gives_up_with_a_timeout_error(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=1, timeout=LONG)
    held = one.fill(1)
    one.change(timeout=0.05)
    with pytest.raises(TimeoutError):
        one.pool.acquire()
    one.release(held)


def test_a_raised_minimum_is_open_when_the_change_is_done(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=10)
    one.change(minsize=4)
    assert one.counter.open == one.pool.reported_counts().open == 4


def test_a_connection_that_rested_too_long_is_replaced(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=1)
    one.release(one.acquire(1))
    one.change(pool_recycle=0)
    one.release(one.acquire(1))
    assert (one.counter.came, one.counter.open) == (2, 1)


def test_a_connection_counts_only_once_it_is_made(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=1)
    one.release(one.acquire(1))
    assert len(one.counter.seconds) == 1
    assert one.counter.seconds[0] > 0.0005  # a round trip at least, and not only its beginning


def test_many_tasks_are_served_while_the_limit_goes_up_and_down(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=6, timeout=LONG)
    with Crowd(one, 12) as crowd:
        for most in (1, 5, 2, 8, 1, 3):
            one.change(maxsize=most)
            crowd.work(30)
            crowd.regroup()
            crowd.work(30)
            assert one.counter.peak <= most
    one.settle()
