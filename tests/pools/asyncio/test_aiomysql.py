"""aiomysql's pool, with limits that change while it is in use."""

from __future__ import annotations

import asyncio
from typing import Any

import pymysql
import pytest

from poolviz.model.mysql_url import MySQLAddress
from poolviz.pools.registry import pool_class
from tests.pools.bench import LONG, Crowd, until, waiting
from tests.pools.conftest import Benches

Ours: Any = pool_class("aiomysql.Pool")
pytestmark = pytest.mark.usefixtures("mysql_url")


async def ask(conn: Any, statement: str) -> Any:
    async with conn.cursor() as cursor:
        await cursor.execute(statement)
        return await cursor.fetchone()


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


@pytest.mark.parametrize("how", ["in a transaction", "closed by the server"])
def test_waiting_callers_get_the_places_of_connections_released_closed(
    bench: Benches, how: str
) -> None:
    one = bench(Ours, minsize=0, maxsize=2, timeout=LONG)
    held = one.fill(2)
    with waiting(one, 2) as waiters:
        if how == "in a transaction":
            for conn in held:
                one.pool.execute(conn, "START TRANSACTION")
        else:
            one.kill_backends()
            for conn in held:
                with pytest.raises(pymysql.OperationalError):
                    one.use(conn)
        one.release(held)
        one.release([waiter.finish().connection for waiter in waiters])
    assert one.counter.came == 4
    one.settle()


def test_an_idle_connection_that_the_server_closed_is_replaced(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=1)
    one.release(one.acquire(1))
    one.kill_backends()
    until(one.pool._pool._pool._free[0]._reader.at_eof, "the loop has read its end")
    one.release(one.acquire(1))
    assert one.counter.came == 2
    one.settle()


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


def test_a_minimum_that_cant_be_opened_leaves_no_connection(mysql_url: str) -> None:
    class ConnectionCounter:
        came = went = 0

        def check(self, since: float) -> float:
            return 0.0

        def opened(self, seconds: float) -> None:
            self.came += 1

        def closed(self) -> None:
            self.went += 1

    async def run() -> None:
        url = MySQLAddress.parse(mysql_url)
        with pymysql.connect(
            host=url.host, port=url.port, user=url.user, password=url.password, autocommit=True
        ) as admin, admin.cursor() as cursor:  # fmt: skip
            cursor.execute("DROP USER IF EXISTS few@'%'")
            cursor.execute("CREATE USER few@'%' IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS 2")
            counter = ConnectionCounter()
            few = f"mysql://few:x@{url.host}:{url.port}/"
            pool = Ours(few, counter, Ours.limits.complete({"minsize": 3, "maxsize": 3}))
            with pytest.raises(pymysql.OperationalError, match="max_user_connections"):
                await pool.open()
            assert counter.came == counter.went == 2
            cursor.execute("DROP USER few@'%'")

    asyncio.run(run())


def test_a_connection_that_was_idle_too_long_is_replaced(bench: Benches) -> None:
    one = bench(Ours, minsize=0, maxsize=1)
    one.release(one.acquire(1))
    one.change(pool_recycle=0)
    one.release(one.acquire(1))
    assert (one.counter.came, one.counter.open) == (2, 1)


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
