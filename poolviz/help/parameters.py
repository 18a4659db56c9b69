"""Topics on what is declared as a parameter: limits, settings, connect arguments, faults, pools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from poolviz.help.topic import Item, Kind, Section, Topic
from poolviz.language import tr, tr_noop
from poolviz.load.faults import FAULTS
from poolviz.load.fleet import FLEET
from poolviz.load.settings import SETTINGS
from poolviz.model.parameters import Effect, Parameter, Parameters, either
from poolviz.pools.base import Pool, TaskPool
from poolviz.pools.registry import POOLS, listings, missing_for

_SERVERS = {"postgresql": "PostgreSQL", "mysql": "MySQL", "sqlite": "SQLite"}

_APPLIES = {
    Effect.NOW: tr_noop("During a run, a change applies at once."),
    Effect.NEW_REQUESTS: tr_noop("During a run, a change applies to new requests."),
    Effect.REBUILD: tr_noop("During a run, a change rebuilds the pool."),
}


def settings() -> Iterator[Topic]:
    """Yield a topic for each setting of the load, and of the processes that have it."""
    for key, parameter in SETTINGS.items():
        yield Topic(
            key,
            _in_words(key),
            Kind.LOAD,
            (_about(parameter), *_given_by(tr("--load {key}=VALUE", key=key), "load")),
            see_also=_related(parameter, SETTINGS),
        )
    for key, parameter in FLEET.items():
        given = _given_by(f"--{key} N", "fleet")
        yield Topic(key, _in_words(key), Kind.LOAD, (_about(parameter), *given))


def faults() -> Iterator[Topic]:
    """Yield a topic for each fault."""
    marks = tr("It is a mark on the timeline, and begins a segment.")
    for key, fault in FAULTS.items():
        if fault.standing:
            lasts = tr("It stays on until it is set to its default.")
        elif fault.lasts:
            lasts = tr("It is in force for a time, and then over.")
        else:
            lasts = tr("It happens once.")
        yield Topic(
            key,
            _in_words(key),
            Kind.FAULT,
            (
                _about(fault.parameter),
                Section(paragraphs=(f"{lasts} {marks}",)),
                *_given_by(tr("--at SECONDS:{key}=VALUE", key=key), "[changes]"),
            ),
            see_also=tuple(other for other in FAULTS if other != key),
        )


def limits() -> Iterator[Topic]:
    """Yield a topic for each limit of any pool."""
    declared = [(pool, pool.id, pool.limits) for pool in POOLS.values()]
    yield from _by_key(declared, Kind.LIMIT, tr("--limit {key}=VALUE"), "limits")


def connect_arguments() -> Iterator[Topic]:
    """Yield a topic for each connect argument of any pool."""
    declared = [
        (pool, f"{pool.id} ({_SERVERS[server]})" if len(pool.servers) > 1 else pool.id, arguments)
        for pool in POOLS.values()
        for server, arguments in pool.connect.items()
    ]
    yield from _by_key(declared, Kind.CONNECT, tr("--connect {key}=VALUE"), "connect")


def pools() -> Iterator[Topic]:
    """Yield a topic for each pool, those whose driver isn't installed included."""
    for listing in listings():
        missing = missing_for(listing)
        if missing:
            about = Section(
                paragraphs=(tr("Its driver isn't installed: {missing}.", missing=missing),)
            )
            yield Topic(listing.id, listing.title, Kind.POOL, (about,), listing.classes)
        elif listing.id in POOLS:
            yield _pool(POOLS[listing.id], listing.classes)
        else:
            about = Section(paragraphs=(tr("A pool of an installed package."),))
            yield Topic(listing.id, listing.title, Kind.POOL, (about,), listing.classes)


