"""What the engine of a run is told to change: at once, or as soon as it can be done.

A change that can't be carried out yet, such as a choice of the user's own SQL before any is
written, stays requested for; it goes out with the one that completes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from poolviz.load.settings import check_load
from poolviz.load.statements import needs_tables
from poolviz.model.dialect import dialect_of
from poolviz.model.errors import InputError
from poolviz.model.parameters import Value
from poolviz.model.sample import Mark, Sample
from poolviz.model.scenario import Scenario
from poolviz.pools.base import Pool
from poolviz.pools.registry import pool_class
from poolviz.runs.runner import Run


class PendingChanges:
    """The changes that one run's engine is told, and those that wait. The GUI thread's alone.

    `prepare` is given the run, these pending and a scale; it has tables of that scale made, and
    calls `prepared` or `unprepared` when that is over.
    """

    def __init__(self, run: Run, prepare: Callable[[Run, PendingChanges, int], None]) -> None:
        self._run, self._prepare_tables = run, prepare
        self._dialect = dialect_of(run.target.conninfo)
        self._limits = pool_class(run.scenario.pool).limits
        # What is in force, or will be once the engine has done what it was told.
        self._told: dict[str, Value] = {**run.scenario.limits, **run.scenario.load}
        self._wanted: dict[str, Value] = {}
        self._on_its_way: dict[str, Value] = {}  # told, and not answered yet
        self._scale = needs_tables(run.scenario)  # of the tables that are there
        self._making = 0  # the scale of those that are being made; 0: none are

    def want(self, values: Mapping[str, Value]) -> None:
        """Have the engine told of all that is other in `values`, as far as that can be done."""
        self._wanted = {key: value for key, value in values.items() if key in self._told}
        self._flush()

    def answered(self, key: str, value: Value) -> bool:
        """The engine has put `value` in force; whether somebody else than the user wanted it so,
        such as the scenario."""
        if key not in self._on_its_way:
            self._told[key] = self._wanted[key] = value
            return True
        if self._on_its_way[key] == value:
            del self._on_its_way[key]
        return False

    def refused(self, key: str, value: Value) -> None:
        """The engine keeps `value`."""
        self._on_its_way.pop(key, None)
        self._told[key] = self._wanted[key] = value

    def prepared(self) -> None:
        """The tables are there: go on with what waited for them."""
        self._scale, self._making = self._making, 0
        self._flush()

    def unprepared(self) -> dict[str, Value]:
        """The tables can't be had; what waited for them, with the values that stay in force."""
        self._making = 0
        return {key: self._told[key] for key in self._different() if self._lacking(key)}

    def _different(self) -> list[str]:
        return [key for key, value in self._wanted.items() if value != self._told[key]]

    def _flush(self) -> None:
        """Tell what can be told, in an order in which each change is allowed when it comes."""
        while allowed := [key for key in self._different() if self._is_allowed(key)]:
            ready = next((key for key in allowed if not self._lacking(key)), None)
            if ready is None:
                if not self._making:
                    self._making = self._lacking(allowed[0])
                    self._prepare_tables(self._run, self, self._making)
                return
            self._tell(ready)

    def _is_allowed(self, key: str) -> bool:
        try:
            if key in self._limits:
                self._limits.changed(self._of_limits(), {key: self._wanted[key]})
            else:
                check_load(self._load_with(key), self._dialect)
        except InputError:
            return False
        return True

    def _lacking(self, key: str) -> int:
        """The scale of tables that a change asks for; 0 where it can do with those there are."""
        if key in self._limits:
            return 0
        pool, load = self._run.scenario.pool, self._load_with(key)
        scale = needs_tables(Scenario(pool=pool, limits=self._of_limits(), load=load))
        return scale if scale > self._scale else 0

    def _of_limits(self) -> dict[str, Value]:
        return {key: value for key, value in self._told.items() if key in self._limits}

    def _load_with(self, key: str) -> dict[str, Value]:
        told = {each: value for each, value in self._told.items() if each not in self._limits}
        return {**told, key: self._wanted[key]}

    def _tell(self, key: str) -> None:
        value = self._told[key] = self._on_its_way[key] = self._wanted[key]
        if self._run.link is not None:
            self._run.link.change(key, value)


def draining(pool: type[Pool], last: Sample, marks: Sequence[Mark]) -> tuple[str, int] | None:
    """The limit that was lowered below what is still open in the newest sample, and how many
    are."""
    if last.capacity is None or last.open.last <= last.capacity:
        return None
    for mark in reversed(marks):
        if mark.key in last.limits and mark.old is not None:
            before = {**last.limits, mark.key: mark.old}
            if pool.capacity(before) != last.capacity:
                return mark.key, last.open.last
    return None
