"""Check a draft against everything that a scenario may say; find every mistake at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Protocol

from poolviz.language import tr
from poolviz.load.faults import FAULT_PARAMETERS, FAULTS, FaultConditions
from poolviz.load.fleet import FLEET
from poolviz.load.settings import SETTINGS, check_load, settings_for
from poolviz.model.dialect import POSTGRESQL, dialect_of
from poolviz.model.errors import InputError, ParameterError
from poolviz.model.parameters import (
    Parameter,
    Parameters,
    Value,
    shown_time,
    suggest,
    suggest_key,
    unknown_key,
)
from poolviz.model.scenario import Change, Scenario
from poolviz.model.text import shortened
from poolviz.pools.base import Pool
from poolviz.pools.connections.network import over_network
from poolviz.pools.registry import pool_class
from poolviz.scenarios.connect import needs_another, needs_new_run, where_it_belongs
from poolviz.scenarios.draft import Draft, Mistake, seconds_of
from poolviz.scenarios.toml_file import shown
from poolviz.scenarios.toml_lines import KeyPath

MOST_CHANGES = 10_000  # of a scenario
MOST_CONDITIONS = 1000


@dataclass(frozen=True)
class Declared:
    """Everything that a run can set: its pool's limits, the settings of the load, the arguments
    that its driver connects with, faults, and the number of its processes."""

    limits: Parameters
    load: Parameters
    connect: Parameters
    faults: Parameters
    fleet: Parameters

    @property
    def changeable(self) -> tuple[Parameters, ...]:
        """What can be changed during a run."""
        return self.limits, self.load, self.faults, self.fleet

    def find(self, key: str) -> Parameter:
        """Return the parameter `key` that can be changed. Raises ParameterError, with the nearest
        keys."""
        found = self.get(key)
        if found is None:
            raise ParameterError(key, self.not_changeable(key))
        return found

    def get(self, key: str) -> Parameter | None:
        """Return the parameter `key` that can be changed, None if there is none."""
        return next((known[key] for known in self.changeable if key in known), None)

    def not_changeable(self, key: str) -> str:
        """Return what is wrong with a key that can't be changed during a run."""
        if key in self.connect:
            return needs_new_run(self.connect)
        return unknown_key(key, *self.changeable).problem

    def section(self, section: str) -> Parameters:
        """Return the parameters of `limits`, `load`, `connect` or `fleet`."""
        sections = {"limits": self.limits, "load": self.load}
        return (sections | {"connect": self.connect, "fleet": self.fleet})[section]

    def find_in(self, section: str, key: str) -> Parameter:
        """Return the parameter `key` of a section. Raises ParameterError, as `misplaced` says."""
        parameters = self.section(section)
        if key not in parameters:
            raise ParameterError(key, self.misplaced(section, key))
        return parameters[key]

    def misplaced(self, section: str, key: str) -> str:
        """Return what is wrong with a key that a section doesn't know, and where it belongs."""
        return tr(
            "is no {noun}: {suggested}.",
            noun=self.section(section).noun,
            suggested=self._suggested(section, key),
        )

    def _suggested(self, section: str, key: str) -> str:
        for other in ("limits", "load", "connect", "fleet"):
            parameters = self.section(other)
            if other != section and key in parameters:
                return tr(
                    "it is a {noun}, and belongs to [{other}]", noun=parameters.noun, other=other
                )
        if key in self.faults:
            return tr("it is a fault, and belongs to [[changes]] with the time at which it happens")
        near = suggest_key(key, self.section(section))
        if section != "connect":
            return near
        elsewhere = where_it_belongs(key, self.connect)
        if elsewhere:
            return f"{elsewhere}; {near}" if near.startswith("perhaps") else elsewhere
        return near if self.connect else tr("it has none, for its class connects by itself")


def declared(pool: str, dsn: str | None = None) -> Declared:
    """Return what can be set for the pool `pool` on the server of `dsn`. Raises InputError if there
    is no such pool."""
    return _declared_for(pool_class(pool), dsn)


def _declared_for(pool: type[Pool], dsn: str | None) -> Declared:
    arguments = pool.connect_arguments(server_of(pool, dsn))
    return Declared(pool.limits, settings_for(pool), arguments, FAULT_PARAMETERS, FLEET)


