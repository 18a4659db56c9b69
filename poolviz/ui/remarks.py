"""What is to be said of a load before it is put on: of the server, and of the pool."""

from __future__ import annotations

from collections.abc import Mapping

from poolviz.model.errors import InputError
from poolviz.model.parameters import Value
from poolviz.pools import check_server
from poolviz.pools.base import Pool
from poolviz.servers.target import Target
from poolviz.ui.notice import Weight


def misfit(pool: type[Pool], dsn: str | None) -> str:
    """Why the pool doesn't run on the server that `dsn` means, or on the embedded one; empty
    where it does."""
    try:
        check_server(pool, dsn)
    except InputError as error:
        return str(error)
    return ""


def room(target: Target) -> str:
    """How many connections a server could take when it was asked, as half a sentence."""
    if target.free_connections is None:
        return "it takes any number of connections"
    return f"{target.free_connections} of {target.max_connections} connections are free"


def of_load(
    target: Target, pool: type[Pool], values: Mapping[str, Value]
) -> tuple[str, Weight]:
    """What Start would do to a server that isn't ours, and how much that matters.

    `values` are the limits of the pool and the settings of the load.
    """
    capacity = pool.capacity(values)
    clients = int(values["clients"])
    most = clients if capacity is None else min(clients, capacity)
    most = max(most, pool.kept(values))  # some pools open those before anybody asks
    will = f"Start will open up to {_connections(most)} to {target.shown}"
    if target.free_connections is None:
        return (
            f"{will}, which takes any number. A file that isn't there yet is made; nothing is "
            "created in it.",
            Weight.INFO,
        )
    return (
        f"{will}, and one to watch them; it has {target.free_connections} of "
        f"{target.max_connections} left. Nothing is created there.",
        Weight.INFO if target.has_room_for(most + 1) else Weight.WARN,
    )


def of_clients(pool: type[Pool], values: Mapping[str, Value]) -> str:
    """Why so many clients are more than the pool is made for; empty where they aren't."""
    return pool.one_client if int(values["clients"]) > 1 else ""


def _connections(number: int) -> str:
    return f"{number} connection{'' if number == 1 else 's'}"
