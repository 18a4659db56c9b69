"""A run through a pooler: what its console says, and what its mode breaks, said beforehand."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

import poolviz
from poolviz.model.errors import InputError
from poolviz.model.messages import ProblemReported, Report
from poolviz.model.sample import PoolerView
from poolviz.runs.pooler_warnings import OPTIONS, PREPARED, SESSIONS
from poolviz.runs.request import RunRequest
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner
from poolviz.runs.warnings import RunWarning, warnings_before
from poolviz.scenarios.draft import Draft
from poolviz.servers.pooler import Pooler
from poolviz.servers.target import Target
from tests.servers.fixtures import TcpServer, tcp_server, wait_until
from tests.servers.pgbouncer import pgbouncer, require, transaction_pooler

__all__ = ["pgbouncer", "tcp_server"]

LOCK = 8_211_204
CLIENTS, SERVERS = 11, 4  # of the run, and of the pooler of the tests
# Those that wait in it, with or without the connection that asks for the server's own view.
WAITING = (CLIENTS - SERVERS, CLIENTS - SERVERS + 1)


def console_of(pooler: str) -> str:
    return str(make_dsn(pooler, dbname="pgbouncer"))


class Counts(NamedTuple):
    """What the pooler's console says to an independent client."""

    cl_active: int
    cl_waiting: int
    sv_active: int


class Console:
    """An independent client of a pooler's console."""

    def __init__(self, pooler: str) -> None:
        self._connection = psycopg2.connect(console_of(pooler))
        self._connection.autocommit = True

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def counts(self) -> Counts:
        with self._connection.cursor() as cursor:
            cursor.execute("SHOW POOLS")
            names = [column[0] for column in cursor.description]
            pools = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        [own] = [pool for pool in pools if pool["database"] == "postgres"]
        return Counts(own["cl_active"], own["cl_waiting"], own["sv_active"])


class Heard:
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.problems: list[ProblemReported] = []

    def progressed(self, sentence: str) -> None: ...

    def warned(self, warning: RunWarning) -> None: ...

    def reported(self, run: Run, report: Report) -> None:
        if isinstance(report, ProblemReported):
            self.problems.append(report)


def request(dsn: str, pooler: str | None, **fields: Any) -> RunRequest:
    draft = Draft(
        pool="psycopg2.ThreadedConnectionPool",
        dsn=dsn,
        pooler=pooler,
        limits={"minconn": CLIENTS, "maxconn": CLIENTS},
        load={
            "clients": CLIENTS,
            "statement": "sql",
            "sql": f"SELECT pg_advisory_xact_lock({LOCK})",
            "hold_time": 0,
            "think_time": 0,
        },
        duration=600,
    )
    return RunRequest.of(draft.with_fields(**fields))


