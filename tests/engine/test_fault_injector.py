"""Faults on real servers: what they reach, how long they last, and how they come to nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from time import perf_counter
from typing import Any

import psycopg2
import pymysql
import pytest
from psycopg2.extensions import connection

from poolviz.engine.engine import Engine
from poolviz.engine.fault_injector import FaultInjector, RunFaultContext
from poolviz.engine.meter import ConnectionEventBuffer
from poolviz.load.client_faults import ClientFaults
from poolviz.model.messages import ProblemReported, ServerRestartRequested, StartRun
from poolviz.model.mysql_url import MySQLAddress
from poolviz.model.sample import MarkKind
from poolviz.pools.connections.mysql import pymysql_arguments
from poolviz.servers.dispatch import drop_tables, prepare_tables, with_application_name
from poolviz.servers.embedded.server import EmbeddedServer
from tests.engine.runs import PATIENCE, QUEUE_POOL, Heard, changes, running, scenario
from tests.servers.embedded.test_server import main_pid
from tests.servers.fixtures import TcpServer, ask, home, tcp_server, wait_until

__all__ = ["home", "tcp_server"]

NAME = "poolviz context"


class Told:
    """What fault_injector say, and a way to wait for it."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self._news = threading.Condition()

    def __call__(self, key: str, sentence: str) -> None:
        with self._news:
            self.said.append((key, sentence))
            self._news.notify_all()

    def next(self) -> tuple[str, str]:
        with self._news:
            assert self._news.wait_for(lambda: self.said, PATIENCE), "nothing was said"
            return self.said.pop(0)


class Stage:
    """A context with its fault_injector, and what they were asked for."""

    def __init__(self, conninfo: str) -> None:
        self.told = Told()
        self.connect_faults, self.client_faults = (
            ConnectionEventBuffer().connect_faults,
            ClientFaults(),
        )
        self.stuck: list[int] = []
        self.restarts: list[bool] = []
        self.context = RunFaultContext(
            conninfo,
            NAME,
            connect_faults=self.connect_faults,
            client_faults=self.client_faults,
            set_stuck=self.stuck.append,
            ask_owner=lambda: self.restarts.append(True),
        )
        self.fault_injector = FaultInjector(self.context, self.told)


@contextmanager
def staged(conninfo: str) -> Iterator[Stage]:
    stage = Stage(conninfo)
    try:
        yield stage
    finally:
        stage.fault_injector.close(PATIENCE)


@pytest.fixture
def stage(conninfo: str) -> Iterator[Stage]:
    with staged(conninfo) as one:
        yield one


@contextmanager
def connected(conninfo: str, number: int, name: str = NAME) -> Iterator[list[connection]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(closing(psycopg2.connect(conninfo, application_name=name)))
            for _ in range(number)
        ]


def backends(conninfo: str, name: str = NAME) -> int:
    return int(
        ask(conninfo, f"SELECT count(*) FROM pg_stat_activity WHERE application_name='{name}'")
    )


def alive(one: Any) -> bool:
    try:
        with one.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (psycopg2.Error, pymysql.Error):
        return False
    return True


@pytest.fixture
def tables(conninfo: str) -> Iterator[None]:
    """poolviz' own tables, as a load on them has them made."""
    prepare_tables(conninfo, 1)
    yield
    drop_tables(conninfo)


# Backends


def test_only_the_runs_own_backends_are_ended(stage: Stage, conninfo: str) -> None:
    with connected(conninfo, 3) as ours, connected(conninfo, 2, f"{NAME} 2") as others:
        assert stage.fault_injector.inject("kill_all_backends", True) == ""
        wait_until(lambda: backends(conninfo) == 0, "the run's backends are gone")
        assert not any(map(alive, ours))
        assert all(map(alive, others))


def test_one_at_work_is_ended_first(stage: Stage, conninfo: str) -> None:
    with connected(conninfo, 3) as ours:
        ours[1].cursor().execute("SELECT 1")  # which leaves it inside a transaction
        stage.fault_injector.inject("kill_backend", True)
        wait_until(lambda: backends(conninfo) == 2, "one backend is gone")
        assert [alive(one) for one in ours] == [True, False, True]


def test_another_users_backends_are_left_alone_whatever_they_are_called(
    tcp_server: TcpServer,
) -> None:
    with connected(tcp_server.admin, 1) as others, connected(tcp_server.dsn(), 1) as ours:
        with staged(tcp_server.dsn()) as stage:
            stage.fault_injector.inject("kill_all_backends", True)
            wait_until(lambda: not alive(ours[0]), "the run's backend is gone")
        assert alive(others[0])


def test_where_nobody_is_connected_that_is_said_and_taken_back_later(
    stage: Stage, conninfo: str
) -> None:
    stage.fault_injector.inject("kill_backend", True)
    assert stage.told.next() == (
        "kill_backend",
        "This run has no connection that could be killed just now.",
    )
    with connected(conninfo, 1):
        wait_until(
            lambda: not stage.fault_injector.inject("kill_backend", True), "it may be done again"
        )
        assert stage.told.next() == ("kill_backend", "")


