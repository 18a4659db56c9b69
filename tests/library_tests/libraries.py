"""The libraries that have tests for their pools, how these are run, and which can't pass."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from urllib.parse import quote

import psycopg2
import pytest

from poolviz.servers.embedded.server import EmbeddedServer
from tests.servers import mysql_server
from tests.servers.fixtures import open_home

_STARTING = threading.Lock()  # around a change of the environment


@dataclass(frozen=True)
class Server:
    """How the tests of a library reach a server: by options of pytest and the environment."""

    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Library:
    """A library and its tests."""

    name: str  # as in the registry
    files: tuple[str, ...]  # the tests
    copied: tuple[str, ...]  # what the tests need of the source
    server: Callable[[], AbstractContextManager[Server]]
    in_sdist: bool = True  # whether the sdist carries them
    options: tuple[str, ...] = ()
    # The tests that can't pass with our class: the end of the name → why.
    cannot_pass: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The version that is installed, which is that of uv.lock."""
        return metadata.version(self.name)


@contextmanager
def _no_server() -> Iterator[Server]:
    yield Server()


@contextmanager
def _postgres() -> Iterator[dict[str, str]]:
    """Start a server and yield its parameters, without the empty ones."""
    with open_home() as home:
        with _STARTING, pytest.MonkeyPatch.context() as patch:
            patch.setenv("POOLVIZ_HOME", str(home))
            started = EmbeddedServer.start()
        with started:
            given = psycopg2.extensions.parse_dsn(started.conninfo)
            yield {key: value for key, value in given.items() if value}


@contextmanager
def _for_sqlalchemy() -> Iterator[Server]:
    with _postgres() as given:
        host = quote(given["host"], safe="")
        url = f"postgresql+psycopg2://{given['user']}@/{given['dbname']}?host={host}"
        yield Server(options=(f"--dburi={url}&port={given['port']}",))


@contextmanager
def _for_asyncpg() -> Iterator[Server]:
    with _postgres() as given:
        names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}
        yield Server(environment={name: given[key] for name, key in names.items()})


@contextmanager
def _for_psycopg_pool() -> Iterator[Server]:
    with _postgres() as given:
        yield Server(options=("--test-dsn", psycopg2.extensions.make_dsn(**given)))


@contextmanager
def _for_aiopg() -> Iterator[Server]:
    with _postgres() as given:
        # Its tests would start a server by Docker; the plugin gives them this one.
        yield Server(environment={"POOLVIZ_AIOPG_DSN": psycopg2.extensions.make_dsn(**given)})


@contextmanager
def _for_aiomysql() -> Iterator[Server]:
    password = mysql_server.PASSWORD
    with mysql_server.mariadb() as url:
        with mysql_server.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE USER root@localhost IDENTIFIED BY '{password}'")
            cursor.execute("GRANT ALL ON *.* TO root@localhost WITH GRANT OPTION")
            cursor.execute("SELECT @@socket")
            path = cursor.fetchone()[0]
        yield Server((f"--mysql-unix-socket={path}",), {"MYSQL_ROOT_PASSWORD": password})


_OWN_LOCK = (
    "The test compares all attributes of a pool with those of its copy. Our class has a lock more, "
    "which is another one in the copy; the library's own lock is exempt by its name."
)

LIBRARIES = {
    library.name: library
    for library in (
        Library(
            "SQLAlchemy",
            ("test/engine/test_pool.py", "test/engine/test_reconnect.py"),
            ("test", "lib", "setup.cfg", "pyproject.toml"),
            _for_sqlalchemy,
            cannot_pass={
                "test_pool.py::PoolTest::test_recreate_state[AssertionPool-pool_args5]": _OWN_LOCK,
                "test_pool.py::PoolTest::test_recreate_state[SingletonThreadPool-pool_args3]": (
                    _OWN_LOCK
                ),
            },
        ),
        Library(
            "asyncpg",
            ("tests/test_pool.py",),
            ("tests",),
            _for_asyncpg,
            options=("--import-mode=importlib", "--capture=no"),
        ),
        Library("aiomysql", ("tests/test_pool.py",), ("tests",), _for_aiomysql),
        Library("DBUtils", ("tests/test_pooled_db.py",), ("tests",), _no_server),
        Library(
            "psycopg-pool",
            tuple(
                f"tests/pool/test_pool{kind}.py"
                for kind in ("", "_async", "_common", "_common_async", "_null")
            ),
            ("tests", "pyproject.toml"),
            _for_psycopg_pool,
            in_sdist=False,
            # There is no pool of ours for AsyncNullConnectionPool, which poolviz doesn't offer.
            options=("-k", "not AsyncNullConnectionPool"),
        ),
        Library("aiopg", ("tests/test_pool.py",), ("tests",), _for_aiopg, in_sdist=False),
    )
}
