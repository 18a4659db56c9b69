"""What a scenario may say, and whether a draft says it right: every mistake at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from poolviz.load import faults
from poolviz.load.settings import SETTINGS, check_load, settings_for
from poolviz.model.dialect import POSTGRESQL, dialect_of
from poolviz.model.errors import InputError
from poolviz.model.parameters import (
    Kind,
    Parameter,
    Parameters,
    Value,
    meant,
    show_seconds,
    unknown_key,
)
from poolviz.model.scenario import Change, Scenario
from poolviz.pools.base import Pool
from poolviz.pools.registry import pool_class
from poolviz.scenarios.draft import Draft, Mistake, seconds_of
from poolviz.scenarios.toml_file import shown
from poolviz.scenarios.toml_lines import KeyPath

_LARGEST = 2**63  # beyond what a message carries as a whole number


class Declared(NamedTuple):
    """Everything that a run may set: its pool's limits, the settings of the load, and faults."""

    limits: Parameters
    load: Parameters
    faults: Parameters

    def find(self, key: str) -> Parameter:
        """The parameter `key`, whatever it is of; InputError names those that are near."""
        for parameters in self:
            if key in parameters:
                return parameters[key]
        raise unknown_key(key, *self)


def declared(pool: str) -> Declared:
    """What may be set for the pool of that id; InputError where there is none."""
    return _declared_for(pool_class(pool))


def _declared_for(pool: type[Pool]) -> Declared:
    return Declared(pool.limits, settings_for(pool), faults.FAULT_PARAMETERS)


def checked(draft: Draft, condition: Callable[[str], object] | None = None) -> Scenario:
    """The complete scenario that `draft` means; InputError holds every mistake.

    `condition` reads one of `fail_if`, and raises InputError where that is none; without it they
    are taken as they are. A duration that isn't said stays open.
    """
    check = _Check(draft)
    scenario = check.scenario()
    if condition is not None:
        check.conditions(condition)
    if scenario is None or check.mistakes:
        raise draft.refused(check.mistakes)
    return scenario


