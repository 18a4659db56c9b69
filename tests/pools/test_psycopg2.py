"""ThreadedConnectionPool: the library's faults, on its own class, and how ours does without."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2.extensions import make_dsn
from psycopg2.pool import PoolError, ThreadedConnectionPool

from poolviz.model.errors import InputError, ServerError
from poolviz.pools import pool_class
from tests.pools.bench import CountingDoor, Crowd, select_one, until
from tests.pools.conftest import Benches, Gate

Ours = pool_class("psycopg2.ThreadedConnectionPool")


@pytest.fixture
def bare(conninfo: str) -> Iterator[ThreadedConnectionPool]:
    """The library's own pool, 2 to 5 connections."""
    pool = ThreadedConnectionPool(2, 5, conninfo)
    yield pool
    pool.closeall()


def test_the_library_forgets_a_limit_lowered_below_the_number_in_use(
    bare: ThreadedConnectionPool,
) -> None:
    held = [bare.getconn() for _ in range(5)]
    bare.maxconn = 3
    held += [bare.getconn() for _ in range(6)]
    assert all(select_one(conn) for conn in held)


def test_ours_holds_a_limit_lowered_below_the_number_in_use(bench: Benches) -> None:
    one = bench(Ours, minconn=2, maxconn=5)
    held = one.fill(5)
    one.change(maxconn=3)
    for _ in range(3):
        with pytest.raises(PoolError, match="connection pool exhausted"):
            one.pool.acquire()
        one.release([held.pop()])
    held += one.acquire(1)
    with pytest.raises(PoolError, match="connection pool exhausted"):
        one.pool.acquire()
    one.release(held)


def test_the_library_loses_a_place_when_the_rollback_fails(
    bare: ThreadedConnectionPool, conninfo: str
) -> None:
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


def test_ours_frees_the_place_when_the_rollback_fails(bench: Benches) -> None:
    one = bench(Ours, minconn=1, maxconn=1)
    for _ in range(3):
        held = one.fill(1)
        one.kill_backends()
        one.release(held)
        assert one.pool.books().used == one.door.open == 0


def test_the_library_opens_and_closes_nothing_when_minconn_changes(
    bare: ThreadedConnectionPool,
) -> None:
    for minconn in (0, 5):
        bare.minconn = minconn
        assert len(bare._pool) == 2  # type: ignore[attr-defined]


def test_ours_opens_what_a_raised_minconn_wants_and_closes_what_a_lowered_one_does_not(
    bench: Benches,
) -> None:
    one = bench(Ours, minconn=2, maxconn=8)
    assert one.door.open == 2
    for minconn in (6, 1, 8, 0, 3):
        one.change(minconn=minconn)
        assert one.door.open == minconn
    held = one.acquire(2)
    one.change(minconn=5)
    assert one.door.open == 5
    assert one.pool.books().used == 2
    one.release(held)
    assert one.door.open == 5
    one.settle()


def test_connections_beyond_minconn_are_closed_on_return_as_the_library_does(
    bench: Benches,
) -> None:
    one = bench(Ours, minconn=2, maxconn=5)
    one.release(one.fill(5))
    assert one.door.open == 2


def test_a_raised_minconn_that_cant_be_opened_is_in_force_all_the_same(
    bench: Benches, gate: Gate
) -> None:
    one = bench(Ours, database=gate.name, minconn=1, maxconn=5)
    gate.shut()
    with pytest.raises(ServerError, match=r"^minconn is 4 now, .* not currently accepting") as it:
        one.change(minconn=4)
    assert "\n" not in str(it.value)
    assert one.door.open == 1
    gate.open()
    held = one.fill(5)
    one.release(held)
    assert one.door.open == 4
    one.change(minconn=5)
    assert one.door.open == 5
    one.settle()


def test_minconn_raised_under_load_never_opens_more_than_maxconn(bench: Benches) -> None:
    one = bench(Ours, minconn=0, maxconn=6)
    with Crowd(one, 8) as crowd:
        for _ in range(15):
            one.change(minconn=6)
            crowd.work(20)
            one.change(minconn=0)
    assert one.door.peak <= 6
    one.settle()


def test_a_caller_beyond_maxconn_never_waits(bench: Benches) -> None:
    one = bench(Ours, minconn=0, maxconn=1)
    with Crowd(one, 8) as crowd:
        until(lambda: crowd.refusals > 100, "100 callers were refused")
        assert one.pool.books().pending is None


def test_a_pool_of_nothing_kept_connects_anew_each_time(bench: Benches) -> None:
    one = bench(Ours, minconn=0, maxconn=3)
    for number in range(1, 4):
        one.release(one.acquire(1))
        assert (one.door.came, one.door.open) == (number, 0)


def test_giving_back_twice_is_refused(bench: Benches) -> None:
    one = bench(Ours)
    held = one.acquire(1)
    one.release(held)
    with pytest.raises(PoolError, match="unkeyed"):
        one.release(held)
    one.settle()


def test_a_failing_start_closes_what_it_had_opened(conninfo: str, gate: Gate) -> None:
    class Door(CountingDoor):
        def opened(self, seconds: float) -> None:
            super().opened(seconds)
            if self.came == 2:
                gate.shut()

    door = Door()
    with pytest.raises(psycopg2.OperationalError, match="not currently accepting") as it:
        Ours(make_dsn(conninfo, dbname=gate.name), door, {"minconn": 4, "maxconn": 4})
    assert it.tb is not None  # by which the half-made pool still lives
    assert (door.came, door.went) == (2, 2)


def test_minconn_may_not_be_above_maxconn() -> None:
    with pytest.raises(InputError, match="minconn is 9 and maxconn is 3"):
        Ours.limits.complete({"minconn": 9, "maxconn": 3})
    assert Ours.limits.complete({"maxconn": 1}) == {"minconn": 1, "maxconn": 1}
    with pytest.raises(InputError, match="maxconn is 0"):
        Ours.limits.complete({"minconn": 0, "maxconn": 0})
