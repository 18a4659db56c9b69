"""The pools that poolviz drives, one file a library, by name."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE, dialect_of
from poolviz.model.errors import InputError
from poolviz.model.parameters import suggest
from poolviz.pools.base import Pool


@dataclass(frozen=True)
class Listing:
    """A pool as it is offered, known without loading its library."""

    id: str
    title: str
    module: str  # in this folder
    drivers: tuple[str, ...] = ()  # modules that must be installed beside what poolviz needs
    extra: str = ""  # the extra of poolviz that brings them

    @property
    def missing(self) -> str:
        """The command that installs what this pool needs; empty where it is all there."""
        if all(importlib.util.find_spec(driver) for driver in self.drivers):
            return ""
        return f"pip install 'poolviz[{self.extra}]'"

    def load(self) -> type[Pool]:
        """The pool's class; InputError where its driver isn't installed."""
        if self.missing:
            raise InputError(f"{self.id} needs a driver that isn't installed: {self.missing}.")
        module = importlib.import_module(f"poolviz.pools.{self.module}")
        pool: type[Pool] = getattr(module, self.id.rpartition(".")[2])
        return pool


# Named one by one, in the order they are shown: a search for modules finds none in a bundle.
LISTINGS: tuple[Listing, ...] = (
    Listing("psycopg2.SimpleConnectionPool", "psycopg2 SimpleConnectionPool", "psycopg2.pools"),
    Listing("psycopg2.ThreadedConnectionPool", "psycopg2 ThreadedConnectionPool", "psycopg2.pools"),
    Listing(
        "psycopg2.PersistentConnectionPool", "psycopg2 PersistentConnectionPool", "psycopg2.pools"
    ),
    Listing("sqlalchemy.QueuePool", "SQLAlchemy QueuePool", "sqlalchemy.queue_pool"),
    Listing("sqlalchemy.NullPool", "SQLAlchemy NullPool", "sqlalchemy.simple_pools"),
    Listing("sqlalchemy.StaticPool", "SQLAlchemy StaticPool", "sqlalchemy.simple_pools"),
    Listing(
        "sqlalchemy.SingletonThreadPool",
        "SQLAlchemy SingletonThreadPool",
        "sqlalchemy.simple_pools",
    ),
    Listing("sqlalchemy.AssertionPool", "SQLAlchemy AssertionPool", "sqlalchemy.simple_pools"),
    Listing(
        "sqlalchemy.AsyncAdaptedQueuePool",
        "SQLAlchemy AsyncAdaptedQueuePool",
        "sqlalchemy.async_queue_pool",
        ("asyncpg", "greenlet"),
        "asyncpg",
    ),
    Listing(
        "psycopg_pool.ConnectionPool",
        "psycopg ConnectionPool",
        "psycopg.pools",
        ("psycopg", "psycopg_pool"),
        "psycopg",
    ),
    Listing(
        "psycopg_pool.NullConnectionPool",
        "psycopg NullConnectionPool",
        "psycopg.pools",
        ("psycopg", "psycopg_pool"),
        "psycopg",
    ),
    Listing(
        "psycopg_pool.AsyncConnectionPool",
        "psycopg AsyncConnectionPool",
        "psycopg.async_pool",
        ("psycopg", "psycopg_pool"),
        "psycopg",
    ),
    Listing("asyncpg.Pool", "asyncpg Pool", "asyncio.asyncpg", ("asyncpg",), "asyncpg"),
    Listing("aiopg.Pool", "aiopg Pool", "asyncio.aiopg", ("aiopg",), "aiopg"),
    Listing("aiomysql.Pool", "aiomysql Pool", "asyncio.aiomysql", ("aiomysql",), "mysql"),
    Listing("dbutils.PooledDB", "DBUtils PooledDB", "dbutils", ("dbutils",), "dbutils"),
)


@cache
def listings() -> tuple[Listing, ...]:
    """Every pool on offer: poolviz' own, then those that installed packages bring."""
    from poolviz.pools.custom import loader  # noqa: PLC0415 - it loads psycopg2, and names Listing

    known = {listing.id for listing in LISTINGS}
    return *LISTINGS, *(each for each in loader.brought() if each.id not in known)


def _listing(id: str) -> Listing | None:
    return next((listing for listing in listings() if listing.id == id), None)


class _Pools(Mapping[str, type[Pool]]):
    """The pools whose drivers are installed, by id; each is loaded when it is first asked for."""

    def __getitem__(self, id: str) -> type[Pool]:
        listing = _listing(id)
        if listing is None:
            raise KeyError(id)
        return listing.load()

    def __iter__(self) -> Iterator[str]:
        return (listing.id for listing in listings() if not listing.missing)

    def __len__(self) -> int:
        return sum(1 for _ in self)


POOLS: Mapping[str, type[Pool]] = _Pools()


def pool_class(id: str) -> type[Pool]:
    """The pool that goes by `id`, which may be a class of the user's own: see `custom/loader.py`.

    InputError names those that are near, or what it lacks.
    """
    listing = _listing(id)
    if listing is not None:
        return listing.load()
    if ":" in id:
        from poolviz.pools.custom import loader  # noqa: PLC0415 - as above

        return loader.load(id)
    known = [listing.id for listing in listings()]
    raise InputError(f"{id} is no pool that poolviz knows: {suggest(id, known)}.")


_SERVERS = {
    POSTGRESQL: ("PostgreSQL", "postgresql://user@host/database"),
    MYSQL: ("MySQL", "mysql://user@host/database"),
    SQLITE: ("SQLite", "sqlite:///file.db"),
}


def check_server(kind: type[Pool], dsn: str | None) -> None:
    """InputError where a pool doesn't run on the server that `dsn` means, or, without one, on the
    PostgreSQL that poolviz brings."""
    dialect = POSTGRESQL if dsn is None else dialect_of(dsn.strip())
    if dialect not in kind.servers:
        names = " and ".join(_SERVERS[server][0] for server in kind.servers)
        raise InputError(
            f"{kind.id} runs on {names}: choose such a server by --dsn or in the window, as "
            f"{_SERVERS[kind.servers[0]][1]}."
        )
