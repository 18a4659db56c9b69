"""Faults on real servers: what they affect, how long they last, and how they fail."""

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


class Problems:
    """The problems that are reported, and a way to wait for the next."""

    def __init__(self) -> None:
        self.reported: list[tuple[str, str]] = []
        self._news = threading.Condition()

    def __call__(self, key: str, sentence: str) -> None:
        with self._news:
            self.reported.append((key, sentence))
            self._news.notify_all()

    def next(self) -> tuple[str, str]:
        with self._news:
            assert self._news.wait_for(lambda: self.reported, PATIENCE), "nothing was reported"
            return self.reported.pop(0)


class Faults:
    """A fault injector with its context, and what they were asked for."""

    def __init__(self, conninfo: str) -> None:
        self.problems = Problems()
        self.connect_faults = ConnectionEventBuffer().connect_faults
        self.client_faults = ClientFaults()
        self.stuck: list[int] = []
        self.restarts: list[bool] = []
        self.context = RunFaultContext(
            conninfo,
            NAME,
            connect_faults=self.connect_faults,
            client_faults=self.client_faults,
            set_stuck=self.stuck.append,
            request_restart=lambda: self.restarts.append(True),
        )
        self.over: list[str] = []
        self.injector = FaultInjector(self.context, self.problems, self.over.append)


@contextmanager
def faults_on(conninfo: str) -> Iterator[Faults]:
    faults = Faults(conninfo)
    try:
        yield faults
    finally:
        faults.injector.close(PATIENCE)


@pytest.fixture
def faults(conninfo: str) -> Iterator[Faults]:
    with faults_on(conninfo) as one:
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
    """poolviz' own tables, as they are created for a load on them."""
    prepare_tables(conninfo, 1)
    yield
    drop_tables(conninfo)


# Backends


def test_only_the_runs_own_backends_are_terminated(faults: Faults, conninfo: str) -> None:
    with connected(conninfo, 3) as ours, connected(conninfo, 2, f"{NAME} 2") as others:
        assert faults.injector.inject("kill_all_backends", True) == ""
        wait_until(lambda: backends(conninfo) == 0, "the run's backends are gone")
        assert not any(map(alive, ours))
        assert all(map(alive, others))


def test_an_active_backend_is_terminated_first(faults: Faults, conninfo: str) -> None:
    with connected(conninfo, 3) as ours:
        ours[1].cursor().execute("SELECT 1")  # which leaves it inside a transaction
        faults.injector.inject("kill_backend", True)
        wait_until(lambda: backends(conninfo) == 2, "one backend is gone")
        assert [alive(one) for one in ours] == [True, False, True]


def test_another_users_backends_are_left_alone_whatever_their_application_name(
    tcp_server: TcpServer,
) -> None:
    with connected(tcp_server.admin, 1) as others, connected(tcp_server.dsn(), 1) as ours:
        with faults_on(tcp_server.dsn()) as faults:
            faults.injector.inject("kill_all_backends", True)
            wait_until(lambda: not alive(ours[0]), "the run's backend is gone")
        assert alive(others[0])


def test_having_no_connection_to_kill_is_reported_until_one_is_killed(
    faults: Faults, conninfo: str
) -> None:
    faults.injector.inject("kill_backend", True)
    assert faults.problems.next() == (
        "kill_backend",
        "This run has no connection that could be terminated now.",
    )
    with connected(conninfo, 1):
        wait_until(lambda: not faults.injector.inject("kill_backend", True), "it may be done again")
        assert faults.problems.next() == ("kill_backend", "")


def test_an_unreachable_server_is_reported_without_the_password() -> None:
    with faults_on("postgresql://alice:s3cret@127.0.0.1:1/postgres") as faults:
        faults.injector.inject("kill_backend", True)
        key, sentence = faults.problems.next()
    assert key == "kill_backend"
    assert "127.0.0.1:1" in sentence
    assert sentence.endswith(".")
    assert "s3cret" not in sentence


# Locks


def test_a_lock_keeps_all_others_out_for_its_time(
    faults: Faults, conninfo: str, tables: None
) -> None:
    begun = perf_counter()
    faults.injector.inject("lock_table", 1.0)
    wait_until(lambda: locked(conninfo), "the tables are locked")
    assert faults.injector.inject("lock_table", 1.0).startswith("lock_table is still in progress")
    with connected(conninfo, 1, "reader") as [reader], reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM poolviz.branches")
        assert perf_counter() - begun >= 1.0
    assert not locked(conninfo)
    assert faults.problems.reported == []


def locked(conninfo: str) -> bool:
    question = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
    return bool(ask(conninfo, f"{question} AND relation = 'poolviz.branches'::regclass"))


def test_the_end_of_the_run_ends_a_lock_at_once(conninfo: str, tables: None) -> None:
    with faults_on(conninfo) as faults:
        faults.injector.inject("lock_table", 600.0)
        wait_until(lambda: locked(conninfo), "the tables are locked")
    wait_until(lambda: not locked(conninfo), "the lock is gone")
    assert not any(thread.name.startswith("fault") for thread in threading.enumerate())


def test_the_end_of_the_run_ends_the_wait_for_a_lock(conninfo: str, tables: None) -> None:
    with connected(conninfo, 1, "holder") as [holder], holder.cursor() as cursor:
        cursor.execute("LOCK TABLE poolviz.accounts")
        with faults_on(conninfo) as faults:
            faults.injector.inject("lock_table", 1.0)
            wait_until(lambda: backends(conninfo, f"{NAME} fault") == 1, "it waits for its lock")
        wait_until(lambda: backends(conninfo, f"{NAME} fault") == 0, "it is gone")
        assert faults.problems.reported == []


