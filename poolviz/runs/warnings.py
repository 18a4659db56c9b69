"""Warnings about a run before it starts: too few free connections, too many clients, tables that
will be created.

The command line, the window and `poolviz.run` all show these, word for word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from math import ceil
from typing import NamedTuple

from poolviz.load.shapes import shape_of
from poolviz.load.statements import ACCOUNTS, SCHEMA, needs_tables
from poolviz.model.parameters import Value
from poolviz.model.scenario import Scenario
from poolviz.pools.base import Pool
from poolviz.pools.registry import pool_class
from poolviz.servers.target import Target

TOPICS = ("clients", "connections", "tables")  # of the warnings before a run


class RunWarning(NamedTuple):
    """One warning. A later one on the same `topic` replaces it."""

    topic: str
    sentence: str


def warnings_before(scenario: Scenario, target: Target | None) -> tuple[RunWarning, ...]:
    """Return what a user should know before `scenario` runs on the server `target`; while that is
    None, only what doesn't depend on it."""
    found = {"clients": _too_many_clients(scenario)}
    if target is not None:
        found["connections"] = _too_few_connections(scenario, target)
        found["tables"] = _tables_to_create(scenario, target)
    return tuple(RunWarning(topic, sentence) for topic, sentence in found.items() if sentence)


def connections_wanted(scenario: Scenario) -> int:
    """Return the most connections that the pool may open, at first or after a change."""
    pool = pool_class(scenario.pool)
    return max(_wanted(pool, values) for values in _states(scenario))


def tables_remain(target: Target) -> str:
    """Return the sentence about tables that were created on a user's server."""
    return (
        f"Schema {SCHEMA} was created on {target.shown} and stays there until you drop it, with "
        "`poolviz tables --drop` or from the window's menu."
    )


def connections_announced(scenario: Scenario, target: Target) -> str:
    """Return what a run will open on a user's server and what is free there, as a sentence."""
    wanted = connections_wanted(scenario)
    opened = f"The run opens up to {_connections(wanted)} to {target.shown}"
    if target.free_connections is None:
        return f"{opened}, which takes any number."
    return (
        f"{opened}, and one to watch them; the server has {target.free_connections} of "
        f"{target.max_connections} free."
    )


def room(target: Target) -> str:
    """Return how many connections a server could take when it was reached, as half a sentence."""
    if target.free_connections is None:
        return "it takes any number of connections"
    return f"{target.free_connections} of {target.max_connections} connections are free"


def _too_many_clients(scenario: Scenario) -> str:
    """Return why so many clients are more than the pool is made for; else ""."""
    pool = pool_class(scenario.pool)
    most = max(int(values["clients"]) for values in _states(scenario))
    return pool.one_client if most > 1 else ""


def _too_few_connections(scenario: Scenario, target: Target) -> str:
    wanted = connections_wanted(scenario)
    if target.has_room_for(wanted + 1):
        return ""
    return (
        f"The pool may open {_connections(wanted)} and poolviz one more to watch them, but "
        f"{target.shown} has {target.free_connections} of {target.max_connections} free: lower "
        "the pool's limits or the number of clients."
    )


def _tables_to_create(scenario: Scenario, target: Target) -> str:
    """Return the sentence about tables that the run needs on a user's server; else ""."""
    scale = needs_tables(scenario)
    if not scale or target.embedded:
        return ""
    return (
        f"This load needs tables on {target.shown}: schema {SCHEMA}, with {scale * ACCOUNTS:,} "
        "accounts. Unless they are there already, poolviz creates them only if you allow it."
    )


def _wanted(pool: type[Pool], values: Mapping[str, Value]) -> int:
    """Return the most connections that clients and limits lead to together."""
    capacity = pool.capacity(values)
    busiest = shape_of(values).highest if values["arrivals"] == "closed" else 1.0
    requested = ceil(int(values["clients"]) * busiest) * int(values["checkouts"])
    most = requested if capacity is None else min(requested, capacity)
    return max(most, pool.kept(values))  # some pools open those before anyone asks


def _states(scenario: Scenario) -> Iterator[dict[str, Value]]:
    """Yield limits and load as they are at first and after each change."""
    values = {**scenario.limits, **scenario.load}
    yield values
    for _, changes in groupby(scenario.changes, lambda change: change.at):
        now = {change.key: change.value for change in changes}
        values = {key: now.get(key, value) for key, value in values.items()}
        yield values


def _connections(number: int) -> str:
    return f"{number} connection{'' if number == 1 else 's'}"
