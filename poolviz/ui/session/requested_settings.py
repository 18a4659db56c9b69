"""The limits and the load that the user requested, with undo. Knows neither Qt nor the engine."""

from __future__ import annotations

from collections.abc import Mapping

from poolviz.load.settings import settings_for
from poolviz.model.errors import InputError
from poolviz.model.parameters import Parameter, Value
from poolviz.model.scenario import Scenario
from poolviz.pools.base import Pool

Step = tuple[str, Value]
_Entry = tuple[tuple[str, Value, Value], ...]  # (key, old, new), all undone together


class RequestedSettings:
    """What the user wants in force. Each change is checked before it is taken."""

    def __init__(self, pool: type[Pool]) -> None:
        self.pool = pool
        self.settings = settings_for(pool)
        self.limits: dict[str, Value] = pool.limits.defaults()
        self.load: dict[str, Value] = self.settings.defaults()
        self._chosen: set[str] = set()  # settings that differ from their defaults by choice
        self._done: list[_Entry] = []
        self._undone: list[_Entry] = []
        self._left: dict[str, dict[str, Value]] = {}  # the limits of pools that were left

    def take_pool(self, pool: type[Pool], limits: Mapping[str, Value] | None = None) -> None:
        """Switch to another pool, with `limits` or those it had when it was left.

        The load stays, but settings that were never chosen, or that the new pool doesn't take,
        get that pool's defaults. Raises InputError, and changes nothing, if a limit of the pool has
        the name of a setting.
        """
        settings = settings_for(pool)
        self._left[self.pool.id] = self.limits
        self.pool, self.settings = pool, settings
        for key, parameter in settings.items():
            if key not in self._chosen or not _takes(parameter, self.load[key]):
                self.load[key] = parameter.default
                self._chosen.discard(key)
        known = self._left.get(pool.id, pool.limits.defaults())
        self.limits = dict(known if limits is None else limits)
        self._done, self._undone = [], []

    def take_recorded(
        self, pool: type[Pool], limits: Mapping[str, Value], load: Mapping[str, Value]
    ) -> list[str]:
        """Show what a session records, which may say anything. Return the keys of values that the
        pool or the load doesn't take: their defaults stand in for them."""
        known = {**pool.limits, **settings_for(pool)}
        recorded = {**limits, **load}
        taken = {
            key: known[key].check(value)
            for key, value in recorded.items()
            if key in known and _takes(known[key], value)
        }
        self.take_pool(pool, pool.limits.defaults() | _of(taken, pool.limits))
        self.take_load(self.settings.defaults() | _of(taken, self.settings))
        return [key for key in recorded if key not in taken]

    def take_load(self, load: Mapping[str, Value]) -> None:
        """Request another load; settings that `load` doesn't name keep their values."""
        self._take(_of(load, self.load))

    def __getitem__(self, key: str) -> Value:
        return self.limits[key] if key in self.limits else self.load[key]

    def parameter(self, key: str) -> Parameter:
        """Return the declaration of `key`; InputError if there is none."""
        return self.settings[key] if key in self.settings else self.pool.limits.find(key)

    @property
    def names_a_file(self) -> bool:
        """The load names a file, which may take long to read."""
        return any(parameter.names_file(self.load[key]) for key, parameter in self.settings.items())

    def scenario(self) -> Scenario:
        """Return a scenario of what is requested now, which runs until it is stopped."""
        return Scenario(pool=self.pool.id, limits=dict(self.limits), load=dict(self.load))

    def change(self, changes: Mapping[str, Value]) -> list[Step]:
        """Request changes that are undone together; return the steps, in an order in which each
        is allowed.

        Raises InputError, and changes nothing, if the values aren't allowed together.
        """
        before = {key: self[key] for key in changes}
        steps = self._apply(changes)
        entry = tuple((key, before[key], value) for key, value in steps)
        if entry:
            self._done.append(entry)
            self._undone.clear()
        return steps

    def undo(self) -> list[Step]:
        """Take the last change back; return the steps, none if there is nothing to undo."""
        return self._replay(self._done, self._undone, back=True)

    def redo(self) -> list[Step]:
        """Request the last undone change again; return the steps."""
        return self._replay(self._undone, self._done, back=False)

    def settle(self, key: str, value: Value) -> None:
        """Take over what the engine reports as in force."""
        if key in self.limits:
            self.limits[key] = value
        elif key in self.load:
            self._take({key: value})

    def refuse(self, key: str, value: Value) -> None:
        """Take over that the engine kept `value`, as if the change had never been requested."""
        self.settle(key, value)
        if self._done and [step[0] for step in self._done[-1]] == [key]:
            self._done.pop()

    def _replay(self, source: list[_Entry], target: list[_Entry], *, back: bool) -> list[Step]:
        if not source:
            return []
        entry = source.pop()
        target.append(entry)
        return self._apply({key: old if back else new for key, old, new in entry})

    def _apply(self, changes: Mapping[str, Value]) -> list[Step]:
        wanted = {key: self.parameter(key).check(value) for key, value in changes.items()}
        left = {key: value for key, value in wanted.items() if value != self[key]}
        limits = self.pool.limits.changed(self.limits, _of(left, self.limits))
        load = _of(left, self.load)
        self.settings.changed(self.load, load)
        steps = self._ordered(left)
        self.limits = limits
        self._take(load)
        return steps

    def _take(self, load: Mapping[str, Value]) -> None:
        """Set settings; one that is back at its default no longer counts as chosen."""
        self.load |= load
        for key, value in load.items():
            if value == self.settings[key].default:
                self._chosen.discard(key)
            else:
                self._chosen.add(key)

    def _ordered(self, left: dict[str, Value]) -> list[Step]:
        """Order the steps so that no state between two of them breaks a bound."""
        limits, steps = dict(self.limits), [(k, v) for k, v in left.items() if k in self.load]
        waiting = _of(left, limits)
        while waiting:
            for key, value in waiting.items():
                try:
                    limits = self.pool.limits.changed(limits, {key: value})
                except InputError:
                    continue
                steps.append((key, value))
                del waiting[key]
                break
            else:
                return [*steps, *waiting.items()]  # no order is better than another
        return steps


def _of(changes: Mapping[str, Value], values: Mapping[str, object]) -> dict[str, Value]:
    return {key: value for key, value in changes.items() if key in values}


def _takes(parameter: Parameter, value: Value) -> bool:
    try:
        parameter.check(value)
    except InputError:
        return False
    return True