class _Check:
    """Goes through a draft, and notes what is wrong."""

    def __init__(self, draft: Draft) -> None:
        self.mistakes = list(draft.mistakes)
        self._draft = draft
        self._pool = self._found_pool()
        self._known = self._found_parameters()

    def scenario(self) -> Scenario | None:
        """The scenario; None where that can't be said for mistakes."""
        draft = self._draft
        limits = self._complete("limits", self._known.limits, draft.limits) if self._pool else None
        load = self._complete("load", self._known.load, draft.load)
        duration = self._duration()
        changes = self._changes(duration)
        if self._pool is None or limits is None or load is None:
            return None
        return Scenario(
            pool=self._pool.id,
            limits=limits,
            load=load,
            changes=tuple(self._in_order(self._pool, changes, limits, load)),
            duration=duration,
            seed=draft.seed,
            title=draft.title,
            watch=draft.watch,
            fail_if=tuple(draft.fail_if),
        )

    def conditions(self, read: Callable[[str], object]) -> None:
        """Check each of `fail_if` by reading it."""
        for index, text in enumerate(self._draft.fail_if):
            if self._is_sound(("fail_if", index)):
                try:
                    read(text)
                except InputError as error:
                    said = str(error)
                    if self._draft.is_written(("fail_if", index)):
                        said = said.removeprefix("--fail-if")
                    self._wrong(("fail_if", index), said)

    def _found_pool(self) -> type[Pool] | None:
        if not self._is_sound(("pool",)):
            return None
        pool = self._draft.pool
        try:
            return pool_class(pool)
        except InputError as error:
            self._wrong(("pool",), f": {error}")
        except (OSError, ValueError) as error:
            self._wrong(("pool",), f": {pool} can't be loaded: {error}.")
        return None

    def _found_parameters(self) -> Declared:
        if self._pool is not None:
            try:
                return _declared_for(self._pool)
            except InputError as error:
                self._wrong(("pool",), f": {error}")
                self._pool = None
        return Declared(Parameters("limit"), SETTINGS, faults.FAULT_PARAMETERS)

    def _complete(
        self, section: str, parameters: Parameters, given: Mapping[str, object]
    ) -> dict[str, Value] | None:
        """Every value of a section; None where one that was given is wrong."""
        values: dict[str, Value] = {}
        for key, value in given.items():
            if key not in parameters:
                self._wrong(
                    (section, key), f" is no {parameters.what}: {self._near(key, section)}."
                )
            else:
                right = self._value((section, key), parameters[key], value)
                values |= {} if right is None else {key: right}
        try:
            complete = parameters.complete(values)
        except InputError as error:
            key = str(error).partition(" ")[0]  # the sentence begins with the one that is too high
            self._wrong((section, key), str(error).removeprefix(key))
            return None
        return complete if len(values) == len(given) else None

    def _near(self, key: str, section: str) -> str:
        """What may be meant by a key that a section doesn't know."""
        places = {"limits": self._known.limits, "load": self._known.load}
        for other, parameters in places.items():
            if other != section and key in parameters:
                return f"it is a {parameters.what}, and belongs to [{other}]"
        if key in self._known.faults:
            return "it is a fault, and belongs to [[changes]] with the time at which it happens"
        return meant(key, places[section])

    def _duration(self) -> float | None:
        duration = self._seconds(("duration",), self._draft.duration)
        if duration == 0:
            self._wrong(("duration",), " is 0: it takes a time of more than 0 s.")
        return duration

    def _changes(self, duration: float | None) -> list[tuple[int, Change]]:
        """The changes that are right by themselves, each with its number in the draft."""
        changes: list[tuple[int, Change]] = []
        for index, written in enumerate(self._draft.changes):
            if not self._is_sound(("changes", index)):
                continue
            at = self._seconds(("changes", index, "at"), written.get("at"))
            if written.get("at") is None:
                self._wrong(("changes", index), " has no time: give it an at = SECONDS.")
            elif at is not None and duration and at >= duration and not self._cut_short(index):
                over = f"the run is over by then, it takes {show_seconds(duration)}"
                self._wrong(("changes", index, "at"), f" is {show_seconds(at)}: {over}.")
            if not written.keys() - {"at"}:
                self._wrong(("changes", index), " changes nothing: give it a KEY = VALUE.")
            for key, value in written.items():
                right = None if key == "at" else self._changed(("changes", index, key), key, value)
                if at is not None and right is not None and at < (duration or math.inf):
                    changes.append((index, Change(at, key, right)))
        return changes

    def _cut_short(self, index: int) -> bool:
        """A file's change never comes where somebody else says how long to run: no mistake."""
        written = self._draft.is_written
        return written(("changes", index)) and not written(("duration",))

    def _changed(self, place: KeyPath, key: str, value: object) -> Value | None:
        try:
            return self._value(place, self._known.find(key), value)
        except InputError as error:
            if self._pool is not None:  # whose limits would otherwise be unknown keys
                self._wrong(place, str(error).removeprefix(key))
            return None

    def _in_order(
        self,
        pool: type[Pool],
        changes: list[tuple[int, Change]],
        limits: dict[str, Value],
        load: dict[str, Value],
    ) -> Iterator[Change]:
        """The changes as they come about, checked against what is then in force."""
        if not self._can_be_done(("load",), load):
            return
        for at, group in groupby(sorted(changes, key=lambda one: one[1].at), lambda one: one[1].at):
            together = {change.key: (index, change) for index, change in group}
            values = {key: change.value for key, (_, change) in together.items()}
            first = next(iter(together.values()))[0]
            try:
                limits = self._known.limits.changed(limits, _of(values, limits))
            except InputError as error:
                self._wrong(("changes", first), f": {error}")
            load = load | _of(values, load)
            if _of(values, load):
                self._can_be_done(("changes", first), load)
            self._check_faults(pool, together, load)
            yield from (Change(at, key, value) for key, value in values.items())

    def _can_be_done(self, place: KeyPath, load: dict[str, Value]) -> bool:
        """Whether the load can be put on: files are there, statements known to the server."""
        try:
            check_load(load, self._dialect)
        except InputError as error:
            for problem in error.problems:
                self._wrong(place, f": {problem}")
            return False
        return True

    def _check_faults(
        self, pool: type[Pool], together: Mapping[str, tuple[int, Change]], load: dict[str, Value]
    ) -> None:
        """Note the faults that can't be injected where the draft is to run."""
        ours = self._draft.dsn is None and self._dialect == POSTGRESQL
        where = faults.FaultConditions(self._dialect, ours, pool, load)
        for key, (index, change) in together.items():
            if key in faults.FAULTS and change.value != self._known.faults[key].default:
                reason = faults.FAULTS[key].reason(where)
                if reason:
                    self._wrong(("changes", index, key), f" can't be done: {reason}")

    @property
    def _dialect(self) -> str:
        """What kind of server the draft runs on: the one it names, or the one its pool needs."""
        if self._draft.dsn is not None:
            return dialect_of(self._draft.dsn.strip())
        servers = (POSTGRESQL,) if self._pool is None else self._pool.servers
        return POSTGRESQL if POSTGRESQL in servers else servers[0]

    def _value(self, place: KeyPath, parameter: Parameter, value: object) -> Value | None:
        """`value` as the parameter takes it, or a mistake noted."""
        if not isinstance(value, int) or abs(value) < _LARGEST:
            try:
                right = parameter.check(value)
            except (InputError, OverflowError):
                pass
            else:
                return self._from_its_folder(place, right) if parameter.kind is Kind.FILE else right
        self._wrong(place, f" is {shown(value)}: it takes {parameter.allowed()}.")
        return None

    def _from_its_folder(self, place: KeyPath, file: Value) -> str:
        """The path of a file, which a scenario's own file means from the folder it lies in."""
        source, file = self._draft.source, str(file)
        if source is None or not file or file[0] == "~" or not self._draft.is_written(place):
            return file
        return str(Path.cwd() / source.path.parent / file)

    def _seconds(self, place: KeyPath, given: object) -> float | None:
        """`given` as seconds, or a mistake noted."""
        if given is None:
            return None
        try:
            return seconds_of(given)
        except ValueError as error:
            self._wrong(place, f" is {shown(given)}, {error}.")
            return None

    def _is_sound(self, place: KeyPath) -> bool:
        return all(mistake.place != place for mistake in self._draft.mistakes)

    def _wrong(self, place: KeyPath, says: str) -> None:
        """Note a mistake. A sentence that stands by itself needs no place that isn't in a
        file."""
        whole = says.startswith((": ", "--")) and place[0] != "changes"
        if whole and not self._draft.is_written(place):
            place, says = (), says.removeprefix(": ")
        self.mistakes.append(Mistake(place, says))


def _of(changes: Mapping[str, Value], values: Mapping[str, Value]) -> dict[str, Value]:
    """Those of `changes` that are about one of `values`."""
    return {key: value for key, value in changes.items() if key in values}
