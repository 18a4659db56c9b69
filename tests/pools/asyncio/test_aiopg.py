"""aiopg's pool, with limits that change while it is in use."""

from __future__ import annotations

import gc
from concurrent.futures import CancelledError
from typing import Any

import psycopg2
import pytest

from poolviz.pools.registry import pool_class
from tests.pools.bench import LONG, Crowd, Waiter, until, waiting
from tests.pools.conftest import Benches
from tests.pools.places import Postgres

Ours: Any = pool_class("aiopg.Pool")


def test_surplus_connections_are_closed_when_the_limit_is_lowered(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=4, timeout=LONG)
    held = one.fill(4)
    one.change(maxsize=2)
    for left in (3, 2, 2, 2):
        one.release([held.pop()])
        assert one.counter.open == one.pool.reported_counts().open == left
    one.settle()


def test_a_raised_limit_applies_while_a_lowered_one_is_not_reached_yet(bench: Benches) -> None:
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


def test_waiting_callers_are_served_when_the_limit_is_raised(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=1, timeout=LONG)
    held = one.fill(1)
    with waiting(one, 5) as waiters:
        one.change(maxsize=6)
        one.release([waiter.finish().connection for waiter in waiters])
    one.release(held)


def test_a_waiting_caller_gets_the_place_of_a_connection_released_in_a_transaction(
    bench: Benches,
) -> None:
    one = bench(Ours, minsize=0, maxsize=1, timeout=LONG)
    held = one.take(1)
    one.pool.begin(held[0], True)
    with waiting(one, 1) as waiters:
        one.release(held)
        one.release([waiters[0].finish().connection])
    assert one.counter.came == 2
    one.settle()


def test_waiting_callers_get_the_places_of_connections_that_the_server_closed(
    bench: Benches,
) -> None:
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


def test_an_idle_connection_that_the_server_closed_is_replaced(bench: Benches) -> None:
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


def test_a_statement_that_the_server_cancels_raises_what_the_library_does(
    bench: Benches, postgres: Postgres
) -> None:
    one = bench(Ours, minsize=0, maxsize=1)
    held = one.fill(1)
    with pytest.raises(CancelledError):
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


def test_a_connection_that_was_idle_too_long_is_replaced(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=1)
    one.release(one.acquire(1))
    one.change(pool_recycle=0)
    one.release(one.acquire(1))
    assert (one.counter.came, one.counter.open) == (2, 1)


def test_a_connection_is_counted_once_it_is_connected(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=1)
    one.release(one.acquire(1))
    assert len(one.counter.seconds) == 1
    assert one.counter.seconds[0] > 0.0005  # a round trip at least, and not only its beginning


def test_many_tasks_are_served_while_the_limit_changes(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=6, timeout=LONG)
    with Crowd(one, 12) as crowd:
        for most in (1, 5, 2, 8, 1, 3):
            one.change(maxsize=most)
            crowd.work(30)
            crowd.regroup()
            crowd.work(30)
            assert one.counter.peak <= most
    one.settle()


def test_a_connection_that_is_lost_while_another_is_opened_is_counted_out(bench: Benches) -> None:
    one = bench(Ours, minsize=2, maxsize=2, timeout=LONG)
    one.counter.connect_faults.slow_by = 0.5
    one.kill_backends()
    opened = one.counter.came
    caller = Waiter(one.pool.acquire)
    until(lambda: one.counter.came == opened + 1, "the first is open, and another on its way")
    one.kill_backends()
    assert isinstance(caller.finish().error, AssertionError)  # the library's, which drops it
    one.counter.connect_faults.slow_by = 0
    one.settle()


def test_a_closed_connection_that_is_given_back_leaves_a_new_ones_socket_alone(
    bench: Benches,
) -> None:
    one = bench(Ours, minsize=0, maxsize=2, timeout=0.5)
    first = one.holders.take()
    socket = first.raw.fileno()
    with pytest.raises(TimeoutError):
        one.pool.execute(first, "SELECT pg_sleep(60)")
    second = one.holders.take()
    assert first.closed and second.raw.fileno() == socket
    one.release([first])
    one.use(second)
    one.release([second])
    one.settle()
