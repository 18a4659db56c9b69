"""A PgBouncer for the tests, before a real server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest

from poolviz.system.os_account import server_account
from tests.servers.fixtures import BOUND, TcpServer, wait_until

REQUIRE = "POOLVIZ_REQUIRE_PGBOUNCER"
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def lacking() -> str:
    """Return why PgBouncer can't be started here and what to do about it, or "" if it can."""
    if all(shutil.which(name, path=_PATH) for name in ("pgbouncer", "setpriv")):
        return ""
    return "there is no PgBouncer: apt-get install -y pgbouncer"


def require() -> None:
    """Skip the test without PgBouncer; fail it where PgBouncer is required."""
    if lack := lacking():
        if os.environ.get(REQUIRE):
            pytest.fail(f"{REQUIRE} is set, and {lack}", pytrace=False)
        pytest.skip(lack)


@pytest.fixture(scope="session")
def pgbouncer(tcp_server: TcpServer) -> Iterator[str]:
    """The conninfo of a PgBouncer in transaction mode, before `tcp_server`, for the session."""
    require()
    with transaction_pooler(tcp_server.dsn()) as conninfo:
        yield conninfo


@contextmanager
def transaction_pooler(
    dsn: str, *, server_connections: int = 4, mode: str = "transaction", more: str = ""
) -> Iterator[str]:
    """Start a PgBouncer before the server at `dsn`, in transaction mode unless another is given;
    yield its conninfo. `more` are lines of its settings.

    It is on the loopback interface, has a folder of its own and ends with the block, or with the
    thread that began it. The connections that it opens itself are `server_connections` at most.
    """
    account = server_account()  # it refuses root, as PostgreSQL does
    with tempfile.TemporaryDirectory(prefix="poolviz-pgbouncer-") as name:
        folder = Path(name)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = folder / "pgbouncer.ini"
        settings.touch(0o600)  # it holds the password
        settings.write_text(_settings(dsn, port, server_connections, mode) + more)
        command = ["setpriv", "--pdeathsig", "TERM", "--clear-groups"]
        if account is None:
            command.remove("--clear-groups")
        else:
            command += ["--reuid", str(account.uid), "--regid", str(account.gid)]
            for path in (folder, settings):
                os.chown(path, account.uid, account.gid)
        program = str(shutil.which("pgbouncer", path=_PATH))
        conninfo = f"host=127.0.0.1 port={port} user=alice dbname=postgres sslmode=disable"
        with (folder / "log").open("w+b") as log:
            process = subprocess.Popen([*command, program, settings], stderr=log, cwd="/")
            try:
                wait_until(lambda: _answers(process, conninfo, log.name), "PgBouncer answers")
                yield conninfo
            finally:
                process.terminate()
                process.wait(BOUND)


def _settings(dsn: str, port: int, server_connections: int, mode: str) -> str:
    given = psycopg2.extensions.parse_dsn(dsn)
    server = " ".join(
        "{}='{}'".format(key, value.replace("'", "''")) for key, value in given.items()
    )
    return f"""
[databases]
postgres = {server}
[pgbouncer]
pool_mode = {mode}
auth_type = any
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
max_client_conn = 100
default_pool_size = {server_connections}
"""


def _answers(process: subprocess.Popen[bytes], conninfo: str, log: str) -> bool:
    assert process.poll() is None, Path(log).read_text()
    try:
        with closing(psycopg2.connect(conninfo)) as connection:  # no transaction: see the modes
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        return True
    except psycopg2.OperationalError:
        return False
