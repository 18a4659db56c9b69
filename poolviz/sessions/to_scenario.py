"""Makes a scenario that repeats a session: what it started with, and every change and fault at its
time, also those that were made by hand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from poolviz.language import tr
from poolviz.load.faults import FAULTS
from poolviz.load.settings import SETTINGS
from poolviz.model.errors import InputError
from poolviz.model.messages import RunStarted
from poolviz.model.parameters import Parameters, Value
from poolviz.model.sample import TICK, Mark, MarkKind
from poolviz.scenarios.draft import Draft
from poolviz.scenarios.toml_file import as_toml

_AT = "at"  # the key of a change's time in a scenario
_DIGITS = 3  # times are rounded to milliseconds
_STEP = 10.0**-_DIGITS


def to_draft(began: RunStarted, marks: Sequence[Mark], duration: float) -> Draft:
    """Return the scenario that repeats a session of `duration` seconds.

    It names no server: a DSN may hold a password, and the scenario may be run on any server.
    InputError if a mark can't be one of a run.
    """
    scenario = began.scenario
    if any(mark.key == _AT for mark in marks if mark.kind is not MarkKind.NOTE):
        raise InputError(
            tr("The session marks a change of 'at', which is no limit, setting or fault.")
        )
    changes: list[dict[str, object]] = [
        {_AT: round(mark.t, _DIGITS), mark.key: mark.new}
        for mark in marks
        if mark.kind in (MarkKind.CHANGE, MarkKind.FAULT) and mark.key and mark.new is not None
        if not _ends_by_itself(mark)
    ]
    return Draft(
        title=scenario.title,
        watch=dict(scenario.watch),
        pool=scenario.pool,
        limits=dict(scenario.limits),
        load=_significant(SETTINGS, scenario.load),
        connect=dict(scenario.connect),
        fleet=dict(scenario.fleet),
        pooler_mode=scenario.pooler_mode,
        changes=_merged(changes),
        duration=_duration(duration, scenario.duration, changes),
        seed=scenario.seed,
        fail_if=list(scenario.fail_if),
    )


def _ends_by_itself(mark: Mark) -> bool:
    """Whether a mark is the end of a fault that lasts for a time, which its beginning brings."""
    fault = FAULTS.get(mark.key or "")
    return fault is not None and fault.lasts and mark.new == fault.parameter.default


def to_toml(began: RunStarted, marks: Sequence[Mark], duration: float) -> str:
    """Return that scenario as TOML, with a comment that names the server it ran on."""
    server = began.environment.get("server", "a server")
    version = began.environment.get("server version", "")
    about = f"Recorded on {server} {version}".strip()
    return as_toml(
        to_draft(began, marks, duration),
        f"{about}. To run it on a server of your own, name that with --dsn.",
    )


def _duration(ran: float, planned: float | None, changes: list[dict[str, object]]) -> float:
    """Return how long to run: what was planned if that was reached, else what was run; in any case
    long enough for the last change."""
    if planned is not None and ran >= planned - TICK:
        duration = planned
    else:
        duration = math.ceil(round(ran / _STEP, _DIGITS)) / round(1 / _STEP)
    last = max((float(str(change[_AT])) for change in changes), default=0.0)
    return duration if duration > last else round(last + _STEP, _DIGITS)


def _merged(changes: list[dict[str, object]]) -> list[dict[str, object]]:
    """Merge changes of one moment; if a key changes twice in it, the later value counts."""
    merged: dict[object, dict[str, object]] = {}
    for change in changes:
        merged.setdefault(change[_AT], {}).update(change)
    return list(merged.values())


def _significant(declared: Parameters, values: Mapping[str, Value]) -> dict[str, object]:
    """Return the settings that have an effect, and those that were changed from their default."""
    return {
        key: value
        for key, value in values.items()
        if key not in declared
        or value != declared[key].default
        or _has_effect(declared, values, key)
    }


def _has_effect(declared: Parameters, values: Mapping[str, Value], key: str) -> bool:
    """Whether a setting has an effect, given the choices that are made."""
    needs = declared[key].only_when
    if needs is None:
        return True
    choice, chosen = needs
    return values.get(choice) in chosen and _has_effect(declared, values, choice)
