"""Drafts from the arguments of poolviz' functions: what they name, with what they change of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.messages import RunStarted
from poolviz.model.scenario import Scenario
from poolviz.runs.repetition import Replay
from poolviz.runs.runner import Runner
from poolviz.scenarios.draft import Draft
from poolviz.scenarios.presets import open_scenario
from poolviz.scenarios.toml_file import draft_of
from poolviz.sessions.folder import is_session_file
from poolviz.sessions.session import Session

ScenarioLike: TypeAlias = "str | PathLike[str] | Mapping[str, Any] | Scenario | Session | None"
_SECTIONS = ("limits", "load", "connect", "fleet", "changes")  # arguments that depend on the pool


@dataclass(frozen=True)
class Arguments:
    """What a function was given: a scenario, or what names one, and keys of a scenario file that
    take precedence over it; None for those that weren't given."""

    scenario: ScenarioLike
    given: Mapping[str, Any]

    def draft(self, runner: Runner) -> tuple[Draft, list[str]]:
        """Return the draft of all that, and what was left out of a session that is run again. Has
        `runner` learn of its pool. InputError for a mistake that can't wait for the draft's check.
        """
        replay = _replay(self.scenario)
        draft = _draft(self.scenario) if replay is None else replay.draft
        said = {key: _plain(each) for key, each in self.given.items() if each is not None}
        own_pool = said.pop("own_pool", None)
        if own_pool is not None and "pool" not in said:
            used = draft_of({"pool": draft.pool, "own_pool": own_pool})
            draft = draft.with_fields(pool=used.pool, mistakes=(*draft.mistakes, *used.mistakes))
        elif own_pool is not None:
            said["own_pool"] = own_pool
        of_pool = {key: said.pop(key) for key in tuple(said) if key not in _SECTIONS}
        draft = _with_arguments(draft, of_pool, other_limits=replay is None)
        notes: list[str] = []
        if replay is not None:
            replay.check_server(draft.dsn)
        runner.learn(draft.pool)
        if replay is not None:
            draft, notes = replay.fitted(draft)
        return _with_arguments(draft, said), notes


def _with_arguments(draft: Draft, given: Mapping[str, Any], *, other_limits: bool = True) -> Draft:
    """Return `draft` with what the arguments say, and with the mistakes in them. Another pool comes
    without the draft's limits, unless not `other_limits`."""
    argued = draft_of(given)
    sections = {key: getattr(argued, key) for key in ("limits", "load", "connect", "fleet")}
    others = (*sections, "own_pool")
    fields = {key: getattr(argued, key) for key in given if key not in others}
    if "pool" in given and other_limits:
        fields |= {"limits": {}, "connect": {}}  # those of the scenario are another pool's
    fields["mistakes"] = (*draft.mistakes, *argued.mistakes)
    return draft.with_fields(**fields).with_values(**sections)


def _plain(given: object) -> object:
    """Return the mappings and sequences of an argument as the dictionaries and lists of a file."""
    if isinstance(given, Mapping):
        return {key: _plain(value) for key, value in given.items()}
    if isinstance(given, Iterable) and not isinstance(given, str | bytes):
        return [_plain(each) for each in given]
    return given


def _replay(scenario: ScenarioLike) -> Replay | None:
    """Return the session to run again; None for a scenario."""
    if isinstance(scenario, Session):
        began = RunStarted(scenario.started.timestamp(), scenario.scenario, scenario.environment)
        name = tr("a session in memory") if scenario.path is None else scenario.path.name
        return Replay.of(name, began, scenario.marks, scenario.duration_s, scenario.members)
    if isinstance(scenario, str | PathLike) and is_session_file(Path(scenario)):
        return Replay.open(Path(scenario))
    return None


def _draft(scenario: ScenarioLike) -> Draft:
    if scenario is None:
        return Draft()
    if isinstance(scenario, Scenario):
        return Draft(
            pool=scenario.pool,
            limits=dict(scenario.limits),
            load=dict(scenario.load),
            connect=dict(scenario.connect),
            fleet=dict(scenario.fleet),
            pooler_mode=scenario.pooler_mode,
            changes=[{"at": each.at, each.key: each.value} for each in scenario.changes],
            duration=scenario.duration,
            seed=scenario.seed,
            title=scenario.title,
            watch=scenario.watch,
            fail_if=list(scenario.fail_if),
            replays=scenario.replays,
        )
    if isinstance(scenario, Mapping):
        return draft_of({key: _plain(value) for key, value in scenario.items()})
    if isinstance(scenario, str | PathLike):
        return open_scenario(Path(scenario))
    raise InputError(
        tr(
            "{name} is no scenario: give a path, a mapping or a Scenario.",
            name=type(scenario).__name__,
        )
    )
