"""A password is in nothing that a run prints, writes or starts, whatever way it came in."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from poolviz.commands.cli import run_command_line
from poolviz.model.mysql_url import MySQLAddress
from poolviz.pools.registry import POOLS
from tests.servers.fixtures import BOUND, PROJECT, TcpServer, home, tcp_server

__all__ = ["home", "tcp_server"]

PASSWORD, MARK = "s3cret wörd", "s3cret"  # the mark is in every form of the password
OUT = ("a.csv", "a.json", "a.poolviz", "a.toml")
LOAD = ("--load", "clients=2", "--duration", "0.5", "--at", "0.2:kill_backend")

# The arguments and the environment that name the server; the folder takes files.
Way = Callable[[TcpServer, Path], tuple[list[str], dict[str, str]]]


def _url(server: TcpServer, password: str = "", query: str = "") -> str:
    login = f"alice:{password}" if password else "alice"
    return f"postgresql://{login}@127.0.0.1:{server.port}/postgres{query}"


def _dsn(dsn: str, **environment: str) -> tuple[list[str], dict[str, str]]:
    return ["--dsn", dsn], environment


def _without_password(server: TcpServer) -> str:
    return f"host=127.0.0.1 port={server.port} user=alice dbname=postgres"


def _pass_file(server: TcpServer, folder: Path) -> str:
    path = folder / "in.pgpass"
    path.write_text(f"127.0.0.1:{server.port}:*:alice:{PASSWORD}\n", encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def _service_file(server: TcpServer, folder: Path) -> str:
    path = folder / "in.service"
    given = _without_password(server).replace(" ", "\n")
    path.write_text(f"[own]\n{given}\npassword={PASSWORD}\n", encoding="utf-8")
    return str(path)


def _in_scenario(server: TcpServer, folder: Path) -> tuple[list[str], dict[str, str]]:
    path = folder / "in.toml"
    path.write_text(f"dsn = {json.dumps(server.dsn())}\n", encoding="utf-8")
    return [str(path)], {}


WAYS: dict[str, Way] = {
    "keywords": lambda server, folder: _dsn(server.dsn()),
    "a URL": lambda server, folder: _dsn(_url(server, quote(PASSWORD))),
    "a URL that encodes all": lambda server, folder: _dsn(
        _url(server, "".join(f"%{byte:02X}" for byte in PASSWORD.encode()))
    ),
    "SQLAlchemy's URL": lambda server, folder: _dsn(
        _url(server, quote(PASSWORD)).replace("postgresql:", "postgresql+psycopg2:")
    ),
    "a URL's query": lambda server, folder: _dsn(
        _url(server, query=f"?password={quote(PASSWORD)}")
    ),
    "a scenario": _in_scenario,
    "PGPASSWORD": lambda server, folder: _dsn(_without_password(server), PGPASSWORD=PASSWORD),
    "PGPASSFILE": lambda server, folder: _dsn(_url(server), PGPASSFILE=_pass_file(server, folder)),
    "a DSN's passfile": lambda server, folder: _dsn(
        f"{_without_password(server)} passfile={_pass_file(server, folder)}"
    ),
    "a service file": lambda server, folder: _dsn(
        "service=own", PGSERVICEFILE=_service_file(server, folder)
    ),
    "PGSERVICE": lambda server, folder: _dsn(
        "dbname=postgres", PGSERVICE="own", PGSERVICEFILE=_service_file(server, folder)
    ),
}
# Each way with another pool, so that every driver is tried.
DRIVEN = (
    *("psycopg2.ThreadedConnectionPool", "asyncpg.Pool", "sqlalchemy.AsyncAdaptedQueuePool"),
    *("sqlalchemy.QueuePool", "psycopg_pool.AsyncConnectionPool", "psycopg_pool.ConnectionPool"),
    *("aiopg.Pool", "dbutils.PooledDB", "sqlalchemy.NullPool", "psycopg2.ThreadedConnectionPool"),
    "psycopg_pool.NullConnectionPool",
)


def environment(given: Mapping[str, str], home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return kept | {"POOLVIZ_HOME": str(home), "PYTHONPATH": str(PROJECT)} | given


def watched(
    command: list[str], folder: Path, given: Mapping[str, str]
) -> tuple[int, str, set[str], set[str]]:
    """Run a process; its status, what it printed, and the command lines and environments of the
    processes below it."""
    lines: set[str] = set()
    environments: set[str] = set()
    printed = folder / "printed"
    with printed.open("wb") as output:
        process = psutil.Popen(
            command,
            cwd=folder,
            env=environment(given, folder / "home"),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        deadline = time.monotonic() + 2 * BOUND
        while process.poll() is None:
            assert time.monotonic() < deadline, printed.read_text()
            for child in process.children(recursive=True):
                with suppress(psutil.Error, OSError):
                    lines.add("\0".join(child.cmdline()))
                    environments.add("\0".join(child.environ().values()))
            time.sleep(0.05)
    return process.returncode, printed.read_text(encoding="utf-8"), lines, environments


def written(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name and contents of each file but those by which the password came in."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("in."):
            yield path.name, path.read_bytes()


def assert_kept(folder: Path, printed: str, lines: set[str]) -> None:
    assert MARK not in printed
    assert not [line for line in lines if MARK in line]
    for name, data in written(folder):
        assert MARK.encode() not in data, name
        assert quote(PASSWORD).encode() not in data, name


def run_and_export(folder: Path, arguments: list[str], given: Mapping[str, str]) -> None:
    """Run, export the session again, and check that the password is nowhere."""
    outs = [part for name in OUT for part in ("--out", name)]
    poolviz = [sys.executable, "-m", "poolviz"]
    logged = ("--log-level", "debug", "--log", "run.log")
    status, printed, lines, environments = watched(
        [*poolviz, "run", *arguments, *LOAD, *outs, *logged, "--json"], folder, given
    )
    assert status == 0, printed
    assert json.loads((folder / "a.json").read_text(encoding="utf-8"))["operations"] > 0
    assert (folder / "run.log").read_text(encoding="utf-8")
    assert lines
    if not any(MARK in value for value in given.values()):
        assert not [each for each in environments if MARK in each]
    assert_kept(folder, printed, lines)
    exported = [str(folder / name) for name in ("a.poolviz", "b.json", "b.csv", "b.toml", "b.png")]
    assert run_command_line(["export", *exported]) == 0
    assert_kept(folder, "", set())
    with (folder / "b.csv").open(newline="") as text:
        assert len(list(csv.reader(text))) > 2


@pytest.mark.parametrize(("way", "pool"), tuple(zip(WAYS, DRIVEN, strict=True)))
def test_a_password_stays_where_it_was(
    tcp_server: TcpServer, tmp_path: Path, way: str, pool: str
) -> None:
    if pool not in POOLS:
        pytest.skip(f"{pool} isn't installed")
    arguments, given = WAYS[way](tcp_server, tmp_path)
    run_and_export(tmp_path, [*arguments, "--pool", pool], given)


def test_the_password_of_mysql_stays_where_it_was(mysql_url: str, tmp_path: Path) -> None:
    password = MySQLAddress.parse(mysql_url).password
    assert password
    outs = [part for name in OUT for part in ("--out", name)]
    command = [sys.executable, "-m", "poolviz", "run", "--dsn", mysql_url, *LOAD, *outs]
    command += ["--log-level", "debug", "--log", "run.log", "--pool", "sqlalchemy.QueuePool"]
    status, printed, lines, environments = watched(command, tmp_path, {})
    assert status == 0, printed
    for shown in (printed, *lines, *environments):
        assert password not in shown
    for name, data in written(tmp_path):
        assert password.encode() not in data, name


def test_a_script_gets_the_password_back_in_nothing(tcp_server: TcpServer, tmp_path: Path) -> None:
    script = tmp_path / "in.py"
    script.write_text(
        "import logging, poolviz\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        f"result = poolviz.run(dsn={tcp_server.dsn()!r}, duration=0.3, load={{'clients': 2}})\n"
        "print(result, result.to_dict(), result.session.environment, result.session.scenario)\n"
        "print(*result.session.export('a.json'))\n"
        "try:\n"
        f"    poolviz.run(dsn={tcp_server.dsn(dbname='none')!r})\n"
        "except poolviz.PoolvizError as error:\n"
        "    print(repr(error))\n",
        encoding="utf-8",
    )
    status, printed, lines, _ = watched([sys.executable, str(script)], tmp_path, {})
    assert status == 0, printed
    assert "ServerError" in printed
    assert_kept(tmp_path, printed, lines)


BROKEN = {
    "no such database": lambda server: server.dsn(dbname="nowhere"),
    "no such user": lambda server: server.dsn(user="nobody"),
    "another password": lambda server: server.dsn(password=f"{PASSWORD} 2"),
    "a port at which nothing listens": lambda server: server.dsn(port="1"),
    "an option that isn't one": lambda server: f"{server.dsn()} pasword='{PASSWORD}'",
    "a quote without an end": lambda server: f"host=127.0.0.1 password='{PASSWORD}",
    "an @ that isn't escaped": lambda server: f"postgresql://alice:{MARK}@@127.0.0.1/postgres",
    "a / that isn't escaped": lambda server: f"postgresql://alice:{MARK}/x@127.0.0.1/postgres",
    "a : that isn't escaped": lambda server: f"postgresql://alice:{MARK}:x@127.0.0.1/postgres",
    "a percent sign": lambda server: f"postgresql://alice:{MARK}%zz@127.0.0.1/postgres",
    "a line end": lambda server: f"postgresql://alice:a\n{MARK}@127.0.0.1:1/postgres",
    "a password as the host": lambda server: f"postgresql://{MARK}@:1/postgres?password={MARK}",
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("option", ["--dsn", "argument", "unknown option"])
def test_no_mistake_repeats_a_password(
    tcp_server: TcpServer,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    broken: str,
    option: str,
) -> None:
    dsn = BROKEN[broken](tcp_server)
    if broken == "a password as the host":
        dsn = dsn.replace(f"{MARK}@", "alice@")
    arguments = {"--dsn": ["--dsn", dsn], "argument": [dsn], "unknown option": [f"--dns={dsn}"]}
    log = ("--log-level", "debug", "--log", str(tmp_path / "run.log"))
    assert run_command_line(["run", *arguments[option], *log]) in (2, 3)
    printed = "".join(capfd.readouterr())
    assert printed
    assert MARK not in printed
    assert_kept(tmp_path, printed, set())


def test_the_servers_own_processes_get_no_password_of_the_environment(home: Path) -> None:
    """Nothing that poolviz starts for its own server needs the user's settings for others."""
    command = [sys.executable, "-m", "poolviz", "run", *LOAD[:4], "--json", "--quiet"]
    below: dict[str, str] = {}
    process = psutil.Popen(
        command,
        env=environment({"PGPASSWORD": PASSWORD}, home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 2 * BOUND
    while process.poll() is None:
        assert time.monotonic() < deadline
        for child in process.children(recursive=True):
            with suppress(psutil.Error, OSError):
                below[" ".join(child.cmdline())[:60]] = "\0".join(child.environ().values())
        time.sleep(0.02)
    assert process.returncode == 0
    servers = [env for line, env in below.items() if "watchdog" in line or "postgres" in line]
    assert servers
    assert not [env for env in servers if MARK in env]
