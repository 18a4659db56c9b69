"""What a process that doesn't import a user's pool knows of it: plain data from the one that does.

The file of a user's pool is executed in the engine's process alone. Checks, warnings and the
window's widgets in other processes work with this description.
"""

from __future__ import annotations

from typing import Any

import msgspec

from poolviz.model.use import Use


class LimitDescription(msgspec.Struct, frozen=True):
    """A declared limit: the `kind` of its parameter, and the fields of that class by name."""

    kind: str
    fields: dict[str, Any]


class ConnectionBound(msgspec.Struct, frozen=True):
    """How limits lead to a number of connections.

    It is what the built-in pool with the id `pool` says, if one is named; else the value of
    `limit`, if one is named; else `number`, where None is no bound or not known.
    """

    pool: str = ""
    limit: str = ""
    number: int | None = None


class PoolDescription(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes of a pool class, as `pools/base.py` declares them."""

    id: str
    title: str
    library: str
    about: str
    asyncio: bool  # clients are tasks, not threads
    limits: tuple[LimitDescription, ...]
    capacity: ConnectionBound
    kept: ConnectionBound
    waits: bool
    servers: tuple[str, ...]
    nests: bool
    transactional: bool
    shares: bool
    one_client: str
    takes_away: bool
    lingers: bool
    uses: tuple[Use, ...]
    connect: dict[str, tuple[LimitDescription, ...]] = {}  # by kind of server
    drivers: dict[str, tuple[str, ...]] = {}
    what: str = ""
