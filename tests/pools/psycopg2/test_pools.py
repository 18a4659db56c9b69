"""psycopg2's pools, with limits that change while they are in use."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from psycopg2.extensions import make_dsn
from psycopg2.pool import PoolError, SimpleConnectionPool

from poolviz.load.settings import settings_for
from poolviz.model.errors import InputError, ServerError
from poolviz.pools.psycopg2.resizable import SharedExclusiveLock
from poolviz.pools.registry import pool_class
from poolviz.runs.request import check_draft
from poolviz.runs.warnings import warnings_before
from poolviz.scenarios.draft import Draft
from poolviz.servers.embedded.server import EmbeddedServer
from tests.pools.bench import Crowd, RecordingCounter, until
from tests.pools.conftest import Benches, ClosableDatabase

Ours = pool_class("psycopg2.ThreadedConnectionPool")
Simple = pool_class("psycopg2.SimpleConnectionPool")
Persistent = pool_class("psycopg2.PersistentConnectionPool")


def test_a_limit_lowered_below_the_number_in_use_is_kept(bench: Benches) -> None:
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


def test_a_failed_rollback_frees_the_place(bench: Benches) -> None:
    one = bench(Ours, minconn=1, maxconn=1)
    for _ in range(3):
        held = one.fill(1)
        one.kill_backends()
        one.release(held)
        assert one.pool.reported_counts().used == one.counter.open == 0


def test_changing_minconn_opens_missing_and_closes_surplus_connections(
    bench: Benches,
) -> None:
    one = bench(Ours, minconn=2, maxconn=8)
    assert one.counter.open == 2
    for minconn in (6, 1, 8, 0, 3):
        one.change(minconn=minconn)
        assert one.counter.open == minconn
    held = one.acquire(2)
    one.change(minconn=5)
    assert one.counter.open == 5
    assert one.pool.reported_counts().used == 2
    one.release(held)
    assert one.counter.open == 5
    one.settle()


def test_connections_beyond_minconn_are_closed_on_release_as_in_the_library(
    bench: Benches,
) -> None:
    one = bench(Ours, minconn=2, maxconn=5)
    one.release(one.fill(5))
    assert one.counter.open == 2


def test_a_raised_minconn_applies_even_if_it_cant_be_opened(
    bench: Benches, closable_database: ClosableDatabase
) -> None:
    one = bench(Ours, database=closable_database.name, minconn=1, maxconn=5)
    closable_database.refuse_connections()
    with pytest.raises(ServerError, match=r"^minconn is 4 now, .* not currently accepting") as it:
        one.change(minconn=4)
    assert "\n" not in str(it.value)
    assert one.counter.open == 1
    closable_database.allow_connections()
    held = one.fill(5)
    one.release(held)
    assert one.counter.open == 4
    one.change(minconn=5)
    assert one.counter.open == 5
    one.settle()


def test_minconn_raised_under_load_never_opens_more_than_maxconn(bench: Benches) -> None:
    one = bench(Ours, minconn=0, maxconn=6)
    with Crowd(one, 8) as crowd:
        for _ in range(15):
            one.change(minconn=6)
            crowd.work(20)
            one.change(minconn=0)
    assert one.counter.peak <= 6
    one.settle()


def test_a_caller_beyond_maxconn_never_waits(bench: Benches) -> None:
    one = bench(Ours, minconn=0, maxconn=1)
    with Crowd(one, 8) as crowd:
        until(lambda: crowd.refusals > 100, "100 callers were refused")
        assert one.pool.reported_counts().pending is None


def test_a_pool_that_keeps_no_connection_connects_each_time(bench: Benches) -> None:
    one = bench(Ours, minconn=0, maxconn=3)
    for number in range(1, 4):
        one.release(one.acquire(1))
        assert (one.counter.came, one.counter.open) == (number, 0)


def test_releasing_twice_is_refused(bench: Benches) -> None:
    one = bench(Ours)
    held = one.acquire(1)
    one.release(held)
    with pytest.raises(PoolError, match="unkeyed"):
        one.release(held)
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
    with pytest.raises(psycopg2.OperationalError, match="not currently accepting") as it:
        Ours(
            make_dsn(conninfo, dbname=closable_database.name), counter, {"minconn": 4, "maxconn": 4}
        )
    assert it.tb is not None  # by which the half-made pool still lives
    assert (counter.came, counter.went) == (2, 2)


def test_minconn_may_not_be_above_maxconn() -> None:
    with pytest.raises(InputError, match="minconn is 9 and maxconn is 3"):
        Ours.limits.complete({"minconn": 9, "maxconn": 3})
    assert Ours.limits.complete({"maxconn": 1}) == {"minconn": 1, "maxconn": 1}
    with pytest.raises(InputError, match="maxconn is 0"):
        Ours.limits.complete({"minconn": 0, "maxconn": 0})


def _opened_by_many_at_once(getconn: object) -> int:
    """How many of 12 threads that ask at the same moment get a connection."""
    together = threading.Barrier(12)

    def ask() -> bool:
        together.wait(30)
        try:
            getconn()  # type: ignore[operator]
        except PoolError:
            return False
        return True

    with ThreadPoolExecutor(12) as threads:
        return sum(future.result() for future in [threads.submit(ask) for _ in range(12)])


def test_the_simple_pool_of_the_library_and_ours_open_too_many_for_several_threads(
    conninfo: str,
) -> None:
    bare = SimpleConnectionPool(0, 2, conninfo)
    assert _opened_by_many_at_once(bare.getconn) > 2
    bare.closeall()
    counter = RecordingCounter()
    ours = Simple(conninfo, counter, {"minconn": 0, "maxconn": 2})
    held: list[object] = []
    assert _opened_by_many_at_once(lambda: held.append(ours.acquire())) > 2
    assert counter.open == len(held) > 2
    for conn in held:
        ours.release(conn)
    assert counter.open <= 2
    ours.close()
    assert counter.open == 0


def test_the_simple_pool_is_changed_while_its_one_client_works(bench: Benches) -> None:
    one = bench(Simple, minconn=0, maxconn=3)
    with Crowd(one, 1) as crowd:
        for minconn, maxconn in ((3, 3), (0, 1), (1, 5), (5, 5), (0, 2)) * 6:
            one.change(minconn=minconn, maxconn=maxconn)
            assert one.counter.open <= maxconn
            assert one.counter.peak <= 5
            crowd.work(3)
    one.settle()


def test_clients_share_the_lock_and_a_change_has_it_alone() -> None:
    lock, inside, leave = SharedExclusiveLock(), threading.Barrier(3), threading.Event()
    changed: list[bool] = []

    def be_inside() -> None:
        with lock.shared():
            inside.wait(30)
            assert leave.wait(30)

    def change() -> None:
        with lock:
            changed.append(leave.is_set())

    with ThreadPoolExecutor(4) as threads:
        started = [threads.submit(be_inside), threads.submit(be_inside)]
        inside.wait(30)  # both are in
        started.append(threads.submit(change))
        until(lambda: lock._exclusive, "the change waits for the calls")
        late = threads.submit(lambda: lock.shared().__enter__())
        assert not changed
        leave.set()
        for one in (*started, late):
            one.result(30)
    assert changed == [True]


def test_one_client_is_the_default_of_the_simple_pool_and_more_are_warned_about(
    server: EmbeddedServer,
) -> None:
    assert settings_for(Simple)["clients"].default == 1
    assert settings_for(Ours)["clients"].default == 8
    drafts = (
        (Draft(pool=Simple.id), False),
        (Draft(pool=Simple.id, load={"clients": 2}), True),
        (Draft(pool=Simple.id, changes=[{"at": 1, "clients": 5}]), True),
    )
    for draft, warned in drafts:
        found = warnings_before(check_draft(draft), server.target())
        assert [warning.sentence for warning in found] == [Simple.one_client] * warned


def test_each_thread_keeps_its_own_connection(bench: Benches) -> None:
    one = bench(Persistent, minconn=1, maxconn=3)
    threads = [ThreadPoolExecutor(1) for _ in range(3)]
    own = [thread.submit(one.pool.acquire).result() for thread in threads]
    assert len(set(map(id, own))) == 3
    with pytest.raises(PoolError, match="exhausted"):
        one.pool.acquire()
    for _ in range(3):
        for thread, conn in zip(threads, own, strict=True):
            thread.submit(one.pool.release, conn).result()
        assert (one.pool.reported_counts().used, one.counter.open) == (0, 3)
        with pytest.raises(PoolError, match="exhausted"):
            one.pool.acquire()  # all idle, but others'
        assert [thread.submit(one.pool.acquire).result() for thread in threads] == own
    for thread, conn in zip(threads, own, strict=True):
        thread.submit(one.pool.release, conn).result()
        thread.shutdown()
    assert one.counter.came == 3


def test_the_connection_of_a_thread_that_ended_is_reused(bench: Benches) -> None:
    one = bench(Persistent, minconn=0, maxconn=2)
    seen = set()
    for _ in range(6):
        with ThreadPoolExecutor(1) as thread:
            conn = thread.submit(one.pool.acquire).result()
            seen.add(id(conn))
            thread.submit(one.pool.release, conn).result()
    assert one.counter.came == len(seen) == 1
    one.settle()


def test_a_thread_that_asks_twice_gets_the_same_connection(bench: Benches) -> None:
    one = bench(Persistent, minconn=0, maxconn=2)
    first, second = one.pool.acquire(), one.pool.acquire()
    assert first is second
    one.pool.release(first)
    with pytest.raises(PoolError, match="unkeyed"):
        one.pool.release(second)


def test_a_lowered_maxconn_closes_connections_kept_for_threads(bench: Benches) -> None:
    one = bench(Persistent, minconn=0, maxconn=4)
    held = one.fill(4)
    one.release(held[:3])
    one.change(maxconn=2)
    assert (one.counter.open, one.pool.reported_counts().used) == (2, 1)
    one.use(held[3])
    one.change(maxconn=1)
    assert one.counter.open == 1
    one.release(held[3:])
    one.change(minconn=3, maxconn=5)
    assert one.counter.open == 3
    one.change(minconn=0)
    assert one.counter.open == 3  # it keeps what it has
    one.settle()
