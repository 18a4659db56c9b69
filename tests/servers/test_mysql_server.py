"""The MariaDB that the tests start themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.servers.fixtures import BOUND, PROJECT
from tests.servers.mysql_server import lacking


def test_the_tests_own_server_is_gone_with_its_folder_when_they_are_killed() -> None:
    if lack := lacking():
        pytest.skip(lack)
    code = "import sys\nfrom tests.servers.mysql_server import mariadb\n"
    code += "with mariadb() as url:\n    print(url, flush=True)\n    sys.stdin.read()\n"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    ) as tests:
        assert tests.stdout is not None
        url = tests.stdout.readline().strip()
        started = psutil.Process(tests.pid).children(recursive=True)
        (server,) = [one for one in started if one.name() == "mariadbd"]
        (data,) = [part for part in server.cmdline() if part.startswith("--datadir=")]
        folder = Path(data.partition("=")[2]).parent
        assert folder.exists()
        os.kill(tests.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(started, timeout=BOUND)
    assert url
    assert not alive
    assert not folder.exists()