@pytest.fixture
def lock(tcp_server: TcpServer) -> Iterator[psycopg2.extensions.connection]:
    """A connection that holds what every statement of the run waits for."""
    with closing(psycopg2.connect(tcp_server.admin)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        connection.commit()
        yield connection


def test_its_counts_are_those_of_the_poolers_own_console(
    tcp_server: TcpServer, pgbouncer: str, lock: psycopg2.extensions.connection
) -> None:
    del tcp_server
    asked = request(pgbouncer, console_of(pgbouncer))
    with Runner() as runner, Console(pgbouncer) as console:
        target = runner.reach(asked.dsn, lambda _: None, pooler=asked.pooler)
        assert target.pooler is not None
        assert (target.pooler.mode, target.pooler.size) == ("transaction", SERVERS)
        run = Run(asked.scenario, target, Heard())
        runner.begin(run)
        recorder = run.recorder
        assert recorder is not None

        def agreed() -> PoolerView | None:
            """What the run was told, where the console says the same and all clients are there."""
            view, counts = recorder.pooler, console.counts()
            if view is None or counts.cl_waiting not in WAITING or view.maxwait < 1:
                return None
            return view if counts == (view.cl_active, view.cl_waiting, view.sv_active) else None

        seen = wait_until(agreed, "both say the same of clients that wait")
        assert (seen.cl_active, seen.sv_active) == (SERVERS, SERVERS)
        assert recorder.last is not None
        assert recorder.last.pending.last == 0  # the pool itself has nobody waiting
        with lock.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
        lock.commit()
        wait_until(
            lambda: recorder.summary().operations > 100 and recorder.pooler is not seen,
            "clients go on",
        )
        runner.end_run()
        figures = recorder.summary().pooler
        assert figures is not None
        assert figures.cl_waiting_max in WAITING
        assert figures.sv_active_max == SERVERS
        assert figures.maxwait_max_s >= seen.maxwait
        assert figures.wait_time_mean_s is not None
        assert recorder.began is not None
        assert recorder.began.environment["pooler"].startswith("PgBouncer 1.")
        recorder.close()


QUICK = {"clients": 12, "think_time": 0, "hold_time": 0, "statement": "select_1"}
LIBRARIES = {
    "asyncpg": ("asyncpg.Pool", {}, {}, {"statement_cache_size": 0}),
    "psycopg": ("psycopg_pool.ConnectionPool", {}, {}, {"prepare_threshold": "never"}),
    "psycopg without rollback": (
        "psycopg_pool.ConnectionPool",
        {"autocommit": True},
        {"use": "getconn"},
        {"prepare_threshold": "never"},
    ),
    "SQLAlchemy with asyncpg": (
        "sqlalchemy.AsyncAdaptedQueuePool",
        {},
        {},
        {
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": "uuid4",
        },
    ),
    "SQLAlchemy with psycopg": (
        "sqlalchemy.QueuePool",
        {"driver": "psycopg"},
        {"transaction": "commit"},
        {"prepare_threshold": "never"},
    ),
}
OTHERS = [name for name in LIBRARIES if name not in ("asyncpg", "psycopg")]


@pytest.mark.parametrize(
    "library",
    ["asyncpg", "psycopg", *(pytest.param(each, marks=pytest.mark.on_demand) for each in OTHERS)],
)
def test_the_fault_of_prepared_statements_is_predicted_and_happens_and_is_cured(
    library: str, pgbouncer: str
) -> None:
    pool, connect, load, cure = LIBRARIES[library]
    console = console_of(pgbouncer)

    def ran(connect: Mapping[str, object]) -> tuple[list[str], dict[str, int]]:
        with poolviz.run(
            pool=pool,
            dsn=pgbouncer,
            pooler=console,
            connect=connect,
            load={**QUICK, **load},
            duration=1.5,
        ) as result:
            said = [warning.sentence for warning in result.warnings if warning.topic == PREPARED]
            return said, result.errors

    [sentence], errors = ran(connect)
    assert errors
    for name in errors:
        assert name in sentence
    for key, value in cure.items():
        assert f"--connect {key}={value}" in sentence
    assert ran({**connect, **cure}) == ([], {})


@pytest.mark.parametrize(
    ("pool", "connect", "load"),
    [
        ("psycopg_pool.ConnectionPool", {}, {"use": "getconn"}),
        ("psycopg_pool.ConnectionPool", {}, {"statement": "sleep"}),  # another time in each text
        ("sqlalchemy.QueuePool", {"driver": "psycopg"}, {}),
        ("sqlalchemy.QueuePool", {}, {"transaction": "commit"}),
        ("psycopg2.ThreadedConnectionPool", {}, {"on_exhausted": "retry"}),
    ],
)
def test_nothing_is_predicted_where_nothing_is_prepared(
    pool: str, connect: dict[str, object], load: dict[str, object], pgbouncer: str
) -> None:
    with poolviz.run(
        pool=pool,
        dsn=pgbouncer,
        pooler=console_of(pgbouncer),
        connect=connect,
        load={**QUICK, **load},
        duration=1,
    ) as result:
        assert [each for each in result.warnings if each.topic == PREPARED] == []
        assert result.operations and result.errors == {}


def predicted(pooler: Pooler | None, **fields: Any) -> dict[str, str]:
    target = Target("host=h", "h", "18", 100, 90, pooler=pooler)
    draft = Draft(pool="asyncpg.Pool", dsn="host=h", load=dict(QUICK)).with_fields(**fields)
    return dict(warnings_before(RunRequest.of(draft).scenario, target))


TRANSACTIONS = Pooler("PgBouncer 1.23.1", "transaction", 20, follows_prepared=False)


def test_a_pooler_that_follows_prepared_statements_is_said_to_break_nothing() -> None:
    assert PREPARED in predicted(TRANSACTIONS)
    follows = Pooler("PgBouncer 1.23.1", "transaction", 20, follows_prepared=True)
    assert PREPARED not in predicted(follows)
    assert PREPARED not in predicted(Pooler("PgBouncer 1.23.1", "session", 20))


def test_the_mode_may_be_said_by_the_scenario() -> None:
    assert PREPARED not in predicted(None)
    assert PREPARED in predicted(None, pooler_mode="transaction")
    assert PREPARED not in predicted(None, pooler_mode="session")
    # What the console says counts.
    assert PREPARED not in predicted(Pooler("PgBouncer", "session"), pooler_mode="transaction")


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SET work_mem = '1MB'; SELECT 1", "SET"),
        ("set session time zone 'UTC'", "SET"),
        ("SELECT set_config('a.b', 'c', false)", "set_config"),
        ("/* jobs */ LISTEN jobs", "LISTEN"),
        ("SELECT pg_advisory_lock(:client)", "pg_advisory_lock"),
        ("SELECT pg_try_advisory_lock_shared(1)", "pg_advisory_lock"),
        ("CREATE TEMP TABLE t (a int)", "CREATE TEMP"),
        ("create local temporary table t as select 1", "CREATE TEMP"),
        ("SELECT 1 INTO TEMP t", "SELECT INTO TEMP"),
        ("PREPARE p AS SELECT 1; EXECUTE p", "PREPARE"),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "WITH HOLD"),
        ("SELECT 1", ""),
        ("SET LOCAL work_mem = '1MB'", ""),
        ("SET TRANSACTION READ ONLY", ""),
        ("SELECT 'SET x = 1; LISTEN y', \"set\" FROM t -- SET z = 1", ""),
        ("SELECT pg_advisory_xact_lock(1)", ""),
        ("SELECT set_config('a.b', 'c', true)", ""),
        ("CREATE TEMP TABLE t (a int) ON COMMIT DROP", ""),
        ("UPDATE t SET a = 1", ""),
        ("PREPARE TRANSACTION 'x'", ""),
        ("SELECT prepare, listen FROM execute", ""),
    ],
)
def test_sql_that_needs_its_session_is_named(sql: str, words: str) -> None:
    load = {"clients": 2, "statement": "sql", "sql": sql}
    sentence = predicted(TRANSACTIONS, load=load).get(SESSIONS, "")
    assert bool(sentence) == bool(words)
    assert f"the load's SQL has {words}." in sentence or not words
    assert SESSIONS not in predicted(Pooler("PgBouncer", "session"), load=load)


