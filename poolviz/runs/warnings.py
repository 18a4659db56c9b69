"""Warnings about a run before it starts: too few free connections, too many clients, tables that
will be created.

The command line, the window and `poolviz.run` all show these, word for word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from math import ceil
from typing import NamedTuple

from poolviz.language import tr, trn
from poolviz.load.fleet import PROCESSES
from poolviz.load.shapes import shape_of
from poolviz.load.statements import ACCOUNTS, SCHEMA, needs_tables
from poolviz.model.parameters import Value
from poolviz.model.scenario import Scenario
from poolviz.pools.base import Pool
from poolviz.pools.registry import pool_class
from poolviz.runs.pooler_warnings import POOLER_TOPICS, pooler_warnings
from poolviz.servers.pooler import Pooler
from poolviz.servers.target import Target

TOPICS = ("clients", "connections", "tables", *POOLER_TOPICS)  # of the warnings before a run


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
        found |= _about_pooler(scenario, target)
    return tuple(RunWarning(topic, sentence) for topic, sentence in found.items() if sentence)


def _about_pooler(scenario: Scenario, target: Target) -> dict[str, str]:
    """Return warnings about the pooler that its console or the scenario tells of."""
    if target.embedded or target.product != "PostgreSQL":
        return {}
    pooler = target.pooler or Pooler()
    pooler = replace(pooler, mode=pooler.mode or scenario.pooler_mode)
    states = list(_states(scenario))
    return dict(pooler_warnings(scenario, pooler, connections_wanted(scenario), states))


def connections_wanted(scenario: Scenario) -> int:
    """Return the most connections that the pools of all processes may open, at first or after a
    change."""
    pool = pool_class(scenario.pool)
    return max(
        _wanted(pool, values) * int(values.get(PROCESSES, 1)) for values in _states(scenario)
    )


def tables_remain(target: Target) -> str:
    """Return the sentence about tables that were created on a user's server."""
    return tr(
        "Schema {schema} was created on {shown} and stays there until you drop "
        "it, with `poolviz tables --drop` or from the window's menu.",
        schema=SCHEMA,
        shown=target.in_words,
    )


def connections_announced(scenario: Scenario, target: Target) -> str:
    """Return what a run will open on a user's server and what is free there, as a sentence."""
    wanted = connections_wanted(scenario)
    opened = tr(
        "The run opens up to {connections} to {shown}",
        connections=_connections(wanted),
        shown=target.in_words,
    )
    if target.free_connections is None:
        return tr("{opened}, which takes any number.", opened=opened)
    return tr(
        "{opened}, and one to watch them; the server has {free_connections} of "
        "{max_connections} free.",
        opened=opened,
        free_connections=target.free_connections,
        max_connections=target.max_connections,
    )


def room(target: Target) -> str:
    """Return how many connections a server could take when it was reached, as half a sentence."""
    if target.free_connections is None:
        return tr("it takes any number of connections")
    return tr(
        "{free_connections} of {max_connections} connections are free",
        free_connections=target.free_connections,
        max_connections=target.max_connections,
    )


def _too_many_clients(scenario: Scenario) -> str:
    """Return why so many clients are more than the pool is made for; else ""."""
    pool = pool_class(scenario.pool)
    most = max(int(values["clients"]) for values in _states(scenario))
    return tr(pool.one_client) if most > 1 and pool.one_client else ""


def _too_few_connections(scenario: Scenario, target: Target) -> str:
    wanted, processes = connections_wanted(scenario), _most_processes(scenario)
    if target.pooler is not None and target.pooler.size is not None:
        return ""  # the pooler opens no more than that, and the others wait in it
    if target.has_room_for(wanted + 1):
        return ""
    if processes > 1 and target.free_connections is not None:
        return tr(
            "{processes} processes may open {connections} together and poolviz one more to watch "
            "them, but {shown} has {free_connections} of {max_connections} free: let each open at "
            "most {most}, or have fewer processes.",
            processes=processes,
            connections=_connections(wanted),
            shown=target.in_words,
            free_connections=target.free_connections,
            max_connections=target.max_connections,
            most=max(target.free_connections - 1, 0) // processes,
        )
    return tr(
        "The pool may open {connections} and poolviz one more to watch them, but "
        "{shown} has {free_connections} of {max_connections} free: lower the "
        "pool's limits or the number of clients.",
        connections=_connections(wanted),
        shown=target.in_words,
        free_connections=target.free_connections,
        max_connections=target.max_connections,
    )


def _tables_to_create(scenario: Scenario, target: Target) -> str:
    """Return the sentence about tables that the run needs on a user's server; else ""."""
    scale = needs_tables(scenario)
    if not scale or target.embedded:
        return ""
    return tr(
        "This load needs tables on {shown}: schema {schema}, with {scale:,} "
        "accounts. Unless they are there already, poolviz creates them only if "
        "you allow it.",
        shown=target.in_words,
        schema=SCHEMA,
        scale=scale * ACCOUNTS,
    )


def _most_processes(scenario: Scenario) -> int:
    """Return how many processes there are at most."""
    return max(int(values.get(PROCESSES, 1)) for values in _states(scenario))


def _wanted(pool: type[Pool], values: Mapping[str, Value]) -> int:
    """Return the most connections that clients and limits lead to together."""
    capacity = pool.capacity(values)
    busiest = shape_of(values).highest if values["arrivals"] == "closed" else 1.0
    requested = ceil(int(values["clients"]) * busiest) * int(values["checkouts"])
    most = requested if capacity is None else min(requested, capacity)
    return max(most, pool.kept(values))  # some pools open those before anyone asks


def _states(scenario: Scenario) -> Iterator[dict[str, Value]]:
    """Yield limits and load as they are at first and after each change."""
    values = {**scenario.limits, **scenario.load, **scenario.fleet}
    yield values
    for _, changes in groupby(scenario.changes, lambda change: change.at):
        now = {change.key: change.value for change in changes}
        values = {key: now.get(key, value) for key, value in values.items()}
        yield values


def _connections(number: int) -> str:
    return trn("{n} connection", "{n} connections", number)