def server_of(pool: type[Pool], dsn: str | None) -> str:
    """Return the kind of server that a pool runs on: the one `dsn` names, or one that it needs."""
    if dsn is not None:
        return dialect_of(dsn.strip())
    return POSTGRESQL if POSTGRESQL in pool.servers else pool.servers[0]


class Condition(Protocol):
    """A condition of `fail_if`."""

    @property
    def after(self) -> str | None:
        """The limit, setting or fault after whose change it is checked; None for any time."""

    @property
    def during(self) -> str | None:
        """The fault while which it is checked; None for any time."""


def complete_draft(draft: Draft, condition: Callable[[str], Condition] | None = None) -> Scenario:
    """Return the complete scenario that `draft` means. Raises DraftError with every mistake.

    `condition` parses one condition of `fail_if`, and raises ParameterError if it isn't one;
    without it conditions aren't checked. A duration that isn't given stays None.
    """
    check = _Check(draft)
    scenario = check.scenario()
    if condition is not None:
        check.check_conditions(condition)
    if scenario is None or check.mistakes:
        raise draft.refused(check.mistakes)
    return scenario


class _Check:
    """Checks one draft and collects its mistakes."""

    def __init__(self, draft: Draft) -> None:
        self.mistakes = list(draft.mistakes)
        self._draft = draft
        self._unsound = {mistake.key_path for mistake in draft.mistakes}
        changed = (key for written in draft.changes for key in written)
        # The run has processes of its own, or will have.
        self._has_fleet = bool(draft.fleet) or any(key in FLEET for key in changed)
        self._pool = self._find_pool()
        self._known = self._find_parameters()

    def scenario(self) -> Scenario | None:
        """Return the scenario; None if mistakes leave parts of it unknown."""
        draft = self._draft
        limits = self._complete("limits", self._known.limits, draft.limits) if self._pool else None
        load = self._complete("load", self._known.load, draft.load)
        fleet = self._fleet()
        connect = self._given_connect() if self._pool else {}
        duration = self._duration()
        changes = self._changes(duration)
        self._check_remedy()
        if self._pool is None or limits is None or load is None or fleet is None:
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
            connect=connect,
            replays=draft.replays,
            fleet=fleet,
            pooler_mode=draft.pooler_mode,
        )

    def check_conditions(self, parse: Callable[[str], Condition]) -> None:
        """Check each condition of `fail_if` by parsing it, and that what it names can change."""
        self._check_figure(parse)
        if self._are_too_many("fail_if", len(self._draft.fail_if), MOST_CONDITIONS):
            return
        for index, text in enumerate(self._draft.fail_if):
            key_path = ("fail_if", index)
            if not self._is_sound(key_path):
                continue
            try:
                self._check_condition(text, parse(text))
            except ParameterError as error:
                if self._draft.is_in_file(key_path):
                    self._wrong(key_path, error.problem)
                else:
                    self._wrong((), str(error))

    def _check_figure(self, parse: Callable[[str], Condition]) -> None:
        """Note a lesson's figure that no condition could have."""
        lesson = self._draft.lesson
        if lesson is not None and lesson.figure:
            try:
                parse(f"{lesson.figure} > 0")
            except ParameterError as error:
                self._wrong(("lesson", "figure"), error.problem)

    def _check_condition(self, text: str, condition: Condition) -> None:
        quoted = f"'{shortened(text, 200)}'"
        if condition.during is not None:
            lasting = [key for key, fault in FAULTS.items() if fault.standing or fault.lasts]
            if condition.during not in lasting:
                near = suggest(condition.during, lasting)
                problem = tr(
                    "{quoted}: {during} is no fault that lasts: {near}.",
                    quoted=quoted,
                    during=condition.during,
                    near=near,
                )
                raise ParameterError("--fail-if", problem)
        if condition.after is None or self._pool is None:
            return
        try:
            self._known.find(condition.after)
        except ParameterError as error:
            raise ParameterError("--fail-if", f"{quoted}: {error}") from None

    def _check_remedy(self) -> None:
        """Note a lesson whose remedy isn't among the changes that its file has."""
        lesson = self._draft.lesson
        if lesson is None or lesson.mend_at is None:
            return
        if not any(self._is_at(written, lesson.mend_at) for written in self._draft.changes):
            when = shown_time(lesson.mend_at)
            self._wrong(
                ("lesson", "mend_at"), tr("is {when}, and no change is made then.", when=when)
            )

    def _is_at(self, written: Mapping[str, object], moment: float) -> bool:
        try:
            return seconds_of(written.get("at")) == moment
        except ValueError:  # which is a mistake of its own
            return False

    def _find_pool(self) -> type[Pool] | None:
        if not self._is_sound(("pool",)):
            return None
        pool = self._draft.pool
        try:
            return pool_class(pool)
        except InputError as error:
            self._say(("pool",), str(error))
        except (OSError, ValueError) as error:
            self._say(("pool",), tr("{pool} can't be loaded: {error}.", pool=pool, error=error))
        return None

    def _find_parameters(self) -> Declared:
        if self._pool is not None:
            try:
                return _declared_for(self._pool, self._draft.dsn)
            except InputError as error:
                self._say(("pool",), str(error))
                self._pool = None
        nothing = Parameters(tr("connect argument"))
        return Declared(Parameters("limit"), SETTINGS, nothing, FAULT_PARAMETERS, FLEET)

    def _complete(
        self, section: str, parameters: Parameters, given: Mapping[str, object]
    ) -> dict[str, Value] | None:
        """Return every value of a section; None if one that was given is wrong."""
        values = self._right(section, parameters, given)
        try:
            complete = parameters.fill(values)
        except ParameterError as error:
            self._wrong((section, error.key), error.problem)
            return None
        return complete if len(values) == len(given) else None

    def _right(
        self, section: str, parameters: Parameters, given: Mapping[str, object]
    ) -> dict[str, Value]:
        """Return the values of a section that are right in themselves."""
        values: dict[str, Value] = {}
        for key, value in given.items():
            if key not in parameters:
                self._wrong((section, key), partial(self._known.misplaced, section, key))
            else:
                right = self._value((section, key), parameters[key], value)
                values |= {} if right is None else {key: right}
        return values

    def _given_connect(self) -> dict[str, Value]:
        """Return the connect arguments that were given."""
        known = self._known.connect
        values = self._right("connect", known, self._draft.connect)
        for key in values:
            if problem := needs_another(known, key, values):
                self._wrong(("connect", key), problem)
        return values

    def _fleet(self) -> dict[str, Value] | None:
        """Return the number of processes, nothing for a run that has one alone; None if what was
        given is wrong."""
        return self._complete("fleet", FLEET, self._draft.fleet) if self._has_fleet else {}

    def _duration(self) -> float | None:
        return self._seconds(("duration",), self._draft.duration, positive=True)

    def _changes(self, duration: float | None) -> list[tuple[int, Change]]:
        """Return the changes that are right in themselves, each with its index in the draft."""
        changes: list[tuple[int, Change]] = []
        if self._are_too_many("changes", len(self._draft.changes), MOST_CHANGES):
            return changes
        for index, written in enumerate(self._draft.changes):
            if not self._is_sound(("changes", index)):
                continue
            at = self._seconds(("changes", index, "at"), written.get("at"))
            if written.get("at") is None:
                self._wrong(("changes", index), tr("has no time: give it an at = SECONDS."))
            elif at is not None and duration and at >= duration and not self._cut_short(index):
                over = tr(
                    "the run is over by then, it takes {time}",
                    time=shown_time(duration),
                )
                self._wrong(
                    ("changes", index, "at"),
                    tr("is {time}: {over}.", time=shown_time(at), over=over),
                )
            if not written.keys() - {"at"}:
                self._wrong(("changes", index), tr("changes nothing: give it a KEY = VALUE."))
            for key, value in written.items():
                right = None if key == "at" else self._changed(("changes", index, key), key, value)
                if at is not None and right is not None and at < (duration or math.inf):
                    changes.append((index, Change(at, key, right)))
        return changes

    def _cut_short(self, index: int) -> bool:
        """Return whether a change is in a file whose duration was overridden: then it is dropped
        if it comes too late, and is no mistake."""
        in_file = self._draft.is_in_file
        return in_file(("changes", index)) and not in_file(("duration",))

    def _changed(self, key_path: KeyPath, key: str, value: object) -> Value | None:
        parameter = self._known.get(key)
        if parameter is not None:
            return self._value(key_path, parameter, value)
        if self._pool is not None:  # whose limits would otherwise be unknown keys
            self._wrong(key_path, lambda: self._known.not_changeable(key))
        return None

    def _in_order(
        self,
        pool: type[Pool],
        changes: list[tuple[int, Change]],
        limits: dict[str, Value],
        load: dict[str, Value],
    ) -> Iterator[Change]:
        """Yield the changes in the order of their times, each checked against what is then set."""
        if not self._can_be_done(("load",), load):
            return
        for at, group in groupby(sorted(changes, key=lambda one: one[1].at), lambda one: one[1].at):
            together = {change.key: (index, change) for index, change in group}
            values = {key: change.value for key, (_, change) in together.items()}
            first = next(iter(together.values()))[0]
            try:
                limits = self._known.limits.changed(limits, _of(values, limits))
            except InputError as error:
                self._say(("changes", first), str(error))
            load = load | _of(values, load)
            if _of(values, load):
                self._can_be_done(("changes", first), load)
            self._check_faults(pool, together, load)
            yield from (Change(at, key, value) for key, value in values.items())

    def _can_be_done(self, key_path: KeyPath, load: dict[str, Value]) -> bool:
        """Return whether the load can be run: files exist, the server knows its statements."""
        try:
            check_load(load, self._dialect)
        except InputError as error:
            for problem in error.problems:
                self._say(key_path, problem)
            return False
        return True

    def _check_faults(
        self, pool: type[Pool], together: Mapping[str, tuple[int, Change]], load: dict[str, Value]
    ) -> None:
        """Note the faults that can't be injected where the draft is to run."""
        ours = self._draft.dsn is None and self._dialect == POSTGRESQL
        network = over_network(self._draft.dsn or "")
        processes = self._has_fleet
        conditions = FaultConditions(self._dialect, ours, pool, load, network, processes)
        for key, (index, change) in together.items():
            if key in FAULTS and change.value != self._known.faults[key].default:
                reason = FAULTS[key].reason(conditions)
                if reason:
                    self._wrong(
                        ("changes", index, key), tr("isn't possible here. {reason}", reason=reason)
                    )

    @property
    def _dialect(self) -> str:
        """The kind of server that the draft runs on: the one it names, or one its pool needs."""
        if self._pool is not None:
            return server_of(self._pool, self._draft.dsn)
        return dialect_of((self._draft.dsn or "").strip())

    def _value(self, key_path: KeyPath, parameter: Parameter, value: object) -> Value | None:
        """Return `value` as the parameter takes it; None, and a mistake noted, if it doesn't.

        The path of a file in a scenario's own file is taken from the folder of that file.
        """
        try:
            right = parameter.check(value)
        except InputError:
            self._wrong(
                key_path,
                tr(
                    "is {shown}: it takes {allowed}.",
                    shown=shown(value),
                    allowed=parameter.allowed(tr),
                ),
            )
            return None
        source = self._draft.source
        if source is None or not self._draft.is_in_file(key_path):
            return right
        return parameter.in_folder(right, Path.cwd() / source.path.parent)

    def _seconds(self, key_path: KeyPath, given: object, *, positive: bool = False) -> float | None:
        """Return `given` as seconds; None, and a mistake noted, if it isn't a time."""
        if given is None:
            return None
        try:
            return seconds_of(given, positive=positive)
        except ValueError as error:
            self._wrong(key_path, tr("is {shown}, {error}.", shown=shown(given), error=error))
            return None

    def _is_sound(self, key_path: KeyPath) -> bool:
        return key_path not in self._unsound

    def _are_too_many(self, key: str, number: int, most: int) -> bool:
        """Note that an array has too many elements, if it has."""
        if number > most:
            self._wrong(
                (key,),
                tr("has {number:,} elements: it takes at most {most:,}.", number=number, most=most),
            )
        return number > most

    def _wrong(self, key_path: KeyPath, problem: str | Callable[[], str]) -> None:
        """Note a problem that goes on after the name of the key."""
        self.mistakes.append(Mistake(key_path, problem))

    def _say(self, key_path: KeyPath, sentence: str) -> None:
        """Note a problem that is a sentence of its own."""
        self.mistakes.append(Mistake(key_path, sentence, sentence=True))


def _of(changes: Mapping[str, Value], values: Mapping[str, Value]) -> dict[str, Value]:
    """Return those of `changes` whose keys are in `values`."""
    return {key: value for key, value in changes.items() if key in values}
