"""A MySQL server for tests: the one that is named, or a MariaDB of their own."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

URL = "POOLVIZ_TEST_MYSQL_URL"
REQUIRE = "POOLVIZ_REQUIRE_MYSQL"
BOUND = 60.0  # seconds for a server to start or stop, which takes two
PASSWORD = "s3cret"
_PR_SET_PDEATHSIG = 1
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
_SETUP = f"""
CREATE DATABASE poolviz;
CREATE USER poolviz@'%' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO poolviz@'%' WITH GRANT OPTION;
DELETE FROM mysql.global_priv WHERE User IN ('root', '');
FLUSH PRIVILEGES;
"""


@pytest.fixture(scope="session")
def mysql_url() -> Iterator[str]:
    """The URL of a MySQL or MariaDB server, as its administrator, for the whole session."""
    if named := os.environ.get(URL):
        yield named
        return
    if lack := lacking():
        if os.environ.get(REQUIRE):
            pytest.fail(f"{REQUIRE} is set, and {lack}", pytrace=False)
        pytest.skip(lack)
    with mariadb() as url:
        yield url


def lacking() -> str:
    """Why no server can be started here, with what would mend it; empty where one can."""
    if sys.platform != "win32" and all(map(_program, ("mariadbd", "mariadb-install-db"))):
        return ""
    return f"there is no MariaDB: apt-get install -y mariadb-server, or name a server in {URL}"


@contextmanager
def mariadb(**settings: object) -> Iterator[str]:
    """A MariaDB with `settings`, in a folder of its own; its URL. Gone at the end, and also when
    the tests are killed."""
    folder = Path(tempfile.mkdtemp(prefix="poolviz-mariadb-"))
    try:
        account = _account(folder)
        options = {"datadir": folder / "data", **settings}
        _install(folder / "data", account)
        (folder / "setup.sql").write_text(_SETUP)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options |= {"port": port, "bind-address": "127.0.0.1", "socket": folder / "socket"}
        options |= {"init-file": folder / "setup.sql", "pid-file": folder / "pid"}
        with _running(folder, account, options) as process:
            _await_answer(process, port, folder / "log")
            yield f"mysql://poolviz:{PASSWORD}@127.0.0.1:{port}/poolviz"
    finally:
        shutil.rmtree(folder)


def _program(name: str) -> str | None:
    return shutil.which(name, path=_PATH)


def _account(folder: Path) -> dict[str, Any]:
    """Who runs the server: MariaDB refuses root, so root hands the folder to `mysql`."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("mysql")
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _install(data: Path, account: dict[str, Any]) -> None:
    done = subprocess.run(
        [
            str(_program("mariadb-install-db")),
            "--no-defaults",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        **account,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def _running(
    folder: Path, account: dict[str, Any], options: dict[str, object]
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(_program("mariadbd")), "--no-defaults", "--skip-log-bin", "--performance-schema"]
            + [f"--{key}={value}" for key, value in options.items()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,  # so Ctrl+C doesn't reach it before its connections end
            preexec_fn=_tied_to(os.getpid()),  # noqa: PLW1509 - after the change of account
            **account,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(BOUND)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _tied_to(parent: int) -> Callable[[], None] | None:
    """What the server's process does first: ask Linux for an end when these tests are killed."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # a fork is no time to look it up

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return tie


def _await_answer(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + BOUND
    while True:
        assert process.poll() is None, log.read_text()
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                if connection.recv(5):  # it speaks first, once it is ready
                    return
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
