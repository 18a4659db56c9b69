"""Faults from the command line: done, or refused before anything runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from poolviz.commands.cli import run_command_line
from tests.servers.embedded.test_restart import servers_in
from tests.servers.fixtures import TcpServer, assert_gone, home, tcp_server, wait_until

__all__ = ["home", "tcp_server"]


def test_a_run_goes_on_through_a_restart_of_its_own_server(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load = ["--load", "clients=4", "--duration", "5"]
    status = run_command_line(["run", *load, "--at", "0.5:restart_server=true", "--json"])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    result: Any = json.loads(printed.out)
    assert result["errors"]["OperationalError"] > 0
    assert result["connections"]["opened"] > result["connections"]["open_max"]
    assert result["connections"]["open_after_close"] == 0
    before, during, after = (segment["faults"] for segment in result["segments"])
    assert (before, during, after) == ({}, {"restart_server": True}, {})
    assert result["segments"][2]["operations"] > 0


def test_a_server_that_does_not_come_back_ends_the_run_with_its_sentence(home: Path) -> None:
    # Its access rules are spoilt as soon as they were written and the server runs.
    command = [sys.executable, "-m", "poolviz", "run", "--duration", "60"]
    with subprocess.Popen(
        [*command, "--at", "3:restart_server=true"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"POOLVIZ_HOME": str(home)},
    ) as process:
        folder = home / "postgres" / "0"
        ready = folder / "data" / "postmaster.pid"
        wait_until(lambda: ready.exists() and "ready" in ready.read_text(), "the server runs")
        (folder / "pg_hba.conf").write_text("rubbish\n")
        _, told = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "didn't come back: PostgreSQL" in told
    assert "Traceback" not in told


def test_a_poolviz_killed_while_its_server_restarts_leaves_nothing(home: Path) -> None:
    command = [sys.executable, "-m", "poolviz", "run", "--duration", "60", "--quiet"]
    with subprocess.Popen(
        [*command, "--at", "1:restart_server=true"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"POOLVIZ_HOME": str(home)},
    ) as process:
        watchdogs: set[psutil.Process] = set()

        def restarts() -> bool:
            for child in psutil.Process(process.pid).children():
                with suppress(psutil.Error):
                    if any("watchdog" in word for word in child.cmdline()):
                        watchdogs.add(child)
            return len(watchdogs) > 1

        wait_until(restarts, "a second watchdog is at work")
        process.send_signal(signal.SIGKILL)
    assert_gone(list(watchdogs))
    wait_until(lambda: not servers_in(home), "no server is left")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("1:restart_server=true", "Only the embedded PostgreSQL is restarted"),
        ("1:lock_table=1s", "statement = read or read_write"),
        ("1:kill_backend=perhaps", "kill_backend is 'perhaps'"),
        ("1:network_silent=1s", "reached by a Unix socket"),
    ],
)
def test_what_cannot_be_done_there_is_said_before_the_run(
    conninfo: str, capsys: pytest.CaptureFixture[str], change: str, why: str
) -> None:
    assert run_command_line(["run", "--dsn", conninfo, "--duration", "2", "--at", change]) == 2
    printed = capsys.readouterr()
    assert why in printed.err
    assert printed.out == ""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has socket filters")
@pytest.mark.parametrize("pool", ["asyncpg.Pool", "aiopg.Pool", "psycopg_pool.AsyncConnectionPool"])
def test_what_libraries_report_of_a_silent_network_stays_off_the_terminal(
    tcp_server: TcpServer, pool: str
) -> None:
    command = [sys.executable, "-m", "poolviz", "run", "--pool", pool, "--dsn", tcp_server.dsn()]
    command += ["--limit", "timeout=0.4", "--load", "clients=3"]
    done = subprocess.run(
        [*command, "--at", "0.5:network_silent=60", "--duration", "2"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "network_silent" in done.stdout
    for line in done.stderr.splitlines():
        assert line.startswith("poolviz: The "), done.stderr  # that the server has few connections
