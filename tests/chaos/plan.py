"""What a round does, decided from the seed and the round's number alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

from poolviz.load.faults import FAULTS
from poolviz.load.settings import settings_for
from poolviz.model.errors import InputError, PoolvizError
from poolviz.model.parameters import Choice, Count, Number, Parameter, Seconds, Switch, Text, Value
from poolviz.model.scenario import Scenario
from poolviz.pools.catalogue import listings
from poolviz.pools.registry import pool_class
from poolviz.runs.request import check_draft
from poolviz.scenarios.draft import Draft

_MOST = 24  # of whatever is counted: clients, connections
_LONGEST = {"statement_time": 0.03, "hold_time": 0.03, "think_time": 0.05, "error_pause": 0.05}
_TOO_SLOW = {"scale", "sql", "replay_file", "statement_file", "hold_file", "think_file"}
# What is asked of the server beside the load, where a limit takes SQL.
_TEXTS = {"configure": ("", "SET lock_timeout = '5s'"), "reset": ("", "RESET ALL")}
_LEAVES = 0.2  # share of settings that a round leaves as they are


class Kind(StrEnum):
    """Through what a round's runs go."""

    RUNNER = "runs.Runner"
    COMMAND = "poolviz run"
    WINDOW = "window"
    FULL_DISK = "poolviz run, full disk"


class Violence(StrEnum):
    """What is done to processes from outside."""

    FREEZE_SERVER = "freeze the server"
    KILL_SERVER = "kill the server"
    KILL_BACKEND = "kill a backend"
    KILL_WATCHDOG = "kill the watchdog"
    KILL_SERVER_AND_WATCHDOG = "kill the server and its watchdog"
    FREEZE_ENGINE = "freeze the engine"
    KILL_ENGINE = "kill the engine"
    KILL = "kill the program"
    KILL_ALL_BUT_SERVER = "kill the program and its engine"
    TERM = "SIGTERM"
    INT = "SIGINT"
    HUP = "SIGHUP"
    TWICE = "SIGTERM twice"


_ON_SERVER = (
    Violence.FREEZE_SERVER,
    Violence.KILL_SERVER,
    Violence.KILL_BACKEND,
    Violence.KILL_WATCHDOG,
    Violence.KILL_SERVER_AND_WATCHDOG,
)
_ON_ENGINE = (Violence.FREEZE_ENGINE, Violence.KILL_ENGINE)
_ON_PROGRAM = (
    Violence.KILL,
    Violence.KILL,
    Violence.KILL_ALL_BUT_SERVER,
    Violence.TERM,
    Violence.INT,
    Violence.HUP,
    Violence.TWICE,
)
_POSSIBLE: dict[Kind, tuple[Violence | None, ...]] = {
    Kind.RUNNER: (None, None, *_ON_SERVER, *_ON_ENGINE),
    Kind.COMMAND: (None, *_ON_SERVER, *_ON_ENGINE, *_ON_PROGRAM, *_ON_PROGRAM),
    Kind.WINDOW: (None, *_ON_SERVER, *_ON_ENGINE, *_ON_PROGRAM),
    Kind.FULL_DISK: (None,),
}


@dataclass(frozen=True)
class Attack:
    """Violence at a moment of a leg, in seconds after its run began; `early` counts from the
    program's start instead. Who is frozen goes on after `lasts` seconds."""

    what: Violence
    at: float
    lasts: float
    early: bool = False


@dataclass(frozen=True)
class Leg:
    """One run of a round: a scenario with its changes and faults, and its server (None: ours)."""

    scenario: Scenario
    server: str | None = None

    @property
    def duration(self) -> float:
        """Seconds."""
        assert self.scenario.duration is not None
        return self.scenario.duration

    def toml(self) -> dict[str, Any]:
        """The scenario as a file says it."""
        what = self.scenario
        return {
            "pool": what.pool,
            "duration": what.duration,
            "seed": what.seed,
            "limits": dict(what.limits),
            "load": {key: value for key, value in what.load.items() if value != ""},
            "changes": [{"at": change.at, change.key: change.value} for change in what.changes],
        }


@dataclass(frozen=True)
class Plan:
    """One round."""

    kind: Kind
    legs: tuple[Leg, ...]
    attack: Attack | None
    room: int  # bytes on the disk, where it is to become full

    def __str__(self) -> str:
        lines = [self.kind.value]
        if self.kind is Kind.FULL_DISK:
            lines[0] += f" with room for {self.room} bytes"
        for leg in self.legs:
            lines.append(f"  {leg.scenario.pool} on {leg.server or 'our server'}: {leg.toml()}")
        if self.attack is not None:
            lines.append(f"  {self.attack}")
        return "\n".join(lines)


