"""Real servers for the tests, and a Python that other users can run."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from poolviz.servers.embedded.binaries import find_binaries
from poolviz.servers.embedded.cluster import Cluster, base_folder
from poolviz.servers.embedded.server import EmbeddedServer
from poolviz.servers.embedded.watchdog import server_environment
from poolviz.system.os_account import server_account

PROJECT = Path(__file__).parents[2]
BOUND = 50.0  # seconds for what usually takes far less


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Return what `condition` returns once it is true. The test fails if it never is."""
    deadline = time.monotonic() + BOUND
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {BOUND:.0f} s: {what}"
        time.sleep(0.01)
    return value


def ask(conninfo: str, question: str) -> Any:
    """Return the first value that the server answers, over a connection of its own."""
    with closing(psycopg2.connect(conninfo)) as connection, connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]


@contextmanager
def open_home() -> Iterator[Path]:
    """Create a folder for servers, removed at the end. Unlike pytest's temporary folders, it may be
    passed through by every user, such as the account that runs root's server."""
    home = Path(tempfile.mkdtemp(prefix="poolviz-"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """One embedded server for the whole session: don't stop it, other tests use it too."""
    with open_home() as home:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("POOLVIZ_HOME", str(home))
            started = EmbeddedServer.start()
        with started:
            yield started


@pytest.fixture
def conninfo(server: EmbeddedServer) -> str:
    return server.conninfo


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A POOLVIZ_HOME for the test's own servers."""
    with open_home() as folder:
        monkeypatch.setenv("POOLVIZ_HOME", str(folder))
        yield folder


class TcpServer:
    """A server as a user might have one: on TCP, with passwords and few connections.

    Its users: `alice` with the password `s3cret wörd`, `nologin`, `limited` (one connection).
    """

    port: int
    admin: str  # conninfo of the superuser, over a socket

    def dsn(self, **changed: str) -> str:
        """Return keywords for alice, with some of them changed."""
        given = {"host": "127.0.0.1", "port": str(self.port), "user": "alice", "dbname": "postgres"}
        return psycopg2.extensions.make_dsn(**given | {"password": "s3cret wörd"} | changed)


_HBA = """
local all all peer map=poolviz
host closed all 127.0.0.1/32 reject
host all stranger 127.0.0.1/32 reject
hostnossl elsewhere all 127.0.0.1/32 scram-sha-256
host postgres,nowhere,private all 127.0.0.1/32 scram-sha-256
"""
_SETUP = (
    "CREATE ROLE alice LOGIN PASSWORD 's3cret wörd'",
    "CREATE ROLE nologin PASSWORD 's3cret wörd'",
    "CREATE ROLE limited LOGIN PASSWORD 's3cret wörd' CONNECTION LIMIT 1",
    "CREATE DATABASE private",
    "REVOKE CONNECT ON DATABASE private FROM PUBLIC",
)


@pytest.fixture(scope="session")
def tcp_server() -> Iterator[TcpServer]:
    with tcp_server_of(12, reserved=2) as server:
        yield server


@contextmanager
def tcp_server_of(connections: int, *, reserved: int = 0) -> Iterator[TcpServer]:
    """Start a server with so many connections, of which the superuser's three and those `reserved`
    are no one else's."""
    with open_home() as folder:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("POOLVIZ_HOME", str(folder))
            base = base_folder()
        account = server_account()
        binaries = find_binaries(account, base)
        cluster = Cluster.claim(base, account)
        cluster.make(binaries)
        cluster.write_access()
        cluster.hba.write_text(_HBA)
        running = TcpServer()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            running.port = probe.getsockname()[1]
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": running.port,
            "unix_socket_directories": cluster.data,
            "max_connections": connections,
            "reserved_connections": reserved,
            "fsync": "off",
            "hba_file": cluster.hba,
            "ident_file": cluster.ident,
        }
        if binaries.major < 16:
            del settings["reserved_connections"]
        with cluster.log.open("wb") as log:
            process = subprocess.Popen(
                [binaries.program("postgres"), "-D", cluster.data]
                + [part for key, value in settings.items() for part in ("-c", f"{key}={value}")],
                stdout=log,
                stderr=log,
                cwd="/",
                env=server_environment(),
                **(account.popen() if account else {}),
            )
        try:
            running.admin = f"host={cluster.data} port={running.port} user=postgres dbname=postgres"
            wait_until(lambda: _answers(running.admin), "the TCP server answers")
            with closing(psycopg2.connect(running.admin)) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    for statement in _SETUP:
                        cursor.execute(statement)
            yield running
        finally:
            process.send_signal(2)  # SIGINT: a fast stop
            process.wait(BOUND)
            cluster.release()


def _answers(conninfo: str) -> bool:
    try:
        return bool(ask(conninfo, "SELECT 1"))
    except psycopg2.OperationalError:
        return False


def everything_below(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and its present descendants."""
    return [process, *process.children(recursive=True)]


def assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=BOUND)
    assert not alive


@contextmanager
def poolviz_process(home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start another Python process with an embedded server; yield it and the server's conninfo."""
    code = (
        "import sys\n"
        "from poolviz.servers.embedded.server import EmbeddedServer\n"
        "server = EmbeddedServer.start()\n"
        "print(server.conninfo, flush=True)\n"
        "sys.stdin.read()\n"
        "server.stop()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env=os.environ | {"POOLVIZ_HOME": str(home)},
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture(scope="session")
def open_python() -> Iterator[tuple[Path, dict[str, str]]]:
    """A Python that every user can run, and an environment in which it can import poolviz."""
    with open_home() as folder:
        lib = Path(sysconfig.get_path("stdlib"))
        python = folder / "bin" / f"python{sysconfig.get_python_version()}"
        python.parent.mkdir()
        _link(Path(sys.executable).resolve(), python)
        unneeded = shutil.ignore_patterns("test", "site-packages", "__pycache__", "config-*")
        shutil.copytree(
            lib, folder / "lib" / lib.name, ignore=unneeded, copy_function=_link, symlinks=True
        )
        for library in lib.parent.glob("libpython*.so*"):
            _link(library.resolve(), folder / "lib" / library.name)
        yield (
            python,
            {
                "PYTHONPATH": os.pathsep.join([str(PROJECT), sysconfig.get_path("purelib")]),
                "PYTHONDONTWRITEBYTECODE": "1",
                "LD_LIBRARY_PATH": str(folder / "lib"),
                "PATH": os.environ["PATH"],
            },
        )


def _link(source: Any, target: Any) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)
