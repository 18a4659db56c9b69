"""asyncpg's pool, with limits that change while it is in use."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from psycopg2.extensions import make_dsn

from poolviz.model.errors import InputError
from poolviz.pools.connections.asyncpg import asyncpg_arguments
from poolviz.pools.registry import pool_class
from tests.pools.bench import LONG, Crowd, until, waiting
from tests.pools.conftest import Benches

Ours: Any = pool_class("asyncpg.Pool")


def test_waiting_callers_are_served_when_the_limit_is_raised(bench: Benches) -> None:
    one = bench(Ours, min_size=0, max_size=1, timeout=LONG)
    held = one.fill(1)
    with waiting(one, 5) as waiters:
        one.change(max_size=6)
        one.release([waiter.finish().connection for waiter in waiters])
    one.release(held)


def test_a_lowered_limit_takes_precedence_over_waiting_callers(
    bench: Benches,
) -> None:
    one = bench(Ours, min_size=0, max_size=4, timeout=LONG)
    held = one.fill(4)
    with waiting(one, 2) as waiters:
        one.change(max_size=1)
        for left in (3, 2, 1):
            one.release([held.pop()])
            until(lambda left=left: one.counter.open == left, f"{left} are open")  # type: ignore[misc]
        assert all(waiter.is_alive() for waiter in waiters)
        one.release(held)
        until(lambda: any(not waiter.is_alive() for waiter in waiters), "one waiter is served")
        first = next(waiter for waiter in waiters if not waiter.is_alive())
        one.release([first.finish().connection])
        other = next(waiter for waiter in waiters if waiter is not first)
        one.release([other.finish().connection])
    assert one.counter.open == 1


def test_a_raised_limit_applies_while_a_lowered_one_is_not_reached_yet(bench: Benches) -> None:
    one = bench(Ours, min_size=0, max_size=6, timeout=LONG)
    held = one.fill(6)
    one.change(max_size=2)
    one.release([held.pop()])
    one.change(max_size=8)
    held += one.acquire(3)
    assert one.counter.open == len(held) == 8
    assert one.refuses()
    one.release(held)
    one.settle()


def test_many_tasks_are_served_while_the_limit_changes(bench: Benches) -> None:
    one = bench(Ours, min_size=0, max_size=6, timeout=LONG)
    with Crowd(one, 12) as crowd:
        for most in (1, 5, 2, 8, 1, 3):
            one.change(max_size=most)
            crowd.work(30)
            crowd.regroup()
            crowd.work(30)
            assert one.counter.peak <= most
    one.settle()


def test_connections_above_a_lowered_minimum_are_closed_when_idle(bench: Benches) -> None:
    one = bench(Ours, min_size=2, max_size=2, max_inactive_connection_lifetime=1)
    one.change(max_inactive_connection_lifetime=0.05)
    places = one.pool._pool._pool._holders
    until(lambda: all(place._inactive_callback is None for place in places), "clocks ran out")
    assert one.counter.open == 2
    one.change(min_size=0, max_inactive_connection_lifetime=0.05)
    until(lambda: one.counter.open == one.backends() == 0, "both are closed")


def test_a_raised_minimum_is_open_when_the_change_is_done(bench: Benches) -> None:
    one = bench(Ours, min_size=0, max_size=10)
    one.change(min_size=4)
    assert one.counter.open == one.pool.reported_counts().open == 4


def test_max_queries_applies_to_connections_in_use(bench: Benches) -> None:
    one = bench(Ours, min_size=0, max_size=1)
    held = one.fill(1)
    one.change(max_queries=1)
    one.release(held)
    until(lambda: one.counter.open == 0, "it is closed when it is given back")


def test_acquire_gives_up_with_a_timeout_error(bench: Benches) -> None:
    one = bench(Ours, min_size=0, max_size=1, timeout=LONG)
    held = one.fill(1)
    one.change(timeout=0.05)
    with pytest.raises(TimeoutError):
        one.pool.acquire()
    one.release(held)


@pytest.mark.parametrize("in_use", [True, False])
def test_a_connection_that_the_server_closed_is_replaced(bench: Benches, in_use: bool) -> None:
    one = bench(Ours, min_size=0, max_size=1)
    held = one.fill(1)
    if not in_use:
        one.release(held)
    one.kill_backends()
    if in_use:
        # The last where the server's word was read before the end of the connection.
        errors = asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError
        with pytest.raises(errors):
            one.use(*held)
        one.release(held)
    until(lambda: one.counter.open == 0, "its loss is noticed")
    one.release(one.acquire(1))
    assert one.counter.came == 2
    one.settle()


def test_libpq_keywords_become_arguments_of_asyncpg() -> None:
    given = asyncpg_arguments(
        make_dsn("", host="/a b,::1", user="ü", password="p@:/?", application_name="x y",
                 keepalives="1", connect_timeout="7")
    )  # fmt: skip
    assert given["timeout"] == 7
    assert given["dsn"].startswith("postgresql://?")
    for part in ("host=%2Fa+b%2C%5B%3A%3A1%5D", "password=p%40%3A%2F%3F", "application_name=x+y"):
        assert part in given["dsn"]
    assert "keepalives" not in given["dsn"]


@pytest.mark.parametrize("option", ["channel_binding=require", "gssencmode=require"])
def test_a_security_option_that_asyncpg_lacks_is_refused(option: str) -> None:
    with pytest.raises(InputError, match=rf"asks for {option.partition('=')[0]}.*leave it out"):
        asyncpg_arguments(f"host=x {option}")
