"""The pools that poolviz drives, one file a library, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from poolviz.model.errors import InputError
from poolviz.model.parameters import suggest
from poolviz.pools import psycopg2_pools, sqlalchemy_pools
from poolviz.pools.base import Pool

# Named one by one, in the order they are shown: a search for modules finds none in a bundle.
_POOLS = (*psycopg2_pools.POOLS, *sqlalchemy_pools.POOLS)

POOLS: Mapping[str, type[Pool]] = MappingProxyType({pool.id: pool for pool in _POOLS})


def pool_class(id: str) -> type[Pool]:
    """The pool that goes by `id`; InputError names those that are near."""
    if id in POOLS:
        return POOLS[id]
    raise InputError(f"{id} is no pool that poolviz knows: {suggest(id, POOLS)}.")
