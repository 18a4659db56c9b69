"""A MySQL server for the tests: one that POOLVIZ_TEST_MYSQL_URL names, or their own MariaDB."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
import pymysql
import pytest

from poolviz.model.mysql_url import MySQLAddress
from poolviz.servers.dispatch import with_application_name

URL = "POOLVIZ_TEST_MYSQL_URL"
REQUIRE = "POOLVIZ_REQUIRE_MYSQL"
BOUND = 60.0  # seconds for a server to start or stop; 2 are usual
PASSWORD = "s3cret"
NAME = "poolviz 4711"  # the application name of connections that a test opens
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
_SETUP = f"""
CREATE DATABASE IF NOT EXISTS poolviz;
CREATE USER IF NOT EXISTS poolviz@'%' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO poolviz@'%' WITH GRANT OPTION;
DELETE FROM mysql.global_priv WHERE User IN ('root', '');
FLUSH PRIVILEGES;
"""
# Runs the server until its standard input ends, which it does when the tests end, however they do.
# A server that a client has shut down is started again, so that a test can restart it. The folder
# is removed last: once it is gone, so is the server.
_WATCHDOG = """
import shutil, subprocess, sys, threading
folder, owner, *command = sys.argv[1:]
user, _, group = owner.partition(":")
account = dict(user=int(user), group=int(group), extra_groups=[]) if owner else {}
over = threading.Event()
def stop():
    sys.stdin.read()
    over.set()
    server.kill()  # it would take seconds to write down what is removed with it
def run():
    global server
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd="/", **account)
    if over.is_set():
        server.kill()
run()
threading.Thread(target=stop, daemon=True).start()
while server.wait() == 0 and not over.is_set():
    run()
shutil.rmtree(folder)
"""


def connect(url: str, name: str = NAME) -> Any:
    """Open a connection as the pool of a run does."""
    address = MySQLAddress.parse(with_application_name(url, name))
    options = msgspec.structs.asdict(address)
    del options["tls"]
    return pymysql.connect(**{key: value for key, value in options.items() if value})


@pytest.fixture(scope="session")
def mysql_url() -> Iterator[str]:
    """The URL of a MySQL or MariaDB server and its administrator, for the whole session."""
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
    """Return why no server can be started here and what to do about it, or "" if one can."""
    if sys.platform != "win32" and all(map(_program, ("mariadbd", "mariadb-install-db"))):
        return ""
    return f"there is no MariaDB: apt-get install -y mariadb-server, or name a server in {URL}"


@contextmanager
def mariadb(**settings: object) -> Iterator[str]:
    """Start a MariaDB with `settings` in a folder of its own and yield its URL. It ends with the
    block, and also if the tests are killed. A setting that is a Path is a file, copied to where
    the server may read it."""
    # Not in pytest's folders, which MariaDB's account can't pass through.
    folder = Path(tempfile.mkdtemp(prefix="poolviz-mariadb-"))
    try:
        account = _account()
        _hand_over(folder, account)
        _install(folder / "data", account)
        (folder / "setup.sql").write_text(_SETUP)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = {key: _readable(value, folder, account) for key, value in settings.items()}
        options |= {"port": port, "bind-address": "127.0.0.1", "socket": folder / "socket"}
        options |= {"init-file": folder / "setup.sql", "pid-file": folder / "pid"}
    except BaseException:
        shutil.rmtree(folder)
        raise
    with tempfile.TemporaryFile() as log, _running(folder, account, options, log) as watchdog:
        _await_answer(watchdog, port, log)
        yield f"mysql://poolviz:{PASSWORD}@127.0.0.1:{port}/poolviz"


def _program(name: str) -> str | None:
    return shutil.which(name, path=_PATH)


def _account() -> tuple[int, int] | None:
    """Return user and group to run the server under: MariaDB refuses root, so root uses `mysql`."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("mysql")
    return entry.pw_uid, entry.pw_gid


def _hand_over(path: Path, account: tuple[int, int] | None) -> None:
    if account is not None:
        os.chown(path, *account)


def _readable(value: object, folder: Path, account: tuple[int, int] | None) -> object:
    """Return the value of a setting, which is a copy of the server's own for a file."""
    if not isinstance(value, Path):
        return value
    copy = folder / value.name
    shutil.copy(value, copy)
    _hand_over(copy, account)
    return copy


def _install(data: Path, account: tuple[int, int] | None) -> None:
    as_whom: dict[str, Any] = {}
    # In a shared folder, one server would remove the temporary files of another.
    scratch = data.parent / "scratch"
    scratch.mkdir()
    _hand_over(scratch, account)
    if account is not None:
        as_whom = {"user": account[0], "group": account[1], "extra_groups": []}
    done = subprocess.run(
        [
            str(_program("mariadb-install-db")),
            "--no-defaults",
            f"--datadir={data}",
            f"--tmpdir={scratch}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        **as_whom,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def _running(
    folder: Path, account: tuple[int, int] | None, options: dict[str, object], log: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the process that runs the server and removes its folder at the end."""
    owner = "" if account is None else f"{account[0]}:{account[1]}"
    command = [str(_program("mariadbd")), "--no-defaults", "--skip-log-bin"]
    command += ["--performance-schema", f"--datadir={folder / 'data'}"]
    # A server that starts removes all temporary tables in its tmpdir, which would crash another
    # server that uses them.
    command += [f"--tmpdir={folder}"]
    command += [f"--{key}={value}" for key, value in options.items()]
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _WATCHDOG, str(folder), owner, *command],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        start_new_session=True,  # so Ctrl+C doesn't reach it before its connections end
    ) as watchdog:
        yield watchdog  # the end of the block closes its standard input and waits


def _await_answer(watchdog: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    deadline = time.monotonic() + BOUND
    while True:
        assert watchdog.poll() is None, _whole(log)
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                if connection.recv(5):  # it speaks first, once it is ready
                    return
        except OSError:
            assert time.monotonic() < deadline, _whole(log)
        time.sleep(0.02)


def _whole(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")