def _pool(pool: type[Pool], classes: tuple[str, ...]) -> Topic:
    clients = tr("asyncio tasks") if issubclass(pool, TaskPool) else tr("threads")
    servers = either([_SERVERS[server] for server in pool.servers], tr)
    facts = [
        tr(
            "Its clients are {clients}. It runs on {servers}. Library: {library}.",
            clients=clients,
            servers=servers,
            library=pool.library,
        )
    ]
    if pool.one_client:
        facts.append(tr(pool.one_client))
    sections = [
        Section(paragraphs=(tr(pool.about), *facts)),
        Section(tr("How applications use it"), items=_uses(pool)),
    ]
    if pool.limits:
        items = tuple(_line(parameter) for parameter in pool.limits.values())
        sections.append(Section(tr("Limits"), items=items))
    for server, arguments in pool.connect.items():
        if arguments:
            items = tuple(_line(parameter, change=False) for parameter in arguments.values())
            sections.append(Section(_arguments_to(server, pool), items=items))
    name = pool.id.rpartition(".")[2]
    return Topic(pool.id, pool.title, Kind.POOL, tuple(sections), (name, *classes))


def _arguments_to(server: str, pool: type[Pool]) -> str:
    if len(pool.servers) > 1:
        return tr("Connect arguments to {server}", server=_SERVERS[server])
    return tr("Connect arguments")


def _uses(pool: type[Pool]) -> tuple[Item, ...]:
    return tuple(Item(f"use = {use.name}", use.code) for use in pool.uses)


def _line(parameter: Parameter, *, change: bool = True) -> Item:
    """Return the line of a pool's list on one of its parameters."""
    usual = parameter.shown(parameter.default) or tr("empty")
    does = tr(parameter.effect_help) if change else ""
    said = tr("{usual} by default.", usual=usual)
    return Item(parameter.key, f"{said} {tr(parameter.help)} {does}".strip(), parameter.key)


def _by_key(
    declared: Iterable[tuple[type[Pool], str, Parameters]], kind: Kind, option: str, table: str
) -> Iterator[Topic]:
    """Yield a topic for each key. Pools that declare the same parameter share a section."""
    keys: dict[str, list[tuple[Parameter, list[tuple[type[Pool], str]]]]] = {}
    for pool, name, parameters in declared:
        for parameter in parameters.values():
            groups = keys.setdefault(parameter.key, [])
            same = next((pools for known, pools in groups if known == parameter), None)
            if same is None:
                groups.append((parameter, [(pool, name)]))
            else:
                same.append((pool, name))
    for key in sorted(keys):
        groups = keys[key]
        sections = []
        for parameter, pools in groups:
            heading = ", ".join(pool.title for pool, _ in pools) if len(groups) > 1 else ""
            sections.append(_about(parameter, heading, change=kind is Kind.LIMIT))
            takers = tr("Taken by {pools}.", pools=", ".join(name for _, name in pools))
            sections.append(Section(paragraphs=(takers,)))
        ids = dict.fromkeys(pool.id for _, pools in groups for pool, _ in pools)
        yield Topic(
            key,
            key,
            kind,
            (*sections, *_given_by(option.format(key=key), table)),
            see_also=tuple(ids),
        )


def _about(parameter: Parameter, heading: str = "", *, change: bool = False) -> Section:
    """Return what a parameter does, takes, and is by default."""
    usual = parameter.shown(parameter.default) or tr("none")
    takes = tr(
        "It takes {allowed}; {usual} by default.", allowed=parameter.allowed(tr), usual=usual
    )
    if not change:  # what all of them would say
        parameter = msgspec.structs.replace(parameter, effect_help="")
    paragraphs = [parameter.description(tr), takes]
    if change and parameter.effect is not Effect.NEW_RUN:
        paragraphs.append(tr(_APPLIES[parameter.effect]))
    return Section(heading, tuple(paragraphs))


def _given_by(option: str, table: str) -> tuple[Section, ...]:
    return (
        Section(
            code=tr(
                "poolviz run {option}\n{table} in a scenario", option=option, table=f"[{table}]"
            )
        ),
    )


def _related(parameter: Parameter, declared: Mapping[str, Parameter]) -> tuple[str, ...]:
    """Return the keys on which a parameter depends, and those that depend on it."""
    above = (parameter.only_when[0],) if parameter.only_when is not None else ()
    below = tuple(
        key
        for key, other in declared.items()
        if other.only_when is not None and other.only_when[0] == parameter.key
    )
    return above + below


def _in_words(key: str) -> str:
    """Return a key as the window's panel has it."""
    words = tr(key.replace("_", " "))
    return words[0].upper() + words[1:]
