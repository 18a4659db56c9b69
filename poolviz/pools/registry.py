"""All pools by id: those that come with poolviz, those of installed packages, the user's own.

A pool that isn't poolviz' own is imported in the engine's process alone, by `load_pool`. Any other
process knows it by what that one told: `learn` takes it in, and `pool_class` returns it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import cache

from poolviz.language import tr
from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE, dialect_of, driver_in
from poolviz.model.errors import InputError
from poolviz.model.parameters import Value, both, either, suggest
from poolviz.model.pool_description import PoolDescription
from poolviz.model.text import is_text
from poolviz.pools.base import Pool
from poolviz.pools.custom import loader
from poolviz.pools.description import described_pool, recorded_pool
from poolviz.pools.listing import Listing, built_in_listing, built_in_listings

_SERVERS = {
    POSTGRESQL: ("PostgreSQL", "postgresql://user@host/database"),
    MYSQL: ("MySQL", "mysql://user@host/database"),
    SQLITE: ("SQLite", "sqlite:///file.db"),
}


@cache
def listings() -> tuple[Listing, ...]:
    """Return every pool on offer: those of poolviz, then those of installed packages.

    No pool's library is imported. A package can't replace a pool of poolviz.
    """
    own = built_in_listings()
    known = {listing.id for listing in own}
    return *own, *(each for each in loader.installed_listings() if each.id not in known)


def is_built_in(id: str) -> bool:
    """Return whether a pool comes with poolviz, so that importing it runs no code of others."""
    return built_in_listing(id) is not None


def pool_id(id: str) -> str:
    """Return the id by which a pool is known everywhere: `file.py:Class` with its absolute path, or
    the pool of poolviz for a library's own class, such as psycopg_pool:ConnectionPool.

    Raises InputError, which suggests similar ids, if `id` can't be that of a pool.
    """
    listing = built_in_listing(id.strip())
    if listing is not None:
        return listing.id
    if any(each.id == id for each in listings()):
        return id
    if not is_text(id):
        raise InputError(
            tr("{id} can't be a pool: it contains NUL or bytes that aren't text.", id=id)
        )
    if ":" in id:
        return loader.absolute_id(id)
    known = [listing.id for listing in listings()]
    raise InputError(
        tr("{id} is not a pool that poolviz knows: {near}.", id=id, near=suggest(id, known))
    )


class _Pools(Mapping[str, type[Pool]]):
    """The pools of poolviz whose drivers are installed, by id; each is imported when it is looked
    up."""

    def __getitem__(self, id: str) -> type[Pool]:
        listing = built_in_listing(id)
        if listing is None:
            raise KeyError(id)
        return listing.load()

    def __iter__(self) -> Iterator[str]:
        return (listing.id for listing in built_in_listings() if not listing.missing)

    def __len__(self) -> int:
        return sum(1 for _ in self)


POOLS: Mapping[str, type[Pool]] = _Pools()

_lock = threading.Lock()  # guards _learned
_learned: dict[str, type[Pool] | InputError] = {}


def pool_class(id: str) -> type[Pool]:
    """Return the pool with this id. Imports nothing that isn't poolviz' own.

    Another pool, such as a class in a file of the user's, is returned as it was described to
    `learn`; it has every attribute of the class, and can't be instantiated. Raises InputError if
    there is no such pool, if it can't be used, or if nothing was learned of it yet.
    """
    listing = built_in_listing(id)
    if listing is not None:
        return listing.load()
    id = pool_id(id)
    with _lock:
        found = _learned.get(id)
    if found is None:
        raise InputError(tr("{id} hasn't been loaded: choose it, or start a run with it.", id=id))
    if isinstance(found, InputError):
        raise InputError(*found.problems)
    return found


def shown_pool(id: str, limits: Mapping[str, Value]) -> type[Pool]:
    """Return the pool of a session that recorded these `limits`, to be shown.

    A pool that isn't poolviz' own is known by what the session says of it. Raises InputError if a
    driver isn't installed.
    """
    listing = built_in_listing(id)
    return recorded_pool(id, limits) if listing is None else listing.load()


def missing_for(listing: Listing) -> str:
    """Return what a pool on offer lacks: the command that installs its driver, or the sentence that
    says why the package of others can't be used, as far as that was learned. Empty if nothing."""
    with _lock:
        found = _learned.get(listing.id)
    return str(found) if isinstance(found, InputError) else listing.missing


def learn(id: str, found: PoolDescription | InputError) -> None:
    """Take in what the engine's process told of a pool, or why it can't be used.

    It replaces what was known of that pool. Called from any thread.
    """
    kind = found if isinstance(found, InputError) else described_pool(found)
    with _lock:
        _learned[id] = kind


def load_pool(id: str) -> type[Pool]:
    """Import and return the pool with this id. Called in the engine's process alone.

    Raises InputError if there is none, or if it can't be used, whatever the user's code does.
    """
    listing = built_in_listing(id)
    if listing is not None:
        return listing.load()
    id = pool_id(id)
    listing = next((each for each in listings() if each.id == id), None)
    return loader.load(id) if listing is None else listing.load()


def is_users(kind: type[Pool]) -> bool:
    """Return whether a pool is, or may run, code of the user's or of an installed package that
    isn't known here."""
    return built_in_listing(kind.id) is None or not kind.__module__.startswith("poolviz.")


def check_server(kind: type[Pool], dsn: str | None) -> None:
    """Raise InputError if a pool doesn't run on the server of `dsn`, or with the driver in it.

    Without a `dsn` that is the PostgreSQL server that poolviz starts.
    """
    dialect = POSTGRESQL if dsn is None else dialect_of(dsn.strip())
    if dialect not in kind.servers:
        names = both([_SERVERS[server][0] for server in kind.servers])
        raise InputError(
            tr(
                "{id} runs on {names}: choose such a server with --dsn or in the window, as "
                "{servers}.",
                id=kind.id,
                names=names,
                servers=_SERVERS[kind.servers[0]][1],
            )
        )
    known = kind.drivers.get(dialect, ())
    driver = driver_in(dsn or "")
    if driver and known and driver not in known:
        raise InputError(
            tr(
                "The DSN names the driver {driver}, and {id} connects with {known}: leave "
                "+{driver} out of it, or choose {pools}.",
                driver=driver,
                id=kind.id,
                known=either(known, tr),
                pools=_pools_with(driver, dialect),
            )
        )


def _pools_with(driver: str, dialect: str) -> str:
    """Return the pools on offer that connect with a driver, for a sentence."""
    first: dict[str, str] = {}  # of each library
    for id, pool in POOLS.items():
        if driver in pool.drivers.get(dialect, ()):
            first.setdefault(id.partition(".")[0], id)
    return either([*first.values()], tr) if first else tr("a pool of your own that does")
