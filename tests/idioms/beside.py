"""A plain script and poolviz, run at the same time on the same server, and what each has seen."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import psycopg2
import pymysql
import pytest

from poolviz.model.mysql_url import MySQLAddress
from tests.servers.fixtures import PROJECT, wait_until

# Long enough to be seen at work.
STATEMENT = "SELECT pg_sleep(0.01)"
HERE = Path(__file__).parent
PATIENCE = 60.0  # seconds for a process to end
_OURS = {"CancelledByClient": "CancelledError"}  # of which it is a kind
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
    "psycopg_pool_async_connection": (
        "psycopg_pool.AsyncConnectionPool",
        "connection",
        {"min_size": 5, "max_size": 5},
    ),
    "dbutils_connection": (
        "dbutils.PooledDB",
        "connection",
        {"mincached": 5, "maxcached": 5, "maxconnections": 5},
    ),
}
# The scripts for PostgreSQL whose clients are tasks.
TASKS = (
    *("asyncpg_acquire", "aiopg_acquire", "sqlalchemy_async_connect"),
    "psycopg_pool_async_connection",
)
MYSQL = "aiomysql_acquire"
IDIOMS[MYSQL] = ("aiomysql.Pool", "acquire", {"minsize": 5, "maxsize": 5})


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
    """A plain script and poolviz, on the same server. `seen` ends them.

    A `share` of the operations is cancelled inside acquire, where there are two connections for
    the five clients.
    """

    def __init__(
        self,
        script: str,
        url: str,
        statement: str = STATEMENT,
        *,
        another_url: str = "",
        share: float = 0.0,
    ) -> None:
        pool, use, limits = IDIOMS[script]
        if share:
            limits = {key: 2 if value == 5 else value for key, value in limits.items()}
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
        if share:
            load |= {"think_time": 0.02, "error_pause": 0.02}
            load |= {"cancel_share": share, "cancel_in": "acquire"}
        command += [part for each in load.items() for part in ("--load", "{}={}".format(*each))]
        self._poolviz = _start(command)
        self._plain = _start(
            [sys.executable, str(HERE / f"{script}.py"), url, statement, str(share)]
        )

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
            name = kind["exception"].rpartition(".")[2]
            errors[_OURS.get(name, name)] += kind["count"]
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


class Server(Protocol):
    """An administrator's view of a server, which sees and harms both."""

    def at_work(self) -> Counter[bool]:
        """How many statements of poolviz' clients (True) and of the plain script's are running."""

    def kill_idle(self) -> Counter[bool]:
        """Terminate all connections that are idle; return how many of each."""


class Watched:
    """PostgreSQL, watched by a superuser (a `Server`)."""

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

    def at_work(self) -> Counter[bool]:
        return self.backends("query LIKE 'SELECT pg_sleep%'")

    def kill_idle(self) -> Counter[bool]:
        return self.backends("state = 'idle'", "pg_terminate_backend(pid)")


class WatchedMySQL:
    """MariaDB with performance_schema, watched by an administrator (a `Server`)."""

    def __init__(self, url: str) -> None:
        address = MySQLAddress.parse(url)
        self._connect = {"host": address.host, "port": address.port, "user": address.user}
        self._connect |= {"password": address.password, "program_name": "watch"}

    def execute(self, statement: str) -> tuple[Any, ...]:
        """Execute a statement and return its rows."""
        connecting = closing(pymysql.connect(**self._connect))
        with connecting as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return tuple(cursor.fetchall())

    def _connections(self, condition: str) -> list[tuple[bool, int]]:
        rows = self.execute(
            f"""SELECT coalesce(a.attr_value, '') LIKE 'poolviz%', p.id
              FROM information_schema.processlist p
              LEFT JOIN performance_schema.session_account_connect_attrs a
                ON p.id = a.processlist_id AND a.attr_name = 'program_name'
             WHERE p.user = 'poolviz' AND p.id <> connection_id()
               AND coalesce(a.attr_value, '') NOT LIKE '%monitor%' AND {condition}"""
        )
        return [(bool(of_poolviz), int(id)) for of_poolviz, id in rows]

    def connections(self) -> Counter[bool]:
        """How many connections there are of poolviz' clients (True) and of the plain script's."""
        return Counter(of for of, _ in self._connections("true"))

    def await_it(self) -> None:
        """Wait until a server that was shut down answers again."""
        wait_until(self._answers, "the server answers again")

    def _answers(self) -> bool:
        try:
            return bool(self.execute("SELECT 1"))
        except pymysql.err.OperationalError:
            return False

    def at_work(self) -> Counter[bool]:
        return Counter(of for of, _ in self._connections("p.info LIKE 'SELECT SLEEP%'"))

    def kill_idle(self) -> Counter[bool]:
        killed: Counter[bool] = Counter()
        for of, id in self._connections("p.command = 'Sleep'"):
            try:
                self.execute(f"KILL {id}")
            except pymysql.err.OperationalError:  # it has gone meanwhile
                continue
            killed[of] += 1
        return killed


def as_url(conninfo: str) -> str:
    given = psycopg2.extensions.parse_dsn(conninfo)
    if given["host"].startswith("/"):
        host = quote(given["host"], safe="")
        return f"postgresql://{given['user']}@/{given['dbname']}?host={host}&port={given['port']}"
    return f"postgresql://{given['user']}@{given['host']}:{given['port']}/{given['dbname']}"


def await_both(watched: Server) -> None:
    """Wait until clients of both have been seen at work."""
    for of_poolviz in (False, True):
        wait_until(
            lambda of=of_poolviz: watched.at_work()[of],
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


def assert_cancelled(plain: Seen, poolviz: Seen, connections: Counter[bool]) -> None:
    """Compare what came of a share of 0.3 that was cancelled inside acquire, of two connections."""
    seen_by = f"plain: {plain}; poolviz: {poolviz}; connections: {connections}"
    assert set(plain.errors) == set(poolviz.errors) == {"CancelledError"}, seen_by
    assert abs(plain.share - poolviz.share) < 0.1, seen_by
    assert 0.5 < plain.operations / max(1, poolviz.operations) < 2, seen_by
    assert connections[False] == connections[True] == 2, seen_by


def few(*scripts: str, of: Collection[str] | None = None) -> list[Any]:
    """All scripts for PostgreSQL, or those of `of`: `scripts` in each run of the tests, the others
    on demand."""
    mark = pytest.mark.on_demand
    names = [one for one in IDIOMS if one != MYSQL and one in (of or IDIOMS)]
    return [one if one in scripts else pytest.param(one, marks=mark) for one in names]