def test_a_startup_option_that_it_refuses_is_named_and_is_refused(pgbouncer: str) -> None:
    with poolviz.run(
        dsn=pgbouncer,
        pooler=console_of(pgbouncer),
        connect={"options": "-c work_mem=1MB"},
        load=QUICK,
        duration=0.5,
    ) as result:
        [warning] = [each for each in result.warnings if each.topic == OPTIONS]
        assert "ignore_startup_parameters" in warning.sentence
        assert result.operations == 0
        assert result.errors


@pytest.mark.parametrize("what", ["unreachable", "refused", "no console"])
def test_a_run_goes_on_without_the_console_and_says_why_once(
    what: str, tcp_server: TcpServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    require()
    caplog.set_level(logging.DEBUG)
    users = tmp_path / "users.txt"
    users.write_text('"alice" "unused"\n')
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        folder.chmod(0o755)
    users.chmod(0o644)
    more = f"auth_type = trust\nauth_file = {users}\n" if what == "refused" else ""
    with (
        socket.socket() as closed,
        transaction_pooler(tcp_server.dsn(), more=more) as pooler,
    ):
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        console = make_dsn(console_of(pooler), password="s3cr3t-of-the-console")
        if what == "unreachable":
            console = make_dsn(console, port=closed.getsockname()[1])
        elif what == "no console":
            console = make_dsn(console, dbname="postgres")
        heard = Heard()
        asked = request(pooler, console, load={**QUICK, "clients": 2}, duration=1.5)
        assert "s3cr3t" not in repr(asked)
        with Runner() as runner:
            target = runner.reach(asked.dsn, lambda _: None, pooler=asked.pooler)
            assert "s3cr3t" not in repr(target)
            run = Run(asked.scenario, target, heard)
            runner.begin(run)
            wait_until(lambda: runner.wait(run, 0.1), "the run's end")
            runner.end_run()
            assert run.recorder is not None
            summary = run.recorder.summary()
            run.recorder.close()
    assert summary.complete and summary.operations and summary.pooler is None
    [sentence] = [each.sentence for each in heard.problems if each.topic == "pooler's view"]
    assert sentence.startswith("The pooler's own view is missing: ")
    assert "s3cr3t" not in sentence + caplog.text


def test_a_console_without_a_way_through_its_pooler_is_refused() -> None:
    with pytest.raises(InputError, match="doesn't go through one"):
        RunRequest.of(Draft(pooler="host=h"))
    with pytest.raises(InputError, match="reached as PostgreSQL is"):
        RunRequest.of(Draft(dsn="host=h", pooler="mysql://u:s3cret@h/d"))
    with pytest.raises(InputError) as raised:
        RunRequest.of(Draft(dsn="host=h", pooler="postgresql://u:s3cret@h:port/d"))
    assert "s3cret" not in str(raised.value)
