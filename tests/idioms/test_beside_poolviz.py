"""A plain script, written as its library's manual says, sees what poolviz sees.

Both run at the same time, on the same server and under the same faults. The errors must be the
same in kind, and in number within chance.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest

from poolviz.servers.embedded.server import EmbeddedServer
from tests.servers import pgbouncer
from tests.servers.fixtures import PROJECT, TcpServer, home, open_home, tcp_server, wait_until

__all__ = ["home", "tcp_server"]

# Long enough to be seen at work.
STATEMENT = "SELECT pg_sleep(0.01)"
HERE = Path(__file__).parent
PATIENCE = 60.0  # seconds for a process to end
# script → poolviz' pool, its use, and its limits
IDIOMS: dict[str, tuple[str, str, dict[str, int]]] = {
    "psycopg2_getconn": (
        "psycopg2.ThreadedConnectionPool",
        "getconn",
        {"minconn": 5, "maxconn": 5},
    ),
    "sqlalchemy_connect": (
        "sqlalchemy.QueuePool",
        "connection",
        {"pool_size": 5, "max_overflow": 0},
    ),
    "sqlalchemy_session": (
        "sqlalchemy.QueuePool",
        "session",
        {"pool_size": 5, "max_overflow": 0},
    ),
    "sqlalchemy_async_connect": (
        "sqlalchemy.AsyncAdaptedQueuePool",
        "connection",
        {"pool_size": 5, "max_overflow": 0},
    ),
    "psycopg_pool_connection": (
        "psycopg_pool.ConnectionPool",
        "connection",
        {"min_size": 5, "max_size": 5},
    ),
    "asyncpg_acquire": ("asyncpg.Pool", "acquire", {"min_size": 5, "max_size": 5}),
    "aiopg_acquire": ("aiopg.Pool", "acquire", {"minsize": 5, "maxsize": 5}),
}


@dataclass
class Seen:
    """What one of the two saw."""

    operations: int
    errors: Counter[str]  # by the driver's class

    @property
    def share(self) -> float:
        """The errors of all that was tried."""
        return self.errors.total() / max(1, self.operations + self.errors.total())


class Both:
    """A plain script and poolviz, on the same server. `seen` ends them."""

    def __init__(
        self, script: str, url: str, statement: str = STATEMENT, *, another_url: str = ""
    ) -> None:
        pool, use, limits = IDIOMS[script]
        command = [sys.executable, "-m", "poolviz", "run", "--quiet", "--json"]
        command += ["--dsn", another_url or url]
        command += ["--pool", pool, "--duration", "600", "--load", f"use={use}"]
        command += [part for each in limits.items() for part in ("--limit", "{}={}".format(*each))]
        load = {
            "clients": 5,
            "hold_time": 0,
            "think_time": 0.2,
            "think_distribution": "exponential",
        }
        load |= {"error_pause": 0.2, "statement": "sql", "sql": statement}
        command += [part for each in load.items() for part in ("--load", "{}={}".format(*each))]
        self._poolviz = _start(command)
        self._plain = _start([sys.executable, str(HERE / f"{script}.py"), url, statement])

    def __enter__(self) -> Both:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._plain, self._poolviz):
            process.kill()
            process.communicate()

    def seen(self) -> tuple[Seen, Seen]:
        """End both and return what the plain script saw, and what poolviz did."""
        self._poolviz.send_signal(signal.SIGINT)
        said, complaint = self._plain.communicate(timeout=PATIENCE)
        assert self._plain.returncode == 0, complaint
        plain = json.loads(said)
        said, complaint = self._poolviz.communicate(timeout=PATIENCE)
        assert self._poolviz.returncode == 130, complaint
        run = json.loads(said)
        errors: Counter[str] = Counter()
        for kind in run["error_details"]:
            errors[kind["exception"].rpartition(".")[2]] += kind["count"]
        return Seen(plain["operations"], Counter(plain["errors"])), Seen(run["operations"], errors)


def _start(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},  # aiopg prints one each time
    )


class Watched:
    """A superuser's connection, which sees and harms both."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo

    def _ask(self, question: str) -> list[Any]:
        with closing(psycopg2.connect(self._conninfo, application_name="watch")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(question)
                return cursor.fetchall() if cursor.description else []

    def execute(self, statement: str) -> None:
        """Execute a statement."""
        self._ask(statement)

    def backends(self, condition: str = "true", what: str = "pid") -> Counter[bool]:
        """How many backends there are of poolviz' clients (True) and of the plain script's."""
        rows = self._ask(
            f"""SELECT application_name LIKE 'poolviz%', {what} FROM pg_stat_activity
             WHERE backend_type = 'client backend' AND application_name <> 'watch'
               AND application_name NOT LIKE '%monitor%' AND {condition}"""
        )
        return Counter(of_poolviz for of_poolviz, _ in rows)

    def kill_idle(self) -> Counter[bool]:
        """Terminate all that are idle; return how many of each."""
        return self.backends("state = 'idle'", "pg_terminate_backend(pid)")


@pytest.fixture(scope="module")
def own_server() -> Iterator[EmbeddedServer]:
    """A server that no other test uses."""
    with open_home() as folder:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("POOLVIZ_HOME", str(folder))
            started = EmbeddedServer.start()
        with started:
            yield started


@pytest.fixture
def watched(own_server: EmbeddedServer) -> Watched:
    return Watched(own_server.conninfo)


@pytest.fixture
def url(own_server: EmbeddedServer) -> str:
    return as_url(own_server.conninfo)


def as_url(conninfo: str) -> str:
    given = psycopg2.extensions.parse_dsn(conninfo)
    if given["host"].startswith("/"):
        host = quote(given["host"], safe="")
        return f"postgresql://{given['user']}@/{given['dbname']}?host={host}&port={given['port']}"
    return f"postgresql://{given['user']}@{given['host']}:{given['port']}/{given['dbname']}"


def await_both(watched: Watched) -> None:
    """Wait until clients of both have been seen at work."""
    for of_poolviz in (False, True):
        wait_until(
            lambda of=of_poolviz: watched.backends("query LIKE 'SELECT pg_sleep%'")[of],
            "poolviz' clients are at work" if of_poolviz else "the script's clients are at work",
        )


def assert_alike(plain: Seen, poolviz: Seen, *, rare: int = 0) -> None:
    """Compare the kinds of errors and their numbers."""
    assert_same_kinds(plain, poolviz, rare=rare)
    one, other = plain.errors.total(), poolviz.errors.total()
    assert abs(one - other) <= 2 + 2 * math.sqrt(one + other), f"{plain} {poolviz}"


def assert_same_kinds(plain: Seen, poolviz: Seen, *, rare: int) -> None:
    """Compare the kinds; one that came `rare` times or less may be missing in the other."""
    for one, other in ((plain, poolviz), (poolviz, plain)):
        usual = {kind for kind, n in one.errors.items() if n > rare}
        assert usual <= set(other.errors), f"plain: {plain}; poolviz: {poolviz}"


def few(*scripts: str) -> list[Any]:
    """All scripts: `scripts` in each run of the tests, the others on demand."""
    mark = pytest.mark.on_demand
    return [one if one in scripts else pytest.param(one, marks=mark) for one in IDIOMS]


@pytest.mark.parametrize("script", few("sqlalchemy_connect", "psycopg_pool_connection"))
def test_killed_idle_backends(script: str, url: str, watched: Watched) -> None:
    killed: Counter[bool] = Counter()
    with Both(script, url) as both:
        await_both(watched)
        for _ in range(6):
            time.sleep(1)  # so that each connection is used
            killed += watched.kill_idle()
            await_both(watched)
        time.sleep(1)
        plain, poolviz = both.seen()
    assert_alike(plain, poolviz, rare=2)
    assert plain.errors.total() > 0
    if script.startswith("sqlalchemy"):  # the first error of each kill invalidates the pool
        assert max(plain.errors.total(), poolviz.errors.total()) < min(killed.values())


@pytest.mark.parametrize("script", few("asyncpg_acquire"))
def test_a_restarted_server(script: str, home: Path) -> None:
    with EmbeddedServer.start() as server, Both(script, as_url(server.conninfo)) as both:
        watched = Watched(server.conninfo)
        await_both(watched)
        for _ in range(2):
            time.sleep(1)
            server.restart()
            await_both(watched)
        time.sleep(1)
        plain, poolviz = both.seen()
    assert_alike(plain, poolviz, rare=2)


@pytest.mark.parametrize("script", few("sqlalchemy_async_connect"))
def test_a_statement_timeout(script: str, url: str, watched: Watched) -> None:
    if script == "aiopg_acquire":
        pytest.skip("aiopg raises CancelledError, which ends the task; poolviz says what it was")
    watched.execute("ALTER ROLE postgres SET statement_timeout = '100ms'")
    try:
        with Both(script, url, "SELECT pg_sleep(random() * 0.2)") as both:
            await_both(watched)
            time.sleep(5)
            plain, poolviz = both.seen()
    finally:
        watched.execute("ALTER ROLE postgres RESET statement_timeout")
    seen_by = f"plain: {plain}; poolviz: {poolviz}"
    assert set(plain.errors) == set(poolviz.errors) != set(), seen_by
    assert abs(plain.share - poolviz.share) < 0.3, seen_by  # half of the statements take longer


@pytest.mark.parametrize("script", few("psycopg_pool_connection"))
def test_behind_pgbouncer_in_transaction_mode(script: str, tcp_server: TcpServer) -> None:
    pgbouncer.require()
    watched = Watched(tcp_server.admin)
    with (
        pgbouncer.transaction_pooler(tcp_server.dsn()) as one,
        pgbouncer.transaction_pooler(tcp_server.dsn()) as other,
        Both(script, as_url(one), another_url=as_url(other)) as both,
    ):
        await_both(watched)
        time.sleep(6)
        plain, poolviz = both.seen()
    seen_by = f"plain: {plain}; poolviz: {poolviz}"
    prepares = script in ("psycopg_pool_connection", "asyncpg_acquire", "sqlalchemy_async_connect")
    assert {bool(seen.errors) for seen in (plain, poolviz)} == {prepares}, seen_by
    assert_same_kinds(plain, poolviz, rare=5)
    assert abs(plain.share - poolviz.share) < 0.3, seen_by
