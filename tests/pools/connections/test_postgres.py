from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
import threading
from typing import Any

import psycopg2
import pytest

from poolviz.pools.connections.postgres import counted_connection
from tests.pools.bench import RecordingCounter, Waiter, select_one


def test_a_connection_is_counted_once_in_and_once_out(conninfo: str) -> None:
    counter = RecordingCounter()
    conn = psycopg2.connect(conninfo, connection_factory=counted_connection(counter))
    assert (counter.came, counter.went) == (1, 0)
    assert 0 < counter.seconds[0] < 30
    assert select_one(conn)
    conn.close()
    conn.close()
    assert (counter.came, counter.went) == (1, 1)
    del conn
    gc.collect()
    assert (counter.came, counter.went) == (1, 1)


def test_a_connection_is_counted_before_it_can_be_used(conninfo: str) -> None:
    held: list[Any] = []
    seen: list[int] = []

    class ConnectionCounter(RecordingCounter):
        def opened(self, seconds: float) -> None:
            seen.append(len(held))
            super().opened(seconds)

    held.append(
        psycopg2.connect(conninfo, connection_factory=counted_connection(ConnectionCounter()))
    )
    held[0].close()
    assert seen == [0]


def test_a_connection_is_counted_out_only_when_it_is_closed(conninfo: str) -> None:
    states: list[int] = []

    class ConnectionCounter(RecordingCounter):
        def closed(self) -> None:
            states.append(conn.closed)

    conn = psycopg2.connect(conninfo, connection_factory=counted_connection(ConnectionCounter()))
    conn.close()
    assert states == [1]


def test_a_connect_that_fails_counts_nothing(conninfo: str) -> None:
    counter = RecordingCounter()
    with pytest.raises(psycopg2.OperationalError, match="no_such_database"):
        psycopg2.connect(
            f"{conninfo} dbname=no_such_database", connection_factory=counted_connection(counter)
        )
    gc.collect()
    assert (counter.came, counter.went) == (0, 0)


def test_a_garbage_collected_connection_is_counted_out(conninfo: str) -> None:
    counter = RecordingCounter()
    conn = psycopg2.connect(conninfo, connection_factory=counted_connection(counter))
    cycle: list[object] = [conn]
    cycle.append(cycle)  # only the collector finds it
    del conn, cycle
    gc.collect()
    assert (counter.came, counter.went) == (1, 1)


def test_many_threads_that_close_the_same_connection_count_it_out_once(conninfo: str) -> None:
    counter = RecordingCounter()
    for _ in range(20):
        conn = psycopg2.connect(conninfo, connection_factory=counted_connection(counter))
        line = threading.Barrier(4)

        def close(conn: object = conn, line: threading.Barrier = line) -> None:
            line.wait()
            conn.close()  # type: ignore[attr-defined]

        assert all(waiter.finish().error is None for waiter in [Waiter(close) for _ in range(4)])
    assert (counter.came, counter.went) == (20, 20)


def test_each_counter_counts_its_own(conninfo: str) -> None:
    counters = RecordingCounter(), RecordingCounter()
    for counter in counters:
        psycopg2.connect(conninfo, connection_factory=counted_connection(counter)).close()
    assert [(counter.came, counter.went) for counter in counters] == [(1, 1), (1, 1)]


def test_an_interpreter_that_exits_with_open_connections_prints_nothing(conninfo: str) -> None:
    program = """
        import sys, psycopg2
        from poolviz.pools.connections.postgres import counted_connection
        class ConnectionCounter:
            def check(self, since): return 0.0
            def opened(self, seconds): print("opened", flush=True)
            def closed(self): print("closed", flush=True)
        kept = psycopg2.connect(sys.argv[1],
        connection_factory=counted_connection(ConnectionCounter()))
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), conninfo],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.split() == ["opened"]
    assert ended.stderr == ""
