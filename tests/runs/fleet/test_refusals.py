"""What is refused before anything is sent to a fleet, in one sentence."""

from __future__ import annotations

import subprocess
import sys

import pytest

from poolviz.commands.cli import run_command_line
from tests.runs.fleet.cluster import free_port
from tests.servers.fixtures import PROJECT

SECRET = "postgresql://alice:hunter2@db.example/app"


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--fleet", "tcp://10.255.0.1:8786"), 2, "give tls://10.255.0.1:8786"),
        (("--fleet", "ssh:hosts.txt"), 2, "it takes the address of a Dask scheduler"),
        (("--fleet", "tcp://127.0.0.1:1", "--pool", "own.py:Pool"), 2, "can't run in a fleet"),
        (("--fleet", "tcp://127.0.0.1:1", "--load", "clients=x"), 2, "clients"),
        (("--fleet", "tls://127.0.0.1:1"), 2, "set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, DASK_"),
    ],
)
def test_a_mistake_is_said_before_anything_is_sent(
    options: tuple[str, ...], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["run", "--dsn", SECRET, *options]) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert "hunter2" not in printed.err


@pytest.mark.parametrize(
    ("lacks", "status", "words"),
    [
        ("distributed", 2, "pip install 'poolviz[fleet]'"),
        ("", 3, "start one with `dask scheduler`"),
    ],
)
def test_what_is_missing_is_said(lacks: str, status: int, words: str) -> None:
    """The library, or anybody who answers."""
    code = f"""
import sys
if {lacks!r}:
    sys.modules[{lacks!r}] = None
from poolviz.runs.fleet import opening
if not {lacks!r}:
    from poolviz.runs.fleet import cluster
    cluster._CONNECT_LIMIT = 0.5
from poolviz.commands.cli import run_command_line
sys.exit(run_command_line(["run", "--dsn", {SECRET!r}, "--fleet", "tcp://127.0.0.1:{free_port()}"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=PROJECT
    )
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "hunter2" not in done.stderr
