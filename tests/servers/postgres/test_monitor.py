"""The monitor of PostgreSQL: what it counts, and how it recovers when the server is lost."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec
import psutil
import psycopg2
import pytest

from poolviz.model.sample import ServerView
from poolviz.servers import monitor as interface
from poolviz.servers.embedded.server import EmbeddedServer
from poolviz.servers.postgres import monitor as implementation
from poolviz.servers.postgres.monitor import PostgresMonitor
from poolviz.servers.postgres.target import reach, with_application_name
from tests.servers.embedded.test_server import main_pid
from tests.servers.fixtures import TcpServer, ask, everything_below, home, tcp_server, wait_until

__all__ = ["home", "tcp_server"]

NAME = "poolviz test"


@pytest.fixture
def monitor(conninfo: str) -> Iterator[PostgresMonitor]:
    with closing(PostgresMonitor(conninfo, NAME)) as opened:
        yield opened


def of_run(monitor: PostgresMonitor) -> ServerView | None:
    """What the monitor sees of its run, without other programs."""
    view = monitor.view()
    return None if view is None else msgspec.structs.replace(view, others=None, free=None)


def expect(monitor: PostgresMonitor, expected: ServerView) -> None:
    wait_until(lambda: of_run(monitor) == expected, f"the server has {expected}")
    assert monitor.problem == ""


def test_backends_of_the_run_are_counted_by_state(conninfo: str, monitor: PostgresMonitor) -> None:
    named = with_application_name(conninfo, NAME)
    expect(monitor, ServerView())
    with ExitStack() as opened:

        def connect() -> psycopg2.extensions.connection:
            return opened.enter_context(closing(psycopg2.connect(named)))

        connect()
        expect(monitor, ServerView(idle=1))
        in_transaction, aborted, busy = connect(), connect(), connect()
        in_transaction.cursor().execute("SELECT 1")
        with pytest.raises(psycopg2.Error):
            aborted.cursor().execute("SELECT 1/0")
        expect(monitor, ServerView(idle=2, idle_in_transaction=2))

        def sleep() -> None:
            with pytest.raises(psycopg2.extensions.QueryCanceledError):
                busy.cursor().execute("SELECT pg_sleep(600)")

        sleeper = threading.Thread(target=sleep)
        sleeper.start()
        expect(monitor, ServerView(active=1, idle=1, idle_in_transaction=2))
        assert monitor.cancel_statements() == 1
        sleeper.join(30)
        assert not sleeper.is_alive()
        expect(monitor, ServerView(idle=1, idle_in_transaction=3))
        assert monitor.cancel_statements() == 0
    expect(monitor, ServerView())


def test_the_monitor_counts_neither_itself_nor_other_programs(
    conninfo: str, monitor: PostgresMonitor
) -> None:
    with (
        closing(psycopg2.connect(with_application_name(conninfo, "poolviz other"))),
        closing(PostgresMonitor(conninfo, "poolviz another")) as other,
    ):
        assert of_run(other) == ServerView()
        expect(monitor, ServerView())
        names = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'poolviz test monitor'"
        )
        assert ask(conninfo, names) == 1


def test_others_and_what_they_leave_are_counted_as_a_new_connection_would_meet_them(
    tcp_server: TcpServer,
) -> None:
    free = reach(tcp_server.dsn()).free_connections
    assert free is not None
    with (
        closing(PostgresMonitor(tcp_server.dsn(), NAME)) as monitor,
        closing(psycopg2.connect(tcp_server.dsn(), application_name="another program")),
        closing(psycopg2.connect(tcp_server.admin, application_name="an administrator")),
        closing(psycopg2.connect(with_application_name(tcp_server.dsn(), NAME))),
    ):
        wait_until(lambda: monitor.view() == ServerView(idle=1, others=2, free=free - 4), "both")
        assert reach(tcp_server.dsn()).free_connections == free - 4
    with closing(PostgresMonitor(tcp_server.dsn(user="limited"), NAME)) as monitor:
        wait_until(lambda: (view := monitor.view()) is not None and view.free == 0, "none is left")


def test_it_sees_again_after_the_server_was_restarted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedServer.start()
    with closing(PostgresMonitor(server.conninfo, NAME)) as monitor:
        with server:
            assert of_run(monitor) == ServerView()
        assert monitor.view() is None
        assert monitor.problem == (
            "The server's own view is missing: the connection to the server was lost; poolviz keeps"
            " trying."
        )
        wait_until(
            lambda: monitor.view() is None and "no socket" in monitor.problem, "it has tried again"
        )
        with EmbeddedServer.start() as again:
            assert again.conninfo == server.conninfo
            wait_until(lambda: of_run(monitor) == ServerView(), "it sees again")
            assert monitor.problem == ""


def test_attempts_to_connect_become_less_frequent_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(interface.time, "monotonic", lambda: now)
    monitor = PostgresMonitor("host=/no/such/folder connect_timeout=1", NAME)
    attempts_at = []
    for _ in range(700):
        monitor.problem = ""
        assert monitor.view() is None
        if monitor.problem:
            attempts_at.append(now)
        now += 0.1
    pauses = [later - earlier for earlier, later in itertools.pairwise(attempts_at)]
    assert [round(pause) for pause in pauses] == [1, 2, 4, 8, 15, 15, 15]


@pytest.mark.skipif(sys.platform == "win32", reason="processes can't be stopped and continued")
def test_a_server_that_hangs_does_not_hang_the_monitor(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(implementation, "_ANSWER_LIMIT", 0.5)
    monkeypatch.setattr(implementation, "_CONNECT_LIMIT", 0.5)
    with (
        EmbeddedServer.start() as server,
        closing(PostgresMonitor(server.conninfo, NAME)) as monitor,
    ):
        assert of_run(monitor) == ServerView()
        stopped = everything_below(psutil.Process(main_pid(server.conninfo)))
        for process in stopped:
            os.kill(process.pid, signal.SIGSTOP)
        try:
            assert monitor.view() is None
            assert "doesn't answer" in monitor.problem
            assert monitor.cancel_statements() == 0
            assert "doesn't answer" in monitor.problem
        finally:
            for process in stopped:
                if process.is_running():
                    os.kill(process.pid, signal.SIGCONT)
        wait_until(lambda: of_run(monitor) == ServerView(), "it sees again")


def test_without_permission_it_says_so_and_goes_on(tcp_server: TcpServer) -> None:
    with closing(psycopg2.connect(tcp_server.admin)) as admin:
        admin.autocommit = True
        cursor = admin.cursor()
        cursor.execute("REVOKE SELECT ON pg_stat_activity FROM PUBLIC")
        try:
            with closing(PostgresMonitor(tcp_server.dsn(), NAME)) as monitor:
                assert monitor.view() is None
                assert "may not read pg_stat_activity" in monitor.problem
                assert "s3cret" not in monitor.problem
                cursor.execute("GRANT SELECT ON pg_stat_activity TO PUBLIC")
                wait_until(lambda: of_run(monitor) == ServerView(), "it may look now")
        finally:
            cursor.execute("GRANT SELECT ON pg_stat_activity TO PUBLIC")


def test_an_ordinary_user_sees_its_own_backends_and_that_others_are_hidden(
    tcp_server: TcpServer,
) -> None:
    with (
        closing(PostgresMonitor(tcp_server.dsn(), NAME)) as monitor,
        closing(psycopg2.connect(with_application_name(tcp_server.dsn(), NAME))),
    ):
        expect(monitor, ServerView(idle=1))
        with closing(psycopg2.connect(with_application_name(tcp_server.admin, NAME))):
            assert of_run(monitor) == ServerView(idle=1, other=1)
            assert "hides the state of other users" in monitor.problem
        expect(monitor, ServerView(idle=1))


def test_a_wrong_password_is_said_without_the_password(tcp_server: TcpServer) -> None:
    with closing(PostgresMonitor(tcp_server.dsn(password="s3cret"), NAME)) as monitor:
        assert monitor.view() is None
        assert "refused the password" in monitor.problem
        assert "s3cret" not in monitor.problem


def test_a_closed_monitor_leaves_no_connection(conninfo: str) -> None:
    monitor = PostgresMonitor(conninfo, NAME)
    monitor.view()
    monitor.close()
    monitor.close()
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'poolviz test%'"
    wait_until(lambda: ask(conninfo, count) == 0, "the monitor is gone from the server")


_ON_LOGIN = """
CREATE FUNCTION wait_at_login() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
  IF current_setting('application_name') = 'poolviz test' THEN PERFORM pg_advisory_lock(42);
  END IF; END $$;
CREATE EVENT TRIGGER wait_at_login ON login EXECUTE FUNCTION wait_at_login()
"""


def test_a_backend_that_is_just_starting_hides_nothing(home: Path) -> None:
    with EmbeddedServer.start() as server, closing(psycopg2.connect(server.conninfo)) as admin:
        admin.autocommit = True
        cursor = admin.cursor()
        cursor.execute(_ON_LOGIN)
        cursor.execute("SELECT pg_advisory_lock(42)")
        named = with_application_name(server.conninfo, NAME)
        starting = threading.Thread(target=lambda: psycopg2.connect(named).close())
        starting.start()
        with closing(PostgresMonitor(server.conninfo, NAME)) as monitor:
            try:
                expect(monitor, ServerView(other=1))
            finally:
                cursor.execute("SELECT pg_advisory_unlock(42)")
                starting.join()
