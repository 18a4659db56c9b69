"""A restart of the embedded server: the same address, new processes, none left behind."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path

import psutil
import psycopg2
import pytest

from poolviz.model.errors import ServerError
from poolviz.servers.embedded.server import EmbeddedServer
from tests.servers.embedded.test_server import main_pid, watchdog_of
from tests.servers.fixtures import ask, assert_gone, everything_below, home, wait_until

__all__ = ["home"]


def servers_in(home: Path) -> list[psutil.Process]:
    """Return the processes that work in that folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if Path(process.cwd()).is_relative_to(home.resolve()):
                found.append(process)
    return found


def test_a_restarted_server_is_another_process_at_the_same_address(home: Path) -> None:
    with EmbeddedServer.start() as server:
        conninfo, first = server.conninfo, everything_below(watchdog_of(server))
        with closing(psycopg2.connect(conninfo)) as kept:
            kept.cursor().execute("CREATE TABLE kept AS SELECT 42 AS answer")
            kept.commit()
            server.restart()
            assert_gone(first)
            assert server.alive
            assert server.conninfo == conninfo
            with pytest.raises(psycopg2.OperationalError):
                kept.cursor().execute("SELECT 1")
        assert ask(conninfo, "SELECT answer FROM kept") == 42
        second = everything_below(watchdog_of(server))
    assert_gone(second)
    assert not server.alive


def test_it_counts_as_alive_all_the_while(home: Path) -> None:
    with EmbeddedServer.start() as server:
        over = threading.Event()
        seen = set()

        def watch() -> None:
            while not over.is_set():
                seen.add(server.alive)

        watcher = threading.Thread(target=watch)
        watcher.start()
        server.restart()
        server.restart()
        over.set()
        watcher.join()
        assert seen == {True}


def test_statements_in_progress_do_not_hold_a_restart_up(home: Path) -> None:
    with EmbeddedServer.start() as server:
        ended = threading.Event()

        def sleep_in_the_server() -> None:
            with closing(psycopg2.connect(server.conninfo, application_name="sleeper")) as one:
                try:
                    one.cursor().execute("SELECT pg_sleep(600)")
                except psycopg2.Error:
                    ended.set()

        sleeper = threading.Thread(target=sleep_in_the_server)
        sleeper.start()
        sleeps = (
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%(600)' AND state = 'active'"
        )
        wait_until(
            lambda: ask(server.conninfo, f"{sleeps} AND application_name = 'sleeper'") == 1,
            "the server sleeps",
        )
        server.restart()
        sleeper.join(30)
        assert ended.is_set()
        assert ask(server.conninfo, "SELECT 1") == 1


def test_a_stop_while_it_restarts_leaves_nothing(home: Path) -> None:
    server = EmbeddedServer.start()
    first = everything_below(watchdog_of(server))
    restarting = threading.Thread(target=server.restart)
    restarting.start()
    wait_until(lambda: not first[-1].is_running(), "the restart has begun")
    server.stop()
    restarting.join(30)
    assert not restarting.is_alive()
    assert not server.alive
    assert_gone(first)
    assert not servers_in(home)
    server.restart()
    assert not server.alive
    with EmbeddedServer.start() as other:
        assert ask(other.conninfo, "SELECT 1") == 1


def test_one_that_does_not_come_back_says_so_and_is_gone(home: Path) -> None:
    with EmbeddedServer.start() as server:
        processes = everything_below(watchdog_of(server))
        (home / "postgres" / "0" / "pg_hba.conf").write_text("rubbish\n")
        with pytest.raises(ServerError, match=r"didn't come back: PostgreSQL .* didn't start in"):
            server.restart()
        assert not server.alive
        assert_gone(processes)
    with EmbeddedServer.start() as other:
        assert ask(other.conninfo, "SELECT 1") == 1


def test_killing_poolviz_after_a_restart_leaves_no_server(home: Path) -> None:
    code = (
        "import sys\n"
        "from poolviz.servers.embedded.server import EmbeddedServer\n"
        "server = EmbeddedServer.start()\n"
        "server.restart()\n"
        "print(server.conninfo, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            conninfo = process.stdout.readline().strip()
            assert psutil.pid_exists(main_pid(conninfo))
            below = everything_below(psutil.Process(process.pid))
            assert len(below) > 2
        finally:
            process.kill()
    assert_gone(below)
    with EmbeddedServer.start() as server:
        assert server.conninfo == conninfo
        assert ask(conninfo, "SELECT 1") == 1
