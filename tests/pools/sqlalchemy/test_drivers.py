"""SQLAlchemy's pools on SQLite and MySQL: connections are counted, and can be interrupted."""

from __future__ import annotations

import gc
import importlib.util
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql
import pytest

from poolviz.model.errors import InputError
from poolviz.pools.connections.drivers import driver_for
from poolviz.pools.registry import pool_class
from tests.pools.bench import Bench, Crowd, RecordingCounter, Waiter, until
from tests.pools.conftest import Benches

KINDS = [
    pool_class(f"sqlalchemy.{name}")
    for name in ("QueuePool", "NullPool", "StaticPool", "SingletonThreadPool", "AssertionPool")
]
by_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)


def cut_off(pool: Any, connection: Any, statement: str, running: Callable[[], bool]) -> Exception:
    """Run a statement in a thread, and cut it off once it runs; the error that comes of it."""
    client = Waiter(lambda: pool.execute(connection, statement))
    until(running, "it runs")
    assert client.is_alive()
    pool.abort(connection, lambda: True)
    error = client.finish().error
    assert error is not None
    return error.with_traceback(None)  # whose frames would keep the cursor, and that the file


def round_trips(one: Bench, sleep: str) -> None:
    for _ in range(3):
        conn = one.pool.acquire()
        one.pool.execute(conn, "SELECT 1")
        one.pool.execute(conn, sleep)
        assert one.pool.reported_counts().used == one.counter.open == one.backends() == 1
        one.pool.release(conn)
    one.settle()
    assert all(0 < seconds < 30 for seconds in one.counter.seconds)


@by_kind
def test_a_sqlite_connection_is_acquired_used_and_released(bench: Benches, kind: Any) -> None:
    round_trips(bench(kind, dialect="sqlite"), "SELECT sleep(0.001)")


@by_kind
def test_a_mysql_connection_is_acquired_used_and_released(
    mysql_url: str, bench: Benches, kind: Any
) -> None:
    round_trips(bench(kind, dialect="mysql"), "SELECT SLEEP(0.001)")


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.id)
def test_a_sleep_in_sqlite_takes_its_time(bench: Benches, kind: Any) -> None:
    one = bench(kind, dialect="sqlite")
    (conn,) = one.acquire(1)
    began = time.monotonic()
    one.holders.do(conn, one.pool.execute, conn, "SELECT sleep(0.2)")
    assert time.monotonic() - began >= 0.2
    one.release([conn])


@by_kind
def test_a_long_statement_in_sqlite_can_be_aborted(bench: Benches, kind: Any) -> None:
    one = bench(kind, dialect="sqlite")
    conn = one.pool.acquire()
    turn = one.pool.raw(conn).turn

    def running() -> bool:
        free: bool = turn.acquire(blocking=False)
        if free:
            turn.release()
        return not free

    error = cut_off(one.pool, conn, "SELECT sleep(600)", running)
    assert isinstance(error, sqlite3.OperationalError)
    one.pool.release(conn)


@by_kind
def test_a_long_statement_in_mysql_can_be_aborted(
    mysql_url: str, bench: Benches, kind: Any
) -> None:
    one = bench(kind, dialect="mysql")
    conn = one.pool.acquire()

    def running() -> bool:
        place: Any = one.place
        return bool(
            place._do(
                "SELECT 1 FROM information_schema.processlist WHERE info LIKE %s",
                "SELECT SLEEP(600)",
            )
        )

    error = cut_off(one.pool, conn, "SELECT SLEEP(600)", running)
    assert isinstance(error, pymysql.Error)
    one.pool.release(conn)
    assert one.counter.open == 0
    place: Any = one.place
    place.kill(one.name)  # the server would sleep on


def test_a_released_connection_is_not_aborted(bench: Benches) -> None:
    one = bench(KINDS[0], dialect="sqlite")
    conn = one.pool.acquire()
    one.pool.abort(conn, lambda: False)
    one.pool.execute(conn, "SELECT sleep(0.001)")
    one.pool.release(conn)


def test_two_threads_share_a_sqlite_connection_without_a_deadlock(bench: Benches) -> None:
    one = bench(pool_class("sqlalchemy.StaticPool"), dialect="sqlite")

    def live() -> None:
        for _ in range(50):
            conn = one.pool.acquire()
            one.pool.execute(conn, "SELECT sleep(0.001)")
            one.pool.release(conn)

    assert all(client.finish().error is None for client in [Waiter(live) for _ in range(4)])
    one.settle()


def test_many_clients_are_served_on_sqlite_while_limits_change(bench: Benches) -> None:
    one = bench(KINDS[0], dialect="sqlite")
    with Crowd(one, 8) as crowd:
        for overflow in (0, 10, -1, 2):
            one.change(pool_size=1, max_overflow=overflow)
            crowd.work(50)
    one.settle()


def test_many_clients_are_served_on_mysql_while_limits_change(
    mysql_url: str, bench: Benches
) -> None:
    one = bench(KINDS[0], dialect="mysql")
    with Crowd(one, 8) as crowd:
        for overflow in (0, 10, -1, 2):
            one.change(pool_size=1, max_overflow=overflow)
            crowd.work(50)
    one.settle()


def test_connections_that_mysql_closed_are_replaced(mysql_url: str, bench: Benches) -> None:
    one = bench(KINDS[0], dialect="mysql", pool_size=3)
    held = one.acquire(3)
    one.kill_backends()
    assert not any(one.works(conn) for conn in held)
    one.release(held)
    assert one.counter.open == 0
    one.release(one.acquire(3))
    one.settle()


def test_mysql_is_reached_without_tls_unless_the_url_asks_for_it(mysql_url: str) -> None:
    counter = RecordingCounter()
    plain = driver_for(mysql_url, counter).creator()
    assert not plain._secure
    assert not plain.ssl
    plain.close()
    plain.close()
    assert (counter.came, counter.went) == (1, 1)


def test_without_pymysql_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'poolviz\[mysql\]'"):
        driver_for("mysql://someone@nowhere/", RecordingCounter())


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///{folder}/some.db"])
def test_a_sqlite_connection_counts_itself_once_however_it_ends(url: str, tmp_path: Path) -> None:
    counter = RecordingCounter()
    creator = driver_for(url.format(folder=tmp_path), counter).creator
    closed, forgotten, disconnected = creator(), creator(), creator()
    closed.close()
    closed.close()
    assert (counter.came, counter.went) == (3, 1)
    disconnected.disconnect()
    assert counter.went == 1
    disconnected.close()
    assert counter.went == 2
    del forgotten
    gc.collect()
    assert counter.went == 3


def test_a_sqlite_connection_can_be_closed_by_another_thread(tmp_path: Path) -> None:
    counter = RecordingCounter()
    made = driver_for(f"sqlite:///{tmp_path}/some.db", counter).creator()
    thread = threading.Thread(target=made.close)
    thread.start()
    thread.join()
    assert counter.open == 0
