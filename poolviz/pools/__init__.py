"""The pools that poolviz drives, one file a library, by name."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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
    Listing("psycopg2.ThreadedConnectionPool", "psycopg2 ThreadedConnectionPool", "psycopg2_pools"),
    Listing("sqlalchemy.QueuePool", "SQLAlchemy QueuePool", "sqlalchemy_pools"),
)
_BY_ID = {listing.id: listing for listing in LISTINGS}


class _Pools(Mapping[str, type[Pool]]):
    """The pools whose drivers are installed, by id; each is loaded when it is first asked for."""

    def __getitem__(self, id: str) -> type[Pool]:
        return _BY_ID[id].load()

    def __iter__(self) -> Iterator[str]:
        return (listing.id for listing in LISTINGS if not listing.missing)

    def __len__(self) -> int:
        return sum(1 for _ in self)


POOLS: Mapping[str, type[Pool]] = _Pools()


def pool_class(id: str) -> type[Pool]:
    """The pool that goes by `id`; InputError names those that are near, or what it lacks."""
    if id in _BY_ID:
        return _BY_ID[id].load()
    raise InputError(f"{id} is no pool that poolviz knows: {suggest(id, _BY_ID)}.")