def test_a_server_that_is_away_is_told_in_a_sentence_without_the_password() -> None:
    with staged("postgresql://alice:s3cret@127.0.0.1:1/postgres") as stage:
        stage.fault_injector.inject("kill_backend", True)
        key, sentence = stage.told.next()
    assert key == "kill_backend"
    assert "127.0.0.1:1" in sentence
    assert sentence.endswith(".")
    assert "s3cret" not in sentence


# Locks


def test_a_lock_keeps_everybody_out_for_its_time(stage: Stage, conninfo: str, tables: None) -> None:
    begun = perf_counter()
    stage.fault_injector.inject("lock_table", 1.0)
    wait_until(lambda: locked(conninfo), "the tables are locked")
    assert stage.fault_injector.inject("lock_table", 1.0).startswith(
        "lock_table is still under way"
    )
    with connected(conninfo, 1, "reader") as [reader], reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM poolviz.branches")
        assert perf_counter() - begun >= 1.0
    assert not locked(conninfo)
    assert stage.told.said == []


def locked(conninfo: str) -> bool:
    question = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
    return bool(ask(conninfo, f"{question} AND relation = 'poolviz.branches'::regclass"))


def test_the_runs_end_ends_a_lock_at_once(conninfo: str, tables: None) -> None:
    with staged(conninfo) as stage:
        stage.fault_injector.inject("lock_table", 600.0)
        wait_until(lambda: locked(conninfo), "the tables are locked")
    wait_until(lambda: not locked(conninfo), "the lock is gone")
    assert not any(thread.name.startswith("fault") for thread in threading.enumerate())


def test_the_runs_end_ends_the_wait_for_a_lock(conninfo: str, tables: None) -> None:
    with connected(conninfo, 1, "holder") as [holder], holder.cursor() as cursor:
        cursor.execute("LOCK TABLE poolviz.accounts")
        with staged(conninfo) as stage:
            stage.fault_injector.inject("lock_table", 1.0)
            wait_until(lambda: backends(conninfo, f"{NAME} fault") == 1, "it waits for its lock")
        wait_until(lambda: backends(conninfo, f"{NAME} fault") == 0, "it is gone")
        assert stage.told.said == []


def test_a_lock_that_the_load_does_not_let_go_of_is_given_up_with_a_sentence(
    stage: Stage, conninfo: str, tables: None
) -> None:
    with connected(conninfo, 1, "holder") as [holder], holder.cursor() as cursor:
        cursor.execute("SELECT 1 FROM poolviz.accounts LIMIT 1")
        stage.fault_injector.inject("lock_table", 1.0)
        key, sentence = stage.told.next()
    assert (key, sentence[:40]) == ("lock_table", "The tables couldn't be locked within 5 s")


def test_where_there_are_no_tables_that_is_said(stage: Stage) -> None:
    stage.fault_injector.inject("lock_table", 1.0)
    key, sentence = stage.told.next()
    assert (key, sentence[:29]) == ("lock_table", "There are no tables to lock: ")


def test_somebody_elses_tables_are_not_locked(tcp_server: TcpServer) -> None:
    prepare_tables(tcp_server.admin, 1)
    try:
        with closing(psycopg2.connect(tcp_server.admin)) as admin, admin, admin.cursor() as cursor:
            cursor.execute("GRANT USAGE ON SCHEMA poolviz TO alice")
        with staged(tcp_server.dsn()) as stage:
            stage.fault_injector.inject("lock_table", 1.0)
            assert "may not lock" in stage.told.next()[1]
    finally:
        drop_tables(tcp_server.admin)


# The rest


def test_standing_faults_set_what_clients_and_connections_read(stage: Stage) -> None:
    for key, value, read in (
        ("leak_every", 3, lambda: stage.client_faults.leak_every),
        ("slow_statements", 0.2, lambda: stage.client_faults.slow_by),
        ("slow_connecting", 0.4, lambda: stage.connect_faults.slow_by),
        ("stuck_clients", 2, lambda: stage.stuck[-1]),
    ):
        assert stage.fault_injector.inject(key, value) == ""
        assert read() == value
        assert stage.fault_injector.inject(key, type(value)(0)) == ""
        assert read() == 0


def test_a_passing_fault_at_rest_does_nothing(stage: Stage, conninfo: str) -> None:
    with connected(conninfo, 1) as [one]:
        for key, value in (("kill_all_backends", False), ("restart_server", False)):
            assert stage.fault_injector.inject(key, value) == ""
        stage.fault_injector.close(PATIENCE)
        assert alive(one)
    assert stage.restarts == stage.told.said == []


def test_the_owner_of_the_server_is_asked_to_restart_it(stage: Stage) -> None:
    stage.fault_injector.inject("restart_server", True)
    wait_until(lambda: stage.restarts, "the owner was asked")


def test_a_gate_that_refuses_opens_again_at_the_runs_end(conninfo: str) -> None:
    with staged(conninfo) as stage:
        stage.fault_injector.inject("refuse_connections", 600.0)
    assert stage.connect_faults.check(perf_counter()) <= 0


