"""What --log and --log-level write, from every process, and that no password is in it."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.fixtures import PROJECT, TcpServer, tcp_server

__all__ = ["tcp_server"]

PASSWORD = "s3cret wörd"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "poolviz", "run", "--duration", "0.3", "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=PROJECT,
    )


@pytest.mark.parametrize("form", ["keywords", "URL"])
def test_the_log_holds_records_of_both_processes_and_no_password(
    tcp_server: TcpServer, tmp_path: Path, form: str
) -> None:
    log = tmp_path / "poolviz.log"
    url = f"postgresql://alice:s3cret%20w%C3%B6rd@127.0.0.1:{tcp_server.port}/postgres"
    dsn = url if form == "URL" else tcp_server.dsn()
    done = run("--dsn", dsn, "--log", str(log), "--log-level", "debug", "--load", "clients=2")
    assert done.returncode == 0, done.stderr
    text = log.read_text(encoding="utf-8")
    processes = {line.split()[3] for line in text.splitlines()}
    assert len(processes) == 2, text
    for secret in (PASSWORD, "s3cret", "s3cret%20w%C3%B6rd"):
        assert secret not in text + done.stderr + done.stdout
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_without_a_level_a_run_that_goes_well_logs_nothing(conninfo: str) -> None:
    done = run("--dsn", conninfo, "--quiet", "--load", "clients=2")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_log_that_cannot_be_written_is_one_sentence(conninfo: str, tmp_path: Path) -> None:
    done = run("--dsn", conninfo, "--log", str(tmp_path / "none" / "a.log"))
    assert done.returncode == 2
    assert done.stderr.startswith("poolviz: Can't write the log to ")
    assert len(done.stderr.splitlines()) == 1