def plan(seed: int, number: int, servers: Iterable[str] = ()) -> Plan:
    """Return what round `number` does. `servers` are dialects of which there is one beside ours."""
    rng = Random(f"{seed}/{number}")
    kind = list(Kind)[(seed + number) % len(Kind)]
    there = {"postgresql", *servers}
    what = rng.choice(_POSSIBLE[kind])
    legs = rng.randint(1, 2) if kind in (Kind.RUNNER, Kind.WINDOW) else 1
    duration = round(rng.uniform(1.5, 4.0), 1)
    attack = None
    if what is not None:
        early = kind is Kind.COMMAND and what in _ON_PROGRAM and rng.random() < 0.3
        at = rng.uniform(0.0, 2.0) if early else rng.uniform(0.0, duration - 0.2)
        attack = Attack(what, round(at, 3), round(rng.uniform(0.1, 2.5), 2), early)
    if kind is Kind.WINDOW:
        there = {"postgresql"}  # a window asks before it starts on a server of the user's
    return Plan(
        kind,
        tuple(_leg(rng, duration, there) for _ in range(legs)),
        attack,
        rng.choice((0, 20_000, 60_000, 120_000)) + rng.randrange(8000, 20_000),
    )


def _leg(rng: Random, duration: float, there: set[str]) -> Leg:
    pools = [each.id for each in listings() if not each.missing]
    while True:
        pool = pool_class(rng.choice(pools))
        dialects = sorted(there.intersection(pool.servers))
        if not dialects:
            continue
        dialect = "postgresql" if "postgresql" in dialects and rng.random() < 0.8 else None
        server = dialect or rng.choice(dialects)
        try:
            return Leg(_scenario(rng, pool.id, duration, server), _named(server))
        except (InputError, PoolvizError):
            continue  # values that don't go together


def _named(dialect: str) -> str | None:
    return None if dialect == "postgresql" else dialect


def _scenario(rng: Random, pool: str, duration: float, dialect: str) -> Scenario:
    kind, ours = pool_class(pool), dialect == "postgresql"
    limits, settings = kind.limits, _usable(settings_for(kind).values())
    changeable: list[Parameter] = [*limits.values(), *settings]
    faults = [fault.parameter for fault in FAULTS.values()] if ours else []
    changes: list[dict[str, object]] = []
    for _ in range(rng.randint(0, 8)):
        parameter = rng.choice([*changeable, *faults, *limits.values()])
        at = round(rng.uniform(0.05, duration - 0.05), 2)
        changes.append({"at": at, parameter.key: value_of(rng, parameter)})
    changes.sort(key=lambda change: float(str(change["at"])))
    draft = Draft(
        pool=pool,
        limits=_some(rng, limits.values()),
        load=_some(rng, settings),
        duration=duration,
        seed=rng.randrange(1000),
        changes=changes,
        dsn=None if ours else f"{dialect}://",
    )
    return check_draft(draft)


def _usable(parameters: Iterable[Parameter]) -> list[Parameter]:
    return [each for each in parameters if each.key not in _TOO_SLOW]


def _some(rng: Random, parameters: Iterable[Parameter]) -> dict[str, object]:
    return {each.key: value_of(rng, each) for each in parameters if rng.random() > _LEAVES}


def value_of(rng: Random, parameter: Parameter) -> Value:
    """Return a random value that the parameter takes, such that a round stays short."""
    if isinstance(parameter, Switch):
        return rng.random() < 0.7 or (parameter.bare is not None and parameter.key in FAULTS)
    if isinstance(parameter, Choice):
        return rng.choice([each for each in parameter.choices if each not in ("sql", "file")])
    if isinstance(parameter, Text):
        return rng.choice(_TEXTS.get(parameter.key, (parameter.default,)))
    assert isinstance(parameter, (Count, Number, Seconds))
    if parameter.special and rng.random() < 0.15:
        return parameter.check(rng.choice(list(parameter.special)))
    low = max(parameter.minimum, parameter.slider[0])
    high = min(parameter.maximum, parameter.slider[1])
    if isinstance(parameter, Count):
        if rng.random() < 0.1:
            return parameter.check(parameter.minimum)
        return rng.randint(math.ceil(low), int(max(low, min(high, _MOST))))
    high = min(high, _LONGEST.get(parameter.key, 2.0 if isinstance(parameter, Seconds) else 300.0))
    return parameter.check(round(rng.uniform(low, max(low, high)), 3))
