"""All pools by id: those that come with poolviz, those of installed packages, the user's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE, dialect_of
from poolviz.model.errors import InputError
from poolviz.model.parameters import suggest
from poolviz.pools.base import Pool
from poolviz.pools.custom import loader
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


def _listing(id: str) -> Listing | None:
    return built_in_listing(id) or next((each for each in listings() if each.id == id), None)


class _Pools(Mapping[str, type[Pool]]):
    """The pools whose drivers are installed, by id; each is imported when it is looked up."""

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
    """Return the pool with this id, which may be a class of the user's: see `custom/loader.py`.

    Raises InputError if there is none, which suggests similar ids, or if it can't be used.
    """
    listing = _listing(id)
    if listing is not None:
        return listing.load()
    if ":" in id:
        return loader.load(id)
    known = [listing.id for listing in listings()]
    raise InputError(f"{id} is not a pool that poolviz knows: {suggest(id, known)}.")


def is_users(kind: type[Pool]) -> bool:
    """Return whether a pool is, or may run, code of the user's or of an installed package that
    isn't known here."""
    return built_in_listing(kind.id) is None or not kind.__module__.startswith("poolviz.")


def check_server(kind: type[Pool], dsn: str | None) -> None:
    """Raise InputError if a pool doesn't run on the server of `dsn`.

    Without a `dsn` that is the PostgreSQL server that poolviz starts.
    """
    dialect = POSTGRESQL if dsn is None else dialect_of(dsn.strip())
    if dialect not in kind.servers:
        names = " and ".join(_SERVERS[server][0] for server in kind.servers)
        raise InputError(
            f"{kind.id} runs on {names}: choose such a server with --dsn or in the window, as "
            f"{_SERVERS[kind.servers[0]][1]}."
        )