def test_a_lock_that_cannot_be_had_is_given_up_with_a_sentence(
    faults: Faults, conninfo: str, tables: None
) -> None:
    with connected(conninfo, 1, "holder") as [holder], holder.cursor() as cursor:
        cursor.execute("SELECT 1 FROM poolviz.accounts LIMIT 1")
        faults.injector.inject("lock_table", 1.0)
        key, sentence = faults.problems.next()
    assert (key, sentence[:40]) == ("lock_table", "The tables couldn't be locked within 5 s")


def test_having_no_tables_to_lock_is_reported(faults: Faults, conninfo: str) -> None:
    drop_tables(conninfo)  # which another test may have left
    faults.injector.inject("lock_table", 1.0)
    key, sentence = faults.problems.next()
    assert (key, sentence[:29]) == ("lock_table", "There are no tables to lock: ")


def test_tables_of_another_user_are_not_locked(tcp_server: TcpServer) -> None:
    prepare_tables(tcp_server.admin, 1)
    try:
        with closing(psycopg2.connect(tcp_server.admin)) as admin, admin, admin.cursor() as cursor:
            cursor.execute("GRANT USAGE ON SCHEMA poolviz TO alice")
        with faults_on(tcp_server.dsn()) as faults:
            faults.injector.inject("lock_table", 1.0)
            assert "may not lock" in faults.problems.next()[1]
    finally:
        drop_tables(tcp_server.admin)


# The rest


def test_standing_faults_set_what_clients_and_connections_read(faults: Faults) -> None:
    for key, value, read in (
        ("leak_every", 3, lambda: faults.client_faults.leak_every),
        ("slow_statements", 0.2, lambda: faults.client_faults.slow_by),
        ("slow_connecting", 0.4, lambda: faults.connect_faults.slow_by),
        ("stuck_clients", 2, lambda: faults.stuck[-1]),
    ):
        assert faults.injector.inject(key, value) == ""
        assert read() == value
        assert faults.injector.inject(key, type(value)(0)) == ""
        assert read() == 0


def test_a_passing_fault_at_its_default_does_nothing(faults: Faults, conninfo: str) -> None:
    with connected(conninfo, 1) as [one]:
        for key, value in (("kill_all_backends", False), ("restart_server", False)):
            assert faults.injector.inject(key, value) == ""
        faults.injector.close(PATIENCE)
        assert alive(one)
    assert faults.restarts == faults.problems.reported == []


def test_the_owner_of_the_server_is_asked_to_restart_it(faults: Faults) -> None:
    faults.injector.inject("restart_server", True)
    wait_until(lambda: faults.restarts, "the owner was asked")


def test_connections_are_no_longer_refused_after_the_run(conninfo: str) -> None:
    with faults_on(conninfo) as faults:
        faults.injector.inject("refuse_connections", 600.0)
    assert faults.connect_faults.check(perf_counter()) <= 0


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


def test_mysql_terminates_only_the_runs_own_connections(mysql_url: str) -> None:
    with ExitStack() as stack:
        ours = stack.enter_context(mysql_connected(mysql_url, 3))
        others = stack.enter_context(mysql_connected(mysql_url, 1, f"{NAME} 2"))
        faults = stack.enter_context(faults_on(mysql_url))
        faults.injector.inject("kill_backend", True)
        wait_until(lambda: sum(map(alive, ours)) == 2, "one is gone")
        wait_until(lambda: not faults.injector.inject("kill_all_backends", True), "asked")
        wait_until(gone(ours), "all are gone")
        assert all(map(alive, others))
        assert faults.problems.reported == []


def test_mysql_locks_the_tables_for_a_time(mysql_url: str) -> None:
    prepare_tables(mysql_url, 1)
    try:
        with faults_on(mysql_url) as faults, mysql_connected(mysql_url, 1, "reader") as [reader]:
            with reader.cursor() as cursor:
                cursor.execute("SET SESSION autocommit = 1, lock_wait_timeout = 1")
                faults.injector.inject("lock_table", 600.0)
                wait_until(lambda: not reads(cursor), "the tables are locked")
                faults.injector.close(PATIENCE)
                wait_until(lambda: reads(cursor), "and no more")
            assert faults.problems.reported == []
    finally:
        drop_tables(mysql_url)


def reads(cursor: Any) -> bool:
    try:
        cursor.execute("SELECT count(*) FROM poolviz.branches")
    except pymysql.OperationalError:
        return False
    return True


def test_mysql_reports_that_there_are_no_tables_to_lock(mysql_url: str) -> None:
    with faults_on(mysql_url) as faults:
        faults.injector.inject("lock_table", 1.0)
        assert faults.problems.next()[1].startswith("There are no tables to lock: ")


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
    assert [(m.kind, m.text) for m in heard.marks] == [
        (MarkKind.FAULT, "lock_table 750 ms"),
        (MarkKind.FAULT, "lock_table over"),
    ]


def test_a_restart_loses_every_connection_and_the_load_goes_on(home: Any) -> None:
    with EmbeddedServer.start() as server:
        first = main_pid(server.conninfo)
        heard = Heard()
        start = StartRun(scenario(clients=4), server.conninfo, "poolviz restarted", own_server=True)
        engine = Engine(start, heard)
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


def test_a_stop_takes_effect_while_the_pool_waits_for_slow_connections(conninfo: str) -> None:
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
