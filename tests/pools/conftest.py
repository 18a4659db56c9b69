from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psycopg2
import pytest
from psycopg2.extensions import connection, make_dsn

from poolviz.pools import POOLS
from poolviz.pools.base import Pool
from poolviz.servers.embedded import EmbeddedServer
from tests.pools.bench import Bench

Benches = Callable[..., Bench]


@pytest.fixture(scope="module")
def admin(server: EmbeddedServer) -> Iterator[connection]:
    """The tests' own connection to the server, outside every pool."""
    conn = psycopg2.connect(server.conninfo)
    conn.autocommit = True
    yield conn
    conn.close()


@pytest.fixture(params=list(POOLS.values()), ids=list(POOLS))
def kind(request: pytest.FixtureRequest) -> type[Pool]:
    """Every pool there is."""
    found: type[Pool] = request.param
    return found


@pytest.fixture(params=[pool for pool in POOLS.values() if pool.waits], ids=lambda pool: pool.id)
def waiting_kind(request: pytest.FixtureRequest) -> type[Pool]:
    """Every pool whose callers wait when it is exhausted."""
    found: type[Pool] = request.param
    return found


@pytest.fixture
def bench(conninfo: str, admin: connection) -> Iterator[Benches]:
    """Makes benches, and sees to it that each leaves nothing on the server."""
    made: list[Bench] = []
    with ExitStack() as stack:

        def make(kind: type[Pool], *, database: str | None = None, **limits: object) -> Bench:
            where = make_dsn(conninfo, dbname=database) if database else conninfo
            made.append(stack.enter_context(Bench(kind, where, admin, **limits)))
            return made[-1]

        yield make
    for one in made:
        one.settle_closed()


class Gate:
    """A database of its own that can refuse new connections, whoever asks."""

    def __init__(self, admin: connection) -> None:
        self.name = "poolviz_gate"
        self._admin = admin
        self._do("CREATE DATABASE poolviz_gate")

    def shut(self) -> None:
        self._do("ALTER DATABASE poolviz_gate ALLOW_CONNECTIONS false")

    def open(self) -> None:
        self._do("ALTER DATABASE poolviz_gate ALLOW_CONNECTIONS true")

    def drop(self) -> None:
        self._do("DROP DATABASE poolviz_gate WITH (FORCE)")

    def _do(self, statement: str) -> None:
        with self._admin.cursor() as cursor:
            cursor.execute(statement)


@pytest.fixture
def gate(admin: connection) -> Iterator[Gate]:
    one = Gate(admin)
    yield one
    one.drop()
