"""SQLAlchemy's QueuePool, with limits that change while it is in use."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
import threading
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection
from sqlalchemy import exc
from sqlalchemy.pool import QueuePool

from poolviz.model.errors import InputError
from poolviz.pools.base import PoolStopped
from poolviz.pools.registry import pool_class
from poolviz.pools.sqlalchemy.resizable_queue_pool import ResizableQueuePool
from tests.pools.bench import LONG, Crowd, Waiter, select_one, until, waiting
from tests.pools.conftest import Benches, ClosableDatabase

Ours = pool_class("sqlalchemy.QueuePool")


def pid(conn: Any) -> int:
    return int(conn.dbapi_connection.info.backend_pid)


# Raising a limit


@pytest.mark.parametrize("raised", [{"max_overflow": 5}, {"pool_size": 6}, {"max_overflow": -1}])
def test_waiting_callers_are_served_when_the_limit_is_raised(
    bench: Benches, raised: dict[str, int]
) -> None:
    one = bench(Ours, pool_size=1, max_overflow=0, pool_timeout=LONG)
    held = one.fill(1)
    with waiting(one, 5) as waiters:
        one.change(**raised)
        one.release([waiter.finish().connection for waiter in waiters])
    one.release(held)
    one.settle()


def test_waiting_callers_connect_at_the_same_time(conninfo: str) -> None:
    together = threading.Barrier(20)
    parties = threading.Event()

    def connect() -> Any:
        if parties.is_set():
            together.wait(30)  # a BrokenBarrierError where they come one by one
        return psycopg2.connect(conninfo)

    pool = ResizableQueuePool(connect, pool_size=1, max_overflow=0, timeout=LONG)
    held = pool.connect()
    parties.set()
    waiters = [Waiter(pool.connect) for _ in range(20)]
    until(lambda: pool.reported_counts().pending == 20, "all wait")
    pool.change_limits(1, 20)
    assert [waiter.finish().error for waiter in waiters] == [None] * 20
    for waiter in waiters:
        waiter.connection.close()
    held.close()
    pool.stop()
    pool.change_limits(0, 0)


def test_a_wait_keeps_its_deadline(bench: Benches) -> None:
    one = bench(Ours, pool_size=1, max_overflow=0, pool_timeout=0.3)
    held = one.fill(1)
    waiter = Waiter(one.pool.acquire)
    until(lambda: one.pool.reported_counts().pending == 1, "it waits")
    one.change(pool_timeout=LONG)
    queue = one.pool._pool._pool  # type: ignore[attr-defined]
    while waiter.is_alive():  # for ever, if each wake started the wait again
        queue.wake(1)
        waiter.join(0.01)
    assert isinstance(waiter.error, exc.TimeoutError)
    one.release(held)


def test_a_failed_connect_leaves_its_place_to_the_next_waiter(
    bench: Benches, closable_database: ClosableDatabase
) -> None:
    one = bench(
        Ours, database=closable_database.name, pool_size=1, max_overflow=0, pool_timeout=LONG
    )
    held = one.fill(1)
    with waiting(one, 3) as waiters:
        closable_database.refuse_connections()
        one.change(pool_size=2)
        for waiter in waiters:
            assert isinstance(waiter.finish().error, psycopg2.OperationalError)
    closable_database.allow_connections()
    assert one.pool.reported_counts().open == 1
    held += one.acquire(1)
    one.release(held)
    one.settle()


def test_a_surplus_connection_leaves_its_place_to_a_waiter_when_closed(conninfo: str) -> None:
    closing, may_close = threading.Event(), threading.Event()

    class SlowToClose(connection):
        def close(self) -> None:
            closing.set()
            may_close.wait(30)
            super().close()

    def connect() -> Any:
        return psycopg2.connect(conninfo, connection_factory=SlowToClose)

    pool = ResizableQueuePool(connect, pool_size=2, max_overflow=0, timeout=LONG)
    held = [pool.connect(), pool.connect()]
    waiter = Waiter(pool.connect)
    until(lambda: pool.reported_counts().pending == 1, "it waits")
    pool.change_limits(1, 0)
    returning = Waiter(held.pop().close)
    assert closing.wait(30)
    pool.change_limits(2, 0)
    assert pool.reported_counts().pending == 1  # there is no room before that connection is gone
    may_close.set()
    returning.finish()
    assert waiter.finish().error is None
    waiter.connection.close()
    held.pop().close()
    pool.stop()
    pool.change_limits(0, 0)


# Lowering a limit


def test_a_lowered_limit_applies_to_each_released_connection(bench: Benches) -> None:
    one = bench(Ours, pool_size=1, max_overflow=3, pool_timeout=0.01)
    held = one.fill(4)
    one.change(max_overflow=0)
    for left in (3, 2, 1):
        one.release([held.pop(0)])
        assert one.counter.open == left
        with pytest.raises(exc.TimeoutError):
            one.pool.acquire()
    one.release(held)
    one.settle()


def test_a_lowered_pool_size_bounds_the_idle_connections(bench: Benches) -> None:
    one = bench(Ours, pool_size=3, max_overflow=2)
    held = one.fill(5)
    one.release([held.pop(), held.pop()])
    one.change(pool_size=1, max_overflow=4)
    assert one.pool.reported_counts().open == one.counter.open == 4
    one.release(held)
    assert one.pool.reported_counts().open == one.counter.open == 1


def test_waiters_are_served_once_the_surplus_is_closed(bench: Benches) -> None:
    one = bench(Ours, pool_size=4, max_overflow=0, pool_timeout=LONG)
    held = one.fill(4)
    with waiting(one, 3) as waiters:
        one.change(pool_size=2)
        one.release([held.pop(), held.pop()])
        assert one.counter.open == 2
        assert one.pool.reported_counts().pending == 3
        one.release([held.pop()])
        until(lambda: one.pool.reported_counts().pending == 2, "one is served")
        one.release([held.pop()])
        until(lambda: one.pool.reported_counts().pending == 1, "two are served")
        assert one.counter.open == one.counter.came - 2 == 2
        one.pool.interrupt()
        got = [waiter.finish().connection for waiter in waiters]
    one.release([conn for conn in got if conn is not None])


# No limit


def test_a_limit_can_be_removed_and_restored_under_load(bench: Benches) -> None:
    one = bench(Ours, pool_size=2, max_overflow=0, pool_timeout=LONG)
    with Crowd(one, 16) as crowd:
        for _ in range(4):
            one.change(max_overflow=-1)
            assert one.capacity is None
            crowd.work(60)
            one.change(max_overflow=1)
            until(lambda: one.counter.open <= 3, "the limit is back")
            crowd.regroup()
            crowd.work(60)
            assert one.counter.peak <= 3
    one.settle()


def test_without_a_limit_no_caller_waits(bench: Benches) -> None:
    one = bench(Ours, pool_size=1, max_overflow=-1, pool_timeout=0)
    held = one.acquire(12)
    assert one.counter.open == 12
    one.release(held)
    assert one.counter.open == 1


# The other limits


def test_a_timeout_has_the_librarys_message(bench: Benches, conninfo: str) -> None:
    theirs = QueuePool(lambda: psycopg2.connect(conninfo), 1, 1, 0.01)  # type: ignore[arg-type]
    ours = bench(Ours, pool_size=1, max_overflow=1, pool_timeout=0.01)
    taken = [theirs.connect(), theirs.connect()]
    held = ours.fill(2)
    with pytest.raises(exc.TimeoutError) as theirs_raised:
        theirs.connect()
    with pytest.raises(exc.TimeoutError) as ours_raised:
        ours.pool.acquire()
    assert str(ours_raised.value) == str(theirs_raised.value)
    assert ours_raised.value.code == theirs_raised.value.code == "3o7r"
    for conn in taken:
        conn.close()
    theirs.dispose()
    ours.release(held)


def test_a_changed_timeout_applies_to_new_requests(bench: Benches) -> None:
    one = bench(Ours, pool_size=1, max_overflow=0, pool_timeout=LONG)
    held = one.fill(1)
    with waiting(one, 1) as waiters:
        one.change(pool_timeout=0.01)
        with pytest.raises(exc.TimeoutError, match=r"timeout 0\.01"):
            one.pool.acquire()
        one.change(pool_timeout=0)
        with pytest.raises(exc.TimeoutError, match=r"timeout 0\.00"):
            one.pool.acquire()
        assert waiters[0].is_alive()
        one.release(held)
        one.release([waiters[0].finish().connection])


def test_a_changed_recycle_applies_from_the_next_checkout(
    bench: Benches,
) -> None:
    one = bench(Ours, pool_size=1)

    def next_pid() -> int:
        (conn,) = one.acquire(1)
        number = pid(conn)
        one.release([conn])
        return number

    assert next_pid() == next_pid()
    one.change(pool_recycle=0)
    first, second = next_pid(), next_pid()
    assert first != second
    one.change(pool_recycle=-1)
    assert next_pid() == next_pid() == second
    assert one.counter.open == 1


def test_pre_ping_can_be_switched_on_and_off(bench: Benches) -> None:
    one = bench(Ours, pool_size=2)
    for ping in (False, True, False):
        one.change(pool_pre_ping=ping)
        one.release(one.acquire(2))
        one.kill_backends()
        held = [one.pool.acquire(), one.pool.acquire()]
        for conn in held:
            if ping:
                assert select_one(conn)
            else:
                with pytest.raises(psycopg2.Error):
                    select_one(conn)
        one.release(held)
    one.release(one.acquire(2))
    one.settle()


def test_the_order_can_be_switched(bench: Benches) -> None:
    one = bench(Ours, pool_size=3)
    held = one.acquire(3)
    pids = [pid(conn) for conn in held]
    one.release(held)
    for lifo, expected in ((False, pids[0]), (True, pids[0]), (False, pids[1]), (True, pids[1])):
        one.change(pool_use_lifo=lifo)
        (conn,) = one.acquire(1)
        assert pid(conn) == expected
        one.release([conn])


def test_other_limits_wake_no_waiter(bench: Benches) -> None:
    one = bench(Ours, pool_size=1, max_overflow=0, pool_timeout=LONG)
    held = one.fill(1)
    with waiting(one, 2):
        queue = one.pool._pool._pool  # type: ignore[attr-defined]
        before = queue.changes
        one.change(pool_recycle=3, pool_pre_ping=True, pool_use_lifo=True, pool_timeout=1)
        assert queue.changes == before
        one.pool.interrupt()
    one.release(held)


def test_bounds_of_the_limits() -> None:
    with pytest.raises(InputError, match="pool_size is 0"):
        Ours.limits.complete({"pool_size": 0})
    with pytest.raises(InputError, match=r"max_overflow is -2.*-1 \(no limit\)"):
        Ours.limits.complete({"max_overflow": -2})
    limits = Ours.limits.complete({"max_overflow": -1, "pool_recycle": -1, "pool_timeout": "50ms"})
    assert (limits["max_overflow"], limits["pool_recycle"], limits["pool_timeout"]) == (
        -1,
        -1,
        0.05,
    )
    assert Ours.capacity(limits) is None
    assert Ours.kept(limits) == 5


# Ends


def test_acquire_raises_after_close(bench: Benches) -> None:
    one = bench(Ours, pool_size=3, max_overflow=0, pool_timeout=0)
    held = one.fill(3)
    one.pool.close()
    with pytest.raises(PoolStopped):
        one.pool.acquire()
    assert one.pool.reported_counts().used == 3
    one.release(held)


def test_a_garbage_collected_connection_is_returned_as_in_the_library(bench: Benches) -> None:
    one = bench(Ours, pool_size=1, max_overflow=0, pool_timeout=0)
    conn = one.pool.acquire()
    first = pid(conn)
    del conn
    gc.collect()
    (conn,) = one.acquire(1)
    assert pid(conn) == first
    one.release([conn])


def test_a_lost_connection_prints_nothing(conninfo: str) -> None:
    program = """
        import sys, psycopg2
        from poolviz.pools.registry import pool_class
        class ConnectionCounter:
            def check(self, since): return 0.0
            def opened(self, seconds): print("opened")
            def closed(self): print("closed")
        kind = pool_class("sqlalchemy.QueuePool")
        pool = kind(sys.argv[1], ConnectionCounter(), kind.limits.defaults())
        conn = pool.acquire()
        with psycopg2.connect(sys.argv[1]) as other, conn.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            other.cursor().execute("SELECT pg_terminate_backend(%s, 10000)", cursor.fetchone())
        other.close()
        pool.release(conn)
        pool.close()
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), conninfo],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.split() == ["opened", "closed"]
    assert ended.stderr == ""