# MySQL and MariaDB


@contextmanager
def mysql_connected(url: str, number: int, name: str = NAME) -> Iterator[list[Any]]:
    address = MySQLAddress.parse(with_application_name(url, name))
    with ExitStack() as stack:
        yield [
            stack.enter_context(closing(pymysql.connect(**pymysql_arguments(address))))
            for _ in range(number)
        ]


def gone(connections: list[Any]) -> Callable[[], bool]:
    return lambda: not any(map(alive, connections))


def test_mysql_ends_the_runs_own_connections_alone(mysql_url: str) -> None:
    with ExitStack() as stack:
        ours = stack.enter_context(mysql_connected(mysql_url, 3))
        others = stack.enter_context(mysql_connected(mysql_url, 1, f"{NAME} 2"))
        stage = stack.enter_context(staged(mysql_url))
        stage.fault_injector.inject("kill_backend", True)
        wait_until(lambda: sum(map(alive, ours)) == 2, "one is gone")
        wait_until(lambda: not stage.fault_injector.inject("kill_all_backends", True), "asked")
        wait_until(gone(ours), "all are gone")
        assert all(map(alive, others))
        assert stage.told.said == []


def test_mysql_locks_the_tables_for_a_time(mysql_url: str) -> None:
    prepare_tables(mysql_url, 1)
    try:
        with staged(mysql_url) as stage, mysql_connected(mysql_url, 1, "reader") as [reader]:
            with reader.cursor() as cursor:
                cursor.execute("SET SESSION autocommit = 1, lock_wait_timeout = 1")
                stage.fault_injector.inject("lock_table", 600.0)
                wait_until(lambda: not reads(cursor), "the tables are locked")
                stage.fault_injector.close(PATIENCE)
                wait_until(lambda: reads(cursor), "and no more")
            assert stage.told.said == []
    finally:
        drop_tables(mysql_url)


def reads(cursor: Any) -> bool:
    try:
        cursor.execute("SELECT count(*) FROM poolviz.branches")
    except pymysql.OperationalError:
        return False
    return True


def test_mysql_without_tables_says_so(mysql_url: str) -> None:
    with staged(mysql_url) as stage:
        stage.fault_injector.inject("lock_table", 1.0)
        assert stage.told.next()[1].startswith("There are no tables to lock: ")


# In a run


def test_a_locked_table_makes_the_load_wait(conninfo: str, tables: None) -> None:
    what = scenario(
        QUEUE_POOL,
        clients=4,
        statement="read_write",
        pool_size=2,
        max_overflow=0,
        changes=changes((0.5, "lock_table", 0.75)),
    )
    with running(Engine, conninfo, what) as (_, heard):
        heard.until(lambda h: h.operations() > 20, "some work")
        heard.until(lambda h: [s for s in h.samples if s.use.high >= 0.5], "use that took the lock")
        heard.until(lambda h: [s for s in h.samples if s.wait.high >= 0.5], "and wait for it")
        before = heard.operations()
        heard.until(lambda h: h.operations() > before + 20, "the load goes on")
    assert heard.of(ProblemReported) == []
    assert [(m.kind, m.text) for m in heard.marks] == [(MarkKind.FAULT, "lock_table 750 ms")]


def test_a_restart_loses_every_connection_and_the_load_goes_on(home: Any) -> None:
    with EmbeddedServer.start() as server:
        first = main_pid(server.conninfo)
        heard = Heard()
        begin = StartRun(scenario(clients=4), server.conninfo, "poolviz restarted", own_server=True)
        engine = Engine(begin, heard)
        try:
            heard.until(lambda h: h.operations() > 20, "some work")
            engine.change("restart_server", True)
            heard.until(lambda h: h.of(ServerRestartRequested), "the owner is asked")
            server.restart()
            at = heard.samples[-1].t
            heard.until(lambda h: [s for s in h.samples if s.errors], "connections are lost")
            heard.until(
                lambda h: sum(s.operations for s in h.samples if s.t > at) > 50, "it goes on"
            )
            assert main_pid(server.conninfo) != first
        finally:
            engine.stop()
            assert engine.wait(PATIENCE)
    assert heard.ended is not None
    assert heard.ended.open_at_end == 0


def test_a_halt_is_heard_while_the_pool_grows_through_a_slowed_gate(conninfo: str) -> None:
    what = scenario("psycopg2.ThreadedConnectionPool", clients=1, minconn=1, maxconn=20)
    with running(Engine, conninfo, what) as (engine, heard):
        engine.change("slow_connecting", 3600.0)
        heard.until(lambda h: h.marks, "connecting is slow")
        engine.change("minconn", 20)  # which the control thread waits for
        heard.until(lambda h: h.samples and h.samples[-1].limits["minconn"] == 20, "it grows")
        engine.stop()
        assert engine.wait(PATIENCE)
    assert heard.ended is not None
    assert (heard.ended.failure, heard.ended.open_at_end) == ("", 0)
