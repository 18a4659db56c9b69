"""Changes that are sent to the engine of a run: at once, or as soon as they can be carried out.

A change that can't be carried out yet, such as choosing the user's own SQL before any is written,
stays requested and is sent together with the one that completes it.
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
from poolviz.runs.run import Run


class PendingChanges:
    """The changes sent to one run's engine, and those that wait. Belongs to the GUI thread.

    `prepare` is called with these changes and a scale where a change needs tables of that scale;
    it calls `tables_made` or `tables_failed` later.
    """

    def __init__(self, run: Run, prepare: Callable[[PendingChanges, int], None]) -> None:
        self._run, self._prepare = run, prepare
        self._dialect = dialect_of(run.target.conninfo)
        self._limits = pool_class(run.scenario.pool).limits
        # What is in force, or will be once the engine has carried out what was sent.
        scenario = run.scenario
        self._in_force: dict[str, Value] = {**scenario.limits, **scenario.load, **scenario.fleet}
        self._wanted: dict[str, Value] = {}
        self._unanswered: dict[str, Value] = {}  # sent, and not answered yet
        self._scale = needs_tables(run.scenario)  # of the tables that are there
        self._making = 0  # the scale of those that are being made; 0: none are

    def want(self, values: Mapping[str, Value]) -> None:
        """Send every value that differs from what is in force, as far as that can be done."""
        self._wanted = {key: value for key, value in values.items() if key in self._in_force}
        self._flush()

    def answered(self, key: str, value: Value) -> bool:
        """Note that the engine has put `value` in force; True where the change came from elsewhere
        than the user, such as the scenario."""
        if key not in self._unanswered:
            self._in_force[key] = self._wanted[key] = value
            return True
        if self._unanswered[key] == value:
            del self._unanswered[key]
        return False

    def refused(self, key: str, value: Value) -> None:
        """Note that the engine keeps `value`."""
        self._unanswered.pop(key, None)
        self._in_force[key] = self._wanted[key] = value

    def tables_made(self) -> None:
        """Send what waited for the tables, which are there now."""
        self._scale, self._making = self._making, 0
        self._flush()

    def tables_failed(self) -> dict[str, Value]:
        """Return the changes that waited for tables, which can't be made, with the values that
        stay in force."""
        self._making = 0
        return {key: self._in_force[key] for key in self._different() if self._lacking(key)}

    def _different(self) -> list[str]:
        return [key for key, value in self._wanted.items() if value != self._in_force[key]]

    def _flush(self) -> None:
        """Send together what can be sent: what is allowed, in an order in which each is."""
        together: dict[str, Value] = {}
        while allowed := [key for key in self._different() if self._is_allowed(key)]:
            ready = next((key for key in allowed if not self._lacking(key)), None)
            if ready is None:
                if not self._making:
                    self._making = self._lacking(allowed[0])
                    self._prepare(self, self._making)
                break
            value = self._in_force[ready] = self._unanswered[ready] = self._wanted[ready]
            together[ready] = value
        if len(together) == 1:
            self._run.change(*together.popitem())
        elif together:
            self._run.change_together(together)

    def _is_allowed(self, key: str) -> bool:
        try:
            if key in self._limits:
                self._limits.changed(self._limits_in_force(), {key: self._wanted[key]})
            else:
                check_load(self._load_with(key), self._dialect)
        except InputError:
            return False
        return True

    def _lacking(self, key: str) -> int:
        """Return the scale of tables that a change needs; 0 if those that are there will do."""
        if key in self._limits:
            return 0
        pool, load = self._run.scenario.pool, self._load_with(key)
        scale = needs_tables(Scenario(pool=pool, limits=self._limits_in_force(), load=load))
        return scale if scale > self._scale else 0

    def _limits_in_force(self) -> dict[str, Value]:
        return {key: value for key, value in self._in_force.items() if key in self._limits}

    def _load_with(self, key: str) -> dict[str, Value]:
        load = {each: value for each, value in self._in_force.items() if each not in self._limits}
        return {**load, key: self._wanted[key]}


def draining(pool: type[Pool], last: Sample, marks: Sequence[Mark]) -> tuple[str, int] | None:
    """Return the limit that was lowered below what is still open in the newest sample, and how
    many connections are open; None where no limit was."""
    if last.capacity is None or last.open.last <= last.capacity:
        return None
    for mark in reversed(marks):
        if mark.key in last.limits and mark.old is not None:
            before = {**last.limits, mark.key: mark.old}
            if pool.capacity(before) != last.capacity:
                return mark.key, last.open.last
    return None
