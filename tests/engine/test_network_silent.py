"""A network that falls silent, in runs on real servers over TCP and on the embedded one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import takewhile
from typing import Any

import psycopg2
import pytest

from poolviz.engine.engine import Engine
from poolviz.model.messages import ProblemReported, StartRun
from poolviz.model.sample import MarkKind, Sample
from poolviz.model.scenario import Scenario
from poolviz.servers.embedded.server import EmbeddedServer
from tests.engine.runs import PATIENCE, PSYCOPG2, QUEUE_POOL, Heard, running, scenario
from tests.servers.fixtures import TcpServer, home, tcp_server, wait_until

__all__ = ["home", "tcp_server"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has socket filters")

SIZES: dict[str, dict[str, Any]] = {
    QUEUE_POOL: {"pool_size": 3, "max_overflow": 0},
    PSYCOPG2: {"minconn": 3, "maxconn": 3},
    "psycopg_pool.ConnectionPool": {"min_size": 3, "max_size": 3},
    "psycopg_pool.AsyncConnectionPool": {"min_size": 3, "max_size": 3},
    "sqlalchemy.AsyncAdaptedQueuePool": {"pool_size": 3, "max_overflow": 0},
    "asyncpg.Pool": {"min_size": 3, "max_size": 3},
    "aiopg.Pool": {"minsize": 3, "maxsize": 3},
}


def silent_for(samples: list[Sample]) -> int:
    """The number of samples at the end in which no client got an answer."""
    silent = takewhile(lambda s: not s.operations and "network_silent" in s.faults, samples[::-1])
    return len(list(silent))


def errors(samples: list[Sample]) -> int:
    return sum(sum(sample.errors.values()) + sample.timeouts for sample in samples)


def problems(heard: Heard) -> list[str]:
    return [report.sentence for report in heard.of(ProblemReported) if report.sentence]


def clean_end(heard: Heard) -> None:
    assert heard.ended is not None
    assert (heard.ended.failure, heard.ended.open_at_end) == ("", 0)


@pytest.mark.parametrize("pool", SIZES)
def test_nothing_arrives_until_the_fault_is_over_and_then_the_load_goes_on(
    pool: str, tcp_server: TcpServer
) -> None:
    what = scenario(pool, clients=2, **SIZES[pool])
    with running(Engine, tcp_server.dsn(), what) as (engine, heard):
        heard.until(lambda h: h.operations() > 20, "some work")
        engine.change("network_silent", 1.5)
        heard.until(lambda h: silent_for(h.samples) > 5, "both clients hang")
        heard.until(lambda h: len(h.marks) == 2, "it is over")
        before = heard.operations()
        heard.until(lambda h: h.operations() > before + 20, "the load goes on")
    assert [(m.kind, m.text) for m in heard.marks] == [
        (MarkKind.FAULT, "network_silent 1.5 s"),
        (MarkKind.FAULT, "network_silent over"),
    ]
    assert problems(heard) == []
    # Nothing but time was lost: TCP delivers what it kept.
    assert errors(heard.samples) == 0
    assert sum(s.opened for s in heard.samples) <= 3
    clean_end(heard)


@pytest.mark.parametrize("pool", SIZES)
def test_a_run_ends_at_once_on_a_silent_network(pool: str, tcp_server: TcpServer) -> None:
    what = scenario(pool, clients=2, **SIZES[pool])
    with running(Engine, tcp_server.dsn(), what) as (engine, heard):
        heard.until(lambda h: h.operations() > 20, "some work")
        engine.change("network_silent", 600.0)
        heard.until(lambda h: silent_for(h.samples) > 2, "both clients hang")
        engine.stop()
        assert engine.wait(15)
    clean_end(heard)


def test_the_servers_view_goes_on(tcp_server: TcpServer) -> None:
    what = scenario(clients=2, pool_size=3, max_overflow=0)
    with running(Engine, tcp_server.dsn(), what) as (engine, heard):
        heard.until(lambda h: h.operations() > 20, "some work")
        engine.change("network_silent", 600.0)
        heard.until(lambda h: silent_for(h.samples) > 2, "both clients hang")
        at = heard.samples[-1].t
        heard.until(lambda h: [s for s in h.samples if s.t > at and s.server], "it is seen")
    assert problems(heard) == []


def test_the_systems_own_timeout_ends_a_statement(tcp_server: TcpServer) -> None:
    what = scenario(QUEUE_POOL, clients=2, pool_size=3, max_overflow=0, error_pause=0.05)
    dsn = tcp_server.dsn(tcp_user_timeout="500", connect_timeout="2")
    with running(Engine, dsn, what) as (engine, heard):
        heard.until(lambda h: h.operations() > 20, "some work")
        engine.change("network_silent", 600.0)
        heard.until(lambda h: errors(h.samples) >= 2, "both get an error")
        assert heard.samples[-1].faults == {"network_silent": 600.0}
    assert {kind for sample in heard.samples for kind in sample.errors} == {"OperationalError"}


def test_the_drivers_own_timeout_ends_a_statement(tcp_server: TcpServer) -> None:
    what = scenario(
        "asyncpg.Pool", clients=2, min_size=2, max_size=2, connect={"command_timeout": 0.3}
    )
    with running(Engine, tcp_server.dsn(), what) as (engine, heard):
        heard.until(lambda h: h.operations() > 20, "some work")
        assert errors(heard.samples) == 0
        engine.change("network_silent", 600.0)
        heard.until(lambda h: errors(h.samples) >= 2, "both get an error")
        engine.stop()
        assert engine.wait(15)
    assert {kind for sample in heard.samples for kind in sample.errors} == {"TimeoutError"}
    clean_end(heard)


def test_new_connections_wait_for_the_drivers_own_timeout(tcp_server: TcpServer) -> None:
    what = scenario("sqlalchemy.NullPool", clients=0)
    with running(Engine, tcp_server.dsn(connect_timeout="2"), what) as (engine, heard):
        engine.change("network_silent", 600.0)
        wait_until(lambda: engine._connections.connect_faults._silent, "it has begun")
        engine.change("clients", 2)
        began = heard.until(lambda h: [m for m in h.marks if m.key == "clients"], "they begin")
        failed = heard.until(lambda h: [s for s in h.samples if s.errors], "they give up")
        assert failed[0].t >= began[0].t + 2
        assert sum(sample.opened for sample in heard.samples) == 0
    clean_end(heard)


def test_a_mysql_server_falls_silent_too(mysql_url: str) -> None:
    for pool in ("aiomysql.Pool", QUEUE_POOL):
        what = scenario(pool, clients=2)
        with running(Engine, mysql_url, what) as (engine, heard):
            heard.until(lambda h: h.operations() > 20, "some work")
            engine.change("network_silent", 600.0)
            heard.until(lambda h: silent_for(h.samples) > 2, f"{pool}: both clients hang")
            engine.stop()
            assert engine.wait(15)
        clean_end(heard)


def test_a_unix_socket_has_no_packets_to_lose(conninfo: str) -> None:
    with running(Engine, conninfo, scenario()) as (engine, heard):
        engine.change("network_silent", 1.0)
        refused = heard.until(lambda h: h.refused, "it is refused")
    assert refused[0].reason.startswith("This server is reached by a Unix socket")


# The embedded server


@contextmanager
def on(server: EmbeddedServer, what: Scenario) -> Iterator[tuple[Engine, Heard]]:
    heard = Heard()
    engine = Engine(StartRun(what, server.conninfo, "poolviz frozen", own_server=True), heard)
    try:
        yield engine, heard
    finally:
        engine.stop()
        assert engine.wait(PATIENCE)


@pytest.mark.parametrize("pool", [QUEUE_POOL, "asyncpg.Pool"])
def test_the_embedded_server_is_silent_for_as_long(pool: str, home: Any) -> None:
    with EmbeddedServer.start() as server:
        with on(server, scenario(pool, clients=2, **SIZES[pool])) as (engine, heard):
            heard.until(lambda h: h.operations() > 20, "some work")
            engine.change("network_silent", 1.0)
            heard.until(lambda h: silent_for(h.samples) > 5, "both clients hang")
            heard.until(lambda h: len(h.marks) == 2, "it is over")
            before = heard.operations()
            heard.until(lambda h: h.operations() > before + 20, "the load goes on")
        assert errors(heard.samples) == 0
        clean_end(heard)


def test_a_run_on_the_embedded_server_ends_at_once(home: Any) -> None:
    with EmbeddedServer.start() as server:
        what = scenario("sqlalchemy.NullPool", clients=4)
        with on(server, what) as (engine, heard):
            heard.until(lambda h: h.operations() > 20, "some work")
            engine.change("network_silent", 600.0)
            heard.until(lambda h: len(h.marks) == 1, "it has begun")
            heard.until(
                lambda h: sum(not s.operations for s in h.samples[-5:]) == 5, "nothing is done"
            )
            engine.stop()
            assert engine.wait(15)
        clean_end(heard)
        with psycopg2.connect(server.conninfo) as connection:  # which goes on
            connection.cursor().execute("SELECT 1")
        connection.close()


def test_a_rollback_in_release_that_is_never_answered_ends_with_the_run(conninfo: str) -> None:
    what = scenario(clients=2, hold_time=0.3, transaction="default", **SIZES[QUEUE_POOL])
    frozen: list[int] = []
    try:
        with running(Engine, conninfo, what, "poolviz release") as (engine, heard):
            heard.until(lambda h: h.operations() > 2, "some work")
            frozen = backends(conninfo, "poolviz release")
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            heard.until(
                lambda h: not any(s.operations or s.used.high for s in h.samples[-5:]),
                "both clients give their connection back",
            )
            engine.stop()
            assert engine.wait(15)
        assert problems(heard) == []
        clean_end(heard)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)


def backends(conninfo: str, name: str) -> list[int]:
    """The processes of the server that work for a run."""
    with closing(psycopg2.connect(conninfo)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE %s", (f"{name}%",)
        )
        return [pid for (pid,) in cursor.fetchall()]
