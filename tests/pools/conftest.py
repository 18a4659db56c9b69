from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from psycopg2.extensions import connection

from poolviz.pools.base import Pool
from poolviz.pools.listing import Listing, built_in_listings
from poolviz.servers.embedded.server import EmbeddedServer
from tests.pools.bench import Bench, can_have, rebuilds
from tests.pools.places import MySQL, Place, Postgres, SQLite

Benches = Callable[..., Bench]
Places = Callable[[str], Place]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start MySQL's server before the tests that need it.

    If it were started later, it would count as left behind by a test.
    """
    for item in items:
        params = (getattr(item, "callspec", None) and item.callspec.params) or {}
        listing = params.get("kind")
        if isinstance(listing, Listing) and not listing.missing:
            pool = listing.load()
            if "mysql" in pool.servers and params.get("dialect", main_dialect(pool)) == "mysql":
                item.fixturenames.insert(0, "mysql_url")


@pytest.fixture(scope="module")
def postgres(server: EmbeddedServer) -> Iterator[Postgres]:
    with closing(Postgres(server.conninfo)) as place:
        yield place


@pytest.fixture
def admin(postgres: Postgres) -> connection:
    """The tests' own connection to the server, outside all pools."""
    return postgres.admin


@pytest.fixture(params=built_in_listings(), ids=lambda listing: listing.id)
def kind(request: pytest.FixtureRequest) -> type[Pool]:
    """Every pool there is."""
    listing: Listing = request.param
    if listing.missing:
        pytest.skip(f"{listing.id} lacks its driver: {listing.missing}")
    return listing.load()


@pytest.fixture
def bounded(kind: type[Pool]) -> type[Pool]:
    """Every pool with a limit of the number of connections."""
    if kind.capacity(kind.limits.defaults()) is None or not can_have(kind, 5):
        pytest.skip(f"{kind.id} has no limit of the number of connections")
    return kind


@pytest.fixture
def resizable(bounded: type[Pool]) -> type[Pool]:
    """Every pool whose number of connections can be changed in place."""
    if rebuilds(bounded):
        pytest.skip(f"{bounded.id} is rebuilt for another number of connections")
    return bounded


@pytest.fixture
def waiting_kind(resizable: type[Pool]) -> type[Pool]:
    """Every pool whose callers wait when it is exhausted."""
    if not resizable.waits:
        pytest.skip(f"{resizable.id} fails at once; no caller waits")
    return resizable


@pytest.fixture
def places(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[Places]:
    """Returns the place of a dialect; its server is started on first use."""
    with ExitStack() as stack:
        made: dict[str, Place] = {"postgresql": postgres}

        def place(dialect: str) -> Place:
            if dialect not in made:
                made[dialect] = (
                    MySQL(request.getfixturevalue("mysql_url")) if dialect == "mysql" else SQLite()
                )
                stack.callback(made[dialect].close)
            return made[dialect]

        yield place


def main_dialect(kind: type[Pool]) -> str:
    """PostgreSQL for every pool that runs on it."""
    return "postgresql" if "postgresql" in kind.servers else kind.servers[0]


@pytest.fixture
def bench(places: Places) -> Iterator[Benches]:
    """Makes benches, and checks that each leaves nothing on the server."""
    made: list[Bench] = []
    with ExitStack() as stack:

        def make(
            kind: type[Pool],
            *,
            dialect: str | None = None,
            database: str | None = None,
            **limits: object,
        ) -> Bench:
            place = places(dialect or main_dialect(kind))
            made.append(stack.enter_context(Bench(kind, place, database=database, **limits)))
            return made[-1]

        yield make
    for one in made:
        one.settle_closed()
        one.place.forget(one.name)


class ClosableDatabase:
    """A database that can refuse all new connections."""

    def __init__(self, admin: connection) -> None:
        self.name = "poolviz_closable"
        self._admin = admin
        self._do("CREATE DATABASE poolviz_closable")

    def refuse_connections(self) -> None:
        self._do("ALTER DATABASE poolviz_closable ALLOW_CONNECTIONS false")

    def allow_connections(self) -> None:
        self._do("ALTER DATABASE poolviz_closable ALLOW_CONNECTIONS true")

    def drop(self) -> None:
        self._do("DROP DATABASE poolviz_closable WITH (FORCE)")

    def _do(self, statement: str) -> None:
        with self._admin.cursor() as cursor:
            cursor.execute(statement)


@pytest.fixture
def closable_database(admin: connection) -> Iterator[ClosableDatabase]:
    one = ClosableDatabase(admin)
    yield one
    one.drop()
